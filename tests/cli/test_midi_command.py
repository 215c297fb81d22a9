"""`rtstyle midi` without a port: the map it shows, changes and keeps."""

import json
from pathlib import Path

import pytest

from rtstyle.cli.app import FAILED, run
from rtstyle.control.mapping import Binding, load_map


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path))
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "rtstyle-test-that-does-not-run")
    return tmp_path


def test_a_control_can_be_named_and_is_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["midi", "learn", "input.trim_db", "--control", "CC14 2", "--minimum=-12 dB", "--maximum", "6"]
    assert run([*line, "--channel", "3", "--takeover", "scale", "--invert"]) == 0
    assert str(home / "midi.toml") in capsys.readouterr().out
    assert load_map().bindings[-1] == Binding(
        "cc14 2", "input.trim_db", 3, minimum=-12.0, maximum=6.0, invert=True, takeover="scale"
    )
    assert run(["midi", "unlearn", "cc14 2"]) == 0
    assert load_map().bindings == tuple(binding for binding in load_map().bindings if binding.control != "cc14 2")


def test_the_map_lists_every_parameter_and_what_moves_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["midi", "map"]) == 0
    shown = capsys.readouterr().out
    assert "mix" in shown
    assert "cc 74" in shown
    assert "cc 120, cc 123" in shown
    assert "does not exist yet" in shown


def test_the_map_as_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["midi", "map", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["takeover"] == "pickup"
    assert shown["panic"] == [120, 123]
    assert shown["bindings"][0] == {
        "control": "cc 1", "parameter": "mix", "channel": 0, "minimum": None, "maximum": None, "curve": None,
        "invert": False, "toggle": False, "takeover": None,
    }  # fmt: skip


def test_another_map_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stage" / "set.toml"
    assert run(["midi", "learn", "style.x", "--control", "pressure", "--map", str(path)]) == 0
    assert load_map(path).bindings[-1] == Binding("pressure", "style.x")
    assert not (tmp_path / "midi.toml").exists()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (["learn", "mixx", "--control", "cc 1"], "mixx"),
        (["learn", "mix", "--control", "cc 120"], "cc 120"),
        (["learn", "mix", "--control", "cc 1", "--minimum", "200 %"], "mix = 2"),
        (["learn", "mix", "--minimum", "80 %", "--maximum", "20 %"], "invert"),
        (["unlearn", "bypass"], "bound to nothing"),
        (["monitor", "--port", "nano"], "nano"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], line: list[str], named: str
) -> None:
    assert run(["midi", *line]) == FAILED
    assert named in capsys.readouterr().err
    assert not (home / "midi.toml").exists()


def test_without_ports_the_list_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["midi", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"systems", "ports"}


def test_a_knob_that_is_never_moved_is_an_error_that_helps(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["midi", "learn", "mix", "--seconds", "0.3"]) == FAILED
    assert "rtstyle midi monitor" in capsys.readouterr().err
    assert not (home / "midi.toml").exists()


def test_a_monitor_ends_after_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["midi", "monitor", "--seconds", "0.3", "--json"]) == 0
    assert capsys.readouterr().out == ""
