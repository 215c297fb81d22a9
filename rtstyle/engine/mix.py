"""The voices: what is heard of one lane and the dry signal beside it, or of two lanes while a model is changed.

Mix law: equal gain, out = dry (1 - m w) + wet m w, w the weight of the wet voice. Wet follows dry in time and often in
phase, where equal power would swell by up to 3 dB; m = 0 and m = 1 are exact to the last bit. While two models sound, their
wet voices crossfade by `crossfade.equal_power` with the correlation measured while the new one warmed up, and the dry signal
by equal gain between their latencies, where those differ.
"""

from typing import Any

import numpy as np

from rtstyle.dsp import crossfade, delay
from rtstyle.dsp.atomics import load_acquire, store_release
from rtstyle.dsp.jit import kernel
from rtstyle.engine import cells
from rtstyle.engine.cells import (
    CURRENT,
    FADE,
    FADE_DONE,
    FADE_LENGTH,
    LANES,
    NEXT,
    PHASE,
    PREROLL,
    PREROLL_LENGTH,
    RAMP_SCRATCH,
    SETUP,
    STATE,
    STEADY,
    VOICE_SCRATCH,
    WORK,
)
from rtstyle.engine.memory import STRIDE, doubles, floats, integers, table_at
from rtstyle.engine.voice import read_voice, start_at

_LANE_NUMBERS = STRIDE * cells.LANE_SLOTS


@kernel
def lane_table(table: Any, which: Any) -> Any:
    return table_at(integers(table, LANES)[which], _LANE_NUMBERS)


@kernel
def voice_latency(table: Any, which: Any) -> Any:
    """Latency of a voice without the limiter; nothing sounds later than the dry input where there is no lane."""
    if which < 0:
        return 0
    return integers(lane_table(table, which), cells.L_STATE)[cells.LATENCY]


@kernel
def begin_swap(table: Any, position: Any) -> None:
    """Start the lane that the control thread has put up, and count how far its fade is."""
    state = integers(table, STATE)
    if state[PHASE] == STEADY:
        following = load_acquire(state, NEXT)
        if following >= 0:
            setup = doubles(table, SETUP)[0]
            setup[cells.PRODUCT] = 0.0
            setup[cells.POWER_NOW] = 0.0
            setup[cells.POWER_NEXT] = 0.0
            start_at(lane_table(table, following), position)
            state[PHASE] = PREROLL
    if state[PHASE] == PREROLL:
        lane = integers(lane_table(table, state[NEXT]), cells.L_STATE)
        if position - lane[cells.LATENCY] >= lane[cells.ORIGIN] + state[PREROLL_LENGTH]:
            setup = doubles(table, SETUP)[0]
            power = np.sqrt(setup[cells.POWER_NOW] * setup[cells.POWER_NEXT])
            setup[cells.CORRELATION] = setup[cells.PRODUCT] / power if power > 1e-12 else 0.0
            state[FADE_DONE] = 0
            state[PHASE] = FADE


@kernel
def collect(table: Any, position: Any, frames: Any) -> None:
    """Mix dry and wet of one or two voices into WORK."""
    state = integers(table, STATE)
    work = floats(table, WORK)
    gains = floats(table, RAMP_SCRATCH)
    voices = floats(table, VOICE_SCRATCH)
    dry_line = floats(table, cells.DRY)
    raw = floats(table, cells.DRY_NOW)
    channels = work.shape[0]
    current = state[CURRENT]
    now = voices[: channels + 1]
    following = voices[channels + 1 :]

    delay.read(dry_line, position - voice_latency(table, current), raw, frames)
    full = True
    if current >= 0:
        lane = lane_table(table, current)
        start = position - voice_latency(table, current)
        full = read_voice(table, lane, start, frames, now, 1)
    else:
        for channel in range(channels + 1):
            for i in range(frames):
                now[channel, i] = np.float32(0.0)
    if current >= 0 and full:
        for i in range(frames):
            now[channels, i] = np.float32(1.0)

    if state[PHASE] == STEADY:
        weight = now[channels]
        mix = gains[cells.RAMP_MIX]
        gain = gains[cells.RAMP_INPUT]
        one = np.float32(1.0)
        for channel in range(channels):
            for i in range(frames):
                share = mix[i] * weight[i]
                work[channel, i] = raw[channel, i] * gain[i] * (one - share) + now[channel, i] * share
    else:
        lane = lane_table(table, state[NEXT])
        start = position - voice_latency(table, state[NEXT])
        if read_voice(table, lane, start, frames, following, 0):
            for i in range(frames):
                following[channels, i] = np.float32(1.0)
        _crossfade(table, position, frames)
    if state[PHASE] == FADE and state[FADE_DONE] >= state[FADE_LENGTH]:
        _end_swap(table)


@kernel
def _crossfade(table: Any, position: Any, frames: Any) -> None:
    """The mix while two voices run: the next one warms up unheard, then takes over."""
    state = integers(table, STATE)
    setup = doubles(table, SETUP)[0]
    work = floats(table, WORK)
    gains = floats(table, RAMP_SCRATCH)
    voices = floats(table, VOICE_SCRATCH)
    raw = floats(table, cells.DRY_NOW)
    raw_next = floats(table, cells.DRY_NEXT)
    channels = work.shape[0]
    fading = state[PHASE] == FADE
    if fading:
        delay.read(floats(table, cells.DRY), position - voice_latency(table, state[NEXT]), raw_next, frames)
    for i in range(frames):
        weight = np.float64(voices[channels, i])
        weight_next = np.float64(voices[2 * channels + 1, i])
        mix = np.float64(gains[cells.RAMP_MIX, i])
        gain = np.float64(gains[cells.RAMP_INPUT, i])
        if not fading:
            for channel in range(channels):
                a = np.float64(voices[channel, i])
                b = np.float64(voices[channels + 1 + channel, i])
                if weight == 1.0 and weight_next == 1.0:
                    setup[cells.PRODUCT] += a * b
                    setup[cells.POWER_NOW] += a * a
                    setup[cells.POWER_NEXT] += b * b
                dry = np.float64(raw[channel, i]) * gain
                work[channel, i] = np.float32(dry * (1.0 - mix * weight) + a * mix * weight)
            continue
        place = min((state[FADE_DONE] + i + 1) / state[FADE_LENGTH], 1.0)
        from_gain, to_gain = crossfade.equal_power(place, setup[cells.CORRELATION])
        to_share = np.sin(0.5 * np.pi * place) ** 2
        from_share = 1.0 - to_share
        wet_share = mix * (from_share * weight + to_share * weight_next)
        for channel in range(channels):
            before = np.float64(raw[channel, i])
            after = np.float64(raw_next[channel, i])
            mixed = before + (after - before) * place if place < 1.0 else after
            raw[channel, i] = np.float32(mixed)
            wet = from_gain * weight * voices[channel, i] + to_gain * weight_next * voices[channels + 1 + channel, i]
            work[channel, i] = np.float32(mixed * gain * (1.0 - wet_share) + wet * mix)
    if fading:
        state[FADE_DONE] += frames


@kernel
def _end_swap(table: Any) -> None:
    """The next lane is the current one; the control thread may take the other away."""
    state = integers(table, STATE)
    before = state[CURRENT]
    state[CURRENT] = state[NEXT]
    state[PHASE] = STEADY
    state[cells.SWAPS] += 1
    if before >= 0:
        store_release(integers(lane_table(table, before), cells.L_STATE), cells.ACTIVE, 0)
    store_release(state, NEXT, -1)
