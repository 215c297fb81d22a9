"""The chain around the model: exact where it promises exactness, quiet where something moves."""

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numba.core.runtime import _nrt_python
from numba.core.runtime.nrt import rtsys

from rtstyle.engine import chain, hops
from rtstyle.engine.engine import Engine
from rtstyle.engine.offline import render
from rtstyle.errors import DeviceError, ParameterError
from tests.contract import verify_decay, verify_latency, verify_reset, verify_splits
from tests.engine.fake_model import FAIL, RUNS, FakeModel
from tests.engine.signals import conditioned, delayed, noise, play, ready, sine


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_whole_chain_keeps_the_streaming_contract(rate: int) -> None:
    engine = ready(FakeModel(gains=(0.5,)), sample_rate=rate, block=0, channels=2, driver="offline")
    engine.set("mix", 0.6)
    x = noise(20_000, rate, channels=2)
    verify_splits(engine.process, engine.reset, x, 64, 1e-6)
    verify_latency(engine.process, engine.reset, x, engine.latency().total)
    verify_reset(engine.process, engine.reset, x)
    verify_decay(engine.process, engine.reset, x, 2 * rate, 1e-5)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("instances", [1, 2])
def test_the_model_plays_as_loud_as_the_player_where_that_is_asked_for(rate: int, instances: int) -> None:
    engine = ready(*[FakeModel(gains=(0.4,)) for _ in range(instances)], sample_rate=rate, channels=2)
    engine.set("dynamics", 1.0)
    steps = np.repeat([1.0, 0.2, 0.7, 0.1, 1.0], rate // 5)
    x = (noise(steps.size, rate) * steps).astype(np.float32).repeat(2, axis=0)
    late = engine.latency().total
    verify_splits(engine.process, engine.reset, x, 128, 1e-6)
    engine.reset()
    away = play(engine, x) - delayed(conditioned(x, engine), late)
    assert np.abs(away)[:, rate // 10 :].max() < 2e-3  # the loudest sample is above 0.3


def test_a_model_that_returns_from_a_rest_is_no_louder_than_before() -> None:
    model = FakeModel()
    engine = ready(model)
    engine.set("dynamics", 1.0)
    x = sine(48_000, 1000.0)
    parts = [play(engine, x[:, :16_000])]
    model.table[FAIL] = 1
    parts.append(play(engine, x[:, 16_000:19_200]))
    model.table[FAIL] = 0
    parts.append(play(engine, x[:, 19_200:]))
    y = np.concatenate(parts, axis=1)
    assert engine.faults().model_error > 0
    assert np.abs(y[:, 2000:]).max() < 1.01 * np.abs(x).max()


@pytest.mark.parametrize("driver", ["tight", "offline"])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_at_mix_0_the_input_comes_out_delayed_to_the_last_bit(driver: str, rate: int) -> None:
    engine = ready(FakeModel(gains=(-3.0,)), sample_rate=rate, channels=2, driver=driver)
    engine.set("mix", 0.0)
    x = noise(10_000, rate, channels=2)
    assert np.array_equal(play(engine, x), delayed(x, engine.latency().total))


def test_at_mix_1_nothing_of_the_dry_signal_is_left() -> None:
    engine = ready(FakeModel(gains=(0.0,)))
    assert np.all(play(engine, noise(5000)) == 0.0)


def test_between_them_dry_and_wet_add_up_in_time() -> None:
    engine = ready(FakeModel(gains=(1.0,)), sample_rate=44_100)
    engine.set("mix", 0.5)
    x = noise(20_000, 44_100)
    y = play(engine, x)
    total = engine.latency().total
    wanted = delayed(0.5 * x + 0.5 * conditioned(x, engine), total)
    assert np.abs(y - wanted)[:, total + 300 :].max() < 5e-4  # a comb would be as large as the signal


def test_bypass_is_the_input_whatever_the_trims() -> None:
    engine = ready(FakeModel(gains=(0.1,)))
    engine.set("input.trim_db", 12)
    engine.set("output.trim_db", -12)
    engine.set("bypass", 1)
    x = noise(5000)
    assert np.array_equal(play(engine, x), delayed(x, engine.latency().total))


def test_trims_are_gains_of_their_side() -> None:
    engine = ready(FakeModel())
    engine.set("input.trim_db", 6)
    engine.set("output.trim_db", -6)
    x = noise(5000)
    total = engine.latency().total
    assert np.abs(play(engine, x) - delayed(conditioned(x, engine), total)).max() < 1e-5


def test_the_gate_keeps_hiss_from_the_model_and_leaves_the_dry_signal() -> None:
    engine = ready(FakeModel(gains=(100.0,)))
    engine.set("gate.threshold_db", -40)
    hiss = 0.001 * noise(48_000)
    assert np.abs(play(engine, hiss)[:, 24_000:]).max() == 0.0
    engine.set("mix", 0.0)
    engine.reset()
    assert np.array_equal(play(engine, hiss), delayed(hiss, engine.latency().total))


@pytest.mark.parametrize("ceiling_db", [-0.5, -12.0])
def test_the_ceiling_holds_whatever_the_model_does(ceiling_db: float) -> None:
    engine = ready(FakeModel(gains=(80.0,)), channels=2)
    engine.set("output.ceiling_db", ceiling_db)
    engine.set("output.trim_db", 24)
    y = play(engine, noise(20_000, channels=2))
    assert np.abs(y).max() <= np.float32(10 ** (ceiling_db / 20))
    assert np.abs(y).max() > 0.9 * 10 ** (ceiling_db / 20)
    assert engine.meters().output[0].clipped


JUMPS: dict[str, Callable[[Engine], None]] = {
    "mix": lambda engine: engine.set("mix", 0.0),
    "input trim": lambda engine: engine.set("input.trim_db", -24),
    "output trim": lambda engine: engine.set("output.trim_db", -24),
    "bypass": lambda engine: engine.set("bypass", 1),
    "dynamics": lambda engine: engine.set("dynamics", 1.0),
    "amount": lambda engine: engine.set("style.amount", 0.0),
    "styles": lambda engine: engine.set_styles([0.0, 1.0]),
}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_full_scale_jump_adds_no_spectral_line_above_60_db(jump: str) -> None:
    engine = ready(FakeModel(gains=(-0.5, 0.5)))
    x = sine(48_000, 1000.0)
    y = np.concatenate([play(engine, x[:, :24_064]), (JUMPS[jump](engine), play(engine, x[:, 24_064:]))[1]], axis=1)[0]
    spectrum = np.abs(np.fft.rfft(y * np.hanning(y.size)))
    frequency = np.fft.rfftfreq(y.size, 1 / 48_000)
    steady = np.abs(np.fft.rfft(x[0] * np.hanning(y.size))).max()
    assert 20 * np.log10(spectrum[np.abs(frequency - 1000) > 150].max() / steady) < -60


def test_linked_channels_share_one_model_and_hear_the_sum() -> None:
    engine = ready(FakeModel(gains=(0.5,)), channels=2)
    x = noise(8000, channels=2)
    y = play(engine, x)
    wanted = delayed(0.25 * conditioned(x, engine).sum(axis=0, keepdims=True), engine.latency().total)
    assert np.abs(y - wanted).max() < 1e-6


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_one_instance_per_channel_keeps_them_apart(rate: int) -> None:
    engine = ready(FakeModel(gains=(0.5,)), FakeModel(gains=(-0.25,)), sample_rate=rate, channels=2)
    x = noise(8000, rate, channels=2)
    total = engine.latency().total
    wanted = delayed(np.array([[0.5], [-0.25]], np.float32) * conditioned(x, engine), total)
    assert np.abs(play(engine, x) - wanted)[:, total + 300 :].max() < 5e-4


def test_offline_runs_many_hops_a_call_and_gives_the_same_samples() -> None:
    x = noise(48_000)
    model = FakeModel(gains=(0.5, -0.5))
    engine = ready(model, driver="offline")
    live = ready(FakeModel(gains=(0.5, -0.5)))
    y = render(engine, x)
    assert model.table[RUNS] < 48_000 / 64 / 20
    total = live.latency().total
    assert np.array_equal(play(live, np.pad(x, ((0, 0), (0, total))))[:, total : total + 48_000], y)
    assert np.array_equal(render(engine, x[0], block=333), y[0])


def test_the_callbacks_function_is_the_same_machine_code() -> None:
    engine = ready(FakeModel(gains=(0.5,)), channels=2)
    function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_int64] * 6)(engine.function)
    x = noise(1000, channels=2)
    wide_in, wide_out = np.zeros((2, 4096), np.float32), np.full((2, 4096), 7.0, np.float32)
    wide_in[:, :1000] = x
    table = engine.table.ctypes.data
    assert function(table, wide_in.ctypes.data, wide_out.ctypes.data, 2, 4096, 1000) == 0
    engine.reset()
    assert np.array_equal(engine.process(x), wide_out[:, :1000])
    assert np.all(wide_out[:, 1000:] == 7.0)


@pytest.mark.parametrize("function", [chain.process_entry, hops.lanes_entry])
def test_the_compiled_functions_are_kept_on_disk(function: object) -> None:
    kept = Path(function._cache.cache_path)  # type: ignore[attr-defined]
    assert list(kept.glob(f"*.{function.__name__}-*.nbc"))  # type: ignore[attr-defined]


def test_a_thousand_blocks_allocate_nothing() -> None:
    engine = ready(FakeModel(), FakeModel(), sample_rate=44_100, channels=2)
    x, y = noise(128, channels=2), np.zeros((2, 128), np.float32)
    chain.process(engine.table, x, y, 128)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats().alloc
    for _ in range(1000):
        chain.process(engine.table, x, y, 128)
    assert rtsys.get_allocation_stats().alloc == before


def test_meters_show_both_sides_and_the_position() -> None:
    engine = ready(FakeModel(gains=(0.5,)))
    play(engine, sine(96_000, level=0.5))
    found = engine.meters()
    assert found.input[0].peak == pytest.approx(0.5, rel=0.01)
    assert found.output[0].rms == pytest.approx(0.25 / np.sqrt(2), rel=0.02)
    assert (found.frames, found.blocks, found.wet) == (96_000, 750, 1.0)
    assert found.chain_us > found.model_us > 0.0
    play(engine, 3 * sine(4800))
    assert engine.meters().input[0].clipped
    engine.clear_clips()
    assert not engine.meters().input[0].clipped
    assert engine.jitter().calls == 750 + 38 - 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sample_rate": 22_050}, "22050"),
        ({"block": -1}, "block -1"),
        ({"block": 20_000}, "20000"),
        ({"channels": 0}, "0 channels"),
        ({"driver": "turbo"}, "tight, safe, offline"),
    ],
)
def test_what_no_chain_can_be_is_refused_with_what_can(wrong: dict[str, int], said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        Engine().prepare(**{"sample_rate": 48_000, "block": 128, "channels": 1, "driver": "tight", **wrong})


def test_parameters_that_are_none_and_mixes_that_are_none_are_refused() -> None:
    engine = ready()
    for name, value in (("mxi", 1.0), ("style.target", 1.0), ("mix", 1.5), ("mix", float("nan"))):
        with pytest.raises(ParameterError, match=r"mix|style\.target"):
            engine.set(name, value)
    for weights in ([0.5, 0.2], [-1.0, 2.0], np.ones(33) / 33, []):
        with pytest.raises(ParameterError, match="weights"):
            engine.set_styles(weights)


def test_an_engine_that_is_not_prepared_says_so() -> None:
    for use in (Engine().latency, Engine().reset, lambda: Engine().process(np.zeros(8, np.float32))):
        with pytest.raises(DeviceError, match="prepare"):
            use()


def test_wrong_channel_counts_are_refused() -> None:
    engine = ready(FakeModel(), channels=3)
    with pytest.raises(DeviceError, match="2 channels given to an engine of 3"):
        engine.process(np.zeros((2, 64), np.float32))
    models = (FakeModel(), FakeModel())
    with pytest.raises(DeviceError, match="2 instances"):
        engine.load(models, entry=models[0].entry)
