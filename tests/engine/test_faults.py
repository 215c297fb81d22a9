"""Whatever the model does, the output goes to the aligned dry signal within 5 ms, says so, and comes back by itself."""

import numpy as np
import pytest

from rtstyle.engine.engine import Engine
from tests.engine.fake_model import FAIL, POISON, RESETS, RUNS, SLEEP_US, FakeModel
from tests.engine.signals import Audio, delayed, noise, play, ready, sine

FADE = 240  # 5 ms at 48 kHz
STEP = 0.5 * 2 * np.pi * 220 / 48_000 + 1.5 * 0.5 / 192  # of the sine, and of a fade from -0.5 to 0.5 times it


def run_with_fault(engine: Engine, model: FakeModel, cell: int, value: int, x: Audio) -> Audio:
    """One second: the fault from 0.25 s to 0.5 s."""
    parts = [play(engine, x[:, :12_032])]
    model.table[cell] = value
    parts.append(play(engine, x[:, 12_032:24_064]))
    model.table[cell] = 0
    parts.append(play(engine, x[:, 24_064:]))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("cell", [FAIL, POISON])
@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_failing_model_is_covered_within_5_ms_without_a_click(cell: int, rate: int) -> None:
    model = FakeModel(gains=(-0.5,))
    engine = ready(model, sample_rate=rate)
    x = sine(48_000)
    y = run_with_fault(engine, model, cell, 3, x)
    total = engine.latency().total
    dry = delayed(x, total)
    begun = 12_032 + total  # the first sample that the failed model owes; resampling spreads it to both sides
    spread = 0 if rate == 48_000 else 140
    assert np.array_equal(y[:, begun + FADE + spread : 24_000], dry[:, begun + FADE + spread : 24_000])
    assert np.abs(y + 0.5 * dry)[:, 1000 : begun - spread - 64].max() < 0.02  # wet until then
    assert np.abs(np.diff(y)).max() < STEP
    faults = engine.faults()
    assert (faults.model_error if cell == FAIL else faults.nonfinite_out) >= 2
    assert faults.last_error == (3 if cell == FAIL else 0)
    assert faults.dry_frames > 10_000
    # the rests grow: 50, 100, 200 ms ..., so it is back within the next one
    assert np.abs(y + 0.5 * dry)[:, 43_000:].max() < 0.02
    assert engine.meters().wet == 1.0


def test_a_model_is_reset_after_a_fault_and_rests_longer_each_time() -> None:
    model = FakeModel()
    engine = ready(model)
    model.table[FAIL] = 1
    play(engine, noise(2 * 48_000))
    # rests of 50, 100, 200, 400, 500, 500 ms: seven tries in two seconds
    assert engine.faults().model_error == 7
    assert model.table[RUNS] == 7
    assert model.table[RESETS] == 6


def test_after_two_good_seconds_a_rest_is_short_again() -> None:
    model = FakeModel()
    engine = ready(model)
    model.table[FAIL] = 1
    play(engine, noise(48_000))
    model.table[FAIL] = 0
    play(engine, noise(4 * 48_000))
    model.table[FAIL] = 1
    before = engine.faults().model_error
    play(engine, noise(48_000 // 4))
    assert engine.faults().model_error - before == 3  # at once, after 50 ms, after 100 ms


def test_one_lost_hop_is_bridged_without_a_click() -> None:
    model = FakeModel(gains=(-0.5,))
    engine = ready(model, block=64)
    x = sine(24_000)
    parts = []
    for start in range(0, 24_000, 64):
        model.table[FAIL] = int(start == 64 * 100)
        parts.append(engine.process(x[:, start : start + 64]))
    y = np.concatenate(parts, axis=1)
    assert engine.faults().model_error == 1
    assert np.abs(np.diff(y)).max() < STEP
    assert np.abs(y + 0.5 * delayed(x, engine.latency().total))[:, 64 * 100 + 4000 :].max() < 0.02


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("driver", ["tight", "safe"])
def test_a_broken_input_never_reaches_the_output_or_the_model(bad: float, driver: str) -> None:
    engine = ready(FakeModel(gains=(-0.5,)), channels=2, driver=driver)
    engine.start_worker()
    x = np.repeat(sine(24_000), 2, axis=0)
    broken = x.copy()
    broken[1, 5000:5300] = bad
    y = play(engine, broken)
    assert np.isfinite(y).all()
    faults = engine.faults()
    assert (faults.nonfinite_in, faults.nonfinite_out, faults.model_error) == (300, 0, 0)
    assert np.abs(y + 0.5 * delayed(x, engine.latency().total))[:, 9000:].max() < 0.02
    engine.stop_worker()


def test_a_model_ten_times_too_slow_rests_and_is_tried_again() -> None:
    model = FakeModel(gains=(-0.5,))
    engine = ready(model, patient=False)
    x = sine(2 * 48_000)
    play(engine, x[:, :12_800])
    model.table[SLEEP_US] = 13_333  # of a hop that lasts 1333
    before = int(model.table[RUNS])
    y = play(engine, x[:, 12_800:60_800])
    assert model.table[RUNS] - before <= 12  # two hops a try: at once, after 50, 150, 350, 750 ms
    assert engine.faults().late >= 4
    total = engine.latency().total
    heard = np.isclose(y, x[:, 12_800 - total : 60_800 - total], atol=1e-7)
    assert heard.mean() > 0.9  # but for two hops and two fades at each try
    assert np.abs(np.diff(y)).max() < STEP
    model.table[SLEEP_US] = 0
    engine.set_patient(True)
    y = play(engine, x[:, 60_800:])
    assert np.abs(y + 0.5 * x[:, 60_800 - total : -total])[:, -4800:].max() < 0.02


def test_one_stall_of_the_system_is_no_fallback() -> None:
    model = FakeModel(gains=(-0.5,))
    engine = ready(model, block=4096, patient=False)
    x = sine(35 * 4096)
    total = engine.latency().total
    parts = []
    for index, start in enumerate(range(0, x.shape[1], 4096)):
        model.table[SLEEP_US] = 4_000 if index == 30 else 0  # for each of 64 hops: three times what the block lasts
        parts.append(play(engine, x[:, start : start + 4096], 4096))
    y = np.concatenate(parts, axis=1)
    assert np.abs(y + 0.5 * delayed(x, total))[:, 9000:].max() < 0.02
    assert (engine.faults().late, engine.faults().dry_frames) == (0, 0)


def test_stalls_of_the_system_are_no_fallbacks_however_soon_after_one() -> None:
    model = FakeModel(gains=(-0.5,))
    engine = ready(model, block=4096, patient=False)
    x = sine(46 * 4096)
    late = []
    for index, start in enumerate(range(0, x.shape[1], 4096)):
        model.table[SLEEP_US] = 4_000 if index in (30, 31, 36, 41) else 0
        play(engine, x[:, start : start + 4096], 4096)
        late.append(engine.faults().late)
    assert late[29:32] == [0, 0, 1]  # two at a time are the model's own
    assert late[-1] == 1


def test_a_worker_that_is_too_slow_never_holds_the_audio_up() -> None:
    model = FakeModel(gains=(-0.5,))
    engine = ready(model, driver="safe", patient=True)
    engine.start_worker()
    x = sine(4 * 48_000)
    play(engine, x[:, :12_800])
    model.table[SLEEP_US] = 20_000
    engine.set_patient(False)  # from here nobody waits for the worker: all of this second comes at once
    y = play(engine, x[:, 12_800:60_800])
    total = engine.latency().total
    assert engine.faults().underflow > 300
    assert np.array_equal(y[:, 1000:], x[:, 13_800 - total : 60_800 - total])
    assert np.abs(np.diff(y)).max() < STEP
    model.table[SLEEP_US] = 0
    engine.set_patient(True)
    y = play(engine, x[:, 60_800:])
    assert np.abs(np.diff(y)).max() < STEP
    assert np.abs(y + 0.5 * x[:, 60_800 - total : -total])[:, -4800:].max() < 0.02
    engine.stop_worker()


def test_a_worker_that_is_not_there_leaves_the_dry_signal() -> None:
    engine = ready(FakeModel(gains=(-0.5,)), driver="safe", patient=False)
    x = sine(9600)
    y = play(engine, x)
    total = engine.latency().total
    assert np.array_equal(y[:, total + FADE :], x[:, FADE:-total])
    engine.start_worker()
    engine.set_patient(True)
    y = play(engine, sine(48_000))
    assert np.abs(y + 0.5 * delayed(sine(48_000), total))[:, -4800:].max() < 0.02
    engine.close()
