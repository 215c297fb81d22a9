"""Models come and go while the music plays: no gap, no click, nothing leaked."""

import gc
import threading
import time
import weakref

import numpy as np
import pytest

from rtstyle.engine import cells, chain
from rtstyle.engine.engine import Engine
from tests.contract import lag_of
from tests.engine.fake_model import FAIL, RUNS, FakeModel
from tests.engine.signals import Audio, conditioned, delayed, noise, play, ready, sine


def tune(frames: int, rate: int = 48_000) -> Audio:
    """Notes with harmonics, some vibrato and an envelope."""
    time = np.arange(frames) / rate
    phase = (
        2
        * np.pi
        * np.cumsum(220 * 2 ** (np.floor(2 * time) % 5 / 6) * (1 + 0.005 * np.sin(2 * np.pi * 5 * time)))
        / rate
    )
    sound = sum(np.sin(k * phase) / k for k in range(1, 12))
    return (0.15 * sound * (0.6 + 0.4 * np.cos(2 * np.pi * time))).astype(np.float32).reshape(1, -1)


@pytest.mark.parametrize("driver", ["tight", "safe", "offline"])
@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_a_switch_every_tenth_of_a_second_makes_no_jump(driver: str, rate: int) -> None:
    x = tune(3 * rate, rate)
    kinds = [{"hop": 64, "latency": 64, "gains": (1.0,)}, {"hop": 128, "latency": 107, "gains": (0.8,)}]
    steady = play(ready(FakeModel(**kinds[0]), sample_rate=rate, driver="tight"), x)
    jumps = np.abs(np.diff(steady))
    largest, rare = jumps.max(), np.percentile(jumps, 99.99)
    model = FakeModel(**kinds[0])
    engine = ready(model, sample_rate=rate, driver=driver)
    engine.start_worker()
    parts, loads = [], 0
    for number, start in enumerate(range(0, x.shape[1], 128)):
        if number % (rate // 1280) == rate // 1280 - 1:
            loads += 1
            model = FakeModel(**kinds[loads % 2])
            engine.load(model, entry=model.entry)
        parts.append(engine.process(x[:, start : start + 128]))
    y = np.concatenate(parts, axis=1)
    assert loads >= 25
    jumps = np.abs(np.diff(y))
    assert jumps.max() <= largest
    assert np.mean(jumps > rare) <= 1e-4  # no more beyond the 99.99th percentile than without a switch
    assert engine.faults().underflow == engine.faults().dry_frames == 0
    assert engine._memory[cells.STATE][cells.SWAPS] >= loads - 1  # crossfades done
    engine.close()


def test_a_switch_keeps_the_power_between_unrelated_models_and_the_level_between_equal_ones() -> None:
    for gains in ((1.0, 1.0), (1.0, -1.0)):
        first, second = FakeModel(gains=gains[:1]), FakeModel(gains=gains[1:], latency=64 if gains[1] > 0 else 2000)
        engine = ready(first)
        x = noise(48_000)
        start = play(engine, x[:, :24_064])
        engine.load(second, entry=second.entry)
        y = np.concatenate([start, play(engine, x[:, 24_064:])], axis=1)
        power = np.convolve(y[0] ** 2, np.ones(960) / 960, "valid")[4000:]
        swap = power[20_000 - 4000 : 32_000]
        assert 10 * np.log10(swap.max() / power[:16_000].mean()) < 1.0
        assert 10 * np.log10(swap.min() / power[:16_000].mean()) > -1.0


def test_the_new_model_sounds_aligned_and_the_latency_grows_only_when_it_must() -> None:
    quick, slow = FakeModel(hop=64, latency=64), FakeModel(hop=128, latency=500, gains=(0.5,))
    engine = ready(quick, block=64)
    x = noise(48_000)
    play(engine, x[:, :6400], 64)
    assert engine.latency().total == 64 + 16
    engine.load(slow, entry=slow.entry)
    assert engine.latency().total == 500 + 64 + 16
    y = play(engine, x[:, 6400:38_400], 64)
    assert lag_of(x[0, 6400:38_400], y[0]) == 580
    assert np.abs(y - 0.5 * conditioned(x, engine)[:, 6400 - 580 : 38_400 - 580])[:, 12_000:].max() < 1e-6
    again = FakeModel(hop=64, latency=64)
    engine.load(again, entry=again.entry)
    assert engine.latency().total == 580  # constant while playing
    y = play(engine, x[:, 38_400:], 64)
    assert np.abs(y - conditioned(x, engine)[:, 38_400 - 580 : -580])[:, 6000:].max() < 1e-6
    engine.prepare(sample_rate=48_000, block=64, channels=1, driver="tight")
    assert engine.latency().total == 80


def test_at_mix_0_a_switch_of_equal_latency_is_not_heard_at_all() -> None:
    engine = ready(FakeModel(gains=(-1.0,)))
    engine.set("mix", 0.0)
    x = noise(24_000)
    y = [play(engine, x[:, :6400])]
    other = FakeModel(gains=(3.0,))
    engine.load(other, entry=other.entry)
    y.append(play(engine, x[:, 6400:]))
    assert np.array_equal(np.concatenate(y, axis=1), delayed(x, engine.latency().total))


@pytest.mark.parametrize("mix", [0.0, 0.5])
def test_the_dry_signal_glides_to_a_longer_latency(mix: float) -> None:
    engine = ready(FakeModel(latency=64))
    engine.set("mix", mix)
    x = sine(24_000)
    y = [play(engine, x[:, :6400])]
    slow = FakeModel(latency=170)  # about half a period of the sine later
    engine.load(slow, entry=slow.entry)
    y.append(play(engine, x[:, 6400:]))
    assert engine.latency().total == 186
    out = np.concatenate(y, axis=1)
    assert np.abs(np.diff(out)).max() < 1.05 * np.abs(np.diff(x)).max()
    assert np.abs(out - delayed(x, 186))[:, -9600:].max() < 0.02


def test_loads_in_a_hurry_end_on_the_last_one_and_give_the_others_back() -> None:
    models = [FakeModel(gains=(0.1 * k,), name=str(k)) for k in range(1, 7)]
    engine = ready(models[0])
    x = noise(48_000)
    play(engine, x[:, :1280])
    for model in models[1:]:
        engine.load(model, entry=model.entry)
    assert engine.swapping
    y = play(engine, x[:, 1280:])
    assert not engine.swapping
    wanted = 0.6 * conditioned(x, engine)[:, 1280 - engine.latency().total : -engine.latency().total]
    assert np.abs(y - wanted)[:, -6400:].max() < 1e-6
    returned = [model.name for (model,) in engine.service()]
    assert sorted(returned) == ["1", "2", "3", "4", "5"]
    assert [model.name for (model,) in engine.close()] == ["6"]


def test_a_model_that_returns_before_it_left_is_not_given_back() -> None:
    first, second = FakeModel(gains=(0.5,), name="first"), FakeModel(gains=(-0.5,), name="second")
    engine = ready(first)
    x = noise(48_000)
    play(engine, x[:, :1280])
    engine.load(second, entry=second.entry)
    play(engine, x[:, 1280:3840])
    engine.load(first, entry=first.entry)
    y = play(engine, x[:, 3840:])
    assert [model.name for (model,) in engine.service()] == ["second"]
    wanted = 0.5 * conditioned(x, engine)[:, 3840 - 80 : -80]
    assert np.abs(y - wanted)[:, -6400:].max() < 1e-6
    engine.load(first, entry=first.entry)  # it plays: nothing to do
    assert not engine.swapping


def test_a_swap_to_a_model_that_fails_is_dry_and_not_silent() -> None:
    engine = ready(FakeModel(gains=(-0.5,)))
    x = sine(48_000)
    y = [play(engine, x[:, :6400])]
    broken = FakeModel()
    broken.table[FAIL] = 1
    engine.load(broken, entry=broken.entry)
    y.append(play(engine, x[:, 6400:]))
    out = np.concatenate(y, axis=1)
    assert np.array_equal(out[:, -9600:], delayed(x, 80)[:, -9600:])
    assert np.abs(np.diff(out)).max() < 0.02


def test_the_first_model_may_come_while_the_dry_signal_plays() -> None:
    engine = ready()
    x = noise(24_000)
    assert np.array_equal(play(engine, x[:, :6400])[:, 16:], x[:, : 6400 - 16])
    model = FakeModel(gains=(0.5,))
    engine.load(model, entry=model.entry)
    y = play(engine, x[:, 6400:])
    assert np.abs(y - 0.5 * conditioned(x, engine)[:, 6400 - 80 : -80])[:, -6400:].max() < 1e-6


def test_each_model_keeps_its_own_style_mix_during_the_swap() -> None:
    first, second = FakeModel(gains=(0.5, 9.0)), FakeModel(gains=(9.0, 0.5))
    engine = ready(first)
    x = noise(24_000)
    play(engine, x[:, :6400])
    engine.load(second, [0.0, 1.0], entry=second.entry)
    y = play(engine, x[:, 6400:])
    wanted = 0.5 * conditioned(x, engine)[:, 6400 - 80 : -80]
    assert np.abs(y - wanted).max() < 1e-5  # the gain of 9 is never heard


def test_prepare_and_reset_keep_the_model_and_drop_the_one_on_its_way_out() -> None:
    first, second = FakeModel(name="first"), FakeModel(gains=(0.5,), name="second")
    engine = ready(first)
    x = noise(12_800)
    play(engine, x[:, :1280])
    engine.load(second, entry=second.entry)
    play(engine, x[:, :1280])
    engine.prepare(sample_rate=48_000, block=64, channels=1, driver="tight")
    assert [model.name for (model,) in engine.service()] == ["first"]
    assert np.abs(play(engine, x) - 0.5 * delayed(conditioned(x, engine), 80)).max() < 1e-6
    engine.reset()
    assert np.abs(play(engine, x) - 0.5 * delayed(conditioned(x, engine), 80)).max() < 1e-6
    assert engine.service() == []


def test_what_was_left_is_not_run_and_not_kept() -> None:
    first, second = FakeModel(), FakeModel()
    engine = ready(first)
    play(engine, noise(1280))
    engine.load(second, entry=second.entry)
    play(engine, noise(12_800))
    runs = int(first.table[RUNS])
    play(engine, noise(6400))
    assert first.table[RUNS] == runs
    gone = weakref.ref(first)
    engine.service()
    del first
    gc.collect()
    assert gone() is None


def test_an_engine_can_be_closed_and_used_again() -> None:
    engine = Engine()
    assert engine.close() == []
    model = FakeModel()
    engine.prepare(sample_rate=48_000, block=128, channels=1, driver="safe")
    engine.load(model, entry=model.entry)
    engine.start_worker()
    assert engine.close() == [(model,)]
    engine.prepare(sample_rate=48_000, block=128, channels=1, driver="tight")
    x = noise(1280)
    assert np.array_equal(play(engine, x), delayed(x, 16))


@pytest.mark.parametrize("driver", ["tight", "safe"])
def test_models_come_and_go_while_another_thread_plays(driver: str) -> None:
    engine = ready(FakeModel(name="0"), driver=driver)
    engine.start_worker()
    x = sine(128)
    stop = threading.Event()
    worst: list[float] = []

    def device() -> None:
        y = np.zeros_like(x)
        while not stop.is_set():
            chain.process(engine.table, x, y, 128)
            worst.append(float(np.abs(y).max()))

    thread = threading.Thread(target=device)
    thread.start()
    returned: list[str] = []
    for number in range(1, 11):
        model = FakeModel(hop=(64, 128)[number % 2], name=str(number))
        engine.load(model, entry=model.entry)
        engine.set("mix", number % 2)
        engine.set_styles([0.5, 0.5])
        while engine.swapping:
            returned += [left.name for (left,) in engine.service()]
            time.sleep(0.001)
        gc.collect()
    while len(returned) < 10:
        returned += [left.name for (left,) in engine.service()]
        time.sleep(0.001)
    stop.set()
    thread.join()
    assert returned == [str(number) for number in range(10)]
    assert max(worst) < 0.8  # nothing but the sine, its sum with itself delayed at most
    assert [left.name for (left,) in engine.close()] == ["10"]
