"""MIDI ports: hardware, virtual and JACK; unplugged and plugged at any time."""

import select
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Final

from rtstyle.control.jack_ports import JackPorts, list_jack_sources
from rtstyle.control.messages import Message
from rtstyle.control.rtmidi_ports import Key, RtmidiPorts, keys, list_sources
from rtstyle.control.surface import Surface
from rtstyle.control.systems import CLIENT, JACK, MidiPort, Ports, import_rtmidi, usable_systems
from rtstyle.errors import DeviceError

ACTIVE_S: Final = 0.001  # how often ports are asked while messages come ..
IDLE_S: Final = 0.002  # .. and while none come
ACTIVE_FOR_S: Final = 1.0
LOOK_AGAIN_S: Final = 1.0
REST_S: Final = 0.05  # how soon `stop` is noticed where no port has to be asked


class MidiInput:
    """Open MIDI ports whose messages go to a surface, from one thread of its own. `[control]`

    choice: None for a virtual port `midi_in` in every system that can have one, and all hardware but JACK's (there the
    player draws the cables); a number or piece of a name of `list_ports` for that port alone beside the virtual ones. A
    port that is unplugged is opened again when it is back, also after its JACK server ended and began anew.
    listen: called with port name and message before the surface acts, for monitors.
    `start` raises DeviceError where `choice` is not one port, MissingPartError without python-rtmidi.
    """

    def __init__(
        self,
        surface: Surface | None,
        choice: str | int | None = None,
        *,
        client: str = CLIENT,
        listen: Callable[[str, Message], None] | None = None,
    ) -> None:
        self._surface = surface
        self._choice = choice
        self._wanted: MidiPort | None = None
        self._client = client
        self._listen = listen
        self._systems: dict[str, Ports] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._names: tuple[str, ...] = ()
        self.received = 0
        self.problem: str | None = None

    @property
    def ports(self) -> tuple[str, ...]:
        """What is open now, as "JACK midi_in", "ALSA nanoKONTROL2 ..". `[any]`"""
        return self._names

    def start(self) -> "MidiInput":
        """Open what is there and begin to listen."""
        if self._choice is not None:
            self._wanted = pick_port(self._choice, list_ports())
        import_rtmidi()
        self._look_again()
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name="rtstyle-midi", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every port; `start` works again."""
        self._ending.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def __enter__(self) -> "MidiInput":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        """Listen until `stop`; look for changes each second."""
        look_at = time.monotonic() + LOOK_AGAIN_S
        last_message = 0.0
        try:
            while not self._ending.is_set():
                now = time.monotonic()
                if self._take(now):
                    last_message = now
                if now >= look_at:
                    self._look_again()
                    look_at = now + LOOK_AGAIN_S
                self._rest(ACTIVE_S if now - last_message < ACTIVE_FOR_S else IDLE_S)
            self._take(time.monotonic())
        finally:
            for system in self._systems.values():
                system.close()
            self._systems = {}
            self._names = ()

    def _rest(self, pause: float) -> None:
        """Sleep until there may be something: `pause` where a port must be asked, else until one speaks up."""
        files = [system.waits for system in self._systems.values() if system.waits is not None]
        if len(files) == len(self._systems):
            pause = REST_S
        if files:
            select.select(files, [], [], pause)
        else:
            time.sleep(pause)

    def _take(self, now: float) -> bool:
        """Pass on what the ports collected; whether there was anything."""
        some = False
        for system in self._systems.values():
            for portion in system.take():
                some = True
                self.received += len(portion.messages)
                if self._listen:
                    for message in portion.messages:
                        self._listen(portion.port, message)
                if self._surface:
                    self._surface.receive(portion.messages, portion.reader, now)
        for name in [name for name, system in self._systems.items() if system.ended]:
            self._systems.pop(name).close()
        self._tell_names()
        return some

    def _look_again(self) -> None:
        """Open what has come, close what has gone."""
        rtmidi = import_rtmidi()
        self.problem = None
        codes = usable_systems()
        for name in [name for name in self._systems if name not in codes]:
            self._systems.pop(name).close()
        for name, code in codes.items():
            try:
                if name in self._systems:
                    self._systems[name].look()
                else:
                    self._systems[name] = self._open(name, code)
            except rtmidi.RtMidiError as error:
                self.problem = f"{name}: {error}"
        self._tell_names()

    def _open(self, name: str, code: int) -> Ports:
        if name == JACK:
            return JackPorts(self._client, self._wanted.name if self._wanted and self._wanted.system == JACK else None)
        return RtmidiPorts(name, code, self._client, partial(self._wants, name))

    def _wants(self, system: str, key: Key) -> bool:
        if self._wanted:
            return (system, *key) == (self._wanted.system, self._wanted.name, self._wanted.same)
        return not key[0].startswith(("Midi Through", self._client))

    def _tell_names(self) -> None:
        self._names = tuple(f"{name} {port}" for name, system in self._systems.items() for port in system.open)


def list_ports() -> list[MidiPort]:
    """Every source of MIDI that can be opened now. `[control]` Raises MissingPartError without python-rtmidi."""
    rtmidi = import_rtmidi()
    ports: list[MidiPort] = []
    for system, code in usable_systems().items():
        client = f"{CLIENT}-list"
        try:
            names = list_jack_sources(client) if system == JACK else list_sources(system, code, client)
        except rtmidi.RtMidiError:
            continue  # went away in between
        ports += [MidiPort(len(ports) + index, name, system, same) for index, (name, same) in enumerate(keys(names))]
    return ports


def pick_port(choice: str | int, ports: Sequence[MidiPort]) -> MidiPort:
    """The port that a player means: a number, or case-insensitive pieces of name and system. `[any]`

    Pieces separated by blanks must all occur; an exact name wins over pieces. Raises DeviceError that lists what there
    is.
    """
    text = str(choice).strip().lower()
    if text.isdecimal():
        found = [port for port in ports if port.number == int(text)]
    else:
        found = [port for port in ports if port.name.lower() == text]
        if len(found) != 1:
            words = text.split()
            found = [port for port in ports if all(word in f"{port.name} {port.system}".lower() for word in words)]
    if len(found) == 1:
        return found[0]
    listing = "".join(f"\n  {port.label}" for port in found or ports)
    if found:
        raise DeviceError(f"MIDI port '{choice}' fits {len(found)}: give more of the name, or a number:{listing}")
    if not ports:
        raise DeviceError(f"There is no MIDI port '{choice}', nor any other: plug a controller in, or start JACK.")
    raise DeviceError(f"There is no MIDI port '{choice}'; these are there:{listing}")
