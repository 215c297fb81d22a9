"""One recorded note, measured: where it speaks, where it can be looped, where it is let go, and its pitch track."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.pitch import HOP, band_limit, find_hz, settle_octave, track

SAMPLE_RATE = 48_000
PAD = 32  # silent samples before and after a note, for the interpolation kernel
LEAST_SECONDS = 0.25


@dataclass(frozen=True)
class Note:
    """A note ready to be played: positions are samples into `audio` (float32, mono, 48 kHz, padded by PAD).

    start: first sample to play; speak: where the attack arrives (the score's time); body, stop: the part that can be
    looped; level: RMS of that part; f0: Hz every HOP samples; midi: the measured pitch; file: where it came from.
    """

    audio: NDArray[np.float32]
    f0: NDArray[np.float32]
    start: int
    speak: int
    body: int
    stop: int
    level: float
    midi: float
    decay_db: float  # dB per second over the body: near 0 for a sustained note
    file: str


def loudness_db(x: NDArray[np.float32], window: int = 1024) -> NDArray[np.float64]:
    """Return the RMS level in dBFS around every HOP-th sample under a rectangular window. `[any]`"""
    power = np.concatenate(([0.0], np.cumsum(x.astype(np.float64) ** 2)))
    centres = np.arange(len(x) // HOP + 1) * HOP
    low = np.clip(centres - window // 2, 0, len(x))
    high = np.clip(centres + window // 2, 0, len(x))
    return np.asarray(10.0 * np.log10((power[high] - power[low]) / window + 1e-12))


def measure(x: NDArray[np.float32], midi: float | None, file: str) -> Note | None:
    """Measure one recording (float32 mono, 48 kHz); None when it is too short, silent or has no clear pitch. `[any]`

    `midi` is the pitch it is said to have; an octave error of the label is corrected, None searches for the pitch.
    """
    x = np.ascontiguousarray(x - np.mean(x), dtype=np.float32)
    if len(x) < LEAST_SECONDS * SAMPLE_RATE:
        return None
    x = np.pad(x, PAD)
    level = loudness_db(x)
    peak = float(np.percentile(level, 97))
    if peak < -60.0:
        return None
    loud = np.flatnonzero(level > peak - 12.0)
    first, last = int(loud[0]), int(loud[-1])
    heard = np.flatnonzero(level[: first + 1] < peak - 32.0)
    begin = int(heard[-1]) if len(heard) else 0
    begin = max(begin, first - 15)  # at most 80 ms of slow attack before the note counts as sounding
    middle = level[first : last + 1]
    where = (first + np.linspace(0.2, 0.7, 12) * max(1, last - first)).astype(np.int64) * HOP
    hz = find_hz(x, SAMPLE_RATE, where) if midi is None else 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
    if hz is None:
        return None
    hz = settle_octave(x, hz, SAMPLE_RATE, where)
    f0, noise = track(x, hz, SAMPLE_RATE)
    held = slice(first + 4, max(first + 6, last - 4))
    if float(np.median(noise[held])) > 0.25:
        return None
    centre = float(np.median(f0[held]))
    sustain = float(np.median(middle))
    reached = np.flatnonzero(middle > sustain - 3.0)
    body = first + int(reached[0]) + 8
    kept = np.flatnonzero(middle > sustain - 8.0)
    stop = first + int(kept[-1]) - 6
    if stop - body < 12:
        body, stop = min(body, max(first, stop - 12)), max(stop, body)
    span = max(1, stop - body)
    decay = 0.0
    if span > 20:
        decay = float(np.polyfit(np.arange(span) * HOP / SAMPLE_RATE, level[body : body + span], 1)[0])
    x = band_limit(x, 0.5 * centre, SAMPLE_RATE, SAMPLE_RATE).astype(np.float32)  # rumble below the pitch goes
    segment = x[body * HOP : max(body + 2, stop) * HOP].astype(np.float64)
    return Note(
        audio=x,
        f0=f0,
        start=max(PAD, begin * HOP),
        speak=max(PAD, first * HOP),
        body=min(body * HOP, len(x) - PAD - 1),
        stop=min(max(body + 1, stop) * HOP, len(x) - PAD - 1),
        level=float(np.sqrt(np.mean(segment**2) + 1e-12)),
        midi=69.0 + 12.0 * float(np.log2(centre / 440.0)),
        decay_db=decay,
        file=file,
    )
