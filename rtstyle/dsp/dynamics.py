"""Dynamics around the model: a DC blocker, a gate that keeps hiss out, a follower that plays as loud as the player, a limiter
whose ceiling holds.

All work in place on float32[channels, >= frames] and give the same result however a stream is cut into blocks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel

# Slots of a DC blocker's row, float64[2] per channel.
DC_INPUT, DC_OUTPUT = range(2)

# Slots of the gate's state, float64[GATE_SIZE].
ENVELOPE, GAIN, HOLD_LEFT, OPEN = range(4)
GATE_SIZE = 4
HYSTERESIS = 0.5  # the gate closes 6 dB below the level that opens it

# Slots of a follower's row, float64[FOLLOWER_SIZE] per channel: the share in force, then TRACK slots each for both sides.
FOLLOWED = 0
WANTED, PLAYED = 1, 5  # the first slot of a track
SAMPLE, TREBLE, POWER, LOUDNESS = range(4)  # slots of a track
FOLLOWER_SIZE = 9
QUIET = 3e-7  # mean square, -65 dBFS: below it there is nothing to follow
MOST_POWER = 64.0  # ratio of the powers beyond which the follower goes no further, 18 dB
TREBLE_HZ = 737.9  # of its high-pass: where A-weighting (IEC 61672-1) begins to take the bass away

# Slots of the limiter's state, float64[LIMITER_SIZE].
RELEASED, PLACE, CALM = range(3)
LIMITER_SIZE = 4
NEED, SMOOTH = range(2)  # rows of its gain history


@kernel
def block_dc(state: Any, pole: Any, x: Any, frames: Any) -> None:
    """y[n] = x[n] - x[n - 1] + pole y[n - 1], in place: a high-pass at rate (1 - pole) / (2 pi). `[audio]` Latency 0.

    state: float64[channels, 2], zeros at reset.
    """
    for channel in range(state.shape[0]):
        before = state[channel, DC_INPUT]
        y = state[channel, DC_OUTPUT]
        for i in range(frames):
            sample = np.float64(x[channel, i])
            y = sample - before + pole * y
            before = sample
            x[channel, i] = np.float32(y)
        if abs(y) < 1e-15:  # a decaying tail must not reach denormal numbers, which cost a hundred times more
            y = 0.0
        state[channel, DC_INPUT] = before
        state[channel, DC_OUTPUT] = y


def new_gate() -> NDArray[np.float64]:
    """An open gate. `[control]`"""
    state = np.zeros(GATE_SIZE)
    state[GAIN] = 1.0
    state[OPEN] = 1.0
    return state


@kernel
def gate(state: Any, threshold: Any, fall: Any, hold: Any, attack: Any, release: Any, x: Any, frames: Any) -> None:
    """Close on what stays below the threshold, in place, all channels together. `[audio]` Latency 0.

    state: from `new_gate`. threshold: linear level that opens; HYSTERESIS times it lets close; 0: always open. fall: factor
    per sample of the peak envelope. hold: samples below before it closes. attack, release: change of gain per sample. An
    open gate leaves samples untouched.
    """
    channels = x.shape[0]
    envelope = state[ENVELOPE]
    gain = state[GAIN]
    left = state[HOLD_LEFT]
    opened = state[OPEN] > 0.0
    close_below = HYSTERESIS * threshold
    for i in range(frames):
        level = np.float32(0.0)
        for channel in range(channels):
            value = abs(x[channel, i])
            level = value if value > level else level
        envelope = max(np.float64(level), envelope * fall)
        if envelope >= threshold:
            opened = True
            left = hold
        elif opened and envelope < close_below:
            left -= 1.0
            opened = left > 0.0
        gain = min(gain + attack, 1.0) if opened else max(gain - release, 0.0)
        if gain < 1.0:
            for channel in range(channels):
                x[channel, i] = np.float32(x[channel, i] * gain)
    state[ENVELOPE] = envelope if envelope > 1e-15 else 0.0
    state[GAIN] = gain
    state[HOLD_LEFT] = left
    state[OPEN] = 1.0 if opened else 0.0


def new_follower(channels: int) -> NDArray[np.float64]:
    """A follower that has heard silence, float64[channels, FOLLOWER_SIZE]. `[control]`"""
    state = np.zeros((channels, FOLLOWER_SIZE))
    state[:, FOLLOWED] = -1.0  # goes to its first share at once
    return state


@kernel
def _hear(state: Any, track: Any, pole: Any, smooth: Any, sample: Any) -> Any:
    """Loudness of one track up to `sample`: the power of its treble, smoothed twice."""
    high = sample - state[track + SAMPLE] + pole * state[track + TREBLE]
    state[track + SAMPLE] = sample
    state[track + TREBLE] = high
    state[track + POWER] += smooth * (high * high - state[track + POWER])
    state[track + LOUDNESS] += smooth * (state[track + POWER] - state[track + LOUDNESS])
    return state[track + LOUDNESS]


@kernel
def follow(state: Any, share: Any, glide: Any, pole: Any, smooth: Any, wanted: Any, played: Any, frames: Any) -> None:
    """Make `played` rise and fall as `wanted` does, in place, each channel by itself. `[audio]` Latency 0.

    state: from `new_follower`. share: how far, in dB, from the loudness of `played` (0) to that of `wanted` (1), at most by
    18 dB; it glides there by `glide` of the way per sample. pole: of the high-pass before the power at TREBLE_HZ, as in
    `block_dc`, since an ear makes little of the bass. smooth: share of a new power per sample, twice over. wanted:
    float32[channels, >= frames], aligned with `played`. Where both are the same samples they stay the same, to the last bit.
    """
    for channel in range(state.shape[0]):
        row = state[channel]
        followed = row[FOLLOWED] if row[FOLLOWED] >= 0.0 else share
        for i in range(frames):
            loud = _hear(row, WANTED, pole, smooth, np.float64(wanted[channel, i]))
            made = _hear(row, PLAYED, pole, smooth, np.float64(played[channel, i]))
            followed += glide * (share - followed)
            if followed > 1e-6:
                ratio = min(max((loud + QUIET) / (made + QUIET), 1.0 / MOST_POWER), MOST_POWER)
                played[channel, i] = np.float32(played[channel, i] * np.exp(0.5 * followed * np.log(ratio)))
        row[FOLLOWED] = followed


def new_limiter(channels: int, lookahead: int) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """State, delay line float32[channels, L + 1] and gain history float32[2, L + 1] of a limiter at rest. `[control]`

    lookahead: L in samples, which is its latency; 0 clips the first peak and then holds the gain down.
    """
    state = np.zeros(LIMITER_SIZE)
    state[RELEASED] = 1.0
    state[CALM] = lookahead + 1
    return state, np.zeros((channels, lookahead + 1), np.float32), np.ones((2, lookahead + 1), np.float32)


@kernel
def limit(state: Any, line: Any, history: Any, ceiling: Any, release: Any, x: Any, frames: Any) -> Any:
    """Keep |x| <= ceiling, in place, all channels by one gain. `[audio]` Latency L = line.shape[1] - 1 samples.

        need[n]   = min(1, ceiling / max_c |x_c[n]|)
        held[n]   = min of need over the last L + 1 samples, rising by `release` of the way to 1 per sample
        gain[n]   = mean of held over the last L + 1 samples
        y[n]      = gain[n] x[n - L]

    Every held value in the mean knew of x[n - L], so gain[n] <= need[n - L] and the ceiling holds; a last clamp takes what
    rounding leaves, and turns a NaN into 0. While nothing nears the ceiling the gain is exactly 1 and y is x, delayed.
    Returns how many samples were not finite.
    """
    channels = line.shape[0]
    width = line.shape[1]
    place = int(state[PLACE])
    held = state[RELEASED]
    calm = int(state[CALM])
    top = np.float32(ceiling)
    broken = 0
    for i in range(frames):
        peak = np.float32(0.0)
        for channel in range(channels):
            value = abs(x[channel, i])
            if not value <= np.float32(3.0e38):
                x[channel, i] = np.float32(0.0)
                broken += 1
            elif value > peak:
                peak = value
        after = place + 1
        if after == width:
            after = 0
        if peak <= top and calm >= width:
            for channel in range(channels):
                line[channel, place] = x[channel, i]
                x[channel, i] = min(max(line[channel, after], -top), top)
            place = after
            continue
        history[NEED, place] = np.float32(1.0) if peak <= top else top / peak
        need = np.float32(1.0)
        for k in range(width):
            need = history[NEED, k] if history[NEED, k] < need else need
        held = held + release * (1.0 - held)
        if held > 0.99999:
            held = 1.0
        held = min(held, np.float64(need))
        history[SMOOTH, place] = np.float32(held)
        calm = calm + 1 if held == 1.0 else 0
        total = np.float32(0.0)
        for k in range(width):
            total += history[SMOOTH, k]
        gain = total / np.float32(width)
        for channel in range(channels):
            line[channel, place] = x[channel, i]
            x[channel, i] = min(max(line[channel, after] * gain, -top), top)
        place = after
    state[PLACE] = place
    state[RELEASED] = held
    state[CALM] = min(calm, width)
    return broken
