"""The doctor names what is there, what is missing and what to type."""

import json
import os
import sys
from pathlib import Path

import pytest

from rtstyle.cli import diagnosis
from rtstyle.cli import doctor as command
from rtstyle.cli.devices import devices
from rtstyle.runtime import ort_api
from tests.jack_server import JackServer


def states(findings: list[diagnosis.Finding]) -> list[str]:
    return [finding.state for finding in findings]


def test_this_machine_can_play() -> None:
    for check in (diagnosis.check_python, diagnosis.check_inference, diagnosis.check_kernels):
        assert "problem" not in states(check())


def test_whatever_is_not_well_comes_with_a_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "rtstyle-no-such-server")
    command.doctor(json=True)
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"findings", "problems", "cables"}
    topics = {entry["topic"] for entry in report["findings"]}
    assert {"python", "inference", "kernels", "audio", "jack", "midi", "real time", "bundles"} <= topics
    for entry in report["findings"]:
        assert entry["state"] in ("ok", "note", "problem")
        assert entry["state"] == "ok" or entry["remedy"], entry
    assert set(report["cables"]) == {"BlackHole", "VB-CABLE", "PipeWire", "JACK"}


def test_exit_code_is_1_only_for_what_keeps_it_from_playing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = diagnosis.Finding("audio", "note", "no card", "connect one")
    problem = diagnosis.Finding("bundles", "problem", "no bundle", "install it")
    monkeypatch.setattr(diagnosis, "CHECKS", (lambda: [note],))
    assert command.doctor() == 0
    monkeypatch.setattr(diagnosis, "CHECKS", (lambda: [note, problem],))
    assert command.doctor() == 1
    out = capsys.readouterr().out
    assert "PROBLEM bundles" in out and "-> install it" in out


def test_both_flavours_of_onnx_runtime_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_version", lambda package: "1.0")
    (finding,) = diagnosis.check_inference()
    assert finding.state == "problem" and "uninstall" in finding.remedy


def test_a_missing_c_library_is_said_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort_api, "find_library", lambda: None)
    finding = diagnosis.check_inference()[0]
    assert finding.state == "note" and "Python" in finding.text


def test_an_old_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 0))
    assert diagnosis.check_python()[0].state == "problem"


def test_a_kernel_cache_that_cannot_be_written_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "none" / "deeper"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (finding,) = diagnosis.check_kernels()
    assert finding.state == "note" and "NUMBA_CACHE_DIR" in finding.text


@pytest.mark.jack
def test_a_running_server_and_its_ports_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    with JackServer(period=256):
        (finding,) = diagnosis.check_jack()
        devices(json=True)
    assert finding.details["block"] == 256 and finding.details["sample_rate"] == 48_000
    ports = json.loads(capsys.readouterr().out)["jack"]
    assert {"name": "system:capture_1", "direction": "input"} in ports
    assert {"name": "system:playback_1", "direction": "output"} in ports


def test_without_a_server_devices_still_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "rtstyle-no-such-server")
    devices(json=True)
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"audio", "jack", "midi"} and found["jack"] == []
