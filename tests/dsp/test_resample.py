"""Resampling keeps time exactly, audio to 20 kHz, and lets nothing fold back below it."""

from fractions import Fraction

import numpy as np
import pytest

from rtstyle.dsp import resample
from rtstyle.dsp.resample import Resampler

PAIRS = [
    (44_100, 48_000),
    (48_000, 44_100),
    (88_200, 48_000),
    (48_000, 88_200),
    (96_000, 48_000),
    (48_000, 96_000),
    (44_100, 96_000),
    (192_000, 48_000),
]


def run(resampler: Resampler, x: np.ndarray, sizes: list[int], room: int = 1 << 20) -> np.ndarray:
    """Push x (channels, frames) in runs of these sizes; pull at most `room` at a time."""
    parts, start, turn = [], 0, 0
    while start < x.shape[1]:
        size = min(sizes[turn % len(sizes)], x.shape[1] - start)
        resample.push(resampler.state, resampler.buffer, x, start, size)
        start, turn = start + size, turn + 1
        while True:
            y = np.zeros((x.shape[0], min(room, 4 * size + 8)), np.float32)
            made = resample.pull(resampler.state, resampler.buffer, resampler.table, resampler.down, y, 0, y.shape[1])
            if made == 0:
                break
            parts.append(y[:, :made])
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_the_filter_is_flat_to_20_khz_and_90_db_down_where_aliases_would_fall_below(
    rate_in: int, rate_out: int
) -> None:
    table = Resampler(rate_in, rate_out).table.astype(np.float64)
    up, taps = table.shape
    # the phases interleaved, last first, are the filter at rate_in * up
    prototype = table[::-1].T.ravel() / up
    size = 1 << int(np.ceil(np.log2(8 * up * taps)))
    response = np.abs(np.fft.rfft(prototype, size))
    frequency = np.fft.rfftfreq(size, 1 / (rate_in * up))
    passed = 20 * np.log10(response[frequency <= 20_000])
    assert np.abs(passed).max() < 0.001
    assert 20 * np.log10(response[frequency >= min(rate_in, rate_out) - 20_000].max()) <= -90


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_sine_comes_out_at_its_exact_time(rate_in: int, rate_out: int) -> None:
    start = 7
    resampler = Resampler(rate_in, rate_out, start=start)
    x = np.sin(2 * np.pi * 5000 * np.arange(9000) / rate_in).astype(np.float32).reshape(1, -1)
    y = run(resampler, x, [500])[0]
    time = start / rate_in + np.arange(y.size) / rate_out
    part = slice(200, y.size)
    assert np.abs(y[part] - np.sin(2 * np.pi * 5000 * time[part])).max() < 2e-4


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_an_alias_below_20_khz_is_90_db_down(rate_in: int, rate_out: int) -> None:
    if rate_in > rate_out:
        tone, wrong = rate_out - 19_000, 19_000  # folds
    else:
        tone, wrong = 19_000, rate_in - 19_000  # has its image there, which may fold too
        wrong = min(wrong, rate_out - wrong)
    x = np.sin(2 * np.pi * tone * np.arange(rate_in // 2) / rate_in).astype(np.float32).reshape(1, -1)
    y = run(Resampler(rate_in, rate_out), x, [1000])[0, 2000:]
    spectrum = np.abs(np.fft.rfft(y * np.blackman(y.size))) / (0.42 * y.size / 2)
    near = np.abs(np.fft.rfftfreq(y.size, 1 / rate_out) - wrong) < 300
    assert 20 * np.log10(spectrum[near].max()) < -90


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_runs_of_any_size_give_the_same_samples_and_the_declared_number(rate_in: int, rate_out: int) -> None:
    x = np.random.default_rng(6).standard_normal((2, 4000)).astype(np.float32)
    whole = run(Resampler(rate_in, rate_out, 2, start=3), x, [1000])
    ragged = Resampler(rate_in, rate_out, 2, start=3)
    assert np.array_equal(run(ragged, x, [1, 17, 64, 441, 999], room=50), whole)
    assert whole.shape[1] == ragged.count(4000)
    ragged.reset()
    assert np.array_equal(run(ragged, x, [128]), whole)


def test_the_count_is_right_at_every_length() -> None:
    resampler = Resampler(44_100, 48_000, start=5)
    made = 0
    y = np.zeros((1, 16), np.float32)
    for n in range(1, 700):
        resample.push(resampler.state, resampler.buffer, np.ones((1, 1), np.float32), 0, 1)
        made += resample.pull(resampler.state, resampler.buffer, resampler.table, resampler.down, y, 0, 16)
        assert made == resampler.count(n)
    assert resampler.latency == Fraction(resampler.half * 160, 147)


def test_a_constant_stays_itself() -> None:
    y = run(Resampler(48_000, 44_100), np.full((1, 4000), 0.5, np.float32), [512])[0, 200:]
    assert np.abs(y - 0.5).max() < 1e-6


def test_a_rate_that_cannot_hold_20_khz_is_refused() -> None:
    with pytest.raises(ValueError, match="32000"):
        Resampler(32_000, 48_000)
