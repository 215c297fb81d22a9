"""OSC: parameters, presets and panic by UDP, for tablets and other programs.

    /rtstyle/<parameter id>  value     in the parameter's unit: /rtstyle/mix 0.5; "style/amount" may stand for
    "style.amount";
                                       text is read like the command line's: "50 %", "-6 dB", a style's name
    /rtstyle/preset          n         recall the preset of program n, 0..127
    /rtstyle/panic

Values out of range are clamped. The time tag of a bundle is not waited for: on stage, now is meant.
"""

import math
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final

from rtstyle.control.events import Panic, ParameterEvent, RecallPreset, SetParameter
from rtstyle.control.surface import Surface
from rtstyle.errors import DeviceError, MissingPartError, ParameterError
from rtstyle.params import parameter

PORT: Final = 9000
ROOT: Final = "/rtstyle/"
LONGEST_DATAGRAM: Final = 65536
LOOK_S: Final = 0.2  # how often the thread looks whether it shall end
PORTION: Final = 1024  # datagrams that are taken together when they wait


class OscInput:
    """A UDP port whose messages go to a surface, from one thread of its own. `[control]`

    host: whose messages are heard; "127.0.0.1" this machine's alone, "0.0.0.0" everybody's, which is for trusted
    networks. port: 0 takes a free one, see `address`. styles: names that text for a choice may give. `start` raises
    DeviceError where the port is taken, MissingPartError without python-osc.
    """

    def __init__(
        self, surface: Surface, *, host: str = "127.0.0.1", port: int = PORT, styles: Sequence[str] = ()
    ) -> None:
        self._surface = surface
        self._wanted = (host, port)
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self.styles = styles
        self.received = 0
        self.refused = 0
        self.problem: str | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are heard. `[any]`"""
        if self._socket is None:
            return self._wanted
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def start(self) -> "OscInput":
        """Open the port and begin to listen."""
        import_osc_packet()
        host, port = self._wanted
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listening.bind((host, port))
        except (OSError, OverflowError) as error:
            listening.close()
            raise DeviceError(f"Cannot listen for OSC at {host}:{port} ({error}); choose another port.") from error
        listening.settimeout(LOOK_S)
        self._socket = listening
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, args=(listening,), name="rtstyle-osc", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port; `start` works again."""
        self._ending.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> "OscInput":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def take(self, datagrams: Sequence[bytes]) -> None:
        """Act on datagrams as if they had come together. Never raises: what makes no sense is counted in `refused`."""
        events: list[ParameterEvent] = []
        for datagram in datagrams:
            self.received += 1
            try:
                for address, arguments in read_packet(datagram):
                    events.append(read_event(address, arguments, self.styles))
            except ParameterError as error:
                self.refused += 1
                self.problem = str(error)
        self._surface.apply(events)

    def _run(self, listening: socket.socket) -> None:
        while not self._ending.is_set():
            try:
                datagrams = [listening.recv(LONGEST_DATAGRAM)]
                listening.setblocking(False)
                while len(datagrams) < PORTION:
                    datagrams.append(listening.recv(LONGEST_DATAGRAM))
            except TimeoutError:
                continue
            except BlockingIOError:
                pass  # all that waited is taken
            except OSError as error:  # on Windows a peer that went away shows here
                self.problem = str(error)
                continue
            finally:
                listening.settimeout(LOOK_S)
            self.take(datagrams)


def import_osc_packet() -> Any:
    """python-osc's module of packets, or MissingPartError with the line that installs it. `[control]`"""
    try:
        from pythonosc import osc_packet
    except ImportError as error:
        raise MissingPartError("OSC needs the package python-osc: run `pip install python-osc`.") from error
    return osc_packet


def read_packet(datagram: bytes) -> list[tuple[str, list[Any]]]:
    """Addresses and arguments of the messages in a datagram. `[any]` Raises ParameterError for what is not OSC."""
    osc_packet = import_osc_packet()
    try:
        timed = osc_packet.OscPacket(datagram).messages
        return [(entry.message.address, list(entry.message.params)) for entry in timed]
    except (osc_packet.ParseError, ValueError, LookupError, RecursionError, OverflowError) as error:
        raise ParameterError(f"A datagram of {len(datagram)} bytes is no OSC packet ({error}).") from error


def read_event(address: str, arguments: Sequence[Any], styles: Sequence[str] = ()) -> ParameterEvent:
    """What one OSC message asks for. `[any]` Raises ParameterError naming what is allowed."""
    if not address.startswith(ROOT):
        raise ParameterError(f"OSC address '{address}' is unknown; give {ROOT}<parameter>, {ROOT}preset, {ROOT}panic.")
    name = address.removeprefix(ROOT).strip("/")
    if name == "panic":
        return Panic()
    if len(arguments) != 1:
        raise ParameterError(f"OSC message {address} has {len(arguments)} arguments; give one value.")
    value = arguments[0]
    shown = value if isinstance(value, int | float | str) else f"of type {type(value).__name__}"
    if name == "preset":
        if not isinstance(value, int | float) or not 0 <= value <= 127 or value != int(value):
            raise ParameterError(f"OSC message {address} asks for preset {shown}; give a program 0..127.")
        return RecallPreset(int(value))
    entry = parameter(name.replace("/", "."))
    if isinstance(value, str):
        return SetParameter(entry.id, entry.parse(value, styles))
    if not isinstance(value, int | float) or math.isnan(value):
        raise ParameterError(f"OSC message {address} has the value {shown}; give {entry.describe_range()}.")
    return SetParameter(entry.id, float(value))
