"""Gains that move without zipper noise: a linear ramp of fixed length and an exponential glide.

Both give one value per sample, depend on the sample count alone (not on how blocks are cut) and end on the target exactly,
so that a settled gain of 1 leaves audio untouched to the last bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel

VALUE, TARGET, STEP, LEFT = range(4)  # slots of the state, float64[STATE_SIZE]
STATE_SIZE = 4


def new_state(value: float = 0.0) -> NDArray[np.float64]:
    """A ramp that rests at `value`. `[control]`"""
    return np.array([value, value, 0.0, 0.0])


@kernel
def settle(state: Any, value: Any) -> None:
    """Jump to `value` and rest there. `[audio]`"""
    state[VALUE] = value
    state[TARGET] = value
    state[STEP] = 0.0
    state[LEFT] = 0.0


@kernel
def linear(state: Any, target: Any, length: Any, out: Any) -> None:
    """Fill out, float32[n], on the way to `target`, which is reached `length` samples after it was first asked for. `[audio]`

    A new target during a ramp starts another one from the present value. Its n-th value is target - step (length - n),
    counted from the end: exact there, and the same for any block size.
    """
    if target != state[TARGET]:
        state[TARGET] = target
        state[LEFT] = max(length, 1)
        state[STEP] = (target - state[VALUE]) / state[LEFT]
    left = state[LEFT]
    moving = min(int(left), out.size)
    for i in range(moving):
        out[i] = np.float32(target - state[STEP] * (left - (i + 1)))
    state[LEFT] = left - moving
    state[VALUE] = target - state[STEP] * state[LEFT] if state[LEFT] > 0.0 else target
    rest = np.float32(target)
    for i in range(moving, out.size):
        out[i] = rest


@kernel
def exponential(state: Any, target: Any, coefficient: Any, out: Any) -> None:
    """Fill out, float32[n], gliding to `target`: value += coefficient (target - value) per sample. `[audio]`

    coefficient: 1 - exp(-1 / tau), tau in samples. Rests on the target once it is nearer than 1e-5 of full scale.
    """
    state[TARGET] = target
    value = state[VALUE]
    for i in range(out.size):
        value += coefficient * (target - value)
        if abs(target - value) < 1e-5:
            value = target
        out[i] = np.float32(value)
    state[VALUE] = value
