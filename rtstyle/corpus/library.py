"""Libraries of measured notes, from recordings or a soundfont; a cache folder keeps what was measured."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus import soundfont
from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.note import Note, measure
from rtstyle.corpus.recordings import Recording

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
    """The notes of one instrument from one source; `decaying` ones are never looped."""

    instrument: str
    name: str
    licence: str
    attribution: str
    notes: tuple[Note, ...]
    decaying: bool
    pitches: NDArray[np.float64]
    levels: NDArray[np.float64]

    @property
    def key(self) -> str:
        """The library's name in manifests: instrument/name."""
        return f"{self.instrument}/{self.name}"

    def covers(self, midi: NDArray[np.float64]) -> bool:
        """Tell whether every pitch of `midi` lies within REACH semitones of a note. `[any]`"""
        return bool((np.abs(self.pitches[:, None] - midi[None, :]).min(axis=0) <= REACH).all())

    def near(self, midi: float, layer: float, rng: np.random.Generator) -> Note:
        """Return a note near `midi`: within a semitone of the nearest one's distance and within REACH. `[any]`

        `layer` (0 the softest recording of a pitch, 1 the loudest) is kept through a performance, so that a line does
        not jump between ways of playing; the draw prefers notes close to it.
        """
        distance = np.abs(self.pitches - midi)
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
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.array([[getattr(n, field) for field in FIELDS] for n in notes], dtype=np.float64)
    draft = path.with_suffix(".part.npz")
    np.savez(
        draft,
        audio=pack(notes),
        lengths=np.array([len(n.audio) for n in notes], dtype=np.int64),
        f0=np.concatenate([np.zeros(0, np.float32), *[n.f0 for n in notes]]),
        frames=np.array([len(n.f0) for n in notes], dtype=np.int64),
        table=table.reshape(-1, len(FIELDS)),
        files=np.array([n.file for n in notes], dtype=np.str_),
    )
    draft.replace(path)


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


def cached(path: Path, make: Callable[[], list[Note]]) -> list[Note]:
    """Return the notes in `path`, measuring and writing them first when the file is not there. `[control]`"""
    if not path.is_file():
        save_notes(path, make())
    return load_notes(path)


def recorded_libraries(
    recordings: list[Recording], cache: Path, tick: Callable[[str], None] = lambda name: None
) -> list[Library]:
    """Measure the notes among `recordings` into libraries, one per instrument and source. `[control]`

    A cache entry is named by the files' names and sizes, so changed recordings are measured again.
    """
    groups: dict[tuple[str, str], list[Recording]] = defaultdict(list)
    for recording in recordings:
        if recording.kind == "note":
            groups[recording.instrument, recording.library].append(recording)
    libraries = []
    for (instrument, name), group in sorted(groups.items()):
        if len(group) < LEAST_NOTES:
            continue
        listing = "\n".join(f"{r.path.name} {r.path.stat().st_size} {r.midi}" for r in group)
        digest = hashlib.sha256(f"{VERSION} {listing}".encode()).hexdigest()[:12]

        def make(group: list[Recording] = group) -> list[Note]:
            measured = (measure(read_mono(r.path), r.midi, f"{r.path.parent.name}/{r.path.name}") for r in group)
            return [note for note in measured if note is not None]

        notes = cached(cache / f"{instrument}--{name}--{digest}.npz", make)
        library = make_library(instrument, name, group[0].licence, group[0].attribution, notes)
        if library is not None:
            libraries.append(library)
        tick(f"{instrument}/{name}")
    return libraries


def soundfont_libraries(font: Path, cache: Path, tick: Callable[[str], None] = lambda name: None) -> list[Library]:
    """Render and measure the soundfont's programs into libraries named `fluidr3...`. `[control]`"""
    libraries = []
    for suffix, instrument, program, low, high in soundfont.PROGRAMS:
        plan = soundfont.key_plan(low, high)

        def make(program: int = program, plan: list[tuple[int, int]] = plan) -> list[Note]:
            audio = soundfont.render_program(font, program, plan)
            measured = (
                measure(x, float(key), f"{font.name}:{program}/{key}@{velocity}")
                for (key, velocity), x in zip(plan, audio, strict=True)
            )
            return [note for note in measured if note is not None]

        origin = f"{VERSION} {font.name} {font.stat().st_size} {program} {plan}"
        digest = hashlib.sha256(origin.encode()).hexdigest()[:12]
        notes = cached(cache / f"{instrument}--fluidr3{suffix}--{digest}.npz", make)
        library = make_library(instrument, f"fluidr3{suffix}", soundfont.LICENCE, soundfont.ATTRIBUTION, notes)
        if library is not None:
            libraries.append(library)
        tick(f"{instrument}/fluidr3{suffix}")
    return libraries
