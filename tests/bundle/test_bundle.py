"""Bundles: written in one step, read back the same, found by name; captured styles join them without touching them."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from rtstyle import paths
from rtstyle.bundle import (
    Adain,
    Frontend,
    Golden,
    ParameterRange,
    Pass,
    Style,
    find_bundle,
    find_bundles,
    golden_bytes,
    load,
    load_bundle,
    update_bundle,
    write_bundle,
)
from rtstyle.bundle.captured import MAX_SOUND_SECONDS, CapturedStyle, delete_captured, save_captured
from rtstyle.bundle.npz import write_npz
from rtstyle.dsp.front import feature_width
from rtstyle.errors import BundleError
from rtstyle.params import MAX_STYLES
from tests.fixtures_bundles import CHANNELS, HOPS, SAMPLE_RATE, make_identity_bundle, make_network_bundle

FLAT = tuple([0.5] * CHANNELS)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_network_bundle(tmp_path / "network")
    return tmp_path / "network"


def arguments(folder: Path, **changes: Any) -> dict[str, Any]:
    """What `write_bundle` would need to write the bundle in `folder` again."""
    bundle = load_bundle(folder)
    given = {
        "name": bundle.name,
        "kind": bundle.kind,
        "sample_rate": bundle.sample_rate,
        "hop": bundle.hop,
        "latency": bundle.latency,
        "encoder": bundle.encoder,
        "decoder": bundle.decoder,
        "styles": bundle.styles,
        "mean": bundle.mean,
        "std": bundle.std,
        "neutral_mean": bundle.neutral_mean,
        "neutral_std": bundle.neutral_std,
        "frontend": bundle.frontend,
    }
    return {**given, **changes}


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_what_is_written_is_what_is_read(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(3, CHANNELS)).astype(np.float32), rng.uniform(size=(3, CHANNELS)).astype(np.float32)
    source = make_network_bundle(tmp_path / "source", kind)
    golden = Golden(rng.normal(size=640).astype(np.float32), rng.normal(size=640).astype(np.float32), 2, 0.25)
    write_bundle(
        tmp_path / "written",
        **arguments(
            source.path,
            mean=mean,
            std=std,
            neutral_mean=mean[0],
            neutral_std=std[0],
            adain=Adain(0.5, 7.0),
            stereo="per_channel",
            parameters=[ParameterRange("gate.threshold_db", default=-50.0, smoothing_ms=5.0)],
            golden=golden,
            documents={"card.md": b"# Card", "after.ogg": b"OggS"},
            description="a\n\"b\" 'c' \\ ü",
            licence="MIT",
            recipe="export/x.py",
            commit="abc",
        ),
    )
    bundle = load_bundle(tmp_path / "written")
    assert np.array_equal(bundle.mean, mean) and np.array_equal(bundle.std, std)
    assert np.array_equal(bundle.neutral_mean, mean[0]) and np.array_equal(bundle.neutral_std, std[0])
    assert bundle.golden is not None and bundle.golden.style == 2 and bundle.golden.amount == 0.25
    assert np.array_equal(bundle.golden.audio_out, golden.audio_out)
    assert (bundle.kind, bundle.hop, bundle.sample_rate) == (kind, HOPS[kind], 48000)
    assert (bundle.encoder, bundle.decoder, bundle.passes) == (source.encoder, source.decoder, source.passes)
    assert bundle.states_encoder == source.states_encoder and bundle.states_decoder == source.states_decoder
    assert bundle.adain == Adain(0.5, 7.0) and bundle.stereo == "per_channel" and bundle.channels == CHANNELS
    assert bundle.manifest.description == "a\n\"b\" 'c' \\ ü" and bundle.manifest.licence == "MIT"
    gate = bundle.parameters["gate.threshold_db"]
    assert (gate.default, gate.smoothing_ms, gate.minimum) == (-50.0, 5.0, -96.0)
    assert bundle.parameters["style.target"].maximum == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["source", "written"], "nothing is left behind"


def test_the_same_content_makes_the_same_files(tmp_path: Path, folder: Path) -> None:
    for name in ("one", "two"):
        write_bundle(tmp_path / name, **arguments(folder))
    for file in ("bundle.toml", "styles.npz", "encoder.onnx"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_states_and_passes_come_from_the_graphs(tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "latent", "latent")
    assert [state.name for state in bundle.states_encoder] == ["first"]
    assert bundle.passes == (Pass("skip", HOPS["latent"], 1),)


def test_a_pass_through_whose_frames_are_not_named_must_be_given(tmp_path: Path, folder: Path) -> None:
    given = arguments(folder)
    model = onnx.load_from_string(given["encoder"])
    next(output for output in model.graph.output if output.name == "skip").type.tensor_type.shape.dim[
        0
    ].dim_param = "u0"
    given["encoder"] = model.SerializeToString()
    with pytest.raises(BundleError, match=r"'skip'.*name the axis at export or give `passes`"):
        write_bundle(tmp_path / "unnamed", **given)
    bundle = write_bundle(tmp_path / "given", **given, passes=[Pass("skip", 1, feature_width(32))])
    assert bundle.passes == (Pass("skip", 1, feature_width(32)),)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "other"},
        {"hop": 3},
        {"name": "No Name"},
        {"styles": [Style("only", "Only")]},
        {"mean": np.full((3, CHANNELS), np.nan, np.float32)},
        {"encoder": b"nonsense"},
        {"frontend": Frontend(n_fft=1000, bands=32, features=feature_width(32))},
        {"documents": {"../up.md": b""}},
        {"documents": {"run.py": b""}},
        {"passes": [Pass("skip", 2, 99)]},
        {"parameters": [ParameterRange("nothing")]},
        {"golden": Golden(np.zeros(4, np.float32), np.zeros(4, np.float32), 9, 1.0)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_would_not_load_is_not_written_and_the_old_bundle_stays(
    tmp_path: Path, folder: Path, changes: dict[str, Any]
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    given = arguments(folder, **changes)
    with pytest.raises(BundleError):
        write_bundle(folder, **given)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["network"], "nothing is left behind"


def test_no_document_is_written_outside_of_the_bundle(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BundleError, match="not a plain file name"):
        write_bundle(tmp_path / "new", **arguments(folder, documents={str(tmp_path / "evil.md"): b"x"}))
    assert [file.name for file in tmp_path.iterdir()] == ["network"]


def test_a_bundle_is_updated_in_place(folder: Path) -> None:
    silence = np.zeros(64, np.float32)
    update_bundle(folder, {"golden.npz": golden_bytes(Golden(silence, silence, 0, 1.0)), "card.md": b"one"})
    update_bundle(folder, {"card.md": b"two"})
    assert load_bundle(folder).golden is not None
    assert (folder / "card.md").read_bytes() == b"two"
    update_bundle(folder, {}, remove=["golden.npz"])
    assert load_bundle(folder).golden is None and not (folder / "golden.npz").exists()
    with pytest.raises(BundleError, match=r"styles\.npz"):
        update_bundle(folder, {}, remove=["styles.npz"])
    load_bundle(folder)


def test_a_loaded_bundle_survives_its_folder(folder: Path) -> None:
    bundle = load_bundle(folder)
    shutil.rmtree(folder)
    assert len(bundle.encoder) > 100 and len(bundle.decoder) > 100 and bundle.mean.shape == (3, CHANNELS)


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(tmp_path / "file" / "below", **arguments(folder))


# --- finding ---------------------------------------------------------------------------------------------------------


def test_bundles_are_found_by_name_in_any_case_and_by_path(home: Path, folder: Path) -> None:
    make_identity_bundle(home / "models" / "mine")
    assert find_bundles()["mine"] == home / "models" / "mine"
    assert find_bundle("MINE") == home / "models" / "mine"
    assert find_bundle(str(folder)) == folder
    with pytest.raises(BundleError, match="did you mean mine"):
        find_bundle("mime")
    for name in ("", "a" * 5000, "\0", ".."):
        with pytest.raises(BundleError, match="There is no model"):
            find_bundle(name)


def test_a_users_bundle_comes_before_another_of_its_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = (home / "models", home / "shipped")
    for place in places:
        make_identity_bundle(place / "same")
    monkeypatch.setattr(paths, "model_folders", lambda: places)
    assert find_bundles() == {"same": home / "models" / "same"}


def test_styles_are_found_by_id_or_name(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.style_index("style-1") == 1 and bundle.style_index(" STYLE 2 ") == 2
    with pytest.raises(BundleError, match="did you mean style-"):
        bundle.style_index("stile-1")


# --- captured styles -------------------------------------------------------------------------------------------------


def captured(folder: Path, id: str = "mine", **changes: Any) -> CapturedStyle:
    encoder = load_bundle(folder).manifest.files["encoder.onnx"]
    given = {"name": "Mine", "encoder": encoder, "recording": "a.wav", "seconds": 3.0, "mean": FLAT, "std": FLAT}
    return CapturedStyle(id=id, **{**given, **changes})


def test_a_captured_style_joins_the_trained_ones_and_leaves_with_its_file(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    save_captured("network", captured(folder))
    bundle = load_bundle(folder)
    assert [style.id for style in bundle.styles] == ["style-0", "style-1", "style-2", "mine"]
    assert bundle.styles[3].source == "captured"
    assert bundle.mean[3].tolist() == list(FLAT) and bundle.mean.shape == bundle.std.shape == (4, CHANNELS)
    assert bundle.parameters["style.target"].maximum == 3
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before, "the bundle itself is not touched"
    with pytest.raises(BundleError, match="did you mean mine"):
        delete_captured("network", "mime")
    delete_captured("network", "mine")
    assert len(load_bundle(folder).styles) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": "0" * 64},
        {"mean": FLAT[:-1]},
        {"std": (*FLAT, 0.5)},
        {"mean": (float("nan"),) * CHANNELS},
        {"std": (-1.0,) * CHANNELS},
        {"schema": 2},
    ],
    ids=str,
)
def test_a_captured_style_that_does_not_fit_is_noted_and_passed_over(folder: Path, changes: dict[str, Any]) -> None:
    save_captured("network", captured(folder, **changes))
    save_captured("network", captured(folder, "good"))
    bundle = load_bundle(folder)
    assert [style.id for style in bundle.styles[3:]] == ["good"]
    assert len(bundle.notes) == 1 and "mine.toml" in bundle.notes[0]


@pytest.mark.parametrize("content", [b"", b"\xff", b"x = [", b"id = 3", b"a" * (2 << 20), b"x = " + b"[" * 5000])
def test_a_broken_captured_file_never_keeps_the_bundle_from_playing(folder: Path, content: bytes) -> None:
    place = paths.user_styles("network")
    place.mkdir(parents=True)
    (place / "bad.toml").write_bytes(content)
    bundle = load_bundle(folder)
    assert len(bundle.styles) == 3 and len(bundle.notes) == 1
    assert ("is larger than" in bundle.notes[0]) == (len(content) > 1 << 20)


def test_a_captured_style_never_hides_a_trained_one_nor_exceeds_the_room(folder: Path) -> None:
    save_captured("network", captured(folder, "style-1", mean=(9.0,) * CHANNELS))
    for number in range(MAX_STYLES):
        save_captured("network", captured(folder, f"x{number:02}"))
    bundle = load_bundle(folder)
    assert len(bundle.styles) == MAX_STYLES == len(bundle.mean)
    assert bundle.styles[1].source == "trained" and 9.0 not in bundle.mean
    assert sum("hidden" in note for note in bundle.notes) == 1 and sum("beyond" in note for note in bundle.notes) == 3


@pytest.mark.parametrize(
    "changes", [{"id": "../up"}, {"id": "a/b"}, {"name": ""}, {"name": "x" * 81}, {"seconds": 0.0}]
)
def test_a_captured_style_that_could_not_be_loaded_is_not_saved(folder: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        save_captured("network", captured(folder, **changes))
    assert not paths.user_styles("network").exists()


def sound(seconds: float = 0.5) -> NDArray[np.float32]:
    return (0.2 * np.sin(0.05 * np.arange(round(seconds * SAMPLE_RATE)))).astype(np.float32)


def test_a_captured_style_keeps_its_recording_and_takes_it_along(folder: Path) -> None:
    kept = save_captured("network", captured(folder), sound(), SAMPLE_RATE)
    save_captured("network", captured(folder, "plain"))
    bundle = load_bundle(folder)
    assert list(bundle.sounds) == ["mine"] and kept.sound
    assert np.array_equal(bundle.sounds["mine"], sound())
    save_captured("network", captured(folder))
    assert not load_bundle(folder).sounds, "replaced by one that keeps none"
    assert len(list(paths.user_styles("network").iterdir())) == 2
    save_captured("network", captured(folder), sound(), SAMPLE_RATE)
    delete_captured("network", "mine")
    assert sorted(file.name for file in paths.user_styles("network").iterdir()) == ["plain.toml"]


def test_a_recording_that_is_kept_has_an_end(folder: Path) -> None:
    save_captured("network", captured(folder), sound(MAX_SOUND_SECONDS + 1.0), SAMPLE_RATE)
    assert load_bundle(folder).sounds["mine"].size == MAX_SOUND_SECONDS * SAMPLE_RATE


@pytest.mark.parametrize("what", ["changed", "missing", "huge", "text", "rate", "stereo", "nan"])
def test_a_recording_that_is_not_what_was_kept_is_noted_and_its_style_passed_over(folder: Path, what: str) -> None:
    save_captured("network", captured(folder), sound(), SAMPLE_RATE)
    save_captured("network", captured(folder, "good"), sound(), SAMPLE_RATE)
    place = paths.user_styles("network")
    (npz,), toml = place.glob("mine.*.npz"), place / "mine.toml"
    before = hashlib.sha256(npz.read_bytes()).hexdigest()
    rate = np.array([SAMPLE_RATE])
    other = {
        "changed": write_npz({"sound": sound(0.4), "sample_rate": rate}),
        "huge": b"0" * ((1 << 24) + 1),
        "text": b"no sound",
        "rate": write_npz({"sound": sound(), "sample_rate": rate - 3900}),
        "stereo": write_npz({"sound": np.stack([sound(), sound()]), "sample_rate": rate}),
        "nan": write_npz({"sound": np.full(9, np.nan, np.float32), "sample_rate": rate}),
    }
    npz.unlink()
    if what != "missing":
        npz.write_bytes(other[what])
    if what in ("text", "rate", "stereo", "nan"):  # its hash says what it is; what it is will not do
        after = hashlib.sha256(other[what]).hexdigest()
        toml.write_text(toml.read_text().replace(before, after))
        npz.rename(place / f"mine.{after[:16]}.npz")
    bundle = load_bundle(folder)
    assert [style.id for style in bundle.styles[3:]] == ["good"] and list(bundle.sounds) == ["good"]
    assert len(bundle.notes) == 1 and "mine." in bundle.notes[0] and ".npz" in bundle.notes[0]


def test_the_favourite_plays_where_no_model_is_named_and_else_the_first(tmp_path, monkeypatch):
    found = {"orchestra-latent": tmp_path / "a", "orchestra-spectral": tmp_path / "b"}
    monkeypatch.setattr(load, "find_bundles", lambda: found)
    assert load.default_bundle() == tmp_path / "b"
    del found["orchestra-spectral"]
    assert load.default_bundle() == tmp_path / "a"
    found.clear()
    with pytest.raises(BundleError, match="There is no model"):
        load.default_bundle()
