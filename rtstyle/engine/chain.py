"""The one compiled function of the chain: live, in the worker's company and offline.

    in -> NaN guard -+-> dry line ------------------------------- delayed by the voice's latency -+
                     +-> input gain -> DC blocker -> gate -> feed ring -> lanes -> wet rings -> mix -> output gain
                                                             (lane.py; here, or in the worker)      -> bypass -> limiter -> out

Bypass crossfades by equal gain to the input as it came, delayed alike. The law of the mix stands in mix.py.
"""

from typing import Any

import numpy as np
from numba import carray, cfunc, types
from numpy.typing import NDArray

from rtstyle.dsp import delay, dynamics, meters, ramp, ring
from rtstyle.dsp.atomics import load_acquire
from rtstyle.dsp.denormals import flush_denormals, restore_mode
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import call_3, float32_at
from rtstyle.engine import cells
from rtstyle.engine.cells import (
    LANES,
    LOUDEST,
    MAX_BLOCK,
    NATIVE,
    PARAMETERS,
    RAMP_SCRATCH,
    RAMPS,
    SETUP,
    STATE,
    WORK,
)
from rtstyle.engine.hops import rest
from rtstyle.engine.memory import STRIDE, doubles, floats, integers, table_at
from rtstyle.engine.mix import begin_swap, collect, lane_table
from rtstyle.engine.native import now_ns, post, sleep

_PATIENCE_ROUNDS = 40_000  # short sleeps that a patient caller grants the worker: some seconds


@kernel
def _note_entry(table: Any, now: Any) -> None:
    """Count how far this call is from the time at which the block before it ends: the jitter of the device's thread."""
    state = integers(table, STATE)
    bins = integers(table, cells.ENTRIES)
    if state[cells.BLOCKS] > 0:
        due = state[cells.ENTERED_NS] + int(
            1e9 * state[cells.LAST_FRAMES] / doubles(table, SETUP)[0, cells.SAMPLE_RATE]
        )
        away = abs(now - due)
        bins[min(away // cells.ENTRY_BIN_NS, cells.ENTRY_BINS - 1)] += 1
        state[cells.LATEST_ENTRY_NS] = max(state[cells.LATEST_ENTRY_NS], away)
    state[cells.ENTERED_NS] = now


@kernel
def _process_block(table: Any, address: Any, inp: Any, out: Any, offset: Any, frames: Any) -> None:
    state = integers(table, STATE)
    position = integers(table, cells.FEED_INDEX)[ring.WRITTEN]
    _ramp_parameters(table, position, frames)
    _feed(table, inp, offset, position, frames)
    begin_swap(table, position)
    if state[cells.DRIVER] == cells.SAFE:
        post(integers(table, NATIVE))
        if state[cells.PATIENT] != 0:
            _await_worker(table, position, frames)
    else:
        native = integers(table, NATIVE)
        call_3(native[cells.RUN_LANES], address, cells.AUDIO_TIME, 0)
        _watch_time(table, frames)
    collect(table, position, frames)
    _finish(table, out, offset, frames)


@kernel
def _ramp_parameters(table: Any, position: Any, frames: Any) -> None:
    """Per-sample gains of this block; the very first block starts at the targets."""
    target = floats(table, PARAMETERS)[0]
    setup = doubles(table, SETUP)[0]
    state = doubles(table, RAMPS)
    gains = floats(table, RAMP_SCRATCH)
    for row in range(cells.RAMPED):
        cell = cells.MIX
        length = setup[cells.RAMP_LENGTH]
        if row == cells.RAMP_INPUT:
            cell = cells.INPUT_GAIN
        elif row == cells.RAMP_OUTPUT:
            cell = cells.OUTPUT_GAIN
        elif row == cells.RAMP_BYPASS:
            cell = cells.BYPASS
            length = setup[cells.BYPASS_LENGTH]
        if position == 0:
            ramp.settle(state[row], np.float64(target[cell]))
        ramp.linear(state[row], np.float64(target[cell]), length, gains[row, :frames])


@kernel
def _feed(table: Any, inp: Any, offset: Any, position: Any, frames: Any) -> None:
    """Guard, meter and keep the input; condition it and give it to the lanes."""
    state = integers(table, STATE)
    setup = doubles(table, SETUP)[0]
    work = floats(table, WORK)
    gain = floats(table, RAMP_SCRATCH)[cells.RAMP_INPUT]
    channels = work.shape[0]
    broken = 0
    for channel in range(channels):
        for i in range(frames):
            value = inp[channel, offset + i]
            if not abs(value) <= LOUDEST:
                value = np.float32(0.0)
                broken += 1
            work[channel, i] = value
    state[cells.NONFINITE_IN] += broken
    delay.write(floats(table, cells.DRY), position, work, frames)
    meters.measure(doubles(table, cells.INPUT_METERS), work, frames, setup[cells.SAMPLE_RATE], np.float32(1.0))
    for channel in range(channels):
        for i in range(frames):
            work[channel, i] *= gain[i]
    dynamics.block_dc(doubles(table, cells.DC), setup[cells.DC_POLE], work, frames)
    dynamics.gate(
        doubles(table, cells.GATE)[0],
        np.float64(floats(table, PARAMETERS)[0, cells.GATE_LEVEL]),
        setup[cells.GATE_FALL],
        setup[cells.GATE_HOLD],
        setup[cells.GATE_ATTACK],
        setup[cells.GATE_RELEASE],
        work,
        frames,
    )
    ring.publish(floats(table, cells.FEED), integers(table, cells.FEED_INDEX), work, frames)


@kernel
def _await_worker(table: Any, position: Any, frames: Any) -> None:
    """Wait until the worker has made all that this block plays (freewheel: time does not matter, samples do)."""
    state = integers(table, STATE)
    native = integers(table, NATIVE)
    for which in range(2):
        if load_acquire(integers(table, LANES), which) != 0:
            lane = lane_table(table, which)
            lane_state = integers(lane, cells.L_STATE)
            if lane_state[cells.ACTIVE] != 0:
                needed = position - lane_state[cells.LATENCY] + frames
                rounds = 0
                while load_acquire(integers(lane, cells.L_WET_INDEX), ring.WRITTEN) < needed:
                    if load_acquire(state, cells.WORKING) == 0 or rounds > _PATIENCE_ROUNDS:
                        return
                    rounds += 1
                    sleep(native)


@kernel
def _watch_time(table: Any, frames: Any) -> None:
    """Send a model to rest whose blocks take longer than they last. `[audio]`

    Debt is what the blocks took above their duration, less what later ones left over. One such block is forgiven, however
    long: a stall of the system has cost an xrun already, and a rest would only add to it. A second one before the debt is
    paid is the model's own.
    """
    state = integers(table, STATE)
    setup = doubles(table, SETUP)[0]
    budget = int(1e9 * frames / setup[cells.SAMPLE_RATE])
    for which in range(2):
        if integers(table, LANES)[which] != 0:
            lane = lane_table(table, which)
            lane_state = integers(lane, cells.L_STATE)
            spent = lane_state[cells.SPENT_NS]
            lane_state[cells.SPENT_NS] = 0
            if state[cells.DRIVER] != cells.TIGHT or state[cells.PATIENT] != 0:
                continue
            debt = max(lane_state[cells.DEBT_NS] + spent - budget, 0)
            if debt == 0:
                lane_state[cells.OVERRUNS] = 0
            elif spent > budget:
                lane_state[cells.OVERRUNS] += 1
            own = lane_state[cells.OVERRUNS] > 1 and debt > setup[cells.DEBT_LIMIT_NS]
            if own and state[cells.BLOCKS] >= cells.SETTLING_BLOCKS:
                state[cells.LATE] += 1
                lane_state[cells.OVERRUNS] = 0
                debt = 0
                lane_state[cells.GOOD] = 0
                rest(lane_state, integers(lane, cells.L_WET_INDEX)[ring.WRITTEN])
            lane_state[cells.DEBT_NS] = debt


@kernel
def _finish(table: Any, out: Any, offset: Any, frames: Any) -> None:
    """Output gain, bypass, limiter, meters."""
    state = integers(table, STATE)
    setup = doubles(table, SETUP)[0]
    work = floats(table, WORK)
    raw = floats(table, cells.DRY_NOW)
    gains = floats(table, RAMP_SCRATCH)
    gain = gains[cells.RAMP_OUTPUT]
    bypass = gains[cells.RAMP_BYPASS]
    one = np.float32(1.0)
    for channel in range(work.shape[0]):
        for i in range(frames):
            work[channel, i] = work[channel, i] * gain[i] * (one - bypass[i]) + raw[channel, i] * bypass[i]
    broken = dynamics.limit(
        doubles(table, cells.LIMITER)[0],
        floats(table, cells.LIMITER_LINE),
        floats(table, cells.LIMITER_HISTORY),
        floats(table, PARAMETERS)[0, cells.CEILING],
        setup[cells.LIMITER_RELEASE],
        work,
        frames,
    )
    state[cells.NONFINITE_OUT] += broken
    meters.measure(
        doubles(table, cells.OUTPUT_METERS),
        work,
        frames,
        setup[cells.SAMPLE_RATE],
        floats(table, PARAMETERS)[0, cells.CEILING],
    )
    for channel in range(work.shape[0]):
        for i in range(frames):
            out[channel, offset + i] = work[channel, i]


@cfunc(types.int32(*[types.int64] * 6), nopython=True, cache=True)
def process_entry(address: Any, audio_in: Any, audio_out: Any, channels: Any, room: Any, frames: Any) -> Any:
    """Run the chain: a C function for the device's callbacks, and for `process`. `[audio]`

    address: of `Engine.table`. audio_in, audio_out: addresses of float32 (channels, room), of which the first `frames`
    columns count; they may be the same. Never raises, prints, allocates or waits (but for the worker where the engine was
    told to be patient). Returns 0.
    """
    mode = flush_denormals()
    table = table_at(address, STRIDE * cells.CHAIN_SLOTS)
    inp = carray(float32_at(audio_in), (channels, room))
    out = carray(float32_at(audio_out), (channels, room))
    state = integers(table, STATE)
    native = integers(table, NATIVE)
    started = now_ns(native, cells.AUDIO_TIME)
    _note_entry(table, started)
    done = np.int64(0)
    while done < frames:
        count = min(frames - done, MAX_BLOCK)
        _process_block(table, address, inp, out, done, count)
        done += count
    state[cells.BLOCKS] += 1
    state[cells.LAST_FRAMES] = frames
    state[cells.CHAIN_NS] += now_ns(native, cells.AUDIO_TIME) - started
    restore_mode(mode)
    return 0


def process(table: NDArray[np.int64], inp: NDArray[np.float32], out: NDArray[np.float32], frames: int) -> None:
    """Run the chain from Python, by the machine code that a device's callback runs. `[control]`

    table: `Engine.table`. inp, out: float32[channels, >= frames] of one shape, C-contiguous; out may be inp.
    """
    channels, room = inp.shape
    _call_process(table.ctypes.data, inp.ctypes.data, out.ctypes.data, channels, room, frames)


_call_process = process_entry.ctypes  # lets go of the GIL while it runs
