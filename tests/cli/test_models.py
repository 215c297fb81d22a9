"""`rtstyle models`: what it prints, what it returns, and the page that it writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rtstyle import paths
from rtstyle.bundle import Golden, find_bundles, golden_bytes, load_bundle, update_bundle
from rtstyle.cli.app import run
from rtstyle.cli.model_table import table_text
from rtstyle.runtime.model import load_model
from tests.fixtures_bundles import make_network_bundle

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two models, one of them with card and self-test, and no other models in sight."""
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path))
    monkeypatch.setattr(paths, "model_folders", lambda: (tmp_path / "models",))
    for kind in ("spectral", "latent"):
        make_network_bundle(tmp_path / "models" / kind, kind, name=kind)
    bundle = load_bundle(tmp_path / "models" / "spectral")
    model = load_model(bundle)
    x = np.random.default_rng(0).normal(0.0, 0.1, 20 * bundle.hop).astype(np.float32)
    golden = golden_bytes(Golden(x, model.step(x, model.controls(0)), 0, 1.0))
    model.close()
    update_bundle(bundle.path, {"golden.npz": golden, "card.md": b"# The card\n", "after.ogg": b"OggS"})
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_the_list_names_models_and_styles(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    plain = capsys.readouterr().out
    assert run(["models", "list"]) == 0
    assert capsys.readouterr().out == plain
    assert "spectral" in plain and "latent" in plain and "style-2" in plain
    assert run(["models", "list", "--json"]) == 0
    models = told(capsys)["models"]
    assert [entry["name"] for entry in models] == ["latent", "spectral"]
    keys = {
        "name",
        "path",
        "error",
        "kind",
        "sample_rate",
        "hop",
        "latency",
        "latency_ms",
        "stereo",
        "styles",
        "licence",
        "notes",
    }
    assert all(set(entry) == keys for entry in models)
    assert models[1]["latency"] == 64 and models[1]["latency_ms"] == pytest.approx(64 / 48)


def test_a_broken_bundle_is_listed_with_its_error_beside_the_others(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "models" / "latent" / "encoder.onnx").unlink()
    assert run(["models"]) == 1
    text = capsys.readouterr().out
    assert "spectral" in text and "encoder.onnx is missing" in text
    assert run(["models", "list", "--json"]) == 1
    errors = {entry["name"]: entry["error"] for entry in told(capsys)["models"]}
    assert errors["spectral"] is None and "missing" in errors["latent"]


def test_show_tells_facts_and_prints_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "spectral"]) == 0
    text = capsys.readouterr().out
    assert "# The card" in text and "64 samples at 48000 Hz = 1.33 ms" in text and "style-1" in text
    assert run(["models", "show", "spectral", "--json"]) == 0
    facts = told(capsys)
    assert facts["card"] == "# The card\n" and facts["files"].keys() >= {"encoder.onnx", "golden.npz"}
    assert {entry["id"] for entry in facts["parameters"]} >= {"mix", "style.amount"}


def test_verify_plays_the_self_test_and_finds_damage(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "verify"]) == 0
    assert "self-test deviates" in capsys.readouterr().out
    damage(home / "models" / "latent" / "decoder.onnx")
    assert run(["models", "verify", "--json"]) == 1
    outcomes = {entry["name"]: entry for entry in told(capsys)["models"]}
    assert outcomes["spectral"]["ok"] and outcomes["spectral"]["deviation"] < 1e-3
    assert not outcomes["latent"]["ok"] and "decoder.onnx" in outcomes["latent"]["text"]
    assert run(["models", "verify", "spectral"]) == 0


def test_verify_fails_a_bundle_that_sounds_otherwise(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = Golden(np.full(640, 0.1, np.float32), np.full(640, 0.2, np.float32), 0, 1.0)
    update_bundle(home / "models" / "spectral", {"golden.npz": golden_bytes(golden)})
    assert run(["models", "verify", "spectral"]) == 1
    assert capsys.readouterr().out.startswith("FAILED  spectral")


def test_a_style_is_captured_listed_and_forgotten(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(home / "a.wav", np.random.default_rng(1).normal(0, 0.1, 3 * 48000), 48000)
    assert run(["models", "capture", "spectral", str(home / "a.wav"), "--name", "My Noise", "--json"]) == 0
    outcome = told(capsys)
    assert outcome["style"] == "my-noise" and Path(outcome["file"]).is_file()
    assert "my-noise" in [style.id for style in load_bundle(find_bundles()["spectral"]).styles]
    assert run(["models", "forget", "spectral", "my-noise"]) == 0
    assert not Path(outcome["file"]).exists()
    assert run(["models", "forget", "spectral", "my-noise"]) == 1


def test_errors_are_one_line_and_exit_code_1(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["show", "spektral"],
        ["verify", "nothing"],
        ["capture", "spectral", "none.wav", "--name", "x"],
    ):
        assert run(["models", *arguments]) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.startswith("rtstyle: ") and captured.err.count("\n") == 1


def test_the_page_is_made_from_the_bundles(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "models"
    assert run(["models", "readme", "--folder", str(folder)]) == 0
    page = (folder / "README.md").read_text()
    assert "| [spectral](spectral/card.md) | spectral | 1.33 ms | style-0, style-1, style-2 |" in page
    assert "[after](spectral/after.ogg)" in page and "[latent](latent/)" in page
    run(["models", "readme", "--folder", str(folder)])
    assert (folder / "README.md").read_text() == page
    assert sorted(find_bundles()) == ["latent", "spectral"], "the page is no bundle"
    capsys.readouterr()
    assert run(["models", "readme", "--folder", str(home / "nowhere")]) == 1


def test_the_shipped_page_is_the_one_that_its_bundles_make(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (CHECKOUT / "models" / "README.md").read_text()
    assert page == table_text(CHECKOUT / "models"), "run `rtstyle models readme` and commit models/README.md"
