"""The gate opens and closes where it should, DC goes, loudness is followed, and no sample passes the ceiling."""

from collections.abc import Callable

import numpy as np
import pytest

from rtstyle.dsp import dynamics

RATE = 48_000


def in_blocks(process: Callable[[np.ndarray], None], x: np.ndarray, sizes: list[int]) -> np.ndarray:
    parts, start = [], 0
    while start < x.shape[1]:
        size = sizes[len(parts) % len(sizes)]
        part = np.array(x[:, start : start + size])  # a copy: the kernels work in place
        process(part)
        parts.append(part)
        start += size
    return np.concatenate(parts, axis=1)


def limiter(channels: int = 1, lookahead: int = 16, ceiling: float = 0.9) -> Callable[[np.ndarray], None]:
    state, line, history = dynamics.new_limiter(channels, lookahead)
    return lambda x: dynamics.limit(state, line, history, ceiling, 1 / 4000, x, x.shape[1])


def gate(threshold: float) -> Callable[[np.ndarray], None]:
    state = dynamics.new_gate()
    return lambda x: dynamics.gate(state, threshold, np.exp(-1 / 480), 1920.0, 1 / 48, 1 / 2880, x, x.shape[1])


def test_dc_is_blocked_and_the_bass_is_not() -> None:
    state = np.zeros((1, 2))
    pole = np.exp(-2 * np.pi * 8 / RATE)
    time = np.arange(2 * RATE) / RATE
    x = (0.25 + 0.5 * np.sin(2 * np.pi * 60 * time)).astype(np.float32).reshape(1, -1)
    y = in_blocks(lambda part: dynamics.block_dc(state, pole, part, part.shape[1]), x, [64, 7, 441])[0, RATE:]
    assert abs(y.mean()) < 1e-4
    assert np.abs(y).max() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("lookahead", [0, 1, 16, 64])
def test_no_sample_passes_the_ceiling(lookahead: int) -> None:
    rng = np.random.default_rng(2)
    loud = rng.standard_normal((2, 20_000)).astype(np.float32) * 10 ** rng.uniform(-2, 2, 20_000).astype(np.float32)
    loud[0, 5000:5010] = 3e38
    loud[1, 6000] = -np.inf
    loud[1, 6001] = np.nan
    for sizes in ([128], [1, 17, 300]):
        y = in_blocks(limiter(2, lookahead), loud, sizes)
        assert np.abs(y).max() <= np.float32(0.9)


def test_below_the_ceiling_the_limiter_only_delays() -> None:
    rng = np.random.default_rng(4)
    x = (0.3 * rng.uniform(-1, 1, (2, 4000))).astype(np.float32)
    y = in_blocks(limiter(2, 16), x, [100])
    assert np.array_equal(y[:, 16:], x[:, :-16])
    assert np.all(y[:, :16] == 0.0)


def test_after_a_peak_the_limiter_lets_go_to_exactly_one() -> None:
    x = np.full((1, 120_000), 0.25, np.float32)
    x[0, 1000] = 4.0
    y = in_blocks(limiter(1, 16), x, [256])
    assert y[0, 1016] == pytest.approx(0.9, abs=1e-6)
    assert y[0, 1010] < 0.25  # the gain is down before the peak comes
    assert np.all(y[0, 100_000:] == 0.25)
    steps = np.abs(np.diff(y[0, 900:1010]))
    assert steps.max() < 0.25 / 10  # and it went down in a ramp


def test_the_gain_alone_holds_a_peak_wherever_it_falls() -> None:
    # were it the last clamp, the quiet channel would keep more of its level than the loud one
    for place in range(1000, 1017):
        x = np.full((2, 2000), 0.1, np.float32)
        x[0, place] = 4.0
        y = in_blocks(limiter(2, 16), x, [128])
        assert y[:, place + 16] / x[:, place] == pytest.approx([0.9 / 4.0] * 2, rel=1e-5)


def test_the_limiter_links_its_channels() -> None:
    x = np.full((2, 2000), 0.5, np.float32)
    x[1] = 2.0
    y = in_blocks(limiter(2, 16), x, [128])
    assert y[0, 1000] / y[1, 1000] == pytest.approx(0.25, rel=1e-5)


@pytest.mark.parametrize("process", ["limiter", "gate"])
def test_blocks_do_not_matter(process: str) -> None:
    rng = np.random.default_rng(8)
    x = (rng.standard_normal((2, 30_000)) * np.repeat(10.0 ** rng.uniform(-3, 0.5, 30), 1000)).astype(np.float32)
    make = (lambda: limiter(2, 16)) if process == "limiter" else (lambda: gate(0.02))
    assert np.array_equal(in_blocks(make(), x, [30_000]), in_blocks(make(), x, [1, 64, 441, 1000]))


def test_hiss_is_gated_and_a_note_passes_untouched() -> None:
    rng = np.random.default_rng(9)
    x = (0.001 * rng.standard_normal((1, 2 * RATE))).astype(np.float32)
    note = slice(RATE // 2, RATE)
    x[0, note] += (0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2) / RATE)).astype(np.float32)
    y = in_blocks(gate(0.05), x, [128])
    assert np.abs(y[0, RATE // 4 : RATE // 2 - 1]).max() == 0.0
    assert np.array_equal(y[0, RATE // 2 + 200 : RATE], x[0, RATE // 2 + 200 : RATE])
    assert np.abs(y[0, RATE + RATE // 3 :]).max() == 0.0


def test_between_the_two_thresholds_the_gate_keeps_its_state() -> None:
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 500 * time)
    between = 0.75 * 0.1  # above HYSTERESIS times the threshold, below the threshold
    x = np.concatenate([0.2 * tone, between * tone, 0.01 * tone, between * tone]).astype(np.float32).reshape(1, -1)
    y = in_blocks(gate(0.1), x, [128])
    level = [np.abs(y[0, part * RATE + RATE // 2 : (part + 1) * RATE]).max() for part in range(4)]
    assert level == [pytest.approx(0.2, rel=0.01), pytest.approx(between, rel=0.01), 0.0, 0.0]


def test_a_threshold_of_zero_never_closes() -> None:
    x = np.full((1, 48_000), 1e-7, np.float32)
    assert np.array_equal(in_blocks(gate(0.0), x, [128]), x)


def follow(wanted: np.ndarray, played: np.ndarray, share: float, sizes: list[int], glide: float = 1e-3) -> np.ndarray:
    state = dynamics.new_follower(wanted.shape[0])
    pole, smooth = np.exp(-2 * np.pi * dynamics.TREBLE_HZ / RATE), 1 - np.exp(-1 / (0.006 * RATE))
    place = 0

    def process(part: np.ndarray) -> None:
        nonlocal place
        end = place + part.shape[1]
        dynamics.follow(state, share, glide, pole, smooth, wanted[:, place:end].copy(), part, part.shape[1])
        place = end

    return in_blocks(process, played, sizes)


def level_db(x: np.ndarray) -> np.ndarray:
    """Of every 20 ms, (channels, windows)."""
    cut = x[:, : x.shape[1] // 960 * 960].reshape(x.shape[0], -1, 960)
    return 10 * np.log10((cut.astype(np.float64) ** 2).mean(axis=2))


def hiss(channels: int = 1, frames: int = RATE, seed: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


def test_what_is_as_loud_as_it_should_be_stays_as_it_is_to_the_last_bit() -> None:
    x = hiss(2)
    assert np.array_equal(follow(x, x, 1.0, [128]), x)
    assert np.array_equal(follow(0.01 * x, x, 0.0, [128]), x)  # and nothing is asked for at share 0


def test_the_follower_does_not_hear_how_the_stream_is_cut() -> None:
    wanted, played = 0.3 * hiss(2, seed=2), hiss(2, seed=3)
    assert np.array_equal(follow(wanted, played, 0.7, [20_000]), follow(wanted, played, 0.7, [1, 64, 333]))


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_swells_are_followed_in_db_by_the_share_asked_for(share: float) -> None:
    swell_db = 9 * np.sin(2 * np.pi * np.arange(RATE) / RATE)  # the follower is 12 ms late
    wanted = hiss(seed=4) * (10 ** (swell_db / 20)).astype(np.float32)
    made = level_db(follow(wanted, hiss(seed=5), share, [128]))[0, 3:]
    asked = share * level_db(wanted)[0, 3:] + (1 - share) * level_db(hiss(seed=5))[0, 3:]
    assert np.abs(made - asked).mean() < 0.7
    assert np.abs(made - asked).max() < 2.5


def test_the_follower_goes_no_further_than_18_db_and_lifts_no_silence() -> None:
    loud, faint = hiss(seed=6), 1e-3 * hiss(seed=7)
    assert level_db(follow(loud, faint, 1.0, [128]))[0, 5:].max() < level_db(faint).max() + 18.1
    assert level_db(follow(faint, loud, 1.0, [128]))[0, 5:].min() > level_db(loud).min() - 18.1
    still = np.zeros((1, RATE), np.float32)
    assert not follow(loud, still, 1.0, [128]).any()
    assert level_db(follow(still, loud, 1.0, [128]))[0, 5:].max() < level_db(loud).max() - 11.5


def test_the_channels_are_followed_each_by_itself() -> None:
    wanted, played = np.concatenate([hiss(seed=8), 0.25 * hiss(seed=8)]), hiss(2, seed=9)
    both = follow(wanted, played, 1.0, [128])
    for channel in range(2):
        alone = follow(wanted[channel : channel + 1], played[channel : channel + 1], 1.0, [128])
        assert np.array_equal(both[channel], alone[0])
