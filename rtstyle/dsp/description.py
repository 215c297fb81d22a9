"""What the networks are told of a spectrum: the power in bands, as shares of the power of the frame that they are seen in.

`stft` sees all bands, on the ERB scale, in one frame of N samples. `constant-q` sees BANDS_PER_OCTAVE bands from LOWEST_HZ
up, each in the shortest of LEVELS frames that has BINS_PER_BAND bins from one band to the next. At N = 1024 and 48 kHz:

    bands     below 600 Hz       to 1.2 kHz         to 2.4 kHz         above
    frame     N at 6 kHz         N at 12 kHz        N at 24 kHz        N at 48 kHz
              171 ms, 5.9 Hz     85 ms, 12 Hz       43 ms, 23 Hz       21 ms, 47 Hz

All frames end now: the longer ones look further back and are no later. Below 200 Hz a band is narrower than a bin of the
longest frame and is widened to one: from there down it is the width that is constant (variable Q).

Each halving of the rate is behind a binomial filter of order five. Its zeros stand where the aliases come from: of each
slower frame only the lowest tenth is used, where aliases are 80 dB down and the filters take off 0.7 dB at most.

Sources: J. C. Brown, "Calculation of a constant Q spectral transform", JASA 89 (1991); one octave after the other at half the
rate: C. Schoerkhuber, A. Klapuri, "Constant-Q transform toolbox for music processing", SMC 2010; variable Q: C. Schoerkhuber
et al., "A Matlab toolbox for efficient perfect reconstruction time-frequency transforms with log-frequency resolution", AES 53rd
conference, 2014.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import bands as erb
from rtstyle.dsp import stft
from rtstyle.dsp.jit import kernel

STFT: Final = "stft"
CONSTANT_Q: Final = "constant-q"
ANALYSES: Final = (STFT, CONSTANT_Q)

LOWEST_HZ: Final = 55.0
HIGHEST: Final = 0.45  # of the rate
BANDS_PER_OCTAVE: Final = 24
BINS_PER_BAND: Final = 1.5  # at least: two tones a semitone apart are two peaks then
RATIO: Final = 2.0 ** (1.0 / BANDS_PER_OCTAVE)
LEVELS: Final = 4  # rates: the stream's, a half, a quarter, an eighth
ROWS: Final = 2  # of the past at each rate: samples, squares


class Layout(NamedTuple):
    """Where the bands of a description are seen. `[any]`

    centres: float64[D], Hz. place: int64[D, 3], of each band the frame (0: at the stream's rate), first bin and count of
    bins. weights: float32[D, W], of these bins, then zeros. levels: how many frames there are.
    """

    centres: NDArray[np.float64]
    place: NDArray[np.int64]
    weights: NDArray[np.float32]
    levels: int


def described_centres(analysis: str, n_fft: int, sample_rate: float, bands: int) -> NDArray[np.float64]:
    """Centres in Hz of the bands that are described, float64[D]; `bands` counts those of `stft`. `[control]`

    Raises ValueError for an analysis that is none of ANALYSES.
    """
    if analysis == STFT:
        return erb.band_centres(n_fft, sample_rate, bands)
    if analysis == CONSTANT_Q:
        steps = int(np.log(HIGHEST * sample_rate / LOWEST_HZ) / np.log(RATIO))
        return np.asarray(LOWEST_HZ * RATIO ** np.arange(steps + 1))
    raise ValueError(f"analysis {analysis!r} must be one of {', '.join(ANALYSES)}")


def hop_step(analysis: str) -> int:
    """What the hop must be a multiple of: whole samples at the lowest rate. `[control]`"""
    return 1 << (LEVELS - 1) if analysis == CONSTANT_Q else 1


def layout(analysis: str, n_fft: int, sample_rate: float, bands: int) -> Layout:
    """Place the bands of a description in its frames. `[control]` Raises ValueError as `described_centres`."""
    centres = described_centres(analysis, n_fft, sample_rate, bands)
    bins = n_fft // 2 + 1
    if analysis == STFT:
        levels, level = 1, np.zeros(centres.size, np.int64)
        spread = erb.band_spread(*erb.place_bins(n_fft, sample_rate, centres), bands).T
    else:
        levels, resolution = LEVELS, sample_rate / n_fft  # in Hz, of the shortest frame
        halvings = np.ceil(np.log2(BINS_PER_BAND * resolution / (centres * (RATIO - 1.0))))
        level = np.clip(halvings, 0, LEVELS - 1).astype(np.int64)
        spread = np.zeros((centres.size, bins), np.float32)
        for b, (centre, width) in enumerate(zip(centres, resolution / 2.0**level, strict=True)):
            below, above = min(centre / RATIO, centre - width), max(centre * RATIO, centre + width)
            spread[b] = np.interp(np.arange(bins) * width, (below, centre, above), (0.0, 1.0, 0.0))
    seen = [np.flatnonzero(row) for row in spread]
    place = np.array([(j, k[0], k.size) for j, k in zip(level, seen, strict=True)], np.int64)
    weights = np.zeros((centres.size, int(place[:, 2].max())), np.float32)
    for b, k in enumerate(seen):
        weights[b, : k.size] = spread[b, k]
    return Layout(centres, place, weights, levels)


@kernel
def _halve(source: Any, target: Any, fresh: int) -> None:
    """Shift `fresh` samples into `target`: the newest of `source` at half the rate. Both float32[N]."""
    size = target.size
    for i in range(size - fresh):
        target[i] = target[i + fresh]
    for i in range(fresh):
        n = size - 2 * (fresh - i) + 1
        inner, middle = source[n - 2] + source[n - 3], source[n - 1] + source[n - 4]
        total = np.float32(10.0) * inner + np.float32(5.0) * middle + (source[n] + source[n - 5])
        target[size - fresh + i] = total * np.float32(1.0 / 32.0)


@kernel
def _enter(x: Any, past: Any) -> None:
    """Shift one hop into the samples and squares at the stream's rate. past: float32[ROWS, N]."""
    keep = past.shape[1] - x.size
    for i in range(keep):
        past[0, i] = past[0, i + x.size]
        past[1, i] = past[1, i + x.size]
    for i in range(x.size):
        past[0, keep + i] = x[i]
        past[1, keep + i] = x[i] * x[i]


@kernel
def band_shares(
    x: Any,
    power: Any,
    window: Any,
    window_power: Any,
    frame: Any,
    seen: Any,
    past: Any,
    place: Any,
    weights: Any,
    shares: Any,
    axis: Any,
) -> None:
    """Power in each band over that of its frame, at all frequencies. `[audio]`

    x: float32[H], the hop just heard. power: the mean square of the frame behind seen, complex64[bins], which is at the
    stream's rate (unspecified afterwards). window: float32[N], of all frames; window_power: the sum of its squares. frame:
    float32[N], scratch. past: float32[levels, ROWS, N], zeros at reset. place, weights: from `layout`. shares: float32[D],
    overwritten. axis: int64[1] of 0.
    """
    levels, fresh = past.shape[0], x.size
    if levels > 1:
        _enter(x, past[0])
    for level in range(levels):
        if level > 0:
            fresh //= 2
            for row in range(ROWS):
                _halve(past[level - 1, row], past[level, row], fresh)
            stft.transform(past[level, 0], window, frame, seen, axis)
            power = 0.0
            for i in range(window.size):
                power += window[i] * window[i] * past[level, 1, i]
            power /= window_power
        for k in range(seen.size):
            frame[k] = seen[k].real * seen[k].real + seen[k].imag * seen[k].imag
        total = power * (seen.size - 1) * window_power + 1e-7
        for b in range(shares.size):
            if place[b, 0] == level:
                found = np.float32(0.0)
                bins = frame[place[b, 1] : place[b, 1] + place[b, 2]]
                for k in range(bins.size):
                    found += weights[b, k] * bins[k]
                shares[b] = np.float32(found / total + 1e-7)
