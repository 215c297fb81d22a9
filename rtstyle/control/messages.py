"""MIDI 1.0 messages: the protocol as a table, and a decoder from bytes in any portions to typed messages.

Channels are counted 1..16, as they are printed on controllers. Source: MIDI 1.0 Detailed Specification 4.2, table 1-5.
"""

from collections.abc import Iterable
from typing import Final

import msgspec


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A key went down or up; a note-on of velocity 0 is a key going up."""

    channel: int
    number: int
    velocity: int
    on: bool


class KeyPressure(msgspec.Struct, frozen=True, tag="key_pressure"):
    """Aftertouch of one key."""

    channel: int
    number: int
    value: int


class ControlChange(msgspec.Struct, frozen=True, tag="control_change"):
    """A controller 0..127 stands at a value 0..127."""

    channel: int
    number: int
    value: int


class ProgramChange(msgspec.Struct, frozen=True, tag="program_change"):
    """Program 0..127 was chosen; most gear shows it as 1..128."""

    channel: int
    program: int


class ChannelPressure(msgspec.Struct, frozen=True, tag="channel_pressure"):
    """Aftertouch of the whole channel."""

    channel: int
    value: int


class PitchBend(msgspec.Struct, frozen=True, tag="pitch_bend"):
    """The bend wheel's place 0..16383; 8192 is its rest."""

    channel: int
    value: int


class System(msgspec.Struct, frozen=True, tag="system"):
    """A message to no channel, by its name in SYSTEM; `value` where it carries one."""

    name: str
    value: int = 0


Message = Note | KeyPressure | ControlChange | ProgramChange | ChannelPressure | PitchBend | System

#: Channel messages: upper four bits of the status -> (name, data bytes).
CHANNEL: Final[dict[int, tuple[str, int]]] = {
    0x8: ("note off", 2),
    0x9: ("note on", 2),
    0xA: ("key pressure", 2),
    0xB: ("control change", 2),
    0xC: ("program change", 1),
    0xD: ("channel pressure", 1),
    0xE: ("pitch bend", 2),
}

#: System messages: status -> (name, data bytes). System exclusive (0xF0 .. 0xF7) is skipped; the rest is undefined.
SYSTEM: Final[dict[int, tuple[str, int]]] = {
    0xF1: ("time code", 1),
    0xF2: ("song position", 2),
    0xF3: ("song select", 1),
    0xF6: ("tune request", 0),
    0xF8: ("clock", 0),
    0xFA: ("start", 0),
    0xFB: ("continue", 0),
    0xFC: ("stop", 0),
    0xFE: ("active sensing", 0),
    0xFF: ("reset", 0),
}

REAL_TIME: Final = 0xF8  # this status and those above may stand between the bytes of any other message
SYSEX: Final = 0xF0

_LENGTHS: Final = {status: length for status, (_, length) in SYSTEM.items()} | {
    upper << 4 | channel: length for upper, (_, length) in CHANNEL.items() for channel in range(16)
}


class Decoder:
    """Bytes of one port, in any portions, to messages. `[any]`, one thread at a time. Never raises: garbage is dropped.

    Rules: a status byte begins a message; data bytes without one repeat the last channel status (running status);
    system exclusive and undefined data are skipped; a system message below 0xF8 ends running status, real-time bytes
    end nothing.
    """

    def __init__(self) -> None:
        self._status = 0  # 0: data bytes belong to nothing
        self._data: list[int] = []

    def feed(self, data: Iterable[int]) -> list[Message]:
        """Return the messages that `data` (bytes, or whole numbers 0..255) completes."""
        messages: list[Message] = []
        for byte in data:
            if byte >= REAL_TIME:
                if byte in SYSTEM:
                    messages.append(System(SYSTEM[byte][0]))
            elif byte >= 0x80:
                self._status = byte if byte in _LENGTHS else 0
                self._data = []
                if self._status and _LENGTHS[byte] == 0:
                    messages.append(System(SYSTEM[byte][0]))
                    self._status = 0
            elif self._status:
                self._data.append(byte)
                if len(self._data) == _LENGTHS[self._status]:
                    messages.append(_message(self._status, self._data))
                    self._data = []
                    if self._status > SYSEX:
                        self._status = 0
        return messages


def encode(message: Message) -> bytes:
    """The bytes of one message, its status always written. `[any]`"""
    match message:
        case Note(channel, number, velocity, on):
            return bytes((0x8F + channel if on else 0x7F + channel, number, velocity))
        case KeyPressure(channel, number, value):
            return bytes((0x9F + channel, number, value))
        case ControlChange(channel, number, value):
            return bytes((0xAF + channel, number, value))
        case ProgramChange(channel, program):
            return bytes((0xBF + channel, program))
        case ChannelPressure(channel, value):
            return bytes((0xCF + channel, value))
        case PitchBend(channel, value):
            return bytes((0xDF + channel, value & 0x7F, value >> 7))
        case System(name, value):
            status, length = next((status, length) for status, (other, length) in SYSTEM.items() if other == name)
            return bytes((status, value & 0x7F, value >> 7)[: 1 + length])


def describe(message: Message) -> str:
    """One line for a listing: what it is, where it stands. `[any]`"""
    match message:
        case Note(channel, number, velocity, on):
            return f"ch {channel:2}  note {number} {'on' if on else 'off'}, velocity {velocity}"
        case KeyPressure(channel, number, value):
            return f"ch {channel:2}  key pressure {number} = {value}"
        case ControlChange(channel, number, value):
            return f"ch {channel:2}  cc {number} = {value}"
        case ProgramChange(channel, program):
            return f"ch {channel:2}  program {program}"
        case ChannelPressure(channel, value):
            return f"ch {channel:2}  pressure = {value}"
        case PitchBend(channel, value):
            return f"ch {channel:2}  bend = {value - 8192:+d}"
        case System(name, value):
            return f"       {name}" + (f" {value}" if value else "")


def _message(status: int, data: list[int]) -> Message:
    """The message of a complete status and its data bytes."""
    first, last = data[0], data[-1]
    channel = (status & 0x0F) + 1
    match status >> 4:
        case 0x8:
            return Note(channel, first, last, False)
        case 0x9:
            return Note(channel, first, last, last > 0)
        case 0xA:
            return KeyPressure(channel, first, last)
        case 0xB:
            return ControlChange(channel, first, last)
        case 0xC:
            return ProgramChange(channel, first)
        case 0xD:
            return ChannelPressure(channel, first)
        case 0xE:
            return PitchBend(channel, first | last << 7)
    name, length = SYSTEM[status]
    return System(name, first | last << 7 if length == 2 else first)
