"""Level meters: peak with fall, RMS, peak hold and a clip latch, measured block by block.

One row of state per channel, in linear gain (full scale 1). The audio thread alone writes it; any thread reads it (each
slot is one aligned number), and clears the latch by writing 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel

PEAK, MEAN_SQUARE, HOLD, HOLD_AGE, CLIPPED = range(5)  # slots of one channel's row
ROW_SIZE = 8

FALL_SECONDS = 0.58  # time constant of the peak's fall: 15 dB a second
RMS_SECONDS = 0.3
HOLD_SECONDS = 1.5


def new_state(channels: int) -> NDArray[np.float64]:
    """Meters of `channels` channels at rest, float64[channels, ROW_SIZE]. `[control]`"""
    return np.zeros((channels, ROW_SIZE))


@kernel
def measure(state: Any, x: Any, frames: Any, sample_rate: Any, clip_level: Any) -> None:
    """Take x[:, :frames], float32[channels, >= frames], into the meters. `[audio]`

    clip_level: a sample at or above it sets CLIPPED, which stays until it is cleared. Costs two exponentials a block.
    """
    if frames < 1:
        return
    seconds = frames / sample_rate
    fall = np.exp(-seconds / FALL_SECONDS)
    follow = 1.0 - np.exp(-seconds / RMS_SECONDS)
    hold_frames = HOLD_SECONDS * sample_rate
    for channel in range(state.shape[0]):
        row = state[channel]
        peak = np.float32(0.0)
        power = np.float32(0.0)
        for i in range(frames):
            value = abs(x[channel, i])
            peak = value if value > peak else peak
            power += value * value
        row[PEAK] = max(np.float64(peak), row[PEAK] * fall)
        row[MEAN_SQUARE] += follow * (power / frames - row[MEAN_SQUARE])
        row[HOLD_AGE] += frames
        if peak >= row[HOLD] or row[HOLD_AGE] > hold_frames:
            row[HOLD] = np.float64(peak)
            row[HOLD_AGE] = 0.0
        if peak >= clip_level:
            row[CLIPPED] = 1.0
