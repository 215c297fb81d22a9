"""Libraries of measured notes, from recordings or a soundfont; a cache folder keeps what was measured."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus import soundfont
from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.note import Note, measure
from rtstyle.corpus.recordings import Recording, by_source
from rtstyle.corpus.shards import cache_file, whole_file

VERSION = 4  # of the measurements: a cache written by another version is measured again
LEAST_NOTES = 4
REACH = 3.0  # semitones that a note may be transposed
DECAY_DB = -11.0  # dB per second: a library whose notes fall faster is plucked or struck
STRUCK = frozenset(
    ("piano", "guitar", "harp", "harpsichord", "vibraphone", "glockenspiel", "xylophone", "bass", "pizzicato", "banjo")
)
FIELDS = ("start", "speak", "body", "stop", "level", "midi", "decay_db")


@dataclass(frozen=True)
class Library:
    """The notes of one instrument from one source; `decaying` ones are never looped.

    lowest, highest: MIDI pitches between which any is played, however far the notes are; None: within REACH of a note.
    """

    instrument: str
    name: str
    licence: str
    attribution: str
    notes: tuple[Note, ...]
    decaying: bool
    pitches: NDArray[np.float64]
    levels: NDArray[np.float64]
    lowest: float | None = None
    highest: float | None = None

    @property
    def key(self) -> str:
        """The library's name in manifests: instrument/name."""
        return f"{self.instrument}/{self.name}"

    @property
    def reach(self) -> tuple[float, float]:
        """The lowest and the highest MIDI pitch that it plays."""
        if self.lowest is not None and self.highest is not None:
            return self.lowest, self.highest
        return float(self.pitches.min()) - REACH, float(self.pitches.max()) + REACH

    def covers(self, midi: NDArray[np.float64]) -> bool:
        """Tell whether every pitch of `midi` can be played. `[any]`"""
        if self.lowest is not None:
            low, high = self.reach
            return bool(midi.min() >= low and midi.max() <= high)
        return bool((np.abs(self.pitches[:, None] - midi[None, :]).min(axis=0) <= REACH).all())

    def near(self, midi: float, layer: float, rng: np.random.Generator) -> Note:
        """Return a note near `midi`: within a semitone of the nearest one's distance and within REACH. `[any]`

        `layer` (0 the softest recording of a pitch, 1 the loudest) is kept through a performance, so that a line does
        not jump between ways of playing; the draw prefers notes close to it. Where `lowest` is given nothing is drawn: it
        is the nearest pitch, and of its notes the one of that layer. What is to be learnt should be the same each time.
        """
        distance = np.abs(self.pitches - midi)
        if self.lowest is not None:
            pitch = round(float(self.pitches[int(distance.argmin())]))
            same = np.flatnonzero(np.round(self.pitches) == pitch)
            return self.notes[int(same[np.argsort(self.levels[same])][round(layer * (len(same) - 1))])]
        allowed = np.flatnonzero(distance <= min(max(REACH, distance.min()), distance.min() + 1.0))
        rank = np.argsort(np.argsort(self.levels[allowed])) / max(1, len(allowed) - 1)
        weight = np.exp(-6.0 * np.abs(rank - layer))
        return self.notes[int(rng.choice(allowed, p=weight / weight.sum()))]


def make_library(instrument: str, name: str, licence: str, attribution: str, notes: Iterable[Note]) -> Library | None:
    """Return the library of these notes, or None when they are too few to play a melody. `[any]`"""
    kept = tuple(sorted(notes, key=lambda note: note.midi))
    if len(kept) < LEAST_NOTES:
        return None
    decaying = instrument in STRUCK or float(np.median([n.decay_db for n in kept])) < DECAY_DB
    if not decaying:
        kept = tuple(n for n in kept if n.stop - n.body > 4800)
        if len(kept) < LEAST_NOTES:
            return None
    pitches, levels = np.array([n.midi for n in kept]), np.array([n.level for n in kept])
    return Library(instrument, name, licence, attribution, kept, decaying, pitches, levels)


def save_notes(path: Path, notes: list[Note]) -> None:
    """Write measured notes to one .npz file; the audio becomes int16. The file appears whole or not at all."""
    table = np.array([[getattr(n, field) for field in FIELDS] for n in notes], dtype=np.float64)
    with whole_file(path) as file:
        np.savez(
            file,
            audio=pack(notes),
            lengths=np.array([len(n.audio) for n in notes], dtype=np.int64),
            f0=np.concatenate([np.zeros(0, np.float32), *[n.f0 for n in notes]]),
            frames=np.array([len(n.f0) for n in notes], dtype=np.int64),
            table=table.reshape(-1, len(FIELDS)),
            files=np.array([n.file for n in notes], dtype=np.str_),
        )


def pack(notes: list[Note]) -> NDArray[np.int16]:
    """Return the notes' audio, end to end, as int16."""
    joined = np.concatenate([np.zeros(0, np.float32), *[n.audio for n in notes]])
    return np.round(joined.clip(-1.0, 1.0) * 32767.0).astype(np.int16)


def load_notes(path: Path) -> list[Note]:
    """Read what `save_notes` wrote. `[control]`"""
    with np.load(path) as file:
        audio = file["audio"].astype(np.float32) / 32767.0
        f0, table, files = file["f0"], file["table"], file["files"]
        ends, stops = np.cumsum(file["lengths"]), np.cumsum(file["frames"])
    notes = []
    for k, row in enumerate(table):
        value = dict(zip(FIELDS, row, strict=True))
        notes.append(
            Note(
                audio=audio[(ends[k - 1] if k else 0) : ends[k]],
                f0=f0[(stops[k - 1] if k else 0) : stops[k]],
                start=int(value["start"]),
                speak=int(value["speak"]),
                body=int(value["body"]),
                stop=int(value["stop"]),
                level=float(value["level"]),
                midi=float(value["midi"]),
                decay_db=float(value["decay_db"]),
                file=str(files[k]),
            )
        )
    return notes


@dataclass(frozen=True)
class Source:
    """Where one library comes from: a group of recordings, or keys of a program of the soundfont `font`."""

    instrument: str
    name: str
    licence: str
    attribution: str
    cache: Path
    recordings: tuple[Recording, ...] = ()
    font: Path | None = None
    program: int = 0
    keys: tuple[tuple[int, int], ...] = ()

    def measure(self) -> Path:
        """Measure the notes into the cache, where they are not there yet; returns its file. `[control]`"""
        if not self.cache.is_file():
            save_notes(self.cache, [note for note in self._measured() if note is not None])
        return self.cache

    def _measured(self) -> Iterator[Note | None]:
        for one in self.recordings:
            yield measure(read_mono(one.path), one.midi, f"{one.path.parent.name}/{one.path.name}")
        if self.font is not None:
            sounds = soundfont.render_program(self.font, self.program, list(self.keys))
            for (key, velocity), audio in zip(self.keys, sounds, strict=True):
                yield measure(audio, float(key), f"{self.font.name}:{self.program}/{key}@{velocity}")


def measure_source(source: Source) -> Path:
    """`Source.measure`, as a job for a worker. `[control]`"""
    return source.measure()


def find_sources(recordings: list[Recording], font: Path | None, cache: Path) -> list[Source]:
    """Every library that these recordings and, if given, the soundfont make, for `load_libraries`. `[control]`

    A cache entry is named by what goes into it, so changed recordings are measured again.
    """
    found = []
    for group in by_source(one for one in recordings if one.kind == "note"):
        if len(group) < LEAST_NOTES:
            continue
        first = group[0]
        listing = "\n".join(f"{r.path.name} {r.path.stat().st_size} {r.midi}" for r in group)
        path = cache_file(cache, f"{first.instrument}--{first.library}", f"{VERSION} {listing}")
        found.append(Source(first.instrument, first.library, first.licence, first.attribution, path, group))
    if font is not None:
        rights = soundfont.LICENCE, soundfont.ATTRIBUTION
        for suffix, instrument, program, low, high in soundfont.PROGRAMS:
            keys, name = soundfont.key_plan(low, high), f"fluidr3{suffix}"
            origin = f"{VERSION} {font.name} {font.stat().st_size} {program} {keys}"
            path = cache_file(cache, f"{instrument}--{name}", origin)
            found.append(Source(instrument, name, *rights, path, (), font, program, tuple(keys)))
    return found


def load_libraries(sources: Iterable[Source]) -> list[Library]:
    """The libraries of these sources, measured first where that is still to do; without those of too few notes."""
    found = []
    for source in sources:
        notes = load_notes(source.measure())
        library = make_library(source.instrument, source.name, source.licence, source.attribution, notes)
        if library is not None:
            found.append(library)
    return found
