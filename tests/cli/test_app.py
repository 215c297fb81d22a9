"""The command line as a program sees it: exit codes, one line per error, nothing heavy before it is needed."""

import os
import subprocess
import sys
from typing import Literal

import pytest

from rtstyle.cli import app as cli
from rtstyle.errors import FileError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "rtstyle", *arguments], capture_output=True, text=True, timeout=120)


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)


def test_version_is_printed_on_stdout() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "0.1.0"


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    code = (
        "import sys; from rtstyle.cli.app import app\n"
        "app(['--help'])\n"
        "heavy = {'numba', 'numpy', 'onnxruntime', 'sounddevice', 'torch'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("HEAVY []")
    for name, _, _ in cli.COMMANDS:
        assert f" {name} " in done.stdout


def test_every_command_that_is_registered_can_be_imported() -> None:
    application = cli.build_app()
    for name, _, _ in cli.COMMANDS:
        assert application[name] is not None


def test_unknown_command_and_unknown_option_are_usage_errors() -> None:
    unknown_command = run("plya")
    assert unknown_command.returncode == 2
    assert "play" in unknown_command.stderr + unknown_command.stdout
    assert run("doctor", "--no-such-option").returncode == 2


def test_an_error_of_ours_is_one_line_on_stderr_and_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, FileError("song.wav cannot be read; give a WAV, FLAC, Ogg or MP3 file."))
    assert cli.run([]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "rtstyle: song.wav cannot be read; give a WAV, FLAC, Ogg or MP3 file.\n"


def test_control_c_is_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert cli.run([]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_programming_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.run([])


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = (
        "import sys; from rtstyle.cli import app as cli\n"
        "cli.app = lambda arguments: print('x' * 100_000)\n"
        "sys.exit(cli.run([]))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: Literal["bash", "zsh", "fish"]) -> None:
    script = cli.build_app().generate_completion(shell=shell)
    for name, _, _ in cli.COMMANDS:
        assert name in script
    assert "loopback" in script
