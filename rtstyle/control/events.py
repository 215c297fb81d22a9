"""What control surfaces ask of a rig, however it reached them: MIDI, OSC or a file."""

from collections.abc import Callable

import msgspec


class SetParameter(msgspec.Struct, frozen=True, tag="set"):
    """The parameter `id` shall have `value`, in its unit and within its range."""

    id: str
    value: float


class RecallPreset(msgspec.Struct, frozen=True, tag="preset"):
    """The preset of `program` 0..127 shall be loaded, see `rtstyle.presets.presets_by_program`."""

    program: int


class Panic(msgspec.Struct, frozen=True, tag="panic"):
    """Dry sound now, and every memory of the chain emptied."""


ParameterEvent = SetParameter | RecallPreset | Panic

#: Takes events in order, from the thread of the port that received them; must return at once.
Sink = Callable[[ParameterEvent], None]
