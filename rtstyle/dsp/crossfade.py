"""The gains of a crossfade that keeps the power, whatever the two signals have in common.

    a = cos(pi p / 2), b = sin(pi p / 2)                    a^2 + b^2 = 1: constant power for unrelated signals
    a, b / sqrt(1 + 2 a b rho), rho = <x y> / |x| |y|        constant power for signals of correlation rho

With rho = 0 this is the equal-power law, with rho = 1 (the same signal on both sides) an equal-gain one: no bump of 3 dB.
"""

from typing import Any

import numpy as np

from rtstyle.dsp.jit import kernel


@kernel
def equal_power(place: Any, rho: Any) -> Any:
    """Gains (from, to) at `place` 0..1 for signals of correlation `rho`; a negative one counts as 0. `[audio]`"""
    a = np.cos(0.5 * np.pi * place)
    b = np.sin(0.5 * np.pi * place)
    scale = 1.0 / np.sqrt(1.0 + 2.0 * a * b * min(max(rho, 0.0), 1.0))
    return np.float32(a * scale), np.float32(b * scale)
