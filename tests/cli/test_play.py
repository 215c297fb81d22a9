"""Without an audio device, every style ends up in a file, with the delays and a picture."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from rtstyle.cli import play as command
from rtstyle.cli.bench import measure, verdict
from rtstyle.cli.diagnosis import Finding
from rtstyle.cli.spectrogram import HEIGHT, TITLE
from rtstyle.performance import PERFORMANCE
from tests.fixtures_bundles import make_identity_bundle


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with two bundles and one that is broken."""
    folder = tmp_path_factory.mktemp("home")
    make_identity_bundle(folder / "models" / "aa-same", "spectral", name="aa-same", style_gains=(1.0, 0.5))
    make_identity_bundle(folder / "models" / "ab-late", "latent", name="ab-late", delay=107)
    return folder


def test_one_model_plays_all_its_styles(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = command.play(model=str(home / "models" / "aa-same"), folder=tmp_path / "out", files=True, json=True)
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [entry["style"] for entry in report["files"]] == ["style-0", "style-1"]
    before, rate = soundfile.read(tmp_path / "out" / "before.wav", dtype="float32")
    reference, _ = soundfile.read(PERFORMANCE, dtype="float32")
    assert np.array_equal(before, reference)
    for entry, gain in zip(report["files"], (1.0, 0.5), strict=True):
        after, after_rate = soundfile.read(entry["file"], dtype="float32")
        assert (after_rate, len(after)) == (rate, len(before))
        error = np.mean((after - gain * before) ** 2) / np.mean((gain * before) ** 2)
        assert error < 0.02
    with Image.open(report["spectrogram"]) as image:
        assert image.height == 3 * (HEIGHT + TITLE)
    assert report["latency"][0]["model"] == "aa-same"


def test_a_broken_bundle_is_named_and_the_others_play(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = home / "models" / "ac-broken"
    broken.mkdir()
    (broken / "bundle.toml").write_text("schema = 99\n")
    monkeypatch.setattr("rtstyle.paths.model_folders", lambda: (home / "models",))
    assert command.play(files=True, folder=tmp_path / "out") == 1
    out = capsys.readouterr().out
    assert "ac-broken" in out
    assert (tmp_path / "out" / "aa-same" / "style-1.wav").is_file()
    assert (tmp_path / "out" / "ab-late" / "style-0.wav").is_file()
    assert "block adaptation" in out and "spectrogram.png" in out


@pytest.mark.parametrize(
    ("server", "devices", "expected"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_it_goes_live_where_there_is_something_to_play_on(
    monkeypatch: pytest.MonkeyPatch, server: bool, devices: bool, expected: bool
) -> None:
    jack = Finding("jack", "note", "", "", {"server": server})
    portaudio = Finding("audio", "ok" if devices else "note", "", "")
    monkeypatch.setattr("rtstyle.cli.diagnosis.check_jack", lambda: [jack])
    monkeypatch.setattr("rtstyle.cli.diagnosis.check_portaudio", lambda: [portaudio])
    assert command.has_audio() is expected


def test_bench_counts_every_block_and_says_which_blocks_are_playable(home: Path) -> None:
    from rtstyle.bundle import load_bundle

    audio = np.random.default_rng(0).normal(0, 0.1, (1, 48_000)).astype(np.float32)
    figure = measure(load_bundle(home / "models" / "aa-same"), audio, block=256, seconds=0.5)
    assert figure["blocks"] == int(0.5 * 48_000 / 256)
    assert 0 < figure["median_percent"] <= figure["p99_percent"] <= figure["p999_percent"] <= figure["max_percent"]

    def line(model: str, block: int, words: str) -> dict[str, object]:
        return {"model": model, "block": block, "verdict": words}

    found = verdict([line("a", 64, "tight"), line("a", 128, "comfortable"), line("b", 64, "too slow")])
    assert found["blocks"] == {"a": 128, "b": None} and found["playable"]
    assert "a at 128 frames" in found["text"] and "b not live" in found["text"]
    assert not verdict([line("b", 64, "too slow")])["playable"]
