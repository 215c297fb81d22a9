"""Ports of ALSA, CoreMIDI and Windows, by python-rtmidi in this process."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from rtstyle.control.controls import ControlReader
from rtstyle.control.messages import Decoder, Message
from rtstyle.control.systems import VIRTUAL_PORT, Portion, import_rtmidi

QUEUE: Final = 16384  # messages that wait while Python is held up: 1.6 s of a flood of 10 000 a second

#: A port's name and the count among ports of this name.
Key = tuple[str, int]


class RtmidiPorts:
    """The virtual port, where the system can have one, and the wanted sources. Raises rtmidi.RtMidiError where it fails.

    system: its name; code: rtmidi's number for it. wanted: whether a source is to be opened.
    """

    waits = None
    ended = False

    def __init__(self, system: str, code: int, client: str, wanted: Callable[[Key], bool]) -> None:
        self._system = system
        self._code = code
        self._client = client
        self._wanted = wanted
        self._sources: dict[Key, _Port] = {}
        handle = open_handle(code, client)
        self._virtual = system != "Windows MM"
        if self._virtual:
            handle.open_virtual_port(VIRTUAL_PORT)
        self._look = _Port(VIRTUAL_PORT, handle)
        self.look()

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the ports that are open."""
        return (*([VIRTUAL_PORT] if self._virtual else []), *(name for name, _ in self._sources))

    def take(self) -> list[Portion]:
        """What came since the last call."""
        ports = (self._look, *self._sources.values())
        return [Portion(port.name, messages, port.reader) for port in ports if (messages := port.take())]

    def look(self) -> None:
        """Open what has come, close what has gone."""
        present = keys(bare(name, self._system) for name in self._look.handle.get_ports())
        for key in [key for key in self._sources if key not in present]:
            self._sources.pop(key).close()
        for index, key in enumerate(present):
            if key not in self._sources and self._wanted(key):
                handle = open_handle(self._code, self._client)
                handle.open_port(index, VIRTUAL_PORT)
                self._sources[key] = _Port(key[0], handle)

    def close(self) -> None:
        """Let go of everything."""
        for port in (*self._sources.values(), self._look):
            port.close()
        self._sources = {}


class _Port:
    """One open port, and what has been read of it so far."""

    def __init__(self, name: str, handle: Any) -> None:
        self.name = name
        self.handle = handle
        self.decoder = Decoder()
        self.reader = ControlReader()

    def take(self) -> list[Message]:
        messages: list[Message] = []
        while (received := self.handle.get_message()) is not None:
            messages += self.decoder.feed(received[0])
        return messages

    def close(self) -> None:
        self.handle.close_port()
        self.handle.delete()  # frees the client now, and not when the collector comes by


def open_handle(code: int, client: str) -> Any:
    """An rtmidi input without a port."""
    return import_rtmidi().MidiIn(code, name=client, queue_size_limit=QUEUE)


def list_sources(system: str, code: int, client: str) -> list[str]:
    """Names of the system's sources, in its order."""
    handle = open_handle(code, client)
    names = [bare(name, system) for name in handle.get_ports()]
    handle.delete()
    return names


def bare(name: str, system: str) -> str:
    """A port's name without the numbers that change when it is plugged in again."""
    pattern = {"ALSA": r" \d+:\d+$", "Windows MM": r" \d+$"}.get(system)
    return re.sub(pattern, "", name) if pattern else name


def keys(names: Iterable[str]) -> list[Key]:
    """Every name with the count of equal names before it."""
    found: list[Key] = []
    for name in names:
        found.append((name, sum(name == other for other, _ in found)))
    return found
