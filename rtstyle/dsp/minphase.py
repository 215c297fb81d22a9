"""Band gains as a minimum-phase filter.

Real gains on a spectrum are a filter that rings before and after. Behind a short synthesis window that wraps around and
beats at the rate of the hops, which a steady tone shows as lines between its partials. A minimum-phase filter of
the same magnitude only looks back, to where the frame is whole, and the beat is gone.

The phase is the Hilbert transform of the log magnitude, so linear in the log gains of the bands: one matrix, made once.
Source: A. V. Oppenheim, R. W. Schafer, "Discrete-Time Signal Processing", homomorphic (cepstral) design.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.elementary import exponential
from rtstyle.dsp.jit import kernel


def phase_per_gain(spread: NDArray[np.float32]) -> NDArray[np.float32]:
    """Phase in radians at each bin for a log gain of one in each band, float32[B, bins]. `[control]`

    spread: float[bins, B], the share of each band's log gain at each bin of an FFT of N = 2 (bins - 1) samples.
    """
    half = spread.shape[0] - 1
    cepstrum = np.fft.irfft(spread.T.astype(np.float64))
    fold = np.zeros(2 * half)  # the causal half twice, the rest not at all: the cepstrum of the minimum phase
    fold[0] = fold[half] = 1.0
    fold[1:half] = 2.0
    return np.ascontiguousarray(np.fft.rfft(cepstrum * fold).imag, dtype=np.float32)


@kernel
def _add_phases(logs: Any, turn: Any, first: Any, second: Any) -> None:
    """first += logs[0] @ turn, second += logs[1] @ turn: the matrix is read once, and eight rows at a time."""
    whole = logs.shape[1] - logs.shape[1] % 8
    for b in range(0, whole, 8):
        g0, g1, g2, g3 = logs[0, b], logs[0, b + 1], logs[0, b + 2], logs[0, b + 3]
        g4, g5, g6, g7 = logs[0, b + 4], logs[0, b + 5], logs[0, b + 6], logs[0, b + 7]
        h0, h1, h2, h3 = logs[1, b], logs[1, b + 1], logs[1, b + 2], logs[1, b + 3]
        h4, h5, h6, h7 = logs[1, b + 4], logs[1, b + 5], logs[1, b + 6], logs[1, b + 7]
        t0, t1, t2, t3 = turn[b], turn[b + 1], turn[b + 2], turn[b + 3]
        t4, t5, t6, t7 = turn[b + 4], turn[b + 5], turn[b + 6], turn[b + 7]
        for k in range(first.size):
            low, high = g0 * t0[k] + g1 * t1[k], g2 * t2[k] + g3 * t3[k]
            first[k] += low + high + (g4 * t4[k] + g5 * t5[k]) + (g6 * t6[k] + g7 * t7[k])
            low, high = h0 * t0[k] + h1 * t1[k], h2 * t2[k] + h3 * t3[k]
            second[k] += low + high + (h4 * t4[k] + h5 * t5[k]) + (h6 * t6[k] + h7 * t7[k])
    for b in range(whole, logs.shape[1]):
        row = turn[b]
        for k in range(first.size):
            first[k] += logs[0, b] * row[k]
            second[k] += logs[1, b] * row[k]


@kernel
def minimum_phase(logs: Any, lower: Any, weight: Any, turn: Any, polar: Any, response: Any) -> None:
    """Frequency responses of least phase of two filters, whose log magnitudes are `logs` interpolated over the bins. `[audio]`

    logs: float32[2, B], natural logarithms of the gains. lower, weight: from `bands.band_layout`. turn: from
    `phase_per_gain`. polar: float32[2, 2, bins], scratch. response: complex64[2, bins], overwritten.
    """
    bins = response.shape[1]
    for one in range(2):
        own, magnitude, phase = logs[one], polar[one, 0], polar[one, 1]
        for k in range(bins):
            b = lower[k]
            magnitude[k] = own[b] + weight[k] * (own[b + 1] - own[b])
            phase[k] = np.float32(0.0)
    _add_phases(logs, turn, polar[0, 1], polar[1, 1])
    for one in range(2):
        magnitude, phase, found = polar[one, 0], polar[one, 1], response[one]
        for k in range(bins):
            found[k] = exponential(np.complex64(complex(magnitude[k], phase[k])))
