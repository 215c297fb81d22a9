"""The sampler's kernel: a recorded note played back at a varying speed so that its pitch follows a given curve.

    speed(n) = wanted pitch(n) / recorded pitch(position)

The recorded vibrato and intonation cancel out; what remains of the recording is its timbre. A sustained note that
is too short continues by a crossfade to an earlier place in its body, shifted to where the waveforms agree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.pitch import HOP
from rtstyle.dsp.jit import kernel

Samples = NDArray[np.float32]
HALF_TAPS = 8
PHASES = 512
EDGE = 480.0  # samples over which a recording fades at its end


def sinc_table(cutoff: float = 0.96, beta: float = 9.0) -> NDArray[np.float32]:
    """Return the interpolation filter, (PHASES + 1, 2 * HALF_TAPS) float32: a Kaiser-windowed sinc, unity at DC.

    Images of tones up to 16 kHz lie below -80 dB; `cutoff` is a share of the Nyquist frequency. `[any]`
    """
    taps = np.arange(2 * HALF_TAPS) - HALF_TAPS + 1
    delay = np.linspace(0.0, 1.0, PHASES + 1)[:, None]
    t = taps[None, :] - delay
    inside = np.clip(1.0 - (t / HALF_TAPS) ** 2, 0.0, None)
    table = cutoff * np.sinc(cutoff * t) * np.i0(beta * np.sqrt(inside)) / np.i0(beta)
    return np.asarray(table / table.sum(axis=1, keepdims=True), dtype=np.float32)


@kernel
def read_at(audio: Samples, position: float, table: Samples) -> float:
    """Return the signal at a fractional sample position; it fades out over the last 10 ms and is 0 beyond. `[any]`"""
    room = audio.shape[0] - 2 * HALF_TAPS - position
    if room <= 0.0 or position < HALF_TAPS:
        return 0.0
    base = int(position)
    phase = (position - base) * PHASES
    row = int(phase)
    part = np.float32(phase - row)
    y = np.float32(0.0)
    first = base - HALF_TAPS + 1
    for k in range(2 * HALF_TAPS):
        tap = table[row, k] + part * (table[row + 1, k] - table[row, k])
        y += tap * audio[first + k]
    return float(y * min(1.0, room / EDGE))


@kernel
def value_at(curve: NDArray[Any], index: float) -> float:
    """Return a curve's value at a fractional index, held at both ends. `[any]`"""
    if index <= 0.0:
        return float(curve[0])
    base = int(index)
    if base >= curve.shape[0] - 1:
        return float(curve[curve.shape[0] - 1])
    part = index - base
    return float(curve[base] + part * (curve[base + 1] - curve[base]))


@kernel
def agreeing(audio: Samples, position: float, other: float, period: float) -> float:
    """Return `other` plus up to one period: where the waveform correlates best with that at `position`. `[any]`"""
    here = int(position)
    window = int(min(1200.0, 3.0 * period))
    best = 0
    top = -1e30
    for k in range(int(period) + 1):
        there = int(other) + k
        if there + window >= audio.shape[0] or here + window >= audio.shape[0]:
            break
        product = 0.0
        power = 1e-12
        for n in range(0, window, 2):
            product += audio[here + n] * audio[there + n]
            power += audio[there + n] * audio[there + n]
        score = product / np.sqrt(power)
        if score > top:
            top = score
            best = k
    return int(other) + best + (position - here)


@kernel
def play(
    out: Samples,
    audio: Samples,
    f0: Samples,
    table: Samples,
    target: NDArray[np.float64],
    begin: int,
    off: int,
    end: int,
    position: float,
    body: int,
    stop: int,
    looped: int,
    released: int,
    fade_in: int,
    fade_out: int,
    join: int,
    gain: float,
    dice: NDArray[np.float64],
) -> None:
    """Add one note to `out` (float32). `[any]`

    target: wanted Hz every HOP samples of `out`; begin, off, end: samples of `out` at which the note starts, is let
    go and is silent; position: first sample of `audio` to play; body, stop: the part that may be repeated, with the
    recorded release after `stop`; looped: 1 repeats the body, 0 lets the note run out; released: 1 plays the recorded
    release where it is long enough, 0 goes on repeating the body under the fade;
    fade_in, fade_out: equal-power fades at begin and off, in samples; join: length of a crossfade inside the note;
    dice: random numbers 0..1.
    """
    sample_rate = 48000.0
    last = audio.shape[0] - 2 * HALF_TAPS
    tail = released == 1 and last - stop > fade_out // 2
    join = min(join, int(0.4 * (stop - body)))
    other = 0.0
    mixing = -1
    leaving = 0
    thrown = 0
    for n in range(max(0, begin), min(end, out.shape[0])):
        wanted = value_at(target, n / HOP)
        y = read_at(audio, position, table)
        step = wanted / value_at(f0, position / HOP)
        if mixing < 0:
            if n >= off and tail:
                if looped == 1 and leaving == 0 and position < stop - join:
                    mixing = 0
                    other = agreeing(audio, position, float(stop), sample_rate / value_at(f0, position / HOP))
                leaving = 1
            elif looped == 1 and position > stop - 1.3 * join:
                mixing = 0
                reach = 0.5 * (stop - body)
                other = body + dice[thrown % dice.shape[0]] * reach
                thrown += 1
                other = agreeing(audio, position, other, sample_rate / value_at(f0, position / HOP))
        if mixing >= 0:
            share = (mixing + 0.5) / join
            y += share * (read_at(audio, other, table) - y)
            other += wanted / value_at(f0, other / HOP)
            mixing += 1
            if mixing >= join:
                mixing = -1
                position = other - step
        level = gain
        if n - begin < fade_in:
            level *= np.sin(0.5 * np.pi * (n - begin + 0.5) / fade_in)
        if n >= off:
            gone = (n - off + 0.5) / fade_out
            if gone >= 1.0:
                break
            level *= np.cos(0.5 * np.pi * gone)
        out[n] += level * y
        position += step
        if position >= last and (mixing < 0 or other >= last):
            break
