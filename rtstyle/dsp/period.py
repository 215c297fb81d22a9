"""How long a period of the input is, and how clear: the first high peak of a running autocorrelation at a sixth of the rate.

Source: P. McLeod, G. Wyvill, "A smarter way to find pitch", ICMC 2005 (normalised difference function), here with an exponential
window, so that it runs sample by sample.
"""

from typing import Any, Final

import numpy as np

from rtstyle.dsp.jit import kernel

DECIMATION: Final = 6
LAGS: Final = 136  # at 48 kHz: periods up to 17 ms, 59 Hz
SEARCH_EVERY: Final = 8  # decimated samples between two searches for the period
NEARLY: Final = 0.88  # of the highest peak: the first peak as high as this is the period
MOST_PARTS: Final = 5  # of that peak's lag that may be the period instead
# Of the clarity of what was found: from it on the period so far stays, if it is a part or a multiple of that.
STAY_SHORT, STAY_LONG = 0.85, 1.06
SAME: Final = 0.03  # by which that may differ from it
SHORTEST_LAG: Final = 2.5  # 3.2 kHz at 48 kHz
FINE: Final = 0.5  # lags between the three values that tell where a peak is
REACH: Final = 5  # lags on either side from which the value between two is made


@kernel
def listen(past: Any, where: Any, correlation: Any, energy: Any, sample: Any, forget: Any) -> Any:
    """Take one decimated sample into the running autocorrelation; returns `where` for the next one. `[audio]`

    r[l] = forget r[l] + x[n] x[n - l], and its normaliser. correlation, energy: float64[LAGS], zeros at reset.
    past: float64[2 LAGS], a ring kept twice in a row, in which going up from `where` is going back in time; zeros, and `where` 0.
    """
    past[where] = past[where + LAGS] = sample
    recent = past[where : where + LAGS]
    square = sample * sample
    for lag in range(LAGS):
        other = recent[lag]
        correlation[lag] = forget * correlation[lag] + sample * other
        energy[lag] = forget * energy[lag] + square + other * other
    return where - 1 if where > 0 else LAGS - 1


@kernel
def _peak(clarity: Any, lag: Any) -> Any:
    """Height and place, in lags from `lag`, of the parabola over a local maximum of `clarity`; (0, 0) elsewhere."""
    left, value, right = clarity[lag - 1], clarity[lag], clarity[lag + 1]
    curve = left - 2.0 * value + right
    if value < left or value < right or curve >= 0.0:
        return 0.0, 0.0
    shift = 0.5 * (left - right) / curve
    return min(value - 0.25 * (left - right) * shift, 1.0), shift


@kernel
def _between(clarity: Any, place: Any) -> Any:
    """`clarity` between two lags, by a windowed sinc."""
    first = int(place) - REACH + 1
    away = place - first
    if away == REACH - 1.0:
        return clarity[int(place)]
    total = weights = 0.0
    sign = 1.0
    for lag in range(first, first + 2 * REACH):
        weight = sign / away * np.cos(0.5 * np.pi * away / REACH) ** 2
        total += weight * clarity[abs(lag)]
        weights += weight
        sign = -sign
        away -= 1.0
    return total / weights


@kernel
def _refine(clarity: Any, place: Any) -> Any:
    """The place of the peak near `place`: high notes have too narrow ones for a parabola over whole lags."""
    for _ in range(2 if place + FINE < LAGS - REACH else 0):
        left, value, right = _between(clarity, place - FINE), _between(clarity, place), _between(clarity, place + FINE)
        curve = left - 2.0 * value + right
        if curve < 0.0:
            place += min(max(0.5 * (left - right) / curve, -1.0), 1.0) * FINE
    return place


@kernel
def find(correlation: Any, energy: Any, clarity: Any, before: Any) -> Any:
    """The period in lags, 0.0 where there is none, and how clear it is, up to 1. `[audio]`

    That is the first peak of 2 r / m that is nearly as high as the highest one after r has been negative.
    clarity: float64[LAGS], overwritten. before: the period so far, in lags.
    """
    for lag in range(LAGS):
        clarity[lag] = 2.0 * correlation[lag] / (energy[lag] + 1e-9)
    start = 1
    while start < LAGS - 1 and correlation[start] > 0.0:
        start += 1
    start = max(start, 2)
    best = 0.0
    for lag in range(start, LAGS - 1):
        height, _ = _peak(clarity, lag)
        best = max(best, height)
    if best == 0.0:
        return 0.0, 0.0
    found = 0.0
    for lag in range(start, LAGS - 1):
        height, shift = _peak(clarity, lag)
        if height > NEARLY * best:
            found, best = _refine(clarity, lag + shift), height
            break
    # The peaks of a high note are too narrow for the parabola: the period may be a fraction of what was found.
    for parts in range(MOST_PARTS, 1, -1):
        place = found / parts
        if place >= SHORTEST_LAG and _between(clarity, place) > NEARLY * best:
            found = place
            break
    return _hold_octave(clarity, before, found), best


@kernel
def _hold_octave(clarity: Any, before: Any, found: Any) -> Any:
    """The period so far, where what was found is a multiple or a part of it that is hardly better; else what was found."""
    if before < SHORTEST_LAG:
        return found
    if found > before:
        parts = np.round(found / before)
        place, least = found / parts, STAY_SHORT
    else:
        parts = np.round(before / found)
        place, least = found * parts, STAY_LONG
    if (
        parts < 2.0
        or parts > MOST_PARTS
        or abs(place / before - 1.0) > SAME
        or not SHORTEST_LAG <= place < LAGS - REACH
    ):
        return found
    return place if _between(clarity, place) > least * _between(clarity, found) else found
