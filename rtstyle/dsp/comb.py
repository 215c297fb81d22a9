"""A comb at the pitch of a line: the input and itself a period ago, so that what lies between the partials fades.

Room, breath and bow lie there. Networks take them for their own, and play them on as haze; a note without them is heard more
often as what it is to be. Partials keep their phase, and their level. Chords and drums have no pulses, and no comb.

Source: A. Nehorai, B. Porat, "Adaptive comb filtering for harmonic signal enhancement", IEEE Trans. ASSP 34, 1986.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import excitation
from rtstyle.dsp.jit import kernel

SETTLING: Final = 0.005  # seconds in which the comb comes and goes, and its period follows: one that trembles is haze
STEPPED: Final = 0.06  # share by which a period has changed, not glided: the comb goes, and comes back with the new one
GONE: Final = 0.02  # what is left of it then
LENGTH: Final = 1024  # samples that are remembered

# Slots of the state, float64[STATE_LENGTH]; zeros at reset. Behind them: the last LENGTH samples, a ring.
WHERE, PERIOD, SHARE = range(3)
STATE_SIZE: Final = 3
STATE_LENGTH: Final = STATE_SIZE + LENGTH


def new_state() -> NDArray[np.float64]:
    """State of one stream, ready to run. `[control]`"""
    return np.zeros(STATE_LENGTH)


@kernel
def reset(state: Any) -> None:
    """Return to the state of `new_state()`. `[audio]`"""
    for i in range(state.size):
        state[i] = 0.0


@kernel
def comb(state: Any, excited: Any, amount: Any, sample_rate: Any, x: Any) -> None:
    """Comb one hop in place. `[audio]`

    state: from `new_state`. excited: state of `excitation.excite` after this hop. amount: 0 (not at all) to 1 (what
    is a period old is as loud as what is now: nothing stays halfway between two partials). sample_rate in Hz. x: float32[hop].
    """
    past = state[STATE_SIZE:]
    settle = 1.0 - np.exp(-1.0 / (SETTLING * sample_rate))
    period = min(max(excited[excitation.PERIOD], 2.0), LENGTH - 3.0)
    stays = abs(period / max(state[PERIOD], 1.0) - 1.0) < STEPPED
    if not stays and state[SHARE] < GONE:
        state[PERIOD], stays = period, True
    wanted = amount * excited[excitation.GATE] if stays else 0.0
    if not stays:
        period = state[PERIOD]
    where = int(state[WHERE])
    for n in range(x.size):
        past[where] = x[n]
        state[PERIOD] += settle * (period - state[PERIOD])
        state[SHARE] += settle * (wanted - state[SHARE])
        place = where - state[PERIOD]
        first = int(np.floor(place))
        part = place - first
        a, b = past[(first - 1) % LENGTH], past[first % LENGTH]
        c, d = past[(first + 1) % LENGTH], past[(first + 2) % LENGTH]
        # Catmull-Rom: the cubic through b and c whose slopes are those between their neighbours.
        cubic = 3.0 * (b - c) + d - a
        before = b + 0.5 * part * (c - a + part * (2.0 * a - 5.0 * b + 4.0 * c - d + part * cubic))
        x[n] = np.float32((x[n] + state[SHARE] * before) / (1.0 + state[SHARE]))
        where = (where + 1) % LENGTH
    state[WHERE] = where
