"""The smallest engine that a link can play: y[n] = gain * x[n - delay], its state an int64 table of its own."""

from typing import Any

import numpy as np
from numba import carray, cfunc, types

from rtstyle.dsp.pointers import float32_at, int64_at

GAIN_MILLI, DELAY, LINE, LINE_FRAMES, POSITION, CALLS, STATUS, SPIN = range(8)


@cfunc(types.int32(*[types.int64] * 6), nopython=True)
def delay_engine(table: Any, audio_in: Any, audio_out: Any, channels: Any, room: Any, frames: Any) -> int:
    """See the module's page."""
    state = carray(int64_at(table), (8,))
    inputs = carray(float32_at(audio_in), (channels, room))
    outputs = carray(float32_at(audio_out), (channels, room))
    size = state[LINE_FRAMES]
    line = carray(float32_at(state[LINE]), (channels, size))
    gain = np.float32(state[GAIN_MILLI] / 1000.0)
    for frame in range(frames):
        here = (state[POSITION] + frame) % size
        for channel in range(channels):
            line[channel, here] = inputs[channel, frame]
            outputs[channel, frame] = gain * line[channel, (here - state[DELAY]) % size]
    state[POSITION] += frames
    state[CALLS] += 1
    return state[STATUS]


class DelayEngine:
    """Owns the delay line; `table` and `function` are what `AudioLink.attach` asks for."""

    def __init__(self, *, channels: int = 1, delay: int = 0, gain: float = 1.0) -> None:
        self.delay = delay
        self.function = int(delay_engine.address)
        self.line = np.zeros((channels, 65_536), np.float32)
        self.table = np.zeros(8, np.int64)
        self.table[[GAIN_MILLI, DELAY, LINE_FRAMES]] = round(1000 * gain), delay, self.line.shape[1]
        self.table[LINE] = self.line.ctypes.data

    def reset(self) -> None:
        """Silence in the line."""
        self.line[:] = 0.0
