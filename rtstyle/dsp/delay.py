"""A delay line addressed by absolute positions: sample n of a stream lies at n modulo the line's length.

The length is a power of two. A writer that has written up to position w can be read anywhere in (w - length, w]; positions
before the stream's start read as what the line was filled with (zeros).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel


def new_line(channels: int, frames: int) -> NDArray[np.float32]:
    """A silent line that holds at least `frames` frames, float32[channels, power of two]. `[control]`"""
    return np.zeros((channels, 1 << max(frames - 1, 1).bit_length()), dtype=np.float32)


@kernel
def write(line: Any, position: Any, x: Any, frames: Any) -> None:
    """Store x[:, :frames] at `position`. `[audio]`

    line: float32[rows, length], length a power of two >= frames. x: float32[rows, >= frames]; rows of x beyond those of the
    line are ignored.
    """
    length = line.shape[1]
    start = position & (length - 1)
    first = min(frames, length - start)
    for row in range(line.shape[0]):
        for i in range(first):
            line[row, start + i] = x[row, i]
        for i in range(frames - first):
            line[row, i] = x[row, first + i]


@kernel
def read(line: Any, position: Any, y: Any, frames: Any) -> None:
    """Load y[:, :frames] from `position` on, which may be negative. `[audio]`

    line: float32[rows, length]. y: float32[rows, >= frames], overwritten there.
    """
    length = line.shape[1]
    start = position & (length - 1)
    first = min(frames, length - start)
    for row in range(line.shape[0]):
        for i in range(first):
            y[row, i] = line[row, start + i]
        for i in range(frames - first):
            y[row, first + i] = line[row, i]
