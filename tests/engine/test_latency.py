"""What the chain says of its latency is what it does: every rate, block and driver, to the sample."""

import math

import numpy as np
import pytest

from rtstyle.engine import cells
from rtstyle.engine.latency import Path, path_of
from tests.contract import lag_of
from tests.engine.fake_model import FakeModel
from tests.engine.signals import conditioned, delayed, lane_state, noise, play, ready

BLOCKS = (16, 64, 100, 128, 441, 480, 1024, 4096)
MODELS = ((64, 64), (128, 107))  # hop, latency


@pytest.mark.parametrize("driver", ["tight", "safe", "offline"])
@pytest.mark.parametrize("rate", [44_100, 48_000, 88_200, 96_000])
@pytest.mark.parametrize(("hop", "late"), MODELS)
def test_declared_equals_measured(rate: int, driver: str, hop: int, late: int) -> None:
    for block in BLOCKS:
        engine = ready(FakeModel(hop=hop, latency=late, gains=(0.5,)), sample_rate=rate, block=block, driver=driver)
        engine.start_worker()
        x = noise(block * max(6, 6000 // block), rate)
        y = play(engine, x, block)
        total = engine.latency().total
        assert lag_of(x[0], y[0]) == total, f"block {block}"
        wanted = delayed(0.5 * conditioned(x, engine), total)
        begun = total + 300  # the resamplers have no past at the start
        assert np.abs(y - wanted)[:, begun:].max() < 5e-4, f"block {block}: the wet signal is not whole"
        faults = engine.faults()
        assert (faults.underflow, faults.dry_frames) == (0, 0), f"block {block}"
        engine.close()


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("block", [16, 100, 128, 441, 480])
def test_one_sample_less_would_run_dry(rate: int, block: int) -> None:
    for shorter in (0, 1):
        engine = ready(FakeModel(), sample_rate=rate, block=block)
        lane_state(engine)[cells.LATENCY] -= shorter
        play(engine, noise(block * 300, rate), block)
        assert (engine.faults().underflow > 0) == bool(shorter)


def test_equal_rates_follow_the_formula() -> None:
    for hop, late in MODELS:
        for block in (*BLOCKS, 1, 63, 4095):
            assert Path(48_000, 48_000, hop, late).prefill(block) == late + hop - math.gcd(block, hop)


def test_any_block_costs_one_sample_less_than_a_hop() -> None:
    assert Path(48_000, 48_000, 64, 64).prefill(0) == 64 + 63


@pytest.mark.parametrize("rate", [44_100, 48_000, 88_200])
def test_any_pattern_of_blocks_plays_where_the_block_is_not_fixed(rate: int) -> None:
    engine = ready(FakeModel(gains=(0.5,)), sample_rate=rate, block=0)
    x = noise(30_000, rate)
    rng = np.random.default_rng(5)
    parts, start = [], 0
    while start < x.shape[1]:
        size = int(rng.integers(1, 700))
        parts.append(engine.process(x[:, start : start + size]))
        start += size
    y = np.concatenate(parts, axis=1)
    total = engine.latency().total
    assert engine.faults().underflow == 0
    assert np.abs(y - delayed(0.5 * conditioned(x, engine), total))[:, total + 300 :].max() < 5e-4


def test_multiples_of_the_block_need_no_more() -> None:
    engine = ready(FakeModel(), block=96)
    x = noise(96 * 60)
    start = 0
    for multiple in (1, 3, 2, 7, 1, 1, 10, 35):
        engine.process(x[:, start : start + 96 * multiple])
        start += 96 * multiple
    assert engine.faults().underflow == 0


def test_another_block_than_prepared_runs_dry_is_counted_and_said() -> None:
    engine = ready(FakeModel(gains=(-1.0,)), block=64)
    x = noise(20_000)
    play(engine, x[:, :6400], 64)
    assert not engine.faults().block_changed
    y = play(engine, x[:, 6400:], 100)
    faults = engine.faults()
    assert faults.block_changed
    assert faults.underflow > 10
    assert np.isfinite(y).all()


@pytest.mark.parametrize("driver", ["tight", "safe"])
def test_the_items_add_up(driver: str) -> None:
    for rate in (44_100, 48_000, 96_000):
        for block in BLOCKS:
            latency = ready(FakeModel(hop=128, latency=107), sample_rate=rate, block=block, driver=driver).latency()
            assert sum(item.samples for item in latency.items) == pytest.approx(latency.total, abs=1e-6)
            assert all(item.samples >= 0.0 for item in latency.items), latency
            assert latency.milliseconds == pytest.approx(1000 * latency.total / rate)


def test_the_worker_gets_whole_blocks_of_at_least_a_hop() -> None:
    for block, granted in ((16, 64), (64, 64), (100, 100), (441, 441)):
        latency = ready(FakeModel(), block=block, driver="safe").latency()
        assert {item.name: item.samples for item in latency.items}["worker"] == granted


def test_without_a_model_there_is_only_the_limiter() -> None:
    engine = ready()
    assert engine.latency().total == 16
    x = noise(1000)
    assert np.array_equal(play(engine, x), delayed(x, 16))


def test_the_period_is_one() -> None:
    for rate in (44_100, 48_000, 88_200, 96_000):
        path = path_of(FakeModel(hop=128), rate)
        n = np.arange(5000, 6000)
        away = n - path.written(n)
        later = n + path.period()
        assert np.array_equal(away, later - path.written(later))
