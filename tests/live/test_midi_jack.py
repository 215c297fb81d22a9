"""MIDI over a real JACK server: sent by one client, sample-accurately; heard by rtstyle's ports."""

import collections
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import jack
import numpy as np
import pytest

from rtstyle.backends.libjack import listed
from rtstyle.control.controls import travel
from rtstyle.control.events import Panic, ParameterEvent, RecallPreset, SetParameter
from rtstyle.control.mapping import Binding, ControllerMap, load_map
from rtstyle.control.messages import ControlChange, Message, ProgramChange, encode
from rtstyle.control.ports import MidiInput, list_ports, pick_port
from rtstyle.control.surface import Surface
from rtstyle.errors import DeviceError
from rtstyle.rig import Rig, Setup
from tests.fixtures_bundles import make_identity_bundle
from tests.jack_server import JackServer, jack_server  # noqa: F401
from tests.live.daw import Daw

pytestmark = pytest.mark.jack
PATIENCE_S = 60.0


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do; fail after a time that no working machine needs."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Knobs:
    """A controller: a JACK client that sends messages, so many a period; in freewheel no period can be lost."""

    def __init__(self, name: str = "knobs", per_period: int = 4) -> None:
        self.client = jack.Client(name, no_start_server=True)
        self._port = self.client.midi_outports.register("out")
        self._waiting: collections.deque[bytes] = collections.deque()
        self._per_period = per_period
        self._sent = threading.Event()
        self._free = threading.Event()
        self.client.set_freewheel_callback(lambda starting: self._free.set() if starting else None)
        self.client.set_process_callback(self._process)
        self.client.activate()

    def send(self, messages: Iterable[Message], *, freewheel: bool = True) -> None:
        """Send all and return once the last is gone. A client that leaves while the server runs free makes jackd hang."""
        self._sent.clear()
        if freewheel:
            self._free.clear()
            self.client.set_freewheel(True)
            assert self._free.wait(PATIENCE_S)
        self._waiting.extend(map(encode, messages))
        gone = self._sent.wait(PATIENCE_S)
        if freewheel:
            self.client.set_freewheel(False)
        assert gone

    def connect(self) -> None:
        """Draw the cable to rtstyle's virtual port, once it is there."""
        until(lambda: "rtstyle-midi:midi_in" in self.seen())
        self.client.connect(self._port, "rtstyle-midi:midi_in")

    def seen(self) -> list[str]:
        """The MIDI ports of the server."""
        return [port.name for port in listed(jack, lambda: self.client.get_ports(is_midi=True))]

    def close(self) -> None:
        self.client.close()

    def _process(self, frames: int) -> None:
        self._port.clear_buffer()
        had = bool(self._waiting)
        for offset in range(min(self._per_period, len(self._waiting))):
            self._port.write_midi_event(offset * frames // self._per_period, self._waiting.popleft())
        if had and not self._waiting:
            self._sent.set()


class Heard:
    """What arrived, and in which threads."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.events: list[ParameterEvent] = []
        self.threads: set[str] = set()
        self.surface = Surface(self._take, ControllerMap(takeover="jump"))

    def listen(self, port: str, message: Message) -> None:
        self.messages.append(message)

    def _take(self, event: ParameterEvent) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.append(event)

    def value(self, id: str) -> float:
        return next(
            event.value for event in reversed(self.events) if isinstance(event, SetParameter) and event.id == id
        )


def test_every_message_arrives_in_order_through_the_virtual_port(jack_server: JackServer) -> None:  # noqa: F811
    heard = Heard()
    sent: list[Message] = [ControlChange(1 + index % 16, 1, index % 128) for index in range(500)]
    with MidiInput(heard.surface, listen=heard.listen) as port:
        assert port.ports == ("JACK midi_in",)
        knobs = Knobs()
        knobs.connect()
        knobs.send(sent)
        until(lambda: len(heard.messages) >= 500)
        knobs.close()
    assert heard.messages == sent
    assert heard.value("mix") == travel(499 % 128, 127)
    assert heard.threads == {"rtstyle-midi"}  # no Python in a thread of JACK's


def test_a_flood_loses_no_program_no_panic_and_no_last_value(jack_server: JackServer) -> None:  # noqa: F811
    heard = Heard()
    sent: list[Message] = [ControlChange(1, 1 if index % 2 else 74, index // 2 % 128) for index in range(10_000)]
    programs = list(range(100))
    for program in programs:
        sent[program * 100 + 50] = ProgramChange(1, program)
        sent[program * 100 + 75] = ControlChange(1, 123, 0)
    with MidiInput(heard.surface) as port:
        knobs = Knobs(per_period=32)  # 12 000 a second
        knobs.connect()
        knobs.send(sent)
        until(lambda: port.received >= len(sent))
        knobs.close()
    assert [event.program for event in heard.events if isinstance(event, RecallPreset)] == programs
    assert sum(isinstance(event, Panic) for event in heard.events) == len(programs)
    assert heard.value("mix") == travel(9_999 // 2 % 128, 127)
    assert heard.value("style.amount") == travel(9_998 // 2 % 128, 127)
    assert heard.events[-1] != Panic()


def test_a_port_by_name_is_heard_again_after_it_was_unplugged(jack_server: JackServer) -> None:  # noqa: F811
    heard = Heard()
    knobs = Knobs("nano knobs")
    with MidiInput(heard.surface, "nano") as port:
        until(lambda: "JACK nano knobs:out" in port.ports)
        knobs.send([ControlChange(1, 1, 64)])
        until(lambda: len(heard.events) == 1)
        knobs.close()
        until(lambda: "JACK nano knobs:out" not in port.ports)
        knobs = Knobs("nano knobs")
        until(lambda: "JACK nano knobs:out" in port.ports)
        knobs.send([ControlChange(1, 1, 0)])
        until(lambda: len(heard.events) == 2)
        knobs.close()
    assert heard.events == [SetParameter("mix", 0.5), SetParameter("mix", 0.0)]


def test_ports_come_with_the_server_and_come_back_after_its_crash() -> None:
    server = JackServer()
    heard = Heard()
    with server:
        server.kill()
        with MidiInput(heard.surface) as port:
            for _ in range(2):
                server.start()
                heard.events.clear()
                knobs = Knobs()
                knobs.connect()
                knobs.send([ControlChange(1, 1, 64)])
                until(lambda: heard.events == [SetParameter("mix", 0.5)])
                server.kill()
                knobs.close()
        server.start()  # a server that ends in good order gives back its place, of which jackd has eight
    assert port.ports == ()


def test_ports_are_listed_and_picked_by_number_or_piece(jack_server: JackServer) -> None:  # noqa: F811
    first, second = Knobs("left knobs"), Knobs("right knobs")
    ports = list_ports()
    assert [port.name for port in ports] == ["left knobs:out", "right knobs:out"]
    assert pick_port("RIGHT", ports) == ports[1]
    assert pick_port(0, ports) == ports[0]
    with pytest.raises(DeviceError, match="left knobs"):
        MidiInput(None, "knobs").start()
    with pytest.raises(DeviceError, match="right knobs"):
        MidiInput(None, "drums").start()
    first.close()
    second.close()


@pytest.fixture
def midi_command(jack_server: JackServer, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:  # noqa: F811
    """Start `rtstyle midi ..` as a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "RTSTYLE_HOME": str(tmp_path)}
        line = [sys.executable, "-m", "rtstyle", "midi", *arguments]
        started.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_monitor_prints_what_arrives_and_what_it_means(
    midi_command: Callable[..., subprocess.Popen[str]],
) -> None:
    monitor = midi_command("monitor", "--json", "--count", "4")
    knobs = Knobs(per_period=1)
    knobs.connect()
    knobs.send([ControlChange(2, 1, 64), ProgramChange(1, 4), ControlChange(1, 99, 3)])
    while monitor.poll() is None:
        knobs.send([ControlChange(1, 99, 3)], freewheel=False)
    lines = [json.loads(line) for line in monitor.communicate(timeout=PATIENCE_S)[0].splitlines()]
    knobs.close()
    assert monitor.returncode == 0
    assert [line["message"] for line in lines if "message" in line] == [
        {"type": "control_change", "channel": 2, "number": 1, "value": 64},
        {"type": "program_change", "channel": 1, "program": 4},
        *[{"type": "control_change", "channel": 1, "number": 99, "value": 3}] * 2,
    ]
    assert [line["event"] for line in lines if "event" in line] == [
        {"type": "set", "id": "mix", "value": 0.5},
        {"type": "preset", "program": 4},
    ]


def test_a_knob_is_learned_from_the_command_line_and_kept(
    midi_command: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    learning = midi_command("learn", "style.x", "--invert", "--json")
    knobs = Knobs()
    knobs.connect()
    while learning.poll() is None:
        knobs.send([ControlChange(5, 21, value) for value in range(60, 90)], freewheel=False)
    learned = json.loads(learning.communicate(timeout=PATIENCE_S)[0])
    knobs.close()
    assert (learned["control"], learned["channel"], learned["invert"]) == ("cc 21", 5, True)
    assert Binding("cc 21", "style.x", 5, invert=True) in load_map(tmp_path / "midi.toml").bindings


@pytest.fixture
def stage(jack_server: JackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Rig, Daw, Knobs]]:  # noqa: F811
    """A rig on the server whose second style is four times softer, a recorder cabled round it, and a knob box."""
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))
    make_identity_bundle(tmp_path / "quiet", name="quiet", style_gains=(1.0, 0.25))
    setup = Setup(model=str(tmp_path / "quiet"), style="1", backend="jack", input="none", output="none", driver="tight")
    with Rig(setup) as rig, Daw() as daw:
        rig.open()
        rig.start()
        daw.connect(["rtstyle:in_1"], ["rtstyle:out_1"])
        knobs = Knobs()
        knobs.connect()
        yield rig, daw, knobs
        knobs.close()


def level(stage: tuple[Rig, Daw, Knobs]) -> float:
    """How loud the rig makes a tone, once every ramp is over."""
    rig, daw, _ = stage
    tone = (0.25 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 48_000)).astype(np.float32)[None]
    back = daw.play(tone, ready=lambda: rig.engine.meters().wet in (0.0, 1.0))
    return float(np.sqrt(np.mean(back[0, 12_000:] ** 2) / np.mean(tone**2)))


def test_a_knob_moves_the_rigs_parameter_and_the_sound(stage: tuple[Rig, Daw, Knobs]) -> None:
    rig, _, knobs = stage
    assert level(stage) == pytest.approx(0.25, abs=0.01)
    knobs.send(ControlChange(1, 1, value) for value in range(127, 63, -1))
    until(lambda: rig.value("mix") == 0.5)
    assert level(stage) == pytest.approx(0.625, abs=0.01)
    knobs.send(ControlChange(1, 1, value) for value in range(63, -1, -1))
    until(lambda: rig.value("mix") == 0.0)
    assert level(stage) == pytest.approx(1.0, abs=0.01)


def test_program_change_and_panic_reach_the_sound(stage: tuple[Rig, Daw, Knobs]) -> None:
    rig, _, knobs = stage
    rig.set("mix", 0.5)
    rig.save_preset("Half", program=7)
    rig.set("mix", 1.0)
    knobs.send([ProgramChange(1, 7)])
    until(lambda: rig.value("mix") == 0.5)
    assert level(stage) == pytest.approx(0.625, abs=0.01)
    knobs.send([ControlChange(1, 123, 0)])
    until(lambda: rig.value("bypass") == 1.0)
    assert level(stage) == pytest.approx(1.0, abs=0.01)


def test_a_knob_learned_on_the_rig_moves_it_from_then_on(stage: tuple[Rig, Daw, Knobs]) -> None:
    rig, _, knobs = stage
    assert rig.surface is not None
    rig.surface.learn("output.trim_db")
    knobs.send(ControlChange(1, 30, value) for value in range(20, 50))
    until(lambda: rig.surface is not None and rig.surface.learning is None)
    knobs.send(ControlChange(1, 30, value) for value in range(50, 96))  # passes 0 dB, where the parameter stands
    until(lambda: rig.value("output.trim_db") == pytest.approx(-24 + 48 * travel(95, 127)))
    assert level(stage) == pytest.approx(0.25 * 10 ** (rig.value("output.trim_db") / 20), rel=0.02)


def test_no_process_stays_behind_when_the_player_is_killed(
    midi_command: Callable[..., subprocess.Popen[str]],
) -> None:
    monitor = midi_command("monitor")
    knobs = Knobs()
    knobs.connect()
    monitor.kill()
    until(lambda: not any(name.startswith("rtstyle-midi") for name in knobs.seen()))
    knobs.close()
