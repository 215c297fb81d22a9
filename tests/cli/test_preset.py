"""Presets from the command line: saved, listed, shown, deleted, and refused with a reason."""

import json
from pathlib import Path

import pytest

from rtstyle.cli import app as cli
from tests.fixtures_bundles import make_identity_bundle


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))
    make_identity_bundle(tmp_path / "home" / "models" / "identity", name="identity")
    return "identity"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.run(["preset", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_what_is_saved_is_listed_shown_and_deleted(capsys: pytest.CaptureFixture[str], model: str) -> None:
    words = ["save", "Warm one", "--model", model, "--style", "style-1", "--mix", "80%", "--program", "3"]
    assert run(capsys, *words, "--set", "gate.threshold_db=-50 dB", "--set", "bypass=off")[0] == 0
    listed = json.loads(run(capsys, "--json")[1])
    expected = {"style.target": "style-1", "mix": 0.8, "gate.threshold_db": -50.0, "bypass": False}
    assert listed == {
        "presets": [{"name": "Warm one", "program": 3, "model": model, "values": expected}],
        "problems": [],
    }
    assert json.loads(run(capsys, "show", "Warm one", "--json")[1])["values"] == expected
    assert "Warm one" in run(capsys, "list")[1]
    assert run(capsys, "delete", "Warm one")[0] == 0
    assert json.loads(run(capsys, "list", "--json")[1])["presets"] == []


def test_mistakes_are_named(capsys: pytest.CaptureFixture[str], model: str) -> None:
    for words, reason in (
        (["save", "x", "--model", model], "nothing"),
        (["save", "x", "--model", model, "--set", "mix"], "ID=VALUE"),
        (["save", "x", "--model", model, "--set", "mxi=1"], "mix"),
        (["save", "x", "--model", model, "--mix", "3"], "mix"),
        (["save", "x", "--model", model, "--style", "harp"], "harp"),
        (["save", "x", "--model", model, "--mix", "1", "--program", "200"], "127"),
        (["show", "missing"], "missing"),
        (["delete", "missing"], "missing"),
    ):
        code, out, problem = run(capsys, *words)
        assert (code, out) == (1, "") and reason in problem, words


def test_a_preset_is_not_written_over_unasked(capsys: pytest.CaptureFixture[str], model: str) -> None:
    words = ["save", "x", "--model", model, "--mix", "1"]
    assert run(capsys, *words)[0] == 0
    assert run(capsys, *words)[0] == 1
    assert run(capsys, *words, "--replace")[0] == 0
