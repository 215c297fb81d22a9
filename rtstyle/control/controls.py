"""Controls and their moves: what a hand can turn, whichever messages carry it.

A control is written as its kind and number: "cc 74", "cc14 1" (coarse 1 with fine 33), "nrpn 300", "rpn 0", "note 60",
"bend", "pressure". `ControlReader` turns messages into moves; 14-bit pairs and parameter numbers arrive in up to four
messages, whose parts it keeps per channel. Source: MIDI 1.0 Detailed Specification 4.2, "Control Change", RPN and NRPN.
"""

from typing import Final, Literal

import msgspec

from rtstyle.control.messages import ChannelPressure, ControlChange, Message, Note, PitchBend
from rtstyle.errors import ParameterError

Kind = Literal["cc", "cc14", "nrpn", "rpn", "note", "bend", "pressure"]

#: Kind -> largest number, or None where there is but one such control on a channel.
KINDS: Final[dict[Kind, int | None]] = {
    "cc": 119, "cc14": 31, "nrpn": 16383, "rpn": 16382, "note": 127, "bend": None, "pressure": None,
}  # fmt: skip

FIRST_MODE_MESSAGE: Final = 120  # controllers 120..127 speak to the whole instrument: all sound off, all notes off ..
DATA_COARSE: Final = 6
DATA_FINE: Final = 38
DATA_UP: Final = 96
DATA_DOWN: Final = 97
NRPN_FINE: Final = 98
NRPN_COARSE: Final = 99
RPN_FINE: Final = 100
RPN_COARSE: Final = 101
NULL_NUMBER: Final = 16383  # selects no parameter
FULL_7: Final = 127
FULL_14: Final = 16383


class Control(msgspec.Struct, frozen=True):
    """One control of any channel."""

    kind: Kind
    number: int = 0

    def __str__(self) -> str:
        return self.kind if KINDS[self.kind] is None else f"{self.kind} {self.number}"

    def shares(self, other: "Control") -> bool:
        """Whether one knob can be both: they are the same, or pairs and controllers with a number in common. `[any]`"""
        return self == other or not self._controllers().isdisjoint(other._controllers())

    def _controllers(self) -> set[int]:
        if self.kind == "cc14":
            return {self.number, self.number + 32}
        return {self.number} if self.kind == "cc" else set()


class Move(msgspec.Struct, frozen=True):
    """A control stands at `position` 0..1 of its travel."""

    control: Control
    channel: int
    position: float


def parse_control(text: str) -> Control:
    """Read "cc 74", "cc14 1", "nrpn 300", "nrpn 2:44" (coarse:fine), "bend" .. `[any]` Raises ParameterError."""
    kind, _, number = text.strip().lower().partition(" ")
    allowed = "give one of " + ", ".join(
        kind if largest is None else f"'{kind} 0..{largest}'" for kind, largest in KINDS.items()
    )
    if kind not in KINDS:
        raise ParameterError(f"'{text}' is no MIDI control; {allowed}.")
    largest = KINDS[kind]
    if largest is None and not number.strip():
        return Control(kind)
    coarse, colon, fine = number.replace(" ", "").partition(":")
    if largest is None or not coarse.isdecimal() or (colon and not (fine.isdecimal() and kind in ("nrpn", "rpn"))):
        raise ParameterError(f"'{text}' is no MIDI control; {allowed}.")
    value = int(coarse) << 7 | int(fine) if colon else int(coarse)
    if value > largest or (colon and int(fine) > FULL_7):
        raise ParameterError(f"'{text}' has no such number; {allowed}.")
    if kind == "cc" and DATA_UP <= value <= RPN_COARSE:
        raise ParameterError(f"'{text}' selects a number and is no knob; give the knob as 'nrpn N' or 'rpn N'.")
    return Control(kind, value)


def travel(value: int, full: int) -> float:
    """Place 0..1 of `value` in 0..full (127 or 16383): 0, the middle step and `full` are exactly 0, 1/2 and 1. `[any]`

    The middle of a knob with a detent sends 64 or 8192, which is not half of full: each half is stretched by itself.
    Source: MIDI 2.0 Bit Scaling and Resolution (M2-115), min-centre-max.
    """
    centre = (full + 1) // 2
    if value <= centre:
        return value / (2 * centre)
    return 0.5 + 0.5 * (value - centre) / (full - centre)


class _Pair:
    """Coarse and fine part of one value; without any fine part it is a 7-bit value."""

    def __init__(self) -> None:
        self.coarse = 0
        self.fine = 0
        self.has_fine = False

    def set_coarse(self, value: int) -> None:
        self.coarse, self.fine = value, 0  # by the specification a new coarse part sets the fine part to 0

    def set_fine(self, value: int) -> None:
        self.fine, self.has_fine = value, True

    def step(self, by: int) -> None:
        value = min(max((self.coarse << 7 | self.fine) + by, 0), FULL_14)
        self.coarse, self.fine, self.has_fine = value >> 7, value & 0x7F, True

    def position(self) -> float:
        return travel(self.coarse << 7 | self.fine, FULL_14) if self.has_fine else travel(self.coarse, FULL_7)


class _Selection:
    """The parameter number that a channel's data entry speaks of."""

    def __init__(self) -> None:
        self.kind: Kind = "nrpn"
        self.parts: dict[int, int] = {}

    def select(self, number: int, value: int) -> None:
        self.kind = "nrpn" if number in (NRPN_FINE, NRPN_COARSE) else "rpn"
        self.parts[number] = value

    def control(self) -> Control | None:
        coarse, fine = (NRPN_COARSE, NRPN_FINE) if self.kind == "nrpn" else (RPN_COARSE, RPN_FINE)
        if coarse not in self.parts or fine not in self.parts:
            return None
        number = self.parts[coarse] << 7 | self.parts[fine]
        return None if number == NULL_NUMBER else Control(self.kind, number)


class ControlReader:
    """Messages of one port to moves. `[any]`, one thread at a time.

    A controller 0..31 is read as a "cc" and as the coarse part of a "cc14"; which of them counts, the mapping says.
    Controllers 120..127, program changes and system messages are no moves.
    """

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, Control], _Pair] = {}
        self._selections: dict[int, _Selection] = {}

    def read(self, message: Message) -> tuple[Move, ...]:
        """Return the moves that `message` makes, most often one."""
        match message:
            case ControlChange(channel, number, value):
                return self._read_controller(channel, number, value)
            case PitchBend(channel, value):
                return (Move(Control("bend"), channel, travel(value, FULL_14)),)
            case ChannelPressure(channel, value):
                return (Move(Control("pressure"), channel, travel(value, FULL_7)),)
            case Note(channel, number, velocity, on):
                return (Move(Control("note", number), channel, travel(velocity, FULL_7) if on else 0.0),)
        return ()

    def _read_controller(self, channel: int, number: int, value: int) -> tuple[Move, ...]:
        if number >= FIRST_MODE_MESSAGE:
            return ()
        if NRPN_FINE <= number <= RPN_COARSE:
            self._selections.setdefault(channel, _Selection()).select(number, value)
            return ()
        if number in (DATA_COARSE, DATA_FINE, DATA_UP, DATA_DOWN):
            selection = self._selections.get(channel)
            selected = selection.control() if selection else None
            if selected:
                return (self._enter(channel, selected, number, value),)
            if number in (DATA_UP, DATA_DOWN):
                return ()
        plain = Move(Control("cc", number), channel, travel(value, FULL_7))
        if number >= 64:
            return (plain,)
        wide = Control("cc14", number & 31)
        pair = self._pairs.get((channel, wide))
        if number < 32:
            if pair is None:
                pair = self._pairs[channel, wide] = _Pair()
            pair.set_coarse(value)
        elif pair is None:
            return (plain,)
        else:
            pair.set_fine(value)
        return plain, Move(wide, channel, pair.position())

    def _enter(self, channel: int, selected: Control, number: int, value: int) -> Move:
        pair = self._pairs.setdefault((channel, selected), _Pair())
        if number == DATA_COARSE:
            pair.set_coarse(value)
        elif number == DATA_FINE:
            pair.set_fine(value)
        else:
            pair.step(1 if number == DATA_UP else -1)
        return Move(selected, channel, pair.position())
