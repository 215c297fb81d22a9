"""Logarithm and exponential in plain arithmetic, so that loops of them run on whole vectors; calls of libm would not."""

from typing import Any

import numpy as np

from rtstyle.dsp.jit import kernel


@kernel
def natural_log(x: Any, out: Any) -> None:
    """out[i] = ln x[i] for positive normal x, both float32[any], not the same memory; error below 1e-6. `[audio]`

    x = 2^e m with m in [1, 2) is read off the bits, ln m = 2 artanh((m - 1) / (m + 1)) by its series. Infinity and NaN
    give NaN.
    """
    bits, mantissa = x.view(np.int32), out.view(np.int32)
    for i in range(bits.size):
        mantissa[i] = (bits[i] & np.int32(0x7FFFFF)) | np.int32(0x3F800000)
    for i in range(bits.size):
        exponent = np.float32((bits[i] >> np.int32(23)) - np.int32(127))
        s = (out[i] - np.float32(1.0)) / (out[i] + np.float32(1.0))
        q = s * s
        series = np.float32(1.0 / 13.0)
        for term in (np.float32(1.0 / 11.0), np.float32(1.0 / 9.0), np.float32(1.0 / 7.0)):
            series = series * q + term
        for term in (np.float32(1.0 / 5.0), np.float32(1.0 / 3.0), np.float32(1.0)):
            series = series * q + term
        found = exponent * np.float32(0.69314718) + np.float32(2.0) * s * series
        out[i] = found if x[i] < np.float32(np.inf) else np.float32(np.nan)


@kernel
def exponential(z: Any) -> Any:
    """exp(z) of a complex64, |z| < 30, to about 1e-5: exp(z / 128) by its series, squared seven times. `[audio]`"""
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
