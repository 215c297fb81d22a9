"""Ports of a system like ALSA, played by a stand-in for rtmidi: what is opened, unplugged, plugged in again, passed on."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from rtstyle.control import ports, rtmidi_ports
from rtstyle.control.mapping import ControllerMap
from rtstyle.control.messages import ControlChange, Message, ProgramChange, encode
from rtstyle.control.ports import MidiInput, list_ports, pick_port
from rtstyle.control.rtmidi_ports import RtmidiPorts, bare, keys
from rtstyle.control.surface import Surface
from rtstyle.control.systems import MidiPort, import_rtmidi
from rtstyle.errors import DeviceError, MissingPartError

BOXES = ["Midi Through:Midi Through Port-0 14:0", "nanoKONTROL2:nanoKONTROL2 1 20:0", "Pedal:Pedal 1 24:0"]


class System:
    """The sources that are plugged in, and the handles that were opened."""

    def __init__(self, sources: list[str]) -> None:
        self.sources = sources
        self.handles: list[Handle] = []

    def opened(self) -> list[str | None]:
        return [handle.source for handle in self.handles]

    def send(self, source: str, *messages: Message) -> None:
        for handle in self.handles:
            if handle.source == source:
                handle.queue += [(list(encode(message)), 0.0) for message in messages]


class Handle:
    """As much of rtmidi.MidiIn as is used."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.source: str | None = None
        self.queue: list[tuple[list[int], float]] = []
        system.handles.append(self)

    def open_virtual_port(self, name: str) -> None:
        self.source = name

    def open_port(self, index: int, name: str) -> None:
        self.source = self.system.sources[index]

    def get_ports(self) -> list[str]:
        return list(self.system.sources)

    def get_message(self) -> tuple[list[int], float] | None:
        return self.queue.pop(0) if self.queue else None

    def close_port(self) -> None:
        self.source = None

    def delete(self) -> None:
        self.system.handles.remove(self)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    found = System(list(BOXES))
    monkeypatch.setattr(rtmidi_ports, "open_handle", lambda code, client: Handle(found))
    monkeypatch.setattr(ports, "usable_systems", lambda: {"ALSA": 2})
    return found


def opened(wanted: Callable[[rtmidi_ports.Key], bool] = lambda key: True) -> RtmidiPorts:
    return RtmidiPorts("ALSA", 2, "rtstyle-midi", wanted)


def test_numbers_that_change_with_plugging_are_no_part_of_a_name() -> None:
    assert bare(BOXES[1], "ALSA") == "nanoKONTROL2:nanoKONTROL2 1"
    assert bare("nanoKONTROL2 1", "Windows MM") == "nanoKONTROL2"
    assert bare("IAC Bus 1", "CoreMIDI") == "IAC Bus 1"
    assert keys(["a", "b", "a"]) == [("a", 0), ("b", 0), ("a", 1)]


def test_a_source_that_comes_back_under_another_number_is_opened_again(system: System) -> None:
    open_ports = opened()
    system.sources.remove(BOXES[2])
    open_ports.look()
    assert "Pedal:Pedal 1" not in open_ports.open
    system.sources.append("Pedal:Pedal 1 28:0")
    open_ports.look()
    assert open_ports.open[-1] == "Pedal:Pedal 1"
    assert "Pedal:Pedal 1 28:0" in system.opened()
    open_ports.close()
    assert system.handles == []


def test_portions_keep_ports_apart(system: System) -> None:
    open_ports = opened()
    system.send(BOXES[1], ControlChange(1, 99, 1), ControlChange(1, 98, 2))
    system.send(BOXES[2], ControlChange(1, 6, 64))
    portions = open_ports.take()
    assert [(portion.port, len(portion.messages)) for portion in portions] == [
        ("nanoKONTROL2:nanoKONTROL2 1", 2),
        ("Pedal:Pedal 1", 1),
    ]
    assert portions[0].reader is not portions[1].reader  # the second box knows of no parameter number
    assert open_ports.take() == []


def heard(choice: str | None, system: System, *expected: str) -> None:
    with MidiInput(None, choice) as listening:
        assert sorted(listening.ports) == sorted(f"ALSA {name}" for name in expected)
    assert system.handles == []


def test_without_a_choice_all_hardware_is_heard(system: System) -> None:
    heard(None, system, "midi_in", "nanoKONTROL2:nanoKONTROL2 1", "Pedal:Pedal 1")


def test_a_chosen_port_is_heard_beside_the_virtual_one_alone(system: System) -> None:
    heard("nano", system, "midi_in", "nanoKONTROL2:nanoKONTROL2 1")
    heard("2", system, "midi_in", "Pedal:Pedal 1")


def test_what_ports_receive_reaches_the_surface_before_stop_returns(system: System) -> None:
    events: list[Any] = []
    seen: list[tuple[str, Message]] = []
    sent = [ControlChange(1, 1, 0), ProgramChange(2, 3)]
    surface = Surface(events.append, ControllerMap(takeover="jump"))
    with MidiInput(surface, listen=lambda port, message: seen.append((port, message))) as listening:
        system.send(BOXES[2], *sent)
    assert [message for _, message in seen] == sent
    assert len(events) == 2
    assert listening.received == 2


def test_ports_are_listed_with_numbers_and_picked_by_them(system: System) -> None:
    listed = list_ports()
    assert [port.number for port in listed] == [0, 1, 2]
    assert pick_port("1", listed).name == "nanoKONTROL2:nanoKONTROL2 1"
    assert pick_port("alsa pedal", listed).number == 2


def test_an_exact_name_wins_over_pieces() -> None:
    listed = [MidiPort(0, "Pedal", "ALSA"), MidiPort(1, "Pedal Two", "ALSA")]
    assert pick_port("pedal", listed) == listed[0]


@pytest.mark.parametrize("choice", ["7", "drum", "p"])
def test_what_is_not_one_port_lists_those_there_are(choice: str) -> None:
    listed = [MidiPort(0, "Pedal", "ALSA"), MidiPort(1, "Pad", "ALSA")]
    with pytest.raises(DeviceError, match=r"0: Pedal \(ALSA\)\n  1: Pad \(ALSA\)"):
        pick_port(choice, listed)
    with pytest.raises(DeviceError, match="plug a controller in"):
        pick_port(choice, [])


def test_a_missing_package_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi", None)
    with pytest.raises(MissingPartError, match="pip install python-rtmidi"):
        import_rtmidi()
