"""Real FFT on given arrays, for nopython code: `fft1024` for its length, rocket-fft (pocketfft) for every other."""

from typing import Any

import numpy as np
from rocket_fft import c2r, r2c

from rtstyle.dsp import fft1024
from rtstyle.dsp.jit import kernel


@kernel
def forward(frame: Any, spectrum: Any, axis: Any) -> None:
    """Transform a real frame: spectrum[k] = sum_n frame[n] exp(-2 pi i k n / N). `[audio]`

    frame: float32[N], unspecified afterwards. spectrum: complex64[N // 2 + 1], overwritten. axis: int64[1] holding 0
    (owned by the caller, since a kernel allocates nothing). Both arrays are contiguous.
    """
    if frame.size == fft1024.SIZE:
        fft1024.forward(frame, spectrum)
    else:
        r2c(frame, spectrum, axis, True, np.float32(1.0), 1)  # type: ignore[arg-type]


@kernel
def inverse(spectrum: Any, frame: Any, axis: Any) -> None:
    """Transform back, scaled by 1 / N, so that `inverse(forward(x)) == x`. `[audio]`

    spectrum: complex64[N // 2 + 1], unspecified afterwards. frame: float32[N], overwritten. axis: as in `forward`.
    """
    if frame.size == fft1024.SIZE:
        fft1024.inverse(spectrum, frame)
    else:
        c2r(spectrum, frame, axis, False, np.float32(1.0 / frame.size), 1)  # type: ignore[arg-type]
