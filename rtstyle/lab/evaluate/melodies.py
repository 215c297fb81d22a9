"""Lines played on single notes: phrases for instruments of which only notes are recorded."""

import numpy as np
from numpy.typing import NDArray

from rtstyle.lab.evaluate.clips import RATE, Clip

LEAST = 480  # samples: a shorter rest of a note is left out


def read_warped(
    audio: NDArray[np.float32], start: float, length: int, ratio: float, vibrato: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Read `length` samples from `start` at a speed of `ratio`, swinging by +-`vibrato` (relative) at 4 to 7 Hz."""
    time_s = np.arange(length) / RATE
    speed = ratio * (1.0 + vibrato * np.sin(2 * np.pi * (rng.uniform(4, 7) * time_s + rng.random())))
    positions = start + np.cumsum(speed)
    return np.interp(positions, np.arange(audio.size), audio, left=0.0, right=0.0).astype(np.float32)


def play(
    notes: list[Clip], rng: np.random.Generator, seconds: float, *, semitones: float = 3.0, vibrato: bool = True
) -> NDArray[np.float32]:
    """String notes of one library into a line of `seconds` at 48 kHz: steps and leaps, legato and detached, with rests.

    semitones: each note is moved by up to this much by resampling. Mono float32 `(frames,)`.
    """
    out = np.zeros(int(seconds * RATE), np.float32)
    order = sorted(range(len(notes)), key=lambda i: notes[i].midi or 0.0)
    place = int(rng.integers(len(order)))
    cursor = int(rng.uniform(0, 0.3) * RATE)
    gain = 1.0
    while cursor < out.size:
        near = rng.random() < 0.8
        place = int(np.clip(place + rng.integers(-4, 5), 0, len(order) - 1)) if near else int(rng.integers(len(order)))
        audio = notes[order[place]].audio(RATE)
        ratio = 2.0 ** (rng.uniform(-semitones, semitones) / 12)
        length = int(np.exp(rng.uniform(np.log(0.12), np.log(2.0))) * RATE)
        legato = rng.random() < 0.4
        start = rng.uniform(0, 0.3) * audio.size if legato else 0.0
        length = int(min(length, (audio.size - start) / ratio, out.size - cursor))
        if length < LEAST:
            cursor += LEAST
            continue
        swing = rng.uniform(0.002, 0.008) if vibrato and rng.random() < 0.3 else 0.0
        note = read_warped(audio, start, length, ratio, swing, rng)
        fade = min(length // 2, int(rng.uniform(0.005, 0.06) * RATE))
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        note[length - fade :] *= ramp[::-1]
        if legato:
            note[:fade] *= ramp
        gain = float(np.clip(gain * 10 ** (rng.normal(0, 2) / 20), 0.3, 2.0))
        out[cursor : cursor + length] += gain * note
        cursor += length - (fade if legato else -int(rng.random() ** 4 * 0.4 * RATE))
    return out
