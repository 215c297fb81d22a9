"""The PortAudio stream over a real JACK server: exact, any block, and a server that dies holds nothing up."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.jack_server import JackServer, jack_server
from tests.live.daw import Daw

__all__ = ["jack_server"]
pytestmark = pytest.mark.jack

CHILD = Path(__file__).with_name("portaudio_child.py")


class Child:
    """The player's process: `ask` sends a line and gives the answer."""

    def __init__(self, device: str = "system", rate: int = 48_000) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.backends.portaudio_child"],
            cwd=CHILD.parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.hello = self.ask(f"{device} {rate}")

    def ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        text = self.process.stdout.readline()
        assert text, f"the player ended without an answer to {line!r}"
        answer: dict[str, Any] = json.loads(text)
        return answer

    def until(self, **wanted: object) -> dict[str, Any]:
        end = time.monotonic() + 20.0
        answer = self.ask("poll")
        while any(answer[key] != value for key, value in wanted.items()):
            assert time.monotonic() < end, f"{answer} did not become {wanted}"
            time.sleep(0.01)
            answer = self.ask("poll")
        return answer


@pytest.fixture
def child(jack_server: JackServer) -> Iterator[Child]:
    player = Child()
    yield player
    player.process.kill()
    player.process.wait()


def test_what_comes_back_in_freewheel_is_the_engine_bit_by_bit(child: Child) -> None:
    assert child.hello == {"label": "system", "rate": 48_000}
    audio = np.random.default_rng(5).uniform(-1, 1, (2, 96_000)).astype(np.float32)
    while child.ask("poll")["position"] < 4_800:
        time.sleep(0.01)
    with Daw(2) as daw:
        ports = [port.name for port in daw.client.get_ports("^rtstyle:")]
        assert len(ports) == 4
        sends = [name for name in ports if daw.client.get_port_by_name(name).is_input]
        returns = [name for name in ports if name not in sends]
        for name in sends:  # the noise alone: PortAudio has connected the sound card
            for other in daw.client.get_all_connections(name):
                daw.client.disconnect(other, name)
        daw.connect(sends, returns)
        back = daw.play(audio, tail=128 + 33)
    np.testing.assert_array_equal(back[:, 161 : 161 + 96_000], np.float32(0.5) * audio)
    assert child.ask("quit") == {"state": "closed"}
    assert child.process.wait(20.0) == 0


def test_live_period_change_is_seen(child: Child) -> None:
    child.until(frames=128)
    with Daw() as daw:
        for period in (256, 64):
            daw.client.blocksize = period
            child.until(frames=period, state="running")
    child.ask("quit")


def test_dead_server_is_told_and_neither_closing_nor_quitting_hangs(child: Child, jack_server: JackServer) -> None:
    child.until(frames=128)
    jack_server.kill()
    lost = child.until(state="lost")
    assert "system has gone" in lost["reason"]
    assert child.ask("close") == {"state": "closed"}
    assert "start it again" in child.ask("open")["error"]
    assert child.ask("quit") == {"state": "closed"}
    assert child.process.wait(20.0) == 0


def test_rate_that_the_device_does_not_take_names_those_that_it_takes(jack_server: JackServer) -> None:
    player = Child(rate=44_100)
    assert "does not take 44100 Hz; it takes 48000" in player.hello["error"]
    player.process.wait(20.0)


def test_unknown_device_lists_what_there_is(jack_server: JackServer) -> None:
    player = Child(device="scarlett")
    assert "0: system, JACK Audio Connection Kit" in player.hello["error"]
    player.process.wait(20.0)
