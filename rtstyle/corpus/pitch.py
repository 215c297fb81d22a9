"""Pitch tracking of single notes: a normalised difference function searched near a known pitch.

A note of a library has one nominal pitch, so the search stays within a semitone and a half of it and no octave
error can happen inside a note; what is left is precision, which comes from measuring several periods at once.
"""

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel

HOP = 256  # samples between two values of a pitch track at 48 kHz: 187.5 per second
SEARCH_SEMITONES = 1.5
Samples = NDArray[np.float64]
LEAST_WINDOW = 960  # samples that are compared, at least (20 ms at 48 kHz)


@kernel
def aperiodicity(x: Samples, centre: int, lag: int, window: int) -> float:
    """Return sum((x[n] - x[n + lag])^2) / sum(x[n]^2 + x[n + lag]^2) around `centre`: 0 periodic, 1 noise. `[any]`"""
    first = centre - (window + lag) // 2
    if first < 0:
        first = 0
    last = first + window
    if last + lag > x.shape[0]:
        last = x.shape[0] - lag
    difference = 0.0
    power = 1e-12
    for n in range(first, last):
        a = x[n]
        b = x[n + lag]
        difference += (a - b) * (a - b)
        power += a * a + b * b
    return difference / power


@kernel
def lowest(x: Samples, centre: int, low: int, high: int, window: int) -> tuple[float, float]:
    """Return (lag, aperiodicity) of the deepest minimum with low <= lag <= high, to a fraction of a sample. `[any]`"""
    best = low
    value = 9.0
    for lag in range(low, high + 1):
        v = aperiodicity(x, centre, lag, window)
        if v < value:
            value = v
            best = lag
    left = aperiodicity(x, centre, best - 1, window)
    right = aperiodicity(x, centre, best + 1, window)
    bend = left - 2.0 * value + right
    shift = 0.0
    if bend > 1e-12:
        shift = 0.5 * (left - right) / bend
        shift = min(1.0, max(-1.0, shift))
    return best + shift, value


@kernel
def track_periods(x: Samples, period: float, periods: Samples, noise: Samples) -> None:
    """Fill `periods` (samples) and `noise` (0..1), one value per HOP, searching around `period` samples. `[any]`"""
    ratio = 2.0 ** (SEARCH_SEMITONES / 12.0)
    low = max(2, int(period / ratio))
    high = int(period * ratio) + 1
    window = max(LEAST_WINDOW, int(2.0 * period))
    for k in range(periods.shape[0]):
        centre = k * HOP
        once, value = lowest(x, centre, low, high, window)
        multiple = int(min(5.0, 480.0 / once))
        if multiple > 1:
            reach = int(0.3 * multiple + 1.5)
            middle = int(once * multiple + 0.5)
            many, _ = lowest(x, centre, middle - reach, middle + reach, window)
            once = many / multiple
        periods[k] = once
        noise[k] = value


def band_limit(x: NDArray[np.float32], low_hz: float, high_hz: float, sample_rate: int) -> NDArray[np.float64]:
    """Return `x` without what lies outside low_hz..high_hz (no delay, edges of a third octave). `[any]`"""
    length = 1 << (len(x) + 4096).bit_length()
    spectrum = np.fft.rfft(x, length)
    f = np.maximum(np.fft.rfftfreq(length, 1.0 / sample_rate), 1e-3)
    rise = np.clip(3.0 * np.log2(f / low_hz) + 1.0, 0.0, 1.0)
    fall = np.clip(3.0 * np.log2(high_hz / f) + 1.0, 0.0, 1.0)
    spectrum *= np.sin(0.5 * np.pi * rise) ** 2 * np.sin(0.5 * np.pi * fall) ** 2
    return np.fft.irfft(spectrum, length)[: len(x)]


def settle_octave(x: NDArray[np.float32], hz: float, sample_rate: int, where: NDArray[np.int64]) -> float:
    """Return `hz`, or its octave above or below when the signal around the samples `where` says so. `[any]`

    A signal with period T is as periodic at 2 T: the note is an octave higher than believed when half the lag
    serves as well, and an octave lower when only twice the lag serves.
    """
    y = band_limit(x, 0.4 * hz, min(12.0 * hz, 8000.0), sample_rate)
    scores = {}
    for factor in (0.5, 1.0, 2.0):
        period = sample_rate / (hz * factor)
        window = max(LEAST_WINDOW, int(2.0 * period))
        low, high = int(period / 1.05), int(period * 1.05) + 1
        scores[factor] = float(np.median([lowest(y, int(c), max(2, low), high, window)[1] for c in where]))
    if scores[2.0] < scores[1.0] + 0.03 and scores[2.0] < 0.08:
        return 2.0 * hz
    if scores[1.0] > 0.35 and scores[0.5] < 0.12:
        return 0.5 * hz
    return hz


def track(x: NDArray[np.float32], hz: float, sample_rate: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (f0 in Hz, aperiodicity 0..1) of a single note near `hz`, one value per HOP samples. `[any]`

    Unpitched stretches (attack noise, the end) hold the nearest pitched value, so the track never jumps.
    """
    y = band_limit(x, 0.6 * hz, min(max(6.0 * hz, 1500.0), 10000.0), sample_rate)
    count = len(x) // HOP + 1
    periods = np.empty(count)
    noise = np.empty(count)
    track_periods(y, sample_rate / hz, periods, noise)
    f0 = sample_rate / periods
    sure = noise < 0.2
    if sure.sum() < 4:
        sure = noise <= np.sort(noise)[min(3, count - 1)]
    frames = np.arange(count)
    cents = np.interp(frames, frames[sure], 1200.0 * np.log2(f0[sure] / hz))
    cents = smooth(median5(cents))
    return (hz * 2.0 ** (cents / 1200.0)).astype(np.float32), noise.astype(np.float32)


def median5(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running median over five values. `[any]`"""
    padded = np.pad(values, 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)


def smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `values` under a three-point triangle: a vibrato of 6 Hz loses 1 % of its depth. `[any]`"""
    padded = np.pad(values, 1, mode="edge")
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]


def find_hz(x: NDArray[np.float32], sample_rate: int, where: NDArray[np.int64]) -> float | None:
    """Return the pitch in Hz of an unlabelled note around the samples `where`, or None when it has none. `[any]`"""
    y = band_limit(x, 40.0, 5000.0, sample_rate)
    found = []
    lags = np.unique(np.geomspace(sample_rate / 2500.0, sample_rate / 40.0, 700).astype(np.int64))
    for centre in where:
        values = np.array([aperiodicity(y, int(centre), int(lag), 2048) for lag in lags])
        dips = np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])) + 1
        dips = dips[values[dips] < min(0.2, values.min() + 0.06)]
        if len(dips):
            found.append(sample_rate / lags[dips[0]])
    if len(found) < max(3, len(where) // 2):
        return None
    return float(np.median(found))
