"""The entry that both kinds of model share: bad samples replaced, pulses locked to the rest, what these play, a comb."""

from typing import Any

import numpy as np
from numba import carray

from rtstyle.dsp import comb, excitation
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import float32_at, float64_at, uint64_at
from rtstyle.runtime import layout as at
from rtstyle.runtime.recorded import play_recorded


@kernel
def enter_hop(table: Any, h: int, x: Any, clean: Any, pulses: Any, cues: Any, state: Any) -> None:
    """Clean hop `h` of a call, make its pulses and comb it. `[audio]`

    table: see `layout`. x: float32[H]. clean, pulses: float32[H], overwritten; NaN and infinite samples become 0 and
    are counted. cues, state: of `excitation.excite`.
    """
    bad = 0
    for n in range(x.size):
        value = x[n]
        if np.isfinite(value):
            clean[n] = value
        else:
            clean[n] = np.float32(0.0)
            bad += 1
    if bad > 0:
        table[at.BAD_SAMPLES] += bad
    pulse_table = carray(float32_at(table[at.PULSE_TABLE]), (excitation.PULSE_PHASES + 1, excitation.PULSE_TAPS))
    rate = np.float64(table[at.SAMPLE_RATE])
    excitation.excite(state, pulse_table, rate, clean, pulses, cues)
    amount = carray(float32_at(table[at.AMOUNT]), (1,))[0]
    comb.comb(carray(float64_at(table[at.COMB]), (comb.STATE_LENGTH,)), state, amount, rate, clean)
    carray(float64_at(table[at.PLURALITIES]), (h + 2,))[h + 1] = 1.0 - excitation.single(state)
    if table[at.RECORDED] != 0:
        play_recorded(table, h, state)


@kernel
def reset_entry(table: Any) -> None:
    """Forget the past of the excitation and start the noise anew. `[audio]`"""
    excitation.reset(carray(float64_at(table[at.EXCITATION]), (table[at.EXCITATION_SIZE],)))
    comb.reset(carray(float64_at(table[at.COMB]), (comb.STATE_LENGTH,)))
    seeds = carray(uint64_at(table[at.SEED]), (2,))
    # Every turn draws its own: the noise of one, filtered again, would be a comb with that of the next.
    turn = np.uint64(2 * table[at.LEFT] + 1)
    seeds[0], seeds[1] = turn * np.uint64(at.NOISE_SEED), turn * np.uint64(at.WANDER_SEED)
