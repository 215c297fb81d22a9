"""Sounds with known answers: tones of two "instruments", a melody, folders of them."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 48000
NOTES = (57, 60, 64, 62, 67)


def tone(hz: NDArray[np.float64] | float, seconds: float, partials: int, slope: float = 1.0) -> NDArray[np.float32]:
    """A harmonic tone at 0.2: partial k has the amplitude k^-slope."""
    frames = int(seconds * RATE)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, frames)) / RATE
    k = np.arange(1, partials + 1)
    sound = sum(np.sin(n * phase) / n**slope for n in k)
    return (0.2 * sound / np.abs(sound).max()).astype(np.float32)


@lru_cache(maxsize=64)
def melody(partials: int, semitones: float = 0.0, note_s: float = 0.5, slope: float = 1.0) -> NDArray[np.float32]:
    """NOTES one after the other, each with an attack, a decay and a short rest."""
    parts = []
    for note in NOTES:
        sound = tone(440.0 * 2 ** ((note + semitones - 69) / 12), note_s, partials, slope)
        envelope = np.minimum(1.0, np.arange(sound.size) / 480) * np.exp(-np.arange(sound.size) / (0.5 * RATE))
        envelope[-2400:] *= np.linspace(1, 0, 2400)
        parts += [(sound * envelope).astype(np.float32), np.zeros(2400, np.float32)]
    return np.concatenate(parts)


def write_folder(folder: Path, sounds: dict[str, list[NDArray[np.float32]]]) -> Path:
    """One folder per instrument with a WAV file per sound."""
    for instrument, clips in sounds.items():
        (folder / instrument).mkdir(parents=True, exist_ok=True)
        for number, clip in enumerate(clips):
            soundfile.write(folder / instrument / f"take-{number}.wav", clip, RATE, subtype="FLOAT")
    return folder
