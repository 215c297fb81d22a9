"""Band gains as a minimum-phase filter.

Real gains on a spectrum are a filter that rings before and after. Behind a short synthesis window that wraps around and
beats at the rate of the hops, which a steady tone shows as lines between its partials. A minimum-phase filter of
the same magnitude only looks back, to where the frame is whole, and the beat is gone.
Source: A. V. Oppenheim, R. W. Schafer, "Discrete-Time Signal Processing", homomorphic (cepstral) design.
"""

from typing import Any

import numpy as np

from rtstyle.dsp import fft
from rtstyle.dsp.jit import kernel


@kernel
def _exponential(z: Any) -> Any:
    """exp(z) of a complex64, |z| < 30, to about 1e-5: exp(z / 128) by its series, squared seven times.

    Only products and sums, so that a loop of it runs on whole vectors; calls of exp, sin and cos would not.
    """
    x = z.real * np.float32(1.0 / 128.0)
    y = z.imag * np.float32(1.0 / 128.0)
    real, imaginary = np.float32(1.0) + x * np.float32(0.2), y * np.float32(0.2)
    for step in (np.float32(0.25), np.float32(1.0 / 3.0), np.float32(0.5), np.float32(1.0)):
        product = x * real - y * imaginary
        imaginary = (x * imaginary + y * real) * step
        real = np.float32(1.0) + product * step
    for _ in range(7):
        square = real * real - imaginary * imaginary
        imaginary = np.float32(2.0) * real * imaginary
        real = square
    return np.complex64(complex(real, imaginary))


@kernel
def minimum_phase(logs: Any, lower: Any, weight: Any, frame: Any, response: Any, axis: Any) -> None:
    """Frequency response of least phase whose log magnitude is `logs`, interpolated over the bins. `[audio]`

    logs: float32[B], natural logarithm of the gains. lower, weight: from `bands.band_layout`. frame: float32[N], scratch.
    response: complex64[N / 2 + 1], overwritten. axis: int64[1] of 0.
    """
    for k in range(response.size):
        b = lower[k]
        response[k] = np.complex64(logs[b] + weight[k] * (logs[b + 1] - logs[b]))
    fft.inverse(response, frame, axis)
    half = frame.size // 2
    for n in range(1, half):  # the causal half twice, the rest not at all: the cepstrum of the minimum phase
        frame[n] *= np.float32(2.0)
        frame[half + n] = np.float32(0.0)
    fft.forward(frame, response, axis)
    for k in range(response.size):
        response[k] = _exponential(response[k])
