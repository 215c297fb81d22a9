"""Synthetic notes for the corpus tests: harmonic tones with an attack, a release and a vibrato of their own."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 48_000
BRIGHTNESS = {"fiddle": 0.8, "pipe": 0.35, "horn": 0.6}


def tone(
    midi: float,
    seconds: float = 1.2,
    *,
    roll_off: float = 0.6,
    vibrato_cents: float = 20.0,
    rate_hz: float = 5.3,
    decay_db: float = 0.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return a note: partials that fall by `roll_off`, 30 ms of attack, 100 ms of release, 0.1 s of silence before."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    hz = 440.0 * 2.0 ** ((midi - 69.0 + vibrato_cents / 100.0 * np.sin(2 * np.pi * rate_hz * t + seed)) / 12.0)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    partials = int(min(12, 15_000 / hz.max()))
    sound = sum(roll_off**k * np.sin((k + 1) * phase + rng.uniform(0, 6.28)) for k in range(partials))
    envelope = np.clip(t / 0.03, 0, 1) * np.clip((seconds - t) / 0.1, 0, 1) * 10 ** (decay_db * t / 20)
    sound = 0.2 * sound * envelope + 1e-4 * rng.standard_normal(len(t))
    return np.concatenate([np.zeros(4800), sound, np.zeros(2400)]).astype(np.float32)


def write_library(folder: Path, instrument: str, notes: tuple[int, ...] = (57, 60, 63, 66, 69, 72)) -> None:
    """Write notes named after their pitch to folder/instrument, as a user's own folder would hold them."""
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    (folder / instrument).mkdir(parents=True, exist_ok=True)
    for k, midi in enumerate(notes):
        sound = tone(midi, roll_off=BRIGHTNESS.get(instrument, 0.5), seed=len(instrument) * 100 + k)
        soundfile.write(folder / instrument / f"{names[midi % 12]}{midi // 12 - 1}.wav", sound, RATE, subtype="PCM_16")


def cents(measured: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of two pitch curves in cents."""
    return np.asarray(1200.0 * np.log2(measured / truth))
