"""Recordings to judge with: where they lie and what they hold.

A folder of recordings is either described by `manifest.csv` files (columns path, instrument, source, kind, midi), or
has one folder of audio files per instrument. A *source* is one sample library, performer or reader: splits never cut
through one.
"""

import csv
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from rtstyle.corpus import soundfont
from rtstyle.errors import FileError

RATE = 48000
INSTRUMENTS = ("violin", "flute", "cello", "trumpet", "clarinet", "saxophone", "voice")
# MIDI pitches at which players are heard; saxophones and voices of all sizes. Beyond them no recording of it exists.
RANGES = {
    "violin": (55.0, 100.0), "flute": (59.0, 98.0), "cello": (36.0, 81.0), "trumpet": (52.0, 86.0),
    "clarinet": (50.0, 94.0), "saxophone": (36.0, 92.0), "voice": (40.0, 84.0),
}  # fmt: skip
AUDIO_SUFFIXES = frozenset({".flac", ".wav", ".ogg", ".mp3", ".aif", ".aiff"})

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """One recording: its file, instrument, source (library or performer), kind ("note", "phrase" or "mix") and split.

    samples: mono float32 at 48 kHz, for a sound that lies in no file; `path` is then its name.
    """

    path: Path
    instrument: str
    source: str
    kind: str
    midi: float | None = None
    split: str = ""
    samples: Audio | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> str:
        """instrument/source: what splits are made of."""
        return f"{self.instrument}/{self.source}"

    def audio(self, sample_rate: int) -> Audio:
        """The mono samples, float32 `(frames,)`. `[control]` Raises FileError for a file that cannot be read."""
        if self.samples is None:
            return _read(self.path, sample_rate)
        if sample_rate == RATE:
            return self.samples
        return np.asarray(soxr.resample(self.samples, RATE, sample_rate), dtype=np.float32)


@lru_cache(maxsize=512)
def _read(path: Path, sample_rate: int) -> Audio:
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as problem:
        raise FileError(f"cannot read the recording {path}: {problem}; give a WAV, FLAC, OGG or MP3 file.") from problem
    mono = samples.mean(axis=1)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate)
    return np.ascontiguousarray(mono, dtype=np.float32)


def find_clips(folder: Path) -> list[Clip]:
    """Every recording under `folder`, sorted by path. `[control]`

    Reads each `manifest.csv` in the folder or one level below it (the level's name becomes the split); without any,
    each subfolder is an instrument. Raises FileError when there is nothing to read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(f"There is no folder {folder}; give one with a folder per instrument or a manifest.csv.")
    clips: list[Clip] = []
    for manifest in (folder / "manifest.csv", *sorted(folder.glob("*/manifest.csv"))):
        if manifest.is_file():
            clips += _read_manifest(manifest)
    if not clips:
        for path in sorted(folder.glob("*/*")):
            if path.suffix.lower() in AUDIO_SUFFIXES:
                clips.append(Clip(path, path.parent.name, "user", "phrase"))
    if not clips:
        raise FileError(f"{folder} holds no recordings; put audio files into a folder per instrument: {folder}/violin.")
    return sorted(clips, key=lambda clip: clip.path)


def _read_manifest(manifest: Path) -> list[Clip]:
    clips = []
    with manifest.open(newline="", encoding="utf-8") as table:
        for number, row in enumerate(csv.DictReader(table), start=2):
            try:
                path, instrument = manifest.parent / row["path"], row["instrument"]
                midi = float(row["midi"]) if row.get("midi") else None
            except (KeyError, ValueError) as problem:
                raise FileError(
                    f"{manifest}, line {number}: {problem}; it needs the columns path and instrument, "
                    "and in the column midi a number or nothing."
                ) from problem
            source, kind = row.get("source") or "user", row.get("kind") or "phrase"
            clips.append(Clip(path, instrument, source, kind, midi, manifest.parent.name))
    return clips


def soundfont_clips(font: Path, instruments: frozenset[str]) -> list[Clip]:
    """The notes of a General MIDI soundfont as one more source, "fluidr3". `[control]` Needs fluidsynth."""
    clips = []
    for suffix, instrument, program, low, high in soundfont.PROGRAMS:
        if instrument not in instruments:
            continue
        plan = soundfont.key_plan(low, high)
        for (note, velocity), samples in zip(plan, soundfont.render_program(font, program, plan), strict=True):
            name = Path(f"{font.name}:{program}/{note}@{velocity}")
            clips.append(Clip(name, instrument, f"fluidr3{suffix}", "note", float(note), "soundfont", samples))
    return clips
