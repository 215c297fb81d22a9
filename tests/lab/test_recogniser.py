"""What tells a bundle which of its styles a recording sounds like: it learns to, and the bundle says what torch says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rtstyle.bundle import update_bundle
from rtstyle.capture import measure_style
from rtstyle.dsp import mel
from rtstyle.errors import ParameterError
from rtstyle.lab import recogniser
from rtstyle.lab.export.bundle import export_tiny
from rtstyle.runtime.recogniser import MOST_PATCHES, recognise


class Voices:
    """A corpus of two instruments, dull and bright, of two libraries each, and a third one of hiss."""

    voices = ("bright/a", "bright/b", "bright/section", "dull/a", "dull/b", "hiss/a")
    instruments = ("bright", "dull", "hiss")

    def style_clip(self, rng, voice, seconds):  # type: ignore[no-untyped-def]
        size = int(seconds * 48000)
        if voice.startswith("hiss"):
            return (0.1 * rng.standard_normal(size)).astype(np.float32)
        decay = 0.5 if voice.startswith("bright") else 3.0
        pitch = 220.0 * 2 ** rng.uniform(0, 2)
        time = np.arange(size) / 48000
        return (0.1 * sum(np.sin(2 * np.pi * pitch * k * time) / k**decay for k in range(1, 12))).astype(np.float32)


def test_a_style_is_all_libraries_of_its_instrument_or_one_alone() -> None:
    assert recogniser.libraries_of(Voices(), "bright/section") == ["bright/a", "bright/b"]
    assert recogniser.libraries_of(Voices(), "dull") == ["dull/a", "dull/b"]
    assert recogniser.libraries_of(Voices(), "dull/b") == ["dull/b"]


def test_what_is_no_style_is_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser, "CLIPS", 1)
    material = recogniser.make_material(Voices(), {"bright": "bright/section", "dull-a": "dull/a"}, seed=0)
    assert list(material) == ["bright", "dull-a", recogniser.OTHER]
    assert (set(material["bright"]), set(material["dull-a"])) == ({"bright/a", "bright/b"}, {"dull/a"})
    others = {name for name in material[recogniser.OTHER] if not name.startswith("noise of ")}
    assert others == {"dull/b", "hiss/a"}, "and the noise of them all"


def test_a_bundle_learns_to_name_its_styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(recogniser, "CLIPS", 4)
    monkeypatch.setattr(recogniser, "BATCH", 16)
    torch.set_num_threads(1)
    tiny = export_tiny("spectral", tmp_path / "tiny", name="tiny", styles=["dull", "bright"])
    bundle = recogniser.add_recogniser(tiny, Voices(), steps=60)
    rng = np.random.default_rng(9)
    for number, style in enumerate(("dull", "bright")):
        audio = Voices().style_clip(rng, f"{style}/a", 6.0)
        heard = recognise(bundle, audio)
        assert heard.shape == (3,) and heard.sum() == pytest.approx(1.0, abs=1e-5)
        assert heard.argmax() == number
        assert measure_style(bundle, audio, "x").like == style


def test_the_graph_says_what_torch_says_of_any_number_of_patches(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = recogniser.JudgeNet(classes=3).eval()
    tiny = export_tiny("latent", tmp_path / "tiny", name="tiny", styles=["dull", "bright"])
    bundle = update_bundle(tiny.path, {"recogniser.onnx": recogniser.export_recogniser(net)})
    rng = np.random.default_rng(1)
    for seconds in (3.0, 0.5 * (MOST_PATCHES + 20)):
        audio = Voices().style_clip(rng, "bright/a", seconds)
        patches, audible = mel.cut(mel.log_mel(audio[::2]))
        assert audible.all()
        seen = mel.normalise(patches[:: -(-len(patches) // MOST_PATCHES)])
        with torch.no_grad():
            expected = torch.log_softmax(net(torch.from_numpy(seen))[0], 1).mean(0).softmax(0).numpy()
        assert recognise(bundle, audio) == pytest.approx(expected, abs=2e-2), "but for the resampler"


def test_a_style_that_the_corpus_lacks_is_named(tmp_path: Path) -> None:
    tiny = export_tiny("spectral", tmp_path / "tiny", name="tiny", styles=["dull", "kazoo"])
    with pytest.raises(ParameterError, match="kazoo"):
        recogniser.add_recogniser(tiny, Voices())
