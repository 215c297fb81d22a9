"""Melodies to be played: windows of MIDI tunes, and generated studies that cover what tunes leave out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np

from rtstyle.errors import FileError

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 7, 9), tuple(range(12)))


@dataclass(frozen=True)
class Event:
    """A note of a score: seconds, MIDI pitch, accent in dB, and whether it is slurred to the note before it."""

    time: float
    duration: float
    midi: float
    accent_db: float = 0.0
    slurred: bool = False


def read_tune(path: Path) -> list[Event]:
    """Return a MIDI file's highest voice as (beats, not seconds) events. Raises FileError for a broken file. `[any]`"""
    try:
        midi = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise FileError(f"Cannot read the melody {path}: {error}; give a standard MIDI file.") from error
    beat = 1.0 / midi.ticks_per_beat
    notes: list[tuple[float, float, int]] = []
    for track in midi.tracks:
        clock = 0
        sounding: dict[int, int] = {}
        for message in track:
            clock += message.time
            if message.type == "note_on" and message.velocity > 0 and message.channel != 9:
                sounding[message.note] = clock
            elif message.type in ("note_on", "note_off") and message.note in sounding:
                begin = sounding.pop(message.note)
                notes.append((begin * beat, (clock - begin) * beat, message.note))
    notes.sort(key=lambda note: (note[0], -note[2]))
    melody: list[Event] = []
    for time, duration, pitch in notes:
        if melody and time < melody[-1].time + 0.05:
            continue
        if melody and melody[-1].time + melody[-1].duration > time:
            melody[-1] = replace(melody[-1], duration=time - melody[-1].time)
        melody.append(Event(time, duration, float(pitch)))
    return [note for note in melody if note.duration > 0.05]


def window(tune: list[Event], rng: np.random.Generator, seconds: float) -> list[Event]:
    """Return about `seconds` of a tune from a random note on, at 60 to 160 beats a minute, times in seconds. `[any]`"""
    pace = 60.0 / rng.uniform(60.0, 160.0)
    first = int(rng.integers(0, max(1, len(tune) // 2)))
    start = tune[first].time
    return [
        Event((note.time - start) * pace, note.duration * pace, note.midi)
        for note in tune[first:]
        if (note.time - start + note.duration) * pace < seconds
    ]


def steps_of(degrees: np.ndarray, scale: tuple[int, ...]) -> np.ndarray:
    """Return the semitones of scale degrees (0 the tonic, negative below it). `[any]`"""
    size = len(scale)
    return np.array([12 * (int(d) // size) + scale[int(d) % size] for d in degrees], dtype=np.float64)


def scale_run(rng: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """Up and down a scale or an arpeggio in even notes. `[any]`"""
    beat = rng.uniform(0.14, 0.5)
    count = int(seconds / beat)
    span = int(rng.integers(5, 12))
    wave = np.abs((np.arange(count) + span) % (2 * span) - span)
    skip = int(rng.choice([1, 1, 1, 2]))
    pitch = steps_of(wave * skip // 1, SCALES[int(rng.integers(len(SCALES)))])
    return [(beat, float(min(p, 19.0))) for p in pitch]


def leaps(rng: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """Wide intervals in moderate notes. `[any]`"""
    result, total = [], 0.0
    while total < seconds:
        beat = float(rng.choice([0.3, 0.45, 0.6, 0.9]))
        result.append((beat, float(rng.integers(0, 17))))
        total += beat
    return result


def long_notes(rng: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """Notes of one to three seconds, a few steps apart. `[any]`"""
    result, total, pitch = [], 0.0, float(rng.integers(0, 12))
    while total < seconds:
        beat = rng.uniform(1.0, 3.0)
        result.append((beat, pitch))
        total += beat
        pitch = float(np.clip(pitch + rng.integers(-5, 6), 0, 14))
    return result


def repeated_notes(rng: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """The same pitch struck two to six times, then another. `[any]`"""
    result, total, pitch = [], 0.0, float(rng.integers(0, 10))
    beat = rng.uniform(0.14, 0.4)
    while total < seconds:
        for _ in range(int(rng.integers(2, 7))):
            result.append((beat, pitch))
            total += beat
        pitch = float(np.clip(pitch + rng.integers(-4, 5), 0, 14))
    return result


def wandering(rng: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """A singable line: mostly steps, mixed lengths, some rests (a rest has pitch nan). `[any]`"""
    scale = SCALES[int(rng.integers(len(SCALES)))]
    unit = rng.uniform(0.15, 0.4)
    result, total, degree = [], 0.0, int(rng.integers(0, 7))
    while total < seconds:
        beat = unit * float(rng.choice([1, 1, 2, 2, 3, 4, 6]))
        rest = rng.random() < 0.1
        result.append((beat, float("nan") if rest else float(steps_of(np.array([degree]), scale)[0])))
        total += beat
        degree = int(np.clip(degree + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3]), 0, 8))
    return result


STUDIES: tuple[Callable[[np.random.Generator, float], list[tuple[float, float]]], ...] = (
    scale_run,
    leaps,
    long_notes,
    repeated_notes,
    wandering,
    wandering,
    long_notes,
)


def study(rng: np.random.Generator, seconds: float) -> list[Event]:
    """Return a generated score of about `seconds`, its lowest pitch near MIDI 60. `[any]`"""
    line = STUDIES[int(rng.integers(len(STUDIES)))](rng, seconds)
    events, time = [], 0.0
    for beat, pitch in line:
        if time + beat > seconds:
            break
        if pitch == pitch:
            events.append(Event(time, beat, 60.0 + pitch))
        time += beat
    return events


def articulate(events: list[Event], rng: np.random.Generator) -> list[Event]:
    """Give a score one way of playing: slurred, detached, short or mixed, with accents. `[any]`"""
    slur = float(rng.choice([0.0, 0.15, 0.5, 0.85, 1.0]))
    share = float(rng.choice([0.5, 0.75, 0.9, 1.0], p=[0.15, 0.2, 0.35, 0.3]))
    spread = rng.uniform(0.0, 3.0)
    played: list[Event] = []
    for k, event in enumerate(events):
        joins = k > 0 and abs(events[k - 1].time + events[k - 1].duration - event.time) < 0.02
        slurred = joins and event.midi != events[k - 1].midi and rng.random() < slur
        if slurred:
            before = played[-1]
            played[-1] = replace(before, duration=event.time - before.time)
        duration = max(0.08, event.duration * share)
        played.append(replace(event, duration=duration, accent_db=float(rng.normal(0.0, spread)), slurred=slurred))
    return played
