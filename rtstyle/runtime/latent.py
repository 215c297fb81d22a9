"""The host's side of a latent model: samples, pulses, noise and pitch in, samples out (see `dsp.front.stack_sources`)."""

from typing import Any

import numpy as np
from numba import carray

from rtstyle.bundle.content import Bundle
from rtstyle.dsp import excitation, front
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import float32_at, float64_at, int64_at, uint64_at
from rtstyle.errors import BundleError
from rtstyle.runtime import layout as at
from rtstyle.runtime.entry import enter_hop
from rtstyle.runtime.memory import Memory


def prepare_latent(memory: Memory, bundle: Bundle) -> None:
    """Allocate the arrays of a latent model. `[control]` Raises BundleError."""
    rows = bundle.frontend.sources
    if rows not in (front.SOURCES, front.ROWS):
        raise BundleError(
            f"{bundle.path}: frontend.sources = {rows}, this version of rtstyle makes {front.SOURCES}, or {front.ROWS} with "
            "the pitch; update rtstyle or export the bundle again."
        )
    memory.numbers({at.ENTRY_ROWS: rows})
    memory.zeros(at.LEVEL, (1,), np.float64)


@kernel
def stack_hops(table: Any, x: Any, hops: int) -> None:
    """Write the rows input, pulses, noise, pitch of `hops` hops of x, float32[hops * H]. `[audio]` table: see `layout`."""
    hop = table[at.HOP]
    clean = carray(float32_at(table[at.CLEAN]), (hop,))
    pulses = carray(float32_at(table[at.PULSES]), (hop,))
    cues = carray(float32_at(table[at.CUES]), (2,))
    state = carray(float64_at(table[at.EXCITATION]), (table[at.EXCITATION_SIZE],))
    seed = carray(uint64_at(table[at.SEED]), (1,))
    level = carray(float64_at(table[at.LEVEL]), (1,))
    active = carray(int64_at(table[at.ACTIVE]), (hops,))
    audio = carray(float32_at(table[at.ENTRY]), (table[at.ENTRY_ROWS], hops * hop))
    for h in range(hops):
        enter_hop(table, h, x[h * hop : (h + 1) * hop], clean, pulses, cues, state)
        power = state[excitation.POWER]
        now = excitation.noise_level(state) * np.sqrt(power)
        log_period = cues[excitation.LOG_PERIOD]
        front.stack_sources(clean, pulses, log_period, level[0], now, seed, audio[:, h * hop : (h + 1) * hop])
        level[0] = now
        active[h] = 1 if power > front.ACTIVE_POWER else 0


@kernel
def copy_hops(table: Any, y: Any, hops: int) -> None:
    """Copy the decoder's samples to y, float32[hops * H]. `[audio]`"""
    audio = carray(float32_at(table[at.RESULT]), (hops * table[at.HOP],))
    for n in range(audio.size):
        y[n] = audio[n]


@kernel
def reset_latent(table: Any) -> None:
    """Forget the level of the last hop. `[audio]`"""
    carray(float64_at(table[at.LEVEL]), (1,))[0] = 0.0
