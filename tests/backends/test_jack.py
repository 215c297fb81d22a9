"""The JACK client on a real server: exact, reporting its latency, surviving other periods and the server's death."""

import itertools
import sys
import time
from collections.abc import Callable

import jack
import numpy as np
import pytest

from rtstyle.backends.backend import BackendState
from rtstyle.backends.jack import JackBackend
from rtstyle.backends.jack_ports import JackPort, pair_ports, pick_ports
from rtstyle.backends.libjack import CAPTURE, PLAYBACK
from rtstyle.backends.link import AudioLink
from rtstyle.errors import DeviceError
from tests.backends.delay_engine import DelayEngine
from tests.jack_server import JackServer, jack_server
from tests.live.daw import Daw

__all__ = ["jack_server"]
pytestmark = pytest.mark.jack


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


def running(
    engine: DelayEngine, *, channels: int = 1, input: str | None = "none", output: str | None = "none", block: int = 128
) -> JackBackend:
    link = AudioLink(channels=channels)
    link.attach(engine.function, engine.table, block=block, latency=engine.delay, sample_rate=48_000, keep=engine)
    backend = JackBackend(link, input=input, output=output)
    backend.open()
    backend.set_latency(engine.delay)
    link.release()
    backend.start()
    return backend


def noise(channels: int, frames: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (channels, frames)).astype(np.float32)


def settled(backend: JackBackend) -> bool:
    return until(lambda: backend.link.counters().position > 48_00)


def test_client_and_port_names_are_the_promised_ones(jack_server: JackServer) -> None:
    backend = running(DelayEngine(channels=2), channels=2)
    with Daw() as daw:
        names = [port.name for port in daw.client.get_ports("rtstyle")]
    backend.close()
    assert names == ["rtstyle:in_1", "rtstyle:in_2", "rtstyle:out_1", "rtstyle:out_2"]


def test_what_comes_back_in_freewheel_is_the_engine_bit_by_bit(jack_server: JackServer) -> None:
    backend = running(DelayEngine(channels=2, delay=77, gain=0.5), channels=2)
    assert settled(backend)
    audio = noise(2, 480_000)
    with Daw(2) as daw:
        daw.connect(["rtstyle:in_1", "rtstyle:in_2"], ["rtstyle:out_1", "rtstyle:out_2"])
        back = daw.play(audio, tail=128 + 77)
    backend.close()
    late = 128 + 77  # one period for JACK's loop
    np.testing.assert_array_equal(back[:, late : late + 480_000], np.float32(0.5) * audio)
    assert backend.link.counters().failures == 0


def test_port_latency_is_the_engine_s_and_follows_it(jack_server: JackServer) -> None:
    backend = running(DelayEngine(delay=171))
    assert until(lambda: backend.port_latency() == (171, 171))
    assert backend._library is not None
    assert backend._library.latency(backend._client.outports[0], CAPTURE) == (171, 171)  # smallest and largest
    assert backend._library.latency(backend._client.inports[0], PLAYBACK) == (171, 171)
    backend.set_latency(300)
    assert until(lambda: backend.port_latency() == (300, 300))
    with Daw() as daw:
        daw.connect(["rtstyle:in_1"], ["rtstyle:out_1"])
    backend.close()


def test_port_latency_adds_to_the_sound_card_s(jack_server: JackServer) -> None:
    backend = running(DelayEngine(delay=171), input=None, output=None)
    assert until(lambda: backend.device_latency().input == 128)
    device = backend.device_latency()
    assert device.output is not None
    assert device.output >= 128
    assert until(lambda: backend.port_latency() == (128 + 171, device.output + 171))
    backend.close()


def test_default_connections_are_the_sound_card_both_sides_of_it_for_a_mono_output(jack_server: JackServer) -> None:
    backend = running(DelayEngine(), input=None, output=None)
    assert backend.connections() == [
        ("system:capture_1", "rtstyle:in_1"),
        ("rtstyle:out_1", "system:playback_1"),
        ("rtstyle:out_1", "system:playback_2"),
    ]
    backend.close()


def test_live_period_change_is_told_at_once_and_survived(jack_server: JackServer) -> None:
    engine = DelayEngine(gain=0.5)
    backend = running(engine)
    told: list[int] = []
    backend.notify = lambda: told.append(backend.format.block)
    assert settled(backend)
    with Daw() as daw:
        for period in (256, 64, 441):
            daw.client.blocksize = period
            assert until(lambda expected=period: backend.link.changed_block == expected)  # type: ignore[misc]
            assert told[-1] == backend.format.block == period
            assert backend.link.hold()
            backend.link.attach(engine.function, engine.table, block=period, latency=0, sample_rate=48_000, keep=engine)
            backend.link.release()
            before = int(engine.table[5])
            assert until(lambda seen=before: int(engine.table[5]) > seen + 10)  # type: ignore[misc]
    assert backend.state is BackendState.RUNNING
    backend.close()


def test_callbacks_go_on_while_python_is_held_up(jack_server: JackServer) -> None:
    engine = DelayEngine()
    backend = running(engine)
    assert settled(backend)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60.0)  # from here on no other thread gets the interpreter
    try:
        before = int(engine.table[5])
        total = sum(range(20_000_000))
        after = int(engine.table[5])
    finally:
        sys.setswitchinterval(interval)
    backend.close()
    assert total
    assert after > before + 20


def test_freewheel_is_told(jack_server: JackServer) -> None:
    backend = running(DelayEngine())
    with Daw() as daw:
        daw.client.set_freewheel(True)
        assert until(lambda: backend.freewheeling)
        daw.client.set_freewheel(False)
        assert until(lambda: not backend.freewheeling)
    backend.close()


def test_a_port_that_leaves_while_connections_are_listed_does_no_harm(
    jack_server: JackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = running(DelayEngine(), input="system:capture_2", output=None)
    before = backend.connections()
    assert len(before) > 1
    look_up, leaving = jack.Client.get_port_by_name, iter([True, False, True])

    def sometimes(client: jack.Client, name: str) -> jack.Port:
        if next(leaving, False):
            raise jack.JackError(f"Port {name!r} not available")
        return look_up(client, name)

    monkeypatch.setattr(jack.Client, "get_port_by_name", sometimes)
    assert backend.poll() is BackendState.RUNNING
    assert next(leaving, None) is None  # it was asked, and a port left twice
    assert backend.connections() == before
    leaving = itertools.repeat(True)
    with pytest.raises(DeviceError, match="could not be listed"):
        backend.poll()
    backend.close()


def test_killed_server_is_told_and_the_client_comes_back_with_its_connections(jack_server: JackServer) -> None:
    backend = running(DelayEngine(delay=50), input="system:capture_2", output=None)
    told: list[BackendState] = []
    backend.notify = lambda: told.append(backend.state)
    with Daw() as daw:
        assert settled(backend)
        daw.client.disconnect("rtstyle:out_1", "system:playback_1")
        backend.poll()
        before = backend.connections()
    assert len(before) == 2
    jack_server.kill()
    assert until(lambda: backend.poll() is BackendState.LOST)
    assert told[-1] is BackendState.LOST
    assert "server" in backend.reason
    backend.close()
    with pytest.raises(DeviceError, match=r"no JACK server answers.*jackd"):
        backend.open()
    jack_server.start()
    backend.open()
    backend.start()
    assert backend.connections() == before
    assert until(lambda: backend.port_latency()[0] == 50 + 128)
    seen = backend.link.counters().callbacks
    assert until(lambda: backend.link.counters().callbacks > seen + 10)
    backend.close()


PORTS = [
    JackPort("system:capture_1", True),
    JackPort("system:capture_2", True),
    JackPort("Ardour:Guitar/audio_out 1", False),
    JackPort("Ardour:Master/audio_out 1", False),
    JackPort("Reaper:out1", False),
]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ["system:capture_1", "system:capture_2"]),
        ("none", []),
        ("system:capture_2", ["system:capture_2"]),
        ("2", ["Reaper:out1"]),
        ("reap", ["Reaper:out1"]),
        ("guitar ardour", ["Ardour:Guitar/audio_out 1"]),
        ("system", ["system:capture_1", "system:capture_2"]),
    ],
)
def test_ports_by_default_none_name_number_or_piece(choice: str | None, expected: list[str]) -> None:
    assert pick_ports(choice, "input", PORTS) == expected


def test_ambiguous_and_unknown_ports_list_what_there_is() -> None:
    with pytest.raises(DeviceError, match=r"fits ports of 2 clients \(Ardour, Reaper\)"):
        pick_ports("out", "input", PORTS)
    with pytest.raises(DeviceError, match=r"no JACK input 'bitwig'") as caught:
        pick_ports("bitwig", "input", PORTS)
    assert "1: Ardour (Guitar/audio_out 1, Master/audio_out 1)" in str(caught.value)


def test_stereo_ports_pair_in_order() -> None:
    assert pair_ports(["out_1", "out_2"], ["a", "b", "c"], "output") == [("out_1", "a"), ("out_2", "b")]
    assert pair_ports(["in_1", "in_2"], ["a"], "input") == [("a", "in_1")]
