"""`rtstyle live` as a program of its own: Ctrl-C at any moment, a server that dies, exit codes, JSON."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from tests.fixtures_bundles import make_identity_bundle
from tests.jack_server import JackServer

pytestmark = pytest.mark.jack

PLAYING = "Ctrl-C ends"


class Live:
    """The program, started; its output goes to a file, so that it never waits for us."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.output = folder / f"output-{time.monotonic_ns()}.txt"
        environment = {**os.environ, "RTSTYLE_HOME": str(folder / "home")}
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rtstyle", "live", "--midi", "none", *arguments],
                stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.output.read_text()

    def until(self, words: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while words not in self.said:
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.said}"
            assert time.monotonic() < end, f"{words!r} was not said: {self.said}"
            time.sleep(0.01)

    def end(self, how: int = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(20.0)


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with JackServer() as running:
        yield running


@pytest.fixture(scope="module")
def bundle(server: JackServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model's folder; the program has played it once, so that its kernels are compiled."""
    folder = tmp_path_factory.mktemp("models")
    make_identity_bundle(folder / "identity", name="identity")
    first = Live(folder, "--model", str(folder / "identity"), "--seconds", "0.1")
    assert first.process.wait(280.0) == 0, first.said
    return str(folder / "identity")


def test_ctrl_c_at_any_moment_ends_with_130_and_leaves_a_valid_recording(
    server: JackServer, bundle: str, tmp_path: Path
) -> None:
    rng = random.Random(20)
    for number, wait in enumerate([0.0, rng.uniform(0.1, 0.6), rng.uniform(0.6, 1.5), None, None]):
        take = tmp_path / f"{number}.wav"
        live = Live(tmp_path, "--model", bundle, "--backend", "jack", "--record", str(take))
        if wait is None:
            live.until(PLAYING)
            time.sleep(rng.uniform(0.0, 0.4))
        else:
            time.sleep(wait)
        how = signal.SIGTERM if number == 4 else signal.SIGINT
        code = live.end(how)
        if wait is None:
            assert code == 130, live.said
            assert "Traceback" not in live.said
            assert f"recorded {take}" in live.said
            assert soundfile.info(take).frames > 0
        else:  # before the program has taken its handlers over, Python itself ends by the signal
            assert code in (130, 1, -signal.SIGINT), live.said
            if take.exists():
                soundfile.info(take)


def test_dead_server_is_told_and_ctrl_c_still_ends(bundle: str, tmp_path: Path) -> None:
    with JackServer() as server:
        live = Live(tmp_path, "--model", bundle, "--backend", "jack", "--record", str(tmp_path / "take.wav"))
        live.until(PLAYING)
        server.kill()
        live.until("the JACK server has gone")
        server.start()
        live.until("is back")
        server.kill()
        end = time.monotonic() + 20.0
        while live.said.count("has gone") < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert live.end() == 130
        assert "Traceback" not in live.said
        soundfile.info(tmp_path / "take.wav")


def test_timed_run_ends_with_0_and_its_state_as_json(server: JackServer, bundle: str, tmp_path: Path) -> None:
    environment = {**os.environ, "RTSTYLE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [
            sys.executable, "-m", "rtstyle", "live", "--model", bundle, "--seconds", "0.5", "--mix", "50 %",
            "--midi", "none", "--json",
        ],
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    state = json.loads(done.stdout)
    assert state["model"] == "identity"
    assert state["values"]["mix"] == 0.5
    assert state["audio"]["device"] == "running"
    assert state["audio"]["block"] == 128
    assert state["latency"]["total"] == sum(item["samples"] for item in state["latency"]["items"])
    assert state["meters"]["blocks"] > 50
    assert PLAYING in done.stderr


def test_no_server_and_wrong_arguments_end_with_one_sentence(
    bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "rtstyle-nobody")
    for arguments, code, words in (
        (["--model", bundle, "--backend", "jack"], 1, "no JACK server answers"),
        (["--model", bundle, "--backend", "asio"], 2, "asio"),
        (["--model", "no-such-model"], 1, "no-such-model"),
    ):
        live = Live(tmp_path, *arguments)
        assert live.process.wait(60.0) == code, live.said
        assert words in live.said
        assert "Traceback" not in live.said
