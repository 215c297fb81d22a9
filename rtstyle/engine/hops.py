"""One lane of the chain: host-rate input -> model's rate -> whole hops -> model -> host rate, all by absolute position.

    feed ring --chunk--> [resample] --> x: waiting samples --hops--> model --> y --> [resample] --> wet ring (+ weight)
    position TAKEN                                                        SKIP = model's latency     position WRITTEN

Wet sample n stands for input sample n: the model's latency is dropped at the start, and both resamplers know the exact time
of every sample. What a lane costs in time is only how far WRITTEN lags behind; `latency.py` computes it. Hence two lanes of
different hop, rate and latency, and the dry signal, line up by position alone.

Before it is published, the wet signal is made to rise and fall as its input does, as far as `dynamics` says (`_follow`): at the
host's rate and by absolute position. A model says which hops to leave alone, whose loudness is their own: a plucked string's.

A hop that the model did not make (fault, rest after a fault, too late) is silent and has weight 0; the reader fades on it.
"""

from typing import Any

import numpy as np
from numba import cfunc, types

from rtstyle.dsp import delay, dynamics, resample, ring
from rtstyle.dsp.atomics import load_acquire, store_release
from rtstyle.dsp.denormals import flush_denormals, restore_mode
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import call_3
from rtstyle.engine import cells
from rtstyle.engine.cells import (
    BACKOFF,
    CALL_HOPS,
    CALL_SIZE,
    CALL_X,
    CALL_Y,
    CHUNK,
    FORGIVE_SECONDS,
    GOOD,
    L_CALLS,
    L_CONTROLS,
    L_DOWN,
    L_DOWN_BUFFER,
    L_DOWN_STATE,
    L_HOST,
    L_STAGE,
    L_STATE,
    L_UP,
    L_UP_BUFFER,
    L_UP_STATE,
    L_WET,
    L_WET_INDEX,
    L_X,
    L_Y,
    LAST_BAD,
    LOUDEST,
    MUTED_UNTIL,
    RESET_DUE,
    TAKEN,
    TRUST_SECONDS,
    UNHEARD,
    WAITING,
    WARM_SECONDS,
)
from rtstyle.engine.memory import STRIDE, doubles, floats, integers, table_at
from rtstyle.engine.native import now_ns, wait

AMOUNT_SECONDS = 0.010  # time constants of the controls' glide
WEIGHTS_SECONDS = 0.025


@kernel
def _advance(chain: Any, lane: Any, time_scratch: Any) -> None:
    """Run a lane as far as its input reaches. `[audio]` or `[worker]`, whichever drives the lanes.

    chain, lane: their tables. time_scratch: the calling thread's clock cells.
    """
    state = integers(lane, L_STATE)
    stage = floats(lane, L_STAGE)
    x = floats(lane, L_X)
    feed = floats(chain, cells.FEED)
    feed_index = integers(chain, cells.FEED_INDEX)
    down_state = integers(lane, L_DOWN_STATE)
    down_buffer = floats(lane, L_DOWN_BUFFER)
    down_table = floats(lane, L_DOWN)
    while True:
        count = min(load_acquire(feed_index, ring.WRITTEN) - state[TAKEN], CHUNK)
        if count <= 0:
            return
        delay.read(feed, state[TAKEN], stage, count)
        state[TAKEN] += count
        if state[cells.MODELS] < stage.shape[0]:
            _sum_channels(stage, count)
        if state[cells.RESAMPLES] == 0:
            waiting = state[WAITING]
            for row in range(x.shape[0]):
                for i in range(count):
                    x[row, waiting + i] = stage[row, i]
            state[WAITING] = waiting + count
            _run_hops(chain, lane, time_scratch)
        else:
            resample.push(down_state, down_buffer, stage, 0, count)
            while True:
                waiting = state[WAITING]
                step = state[cells.DOWN_STEP]
                made = resample.pull(down_state, down_buffer, down_table, step, x, waiting, x.shape[1] - waiting)
                if made == 0:
                    break
                state[WAITING] = waiting + made
                _run_hops(chain, lane, time_scratch)


@kernel
def _sum_channels(stage: Any, count: Any) -> None:
    scale = np.float32(1.0 / stage.shape[0])
    for i in range(count):
        total = stage[0, i]
        for channel in range(1, stage.shape[0]):
            total += stage[channel, i]
        stage[0, i] = total * scale


@kernel
def _run_hops(chain: Any, lane: Any, time_scratch: Any) -> None:
    """Run the model on all whole hops that wait in x, and keep the rest."""
    state = integers(lane, L_STATE)
    x = floats(lane, L_X)
    hop = state[cells.HOP]
    hops = state[WAITING] // hop
    done = 0
    while done < hops:
        settled = _glide(chain, lane)
        count = min(hops - done, state[cells.MAX_FRAMES]) if settled else 1
        good = _run_model(chain, lane, done * hop, count, time_scratch)
        _emit(chain, lane, count * hop, good)
        done += count
    used = hops * hop
    rest = state[WAITING] - used
    for row in range(x.shape[0]):
        for i in range(rest):
            x[row, i] = x[row, used + i]
    state[WAITING] = rest


@kernel
def _glide(chain: Any, lane: Any) -> Any:
    """Move the controls one hop on towards their targets; True once they rest there, so that hops may run together."""
    state = integers(lane, L_STATE)
    controls = floats(lane, L_CONTROLS)
    controls[1, 0] = floats(chain, cells.PARAMETERS)[0, cells.AMOUNT]
    if state[cells.TARGETS_SEEN] == 0:
        state[cells.TARGETS_SEEN] = 1
        for k in range(controls.shape[1]):
            controls[0, k] = controls[1, k]
        return True
    settled = True
    seconds = state[cells.HOP] / state[cells.MODEL_RATE]
    for k in range(controls.shape[1]):
        away = controls[1, k] - controls[0, k]
        if away != 0.0:
            share = 1.0 - np.exp(-seconds / (AMOUNT_SECONDS if k == 0 else WEIGHTS_SECONDS))
            if abs(away) < 1e-4:
                controls[0, k] = controls[1, k]
            else:
                controls[0, k] += np.float32(share * away)
                settled = False
    return settled


@kernel
def _run_model(chain: Any, lane: Any, offset: Any, hops: Any, time_scratch: Any) -> Any:
    """x[:, offset:] through the model into y; True where y is to be heard. A fault is counted and leaves y silent."""
    shared = integers(chain, cells.STATE)
    native = integers(chain, cells.NATIVE)
    state = integers(lane, L_STATE)
    wet_index = integers(lane, L_WET_INDEX)
    y = floats(lane, L_Y)
    samples = hops * state[cells.HOP]
    written = wet_index[ring.WRITTEN]
    patient = shared[cells.PATIENT] != 0
    # Nobody will hear a hop that the reader has passed already: catch up instead of falling further behind.
    reach = written + samples * lane[L_UP + 1] // state[cells.UP_STEP] + 1
    gone = not patient and shared[cells.DRIVER] == cells.SAFE and reach <= load_acquire(wet_index, ring.READ)
    if gone or written < state[MUTED_UNTIL]:
        _silence(y, samples)
        return False

    calls = integers(lane, L_CALLS)
    x_address = lane[L_X]
    x_width = lane[L_X + 2]
    y_address = lane[L_Y]
    y_width = lane[L_Y + 2]
    code = 0
    started = now_ns(native, time_scratch)
    for row in range(state[cells.MODELS]):
        call = CALL_SIZE * row
        if state[RESET_DUE] != 0:
            calls[call + CALL_HOPS] = 0
            call_3(state[cells.ENTRY], lane[L_CALLS] + 8 * call, 0, 0)
        calls[call + CALL_X] = x_address + 4 * (row * x_width + offset)
        calls[call + CALL_Y] = y_address + 4 * row * y_width
        calls[call + CALL_HOPS] = hops
        code = max(code, call_3(state[cells.ENTRY], lane[L_CALLS] + 8 * call, 0, 0))
    state[RESET_DUE] = 0
    spent = now_ns(native, time_scratch) - started
    state[cells.SPENT_NS] += spent
    shared[cells.MODEL_NS] += spent

    good = code == 0
    if not good:
        shared[cells.MODEL_ERROR] += 1
        shared[cells.LAST_ERROR] = code
    elif not _is_finite(y, samples):
        shared[cells.NONFINITE_OUT] += 1
        good = False
    if not good:
        state[RESET_DUE] = 1  # whatever the model remembers may be broken too
        _silence(y, samples)
        rest(state, written)
    elif state[UNHEARD] > 0:
        state[UNHEARD] -= samples
        good = False
    return good


@kernel
def rest(state: Any, written: Any) -> None:
    """Let the model rest from the wet position `written` on, longer each time that it fails soon after. `[audio]`"""
    state[MUTED_UNTIL] = written + state[BACKOFF]
    state[UNHEARD] = state[cells.MODEL_LATENCY] + int(WARM_SECONDS * state[cells.MODEL_RATE])
    state[BACKOFF] = min(2 * state[BACKOFF], state[cells.LONG_BACKOFF])


@kernel
def _silence(y: Any, samples: Any) -> None:
    for row in range(y.shape[0]):
        for i in range(samples):
            y[row, i] = np.float32(0.0)


@kernel
def _is_finite(y: Any, samples: Any) -> Any:
    worst = np.float32(0.0)
    for row in range(y.shape[0]):
        for i in range(samples):
            value = abs(y[row, i])
            if not value <= LOUDEST:
                return False
            worst = max(worst, value)
    return worst <= LOUDEST


@kernel
def _emit(chain: Any, lane: Any, samples: Any, good: Any) -> None:
    """Bring y[:, :samples] to the host's rate and publish it, with its weight, behind the last wet sample."""
    shared = integers(chain, cells.STATE)
    state = integers(lane, L_STATE)
    y = floats(lane, L_Y)
    host = floats(lane, L_HOST)
    wet = floats(lane, L_WET)
    index = integers(lane, L_WET_INDEX)
    channels = host.shape[0] - 1
    trust = int(TRUST_SECONDS * state[cells.MODEL_RATE])
    state[GOOD] = min(state[GOOD] + samples, 2 * trust) if good else 0
    if state[GOOD] > trust:
        state[BACKOFF] = state[cells.SHORT_BACKOFF]
    if state[GOOD] > FORGIVE_SECONDS * state[cells.MODEL_RATE]:
        state[cells.STRIKES] = 0
    # The resampler smears a missing hop over its length: that much before and after it is not to be heard either.
    clean = good if state[cells.RESAMPLES] == 0 else state[GOOD] >= samples + floats(lane, L_UP).shape[1]
    made = 0
    for h in range(samples // state[cells.HOP]):
        came = _bring(lane, h, made)
        _follow(chain, lane, h, made, came, clean)
        made += came
    for row in range(y.shape[0], channels):
        for i in range(made):
            host[row, i] = host[0, i]
    weight = np.float32(1.0 if clean else 0.0)
    for i in range(made):
        host[channels, i] = weight
    if not clean:
        state[LAST_BAD] = index[ring.WRITTEN] + made
    ring.publish(wet, index, host, made)
    late = shared[cells.DRIVER] == cells.SAFE and shared[cells.PATIENT] == 0 and made > 0
    if late and good and index[ring.WRITTEN] <= load_acquire(index, ring.READ):
        shared[cells.LATE] += 1
        state[GOOD] = 0
        state[cells.STRIKES] += 1
        if state[cells.STRIKES] >= cells.MOST_STRIKES:
            state[cells.STRIKES] = 0
            rest(state, index[ring.WRITTEN])


@kernel
def _bring(lane: Any, h: Any, made: Any) -> Any:
    """Bring hop `h` of y to the host's rate, behind the `made` wet samples that came before; returns how many came."""
    state = integers(lane, L_STATE)
    y = floats(lane, L_Y)
    host = floats(lane, L_HOST)
    hop = state[cells.HOP]
    if state[cells.RESAMPLES] != 0:
        buffer = floats(lane, L_UP_BUFFER)
        resampler = integers(lane, L_UP_STATE)
        resample.push(resampler, buffer, y, h * hop, hop)
        return resample.pull(
            resampler, buffer, floats(lane, L_UP), state[cells.UP_STEP], host, made, host.shape[1] - made
        )
    skipped = min(state[cells.SKIP], hop)
    state[cells.SKIP] -= skipped
    for row in range(y.shape[0]):
        for i in range(hop - skipped):
            host[row, made + i] = y[row, h * hop + skipped + i]
    return hop - skipped


@kernel
def _follow(chain: Any, lane: Any, h: Any, made: Any, count: Any, clean: Any) -> None:
    """Play the `count` wet samples that hop `h` brought, behind `made`, as loud as the input that they stand for.

    As far as `dynamics` says and their loudness is not the model's own. What is not to be heard is passed over: a gap is no
    diminuendo to make up for.
    """
    setup = doubles(chain, cells.SETUP)[0]
    wanted = floats(lane, cells.L_WANTED)
    host = floats(lane, L_HOST)
    follower = doubles(lane, cells.L_FOLLOWER)
    own = floats(lane, cells.L_OWN)
    delay.read(floats(chain, cells.FEED), integers(lane, L_WET_INDEX)[ring.WRITTEN] + made, wanted, count)
    if follower.shape[0] < wanted.shape[0]:
        _sum_channels(wanted, count)
    share = np.float64(floats(chain, cells.PARAMETERS)[0, cells.DYNAMICS])
    for row in range(follower.shape[0]):
        dynamics.follow(
            follower[row : row + 1],
            share * (1.0 - own[row, h]),
            setup[cells.FOLLOW_GLIDE],
            setup[cells.FOLLOW_POLE],
            setup[cells.FOLLOW_SMOOTH],
            wanted[row : row + 1],
            host[row : row + 1, made:] if clean else wanted[row : row + 1],
            count,
        )


@cfunc(types.int64(types.int64, types.int64, types.int64), nopython=True, cache=True)
def lanes_entry(table_address: Any, time_scratch: Any, unused: Any) -> Any:
    """Run both lanes as far as the feed reaches. `[audio]` (tight, offline) or `[worker]` (safe).

    A C function, called by address, so that it is compiled once for both threads. time_scratch: the thread's clock cells.
    """
    table = table_at(table_address, STRIDE * cells.CHAIN_SLOTS)
    state = integers(table, cells.STATE)
    lanes = integers(table, cells.LANES)
    for which in range(2):
        address = load_acquire(lanes, which)
        if address != 0:
            lane = table_at(address, STRIDE * cells.LANE_SLOTS)
            if load_acquire(integers(lane, L_STATE), cells.ACTIVE) != 0:
                _advance(table, lane, time_scratch)
    store_release(state, cells.WET_ROUNDS, state[cells.WET_ROUNDS] + 1)
    return 0


@kernel
def work(table: Any, address: Any) -> None:
    """Run the lanes whenever the audio thread has fed them, until STOP. `[worker]` Holds no lock and no GIL.

    table: `Engine.table`, which lies at `address`.
    """
    mode = flush_denormals()
    state = integers(table, cells.STATE)
    native = integers(table, cells.NATIVE)
    store_release(state, cells.WORKING, 1)
    while load_acquire(state, cells.STOP) == 0:
        wait(native)
        call_3(native[cells.RUN_LANES], address, cells.WORKER_TIME, 0)
    store_release(state, cells.WORKING, 0)
    restore_mode(mode)
