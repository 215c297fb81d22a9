"""The systems of MIDI ports on this machine, and what all of them give: named sources, portions of messages."""

import os
import sys
from typing import Any, Final, NamedTuple, Protocol

from rtstyle.control.controls import ControlReader
from rtstyle.control.messages import Message
from rtstyle.errors import MissingPartError

#: Own client, beside the audio client `rtstyle`: JACK would rename the later of two clients of one name.
CLIENT: Final = "rtstyle-midi"
VIRTUAL_PORT: Final = "midi_in"

JACK: Final = "JACK"
_NAMES: Final = {
    "API_LINUX_ALSA": "ALSA",
    "API_MACOSX_CORE": "CoreMIDI",
    "API_WINDOWS_MM": "Windows MM",
    "API_UNIX_JACK": JACK,
}


class MidiPort(NamedTuple):
    """A source of MIDI that can be opened. `same` counts ports of one name from 0."""

    number: int
    name: str
    system: str
    same: int = 0

    @property
    def label(self) -> str:
        """One line for a listing."""
        return f"{self.number}: {self.name} ({self.system})"


class Portion(NamedTuple):
    """What one port received since it was last asked, and the reader that knows what it received before."""

    port: str
    messages: list[Message]
    reader: ControlReader


class Ports(Protocol):
    """The open ports of one system; used by one thread at a time."""

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the ports that are open."""

    @property
    def ended(self) -> bool:
        """Whether the system went away or began anew: only `close` is left to do."""

    @property
    def waits(self) -> int | None:
        """A file that can be read when there is something to `take`; None for ports that must be asked."""

    def take(self) -> list[Portion]:
        """What came since the last call."""

    def look(self) -> None:
        """Open what has come, close what has gone."""

    def close(self) -> None:
        """Let go of everything."""


def import_rtmidi() -> Any:
    """The package rtmidi, or MissingPartError with the line that installs it. `[control]`"""
    try:
        import rtmidi
    except ImportError as error:
        built = " (built from source here: it needs a C++ compiler, and on Linux libasound2-dev and libjack-jackd2-dev)"
        raise MissingPartError(
            "MIDI needs the package python-rtmidi: run `pip install python-rtmidi`"
            f"{built if sys.version_info >= (3, 13) else ''}."
        ) from error
    return rtmidi


def usable_systems() -> dict[str, int]:
    """Systems of MIDI ports that are there now: name -> rtmidi's number, ALSA before JACK. `[control]`"""
    rtmidi = import_rtmidi()
    names = {getattr(rtmidi, constant): name for constant, name in _NAMES.items()}
    codes = {names[code]: code for code in rtmidi.get_compiled_api() if code in names}
    # Asked in vain, both libraries print to stderr: see first whether somebody is there.
    if sys.platform.startswith("linux") and not os.path.exists("/dev/snd/seq"):
        codes.pop("ALSA", None)
    socket = jack_socket()
    if socket is not None and not os.path.exists(socket):
        codes.pop(JACK, None)
    return codes


def jack_socket() -> str | None:
    """The file at which the JACK server listens, made at its start; None where that is not known. `[any]`"""
    if not sys.platform.startswith("linux"):
        return None
    server = os.environ.get("JACK_DEFAULT_SERVER", "default")
    owner = "" if "JACK_PROMISCUOUS_SERVER" in os.environ else f"_{os.getuid()}"
    return f"/dev/shm/jack_{server}{owner}_0"
