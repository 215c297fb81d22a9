"""A ring of audio between two threads: one writes, one reads, neither waits.

Positions count frames since the start and never wrap; the data of frame n lies at n modulo the capacity. Each side owns
one index, alone on its cache line, and publishes it in release order after its copy:

    read <= written <= read + capacity        available = written - read        free = capacity - available

`write` and `read` move whole runs and say how many frames fitted. `publish` is for a writer that must never be late: it
overwrites the oldest frames, and a reader at an absolute position finds out by comparing with `written`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import delay
from rtstyle.dsp.atomics import load_acquire, store_release
from rtstyle.dsp.jit import kernel

WRITTEN = 0  # slots of the index; 64 bytes apart, so that the two threads do not fight for a cache line
READ = 8
INDEX_SIZE = 16


def new_index() -> NDArray[np.int64]:
    """The index of an empty ring, int64[INDEX_SIZE]. Its data is a `delay.new_line`. `[control]`"""
    return np.zeros(INDEX_SIZE, dtype=np.int64)


@kernel
def available(index: Any) -> Any:
    """Frames that `read` can take now. `[any]`"""
    return load_acquire(index, WRITTEN) - load_acquire(index, READ)


@kernel
def write(data: Any, index: Any, x: Any, frames: Any) -> Any:
    """Append up to `frames` frames of x, float32[rows, >= frames]; returns how many fitted. `[audio]` The writer's side."""
    written = index[WRITTEN]
    count = min(frames, data.shape[1] - (written - load_acquire(index, READ)))
    delay.write(data, written, x, count)
    store_release(index, WRITTEN, written + count)
    return count


@kernel
def read(data: Any, index: Any, y: Any, frames: Any) -> Any:
    """Take up to `frames` frames into y, float32[rows, >= frames]; returns how many there were. `[audio]` The reader's side."""
    position = index[READ]
    count = min(frames, load_acquire(index, WRITTEN) - position)
    delay.read(data, position, y, count)
    store_release(index, READ, position + count)
    return count


@kernel
def publish(data: Any, index: Any, x: Any, frames: Any) -> None:
    """Append `frames` <= capacity frames whatever the reader does, over the oldest ones. `[audio]` The writer's side."""
    written = index[WRITTEN]
    delay.write(data, written, x, frames)
    store_release(index, WRITTEN, written + frames)
