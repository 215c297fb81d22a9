"""Streaming band-limited resampling between audio rates, by a polyphase Kaiser-windowed sinc.

Output k stands for the input's time t_k = start + k M / L exactly, L / M = rate out / rate in in lowest terms, `start` a whole
number of input samples: no drift, no fraction to round. It needs the input up to floor(t_k) + HALF, so the latency is
HALF input samples, and after n input samples there are

    count(n) = max(0, ceil((n - HALF - start) L / M))        (tests: equal to what comes out)

Flat to 20 kHz. The stop band (-90 dB) starts where an alias or image would fall below 20 kHz, at lower rate - 20 kHz: what
folds lies above hearing, and the filter is half as long, hence half as late, as one that stops at the Nyquist frequency.

Source: J. Kaiser, R. Schafer, "On the use of the I0-sinh window for spectrum analysis", IEEE Trans. ASSP 28, 1980.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel

PASSBAND_HZ = 20_000.0
ATTENUATION_DB = 92.5  # of the design; the tests hold every supported pair of rates to -90 dB

# Slots of the state, int64[STATE_SIZE].
FILL, PLACE, PHASE = range(3)  # samples in the buffer; floor(t_k) as an index into it; its fraction in units of 1 / L
STATE_SIZE = 4


class Resampler:
    """Owns the filter, the buffer and the state of one stream of `channels` channels. `[control]`

    capacity: most input samples per `push`. start: input time of output 0, whole samples >= 0. Attributes: `up` = L, `down`
    = M, `half` (latency in input samples), `table`, `buffer`, `state` for the kernels.

    Raises ValueError where the lower rate leaves no room above the pass band.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int = 1, capacity: int = 1024, start: int = 0) -> None:
        lower = min(rate_in, rate_out)
        if lower < 2.1 * PASSBAND_HZ:
            raise ValueError(f"rate {lower} Hz is too low: at least {2.1 * PASSBAND_HZ:g} Hz keeps audio up to 20 kHz")
        divisor = math.gcd(rate_in, rate_out)
        self.up, self.down = rate_out // divisor, rate_in // divisor
        self.rate_in, self.rate_out, self.start = rate_in, rate_out, start
        self.table = _design(rate_in, rate_out, self.up)
        self.half = self.table.shape[1] // 2
        self.buffer = np.zeros((channels, 2 * self.half + start + capacity + self.down + 8), dtype=np.float32)
        self.state = np.zeros(STATE_SIZE, dtype=np.int64)
        self.reset()

    @property
    def latency(self) -> Fraction:
        """HALF input samples, in output samples. `[any]`"""
        return Fraction(self.half * self.up, self.down)

    def reset(self) -> None:
        """Return to silence and to output 0. `[control]`"""
        self.buffer[:] = 0.0
        self.state[:] = 0
        self.state[FILL] = self.half
        self.state[PLACE] = self.half + self.start

    def count(self, n: int) -> int:
        """Outputs that exist once n input samples came. `[any]`"""
        return count(n, self.half, self.start, self.up, self.down)


def count(n: int, half: int, start: int, up: int, down: int) -> int:
    """The number of k >= 0 with floor(start + k down / up) + half < n. `[any]`"""
    return max(0, -((half + start - n) * up // down))


@kernel
def push(state: Any, buffer: Any, x: Any, offset: Any, frames: Any) -> None:
    """Append x[:, offset : offset + frames], float32[channels, ...], to the buffer; then `pull` until it gives 0. `[audio]`"""
    fill = state[FILL]
    for channel in range(buffer.shape[0]):
        for i in range(frames):
            buffer[channel, fill + i] = x[channel, offset + i]
    state[FILL] = fill + frames


@kernel
def pull(state: Any, buffer: Any, table: Any, down: Any, y: Any, offset: Any, room: Any) -> Any:
    """Write up to `room` outputs to y[:, offset:], float32[channels, ...]; returns how many. `[audio]`

    table: float32[L, 2 HALF], row = phase. Forgets the input that no later output needs, once nothing more can come.
    """
    up = table.shape[0]
    taps = table.shape[1]
    half = taps // 2
    channels = buffer.shape[0]
    fill = state[FILL]
    place = state[PLACE]
    phase = state[PHASE]
    whole = down // up
    part = down % up
    made = 0
    while made < room and place + half < fill:
        first = place - half + 1
        for channel in range(channels):
            y[channel, offset + made] = _dot(table[phase], buffer[channel, first : first + taps])
        made += 1
        place += whole
        phase += part
        if phase >= up:
            phase -= up
            place += 1
    if place + half >= fill:
        drop = min(place - half + 1, fill)
        if drop > 0:
            for channel in range(channels):
                for i in range(fill - drop):
                    buffer[channel, i] = buffer[channel, drop + i]
            fill -= drop
            place -= drop
    state[FILL] = fill
    state[PLACE] = place
    state[PHASE] = phase
    return made


# Only here may the compiler reorder a sum: eight lanes at a time are seven times faster. NaN and infinity keep their meaning.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _dot(a: Any, b: Any) -> Any:
    total = np.float32(0.0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


def half_length(rate_in: int, rate_out: int) -> int:
    """HALF, the look-ahead of the filter between two rates in input samples. `[any]`"""
    width = 2 * math.pi * (min(rate_in, rate_out) - 2 * PASSBAND_HZ) / rate_in
    return math.ceil((ATTENUATION_DB - 7.95) / (2.285 * width) / 2)


def _design(rate_in: int, rate_out: int, up: int) -> NDArray[np.float32]:
    """The windowed sinc at `up` phases, each scaled to a sum of one (a constant stays constant), float32[up, 2 half]."""
    stop = min(rate_in, rate_out) - PASSBAND_HZ
    half = half_length(rate_in, rate_out)
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    time = np.arange(2 * half)[None, :] - (half - 1) - np.arange(up)[:, None] / up
    cutoff = (PASSBAND_HZ + stop) / rate_in
    inside = np.clip(1.0 - (time / half) ** 2, 0.0, None)
    table = np.sinc(cutoff * time) * np.i0(beta * np.sqrt(inside))
    table /= table.sum(axis=1, keepdims=True)
    return table.astype(np.float32)
