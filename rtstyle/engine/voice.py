"""What the audio thread hears of a lane: wet samples by position, and a weight that hides every gap."""

from typing import Any

import numpy as np

from rtstyle.dsp import delay, ring
from rtstyle.dsp.atomics import load_acquire, store_release
from rtstyle.dsp.jit import kernel
from rtstyle.engine import cells
from rtstyle.engine.cells import L_READER, L_STATE, L_WET, L_WET_INDEX, LAST_BAD, TAKEN
from rtstyle.engine.memory import doubles, floats, integers


@kernel
def start_at(lane: Any, position: Any) -> None:
    """Begin a lane that was reset not to sound in the middle of a stream, at the absolute `position`. `[audio]`"""
    state = integers(lane, L_STATE)
    index = integers(lane, L_WET_INDEX)
    state[cells.ORIGIN] = position
    state[TAKEN] = position
    state[LAST_BAD] = position
    index[ring.WRITTEN] = position
    index[ring.READ] = position
    store_release(state, cells.ACTIVE, 1)


@kernel
def read_voice(chain: Any, lane: Any, start: Any, frames: Any, out: Any, counted: Any) -> Any:
    """Fetch wet samples from absolute position `start` on, with a weight that never jumps. `[audio]`

    out: float32[channels + 1, >= frames], overwritten: wet channels and, last, the weight 0..1 of this voice against the dry
    signal. counted: 1 where missing samples are a fault. Returns True where all weights are 1.

    A sample is missing when the lane has not written it, or wrote it with weight 0. From there on the voice goes on with
    its own past, mirrored in time, while its weight falls to 0 by FAULT_STEP per sample; then it waits in silence until
    samples are good again, and its weight rises.
    """
    shared = integers(chain, cells.STATE)
    state = integers(lane, L_STATE)
    index = integers(lane, L_WET_INDEX)
    wet = floats(lane, L_WET)
    reader = doubles(lane, L_READER)
    step = doubles(chain, cells.SETUP)[0, cells.FAULT_STEP]
    channels = out.shape[0] - 1
    have = min(max(load_acquire(index, ring.WRITTEN) - start, 0), frames)
    delay.read(wet, start, out, have)
    if counted == 1 and have < frames:
        shared[cells.UNDERFLOW] += 1
    mode = int(reader[0, cells.MODE])
    weight = reader[0, cells.WEIGHT]
    if mode == cells.SOUNDING and weight == 1.0 and have == frames and start >= state[LAST_BAD]:
        store_release(index, ring.READ, start + frames)
        return True
    mirror = int(reader[0, cells.MIRROR])
    last = wet.shape[1] - 1
    for i in range(frames):
        position = start + i
        good = i < have and out[channels, i] > 0.0
        if mode == cells.SOUNDING and not good:
            mode = cells.MIRRORING
            mirror = position
        elif mode == cells.SILENT and good:
            mode = cells.SOUNDING
        if mode == cells.SOUNDING:
            weight = min(weight + step, 1.0)
        elif mode == cells.MIRRORING:
            weight = max(weight - step, 0.0)
            for channel in range(channels):
                out[channel, i] = wet[channel, (2 * mirror - 1 - position) & last]
            if weight == 0.0:
                mode = cells.SILENT
        else:
            for channel in range(channels):
                out[channel, i] = np.float32(0.0)
        out[channels, i] = np.float32(weight)
        if counted == 1 and weight == 0.0:
            shared[cells.DRY_FRAMES] += 1
    reader[0, cells.MODE] = mode
    reader[0, cells.WEIGHT] = weight
    reader[0, cells.MIRROR] = mirror
    store_release(index, ring.READ, start + frames)
    return False
