"""The streaming contract catches each way of breaking it."""

import numpy as np
import pytest

from tests.contract import Audio, in_blocks, lag_of, noise_signal, verify_streaming

DELAY = 37


class DelayLine:
    """A stage that keeps the contract: `DELAY` samples late. `fault` names one way in which it does not."""

    def __init__(self, fault: str = "", channels: int | None = None) -> None:
        self.fault = fault
        self.shape = () if channels is None else (channels,)
        self.past = np.zeros((*self.shape, DELAY), dtype=np.float32)
        self.calls = 0

    def reset(self) -> None:
        self.calls = 0
        if self.fault != "reset":
            self.past[:] = 0.0

    def process(self, x: Audio) -> Audio:
        self.calls += 1
        joined = np.concatenate([self.past, x], axis=-1)
        self.past = joined[..., -DELAY:].copy()
        y = joined[..., : x.shape[-1]].copy()
        if self.fault == "block":
            y *= 1.0 - 1e-3 / x.shape[-1]
        elif self.fault == "hum":
            y += 0.001
        elif self.fault == "leak" and x.base is not None:
            y[..., 0] += 0.01 * x.base[..., -1]
        elif self.fault == "latency":
            y = np.roll(y, 1, axis=-1) if self.calls == 1 and x.shape[-1] > 1000 else y
        elif self.fault == "nan" and self.calls == 1:
            y[..., 3] = np.nan
        return y.astype(np.float32)


@pytest.mark.parametrize("channels", [None, 2])
def test_a_stage_that_keeps_it_passes(channels: int | None) -> None:
    stage = DelayLine(channels=channels)
    verify_streaming(stage.process, stage.reset, hop=16, latency=DELAY, channels=channels)


@pytest.mark.parametrize(
    "fault, message",
    [
        ("block", "in blocks of"),
        ("reset", "replay identically|in blocks of"),
        ("hum", "not silent"),
        ("leak", "differs|memory around"),
        ("latency", "late, declared are|in blocks of"),
        ("nan", "not finite"),
    ],
)
def test_each_way_of_breaking_it_is_caught(fault: str, message: str) -> None:
    stage = DelayLine(fault)
    with pytest.raises(AssertionError, match=message):
        verify_streaming(stage.process, stage.reset, hop=16, latency=DELAY)


@pytest.mark.parametrize("declared", [DELAY - 1, DELAY + 1, 0])
def test_a_latency_declared_one_sample_off_is_caught(declared: int) -> None:
    stage = DelayLine()
    with pytest.raises(AssertionError, match=f"{DELAY} samples late, declared are {declared}"):
        verify_streaming(stage.process, stage.reset, hop=16, latency=declared)


def test_blocks_cover_the_signal_and_lags_are_exact() -> None:
    sizes: list[int] = []
    x = noise_signal(1000)
    assert np.array_equal(in_blocks(lambda part: (sizes.append(part.size), part)[1], x, [300, 7]), x)
    assert sizes == [300, 7, 300, 7, 300, 7, 79]
    assert lag_of(x, np.concatenate([np.zeros(123, np.float32), x[:-123]])) == 123
