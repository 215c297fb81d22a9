"""A model without a network: y[n] = gain * sum_k w_k g_k * x[n - delay], with faults on demand, run through its own entry."""

import ctypes
from typing import Any

import numpy as np
from numba import carray, cfunc, types
from numpy.typing import NDArray

from rtstyle.dsp.pointers import call_3, float32_at, int64_at
from rtstyle.engine.cells import CALL_CONTROLS, CALL_HOPS, CALL_SIZE, CALL_TABLE, CALL_X, CALL_Y

HOP, DELAY, LINE, LINE_SIZE, POSITION, RUNS, FAIL, POISON, SLEEP_US, SLEEP, GAINS, RESETS = range(12)


@cfunc(types.int64(types.int64, types.int64, types.int64), nopython=True, cache=True)
def fake_entry(address: Any, unused_1: Any, unused_2: Any) -> int:
    """See `rtstyle.engine.entry`. FAIL: returned as error code. POISON: the output becomes NaN and stays so until a reset."""
    call = carray(int64_at(address), (CALL_SIZE,))
    table = carray(int64_at(call[CALL_TABLE]), (16,))
    size = table[LINE_SIZE]
    line = carray(float32_at(table[LINE]), (size,))
    if call[CALL_HOPS] == 0:
        table[RESETS] += 1
        for i in range(size):
            line[i] = np.float32(0.0)
        return 0
    samples = call[CALL_HOPS] * table[HOP]
    x = carray(float32_at(call[CALL_X]), (samples,))
    y = carray(float32_at(call[CALL_Y]), (samples,))
    controls = carray(float32_at(call[CALL_CONTROLS]), (33,))
    gains = carray(float32_at(table[GAINS]), (32,))
    table[RUNS] += 1
    if table[SLEEP_US] > 0:
        call_3(table[SLEEP], table[SLEEP_US] * call[CALL_HOPS], 0, 0)
    gain = np.float32(0.0)
    for k in range(32):
        gain += controls[1 + k] * gains[k]
    gain = np.float32(1.0) + controls[0] * (gain - np.float32(1.0))
    for i in range(samples):
        place = table[POSITION] % size
        line[place] = x[i] if table[POISON] == 0 else np.float32(np.nan)
        y[i] = gain * line[(table[POSITION] - table[DELAY]) % size]
        table[POSITION] += 1
    return table[FAIL]


class FakeModel:
    """Owns the state; `gains` has one gain per style."""

    def __init__(
        self,
        *,
        hop: int = 64,
        latency: int = 64,
        sample_rate: int = 48_000,
        gains: tuple[float, ...] = (1.0,),
        name: str = "fake",
    ) -> None:
        self.name = name
        self.sample_rate, self.hop, self.latency, self.max_frames = sample_rate, hop, latency, 64
        self.styles = tuple(f"style {index}" for index in range(len(gains)))
        self.table: NDArray[np.int64] = np.zeros(16, np.int64)
        self.line = np.zeros(max(latency + 1, 2), np.float32)
        self.gains = np.zeros(32, np.float32)
        self.gains[: len(gains)] = gains
        self.table[[HOP, DELAY, LINE_SIZE]] = hop, latency, self.line.size
        self.table[LINE], self.table[GAINS] = self.line.ctypes.data, self.gains.ctypes.data
        self.table[SLEEP] = ctypes.cast(ctypes.CDLL(None).usleep, ctypes.c_void_p).value or 0

    @property
    def entry(self) -> int:
        """What `Engine.load` asks for."""
        return int(fake_entry.address)

    def reset(self) -> None:
        """Silence; the faults stay."""
        self.line[:] = 0.0
        self.table[POSITION] = 0

    def step(self, x: NDArray[np.float32], controls: NDArray[np.float32]) -> NDArray[np.float32]:
        """Silence is all it is asked, and changes nothing."""
        assert not np.any(x)
        return x
