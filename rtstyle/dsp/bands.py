"""Bands of an FFT on the ERB scale.

Neighbouring bands overlap as triangles that sum to one, so a bin belongs to at most two bands: `lower[k]` and
`lower[k] + 1`, with weights 1 - w[k] and w[k]. Below the frequency where a band would be narrower than a bin the bands are
one bin wide.
Source of the ERB scale: B. C. J. Moore, B. R. Glasberg, "A revision of Zwicker's loudness model", Acustica 82 (1996).
"""

import numpy as np
from numpy.typing import NDArray


def band_centres(n_fft: int, sample_rate: float, bands: int) -> NDArray[np.float64]:
    """Centres of the bands in Hz, float64[bands], from 0 to about half the rate. `[control]`"""
    resolution = sample_rate / n_fft

    def centres(step: float) -> NDArray[np.float64]:
        found = [0.0]
        for _ in range(bands - 1):
            erb = 24.7 * (4.37e-3 * found[-1] + 1.0)
            found.append(found[-1] + max(resolution, step * erb))
        return np.asarray(found)

    low, high = 0.0, 100.0
    for _ in range(80):  # bisection: the last centre must be the Nyquist frequency
        middle = 0.5 * (low + high)
        if centres(middle)[-1] < sample_rate / 2:
            low = middle
        else:
            high = middle
    return centres(high)


def band_layout(n_fft: int, sample_rate: float, bands: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Place `bands` triangular bands over the bins of an FFT. `[control]`

    Returns (lower int64[bins], weight float32[bins]) with bins = n_fft // 2 + 1. Raises ValueError unless
    2 <= bands <= bins.
    """
    bins = n_fft // 2 + 1
    if not 2 <= bands <= bins:
        raise ValueError(f"bands {bands} must lie in 2..{bins}")
    return place_bins(n_fft, sample_rate, band_centres(n_fft, sample_rate, bands))


def place_bins(
    n_fft: int, sample_rate: float, centres: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Between which of the `centres`, in Hz, each bin of an FFT lies: as `band_layout` returns it. `[control]`"""
    frequency = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    lower = np.clip(np.searchsorted(centres, frequency, side="right") - 1, 0, centres.size - 2)
    weight = (frequency - centres[lower]) / (centres[lower + 1] - centres[lower])
    return lower.astype(np.int64), np.clip(weight, 0.0, 1.0).astype(np.float32)


def band_spread(lower: NDArray[np.int64], weight: NDArray[np.float32], bands: int) -> NDArray[np.float32]:
    """A layout as a matrix, float32[bins, bands]: values over bins are `values @ spread.T`. `[control]`"""
    spread = np.zeros((lower.size, bands), np.float32)
    rows = np.arange(lower.size)
    spread[rows, lower] = 1.0 - weight
    spread[rows, lower + 1] += weight
    return spread
