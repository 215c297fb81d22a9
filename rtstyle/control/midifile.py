"""Standard MIDI Files as automation: the moves that a live performance would have made, at their samples.

A file speaks through the same controller map as a player does, but always with takeover `jump`: what is written is
meant.
"""

import bisect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rtstyle.control.controls import ControlReader
from rtstyle.control.events import ParameterEvent
from rtstyle.control.mapping import ControllerMap
from rtstyle.control.messages import Decoder, Message
from rtstyle.control.surface import Surface
from rtstyle.errors import FileError
from rtstyle.params import PARAMETERS, Parameter

DEFAULT_TEMPO = 500_000  # microseconds a quarter note: 120 beats a minute


class TimedEvent(NamedTuple):
    """An event at a sample counted from the file's beginning."""

    frame: int
    event: ParameterEvent


class Segment(NamedTuple):
    """Frames `start` up to `stop`, before which `events` are to be applied in order."""

    start: int
    stop: int
    events: tuple[ParameterEvent, ...]


def read_midi_file(
    path: Path,
    *,
    sample_rate: float,
    controllers: ControllerMap | None = None,
    table: Mapping[str, Parameter] = PARAMETERS,
) -> list[TimedEvent]:
    """The events of a file of type 0 or 1, in order; of several values of a parameter at a sample the last. `[control]`

    A frame is the nearest to the exact time by the file's tempo map. Raises FileError for what is no such file.
    """
    controllers = controllers or ControllerMap()
    events: list[TimedEvent] = []
    frame = 0
    surface = Surface(lambda event: events.append(TimedEvent(frame, event)), controllers.jumping(), table=table)
    reader = ControlReader()
    portion: list[Message] = []
    for at, message in _timed_messages(path, sample_rate):
        if at != frame:
            surface.receive(portion, reader)
            portion, frame = [], at
        portion.append(message)
    surface.receive(portion, reader)
    return events


def segments(events: Sequence[TimedEvent], frames: int, block: int) -> Iterator[Segment]:
    """Cut 0..frames into pieces of at most `block` that begin wherever there are events. `[any]`

    Events from `frames` on are left out. Raises ValueError unless block >= 1.
    """
    if block < 1:
        raise ValueError(f"block {block} must be at least 1")
    starts = sorted({*range(0, frames, block), *(event.frame for event in events if event.frame < frames)})
    for start, stop in zip(starts, (*starts[1:], frames), strict=True):
        low = bisect.bisect_left(events, start, key=lambda event: event.frame)
        high = bisect.bisect_right(events, start, key=lambda event: event.frame)
        yield Segment(start, stop, tuple(event.event for event in events[low:high]))


def _timed_messages(path: Path, sample_rate: float) -> Iterator[tuple[int, Message]]:
    """(frame, message) for every channel message of the file."""
    import mido

    try:
        content = mido.MidiFile(path, clip=True)
        merged = content.merged_track
    except FileNotFoundError as error:
        raise FileError(f"MIDI file {path} does not exist.") from error
    except TypeError as error:
        raise FileError(f"MIDI file {path} is of type 2, whose tracks share no time; save it as type 1.") from error
    except (OSError, EOFError, ValueError, LookupError) as error:
        raise FileError(f"{path} is not a Standard MIDI File, or is damaged ({error}).") from error
    # Time in units of 1 / (1000000 * ticks) seconds is whole through every change of tempo.
    ticks, tempo = _division(content.ticks_per_beat)
    if not ticks:
        raise FileError(f"MIDI file {path} counts 0 ticks a beat; it is damaged.")
    decoder = Decoder()
    time = 0
    for message in merged:
        time += message.time * tempo
        if message.type == "set_tempo":
            if content.ticks_per_beat > 0:
                tempo = message.tempo
        elif not message.is_meta:
            for decoded in decoder.feed(message.bytes()):
                yield round(time * sample_rate / (1_000_000 * ticks)), decoded


def _division(division: int) -> tuple[int, int]:
    """(ticks in a unit of time, microseconds of that unit) at the beginning: a beat, or a second of SMPTE frames.

    A negative division holds -frames per second in its upper byte and ticks per frame in its lower one.
    """
    if division >= 0:
        return division, DEFAULT_TEMPO
    return -(division >> 8) * (division & 0xFF), 1_000_000
