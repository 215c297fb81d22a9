"""Loaded bundles in the chain: through the real runtime, with the faults that a network can have."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtstyle.engine.engine import Engine
from rtstyle.engine.lane import SILENCE_SECONDS
from rtstyle.runtime.model import LoadedModel, load_model
from tests.contract import lag_of
from tests.dsp.test_marks import silence, tone
from tests.engine.signals import conditioned, delayed, noise, play, ready, sine
from tests.fixtures_bundles import make_identity_bundle, make_network_bundle

KINDS = {"spectral": {}, "latent": {"delay": 107}}


@contextmanager
def playing(*models: LoadedModel, **setup: Any) -> Iterator[Engine]:
    engine = ready(**setup)
    engine.load(models)
    engine.start_worker()
    yield engine
    for left in engine.close():
        for model in left:
            model.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("driver", ["tight", "safe", "offline"])
def test_an_identity_comes_back_at_the_declared_time(kind: str, rate: int, driver: str, tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "m", kind, style_gains=(0.5, 1.0), **KINDS[kind])
    with playing(load_model(bundle), sample_rate=rate, block=128, driver=driver) as engine:
        x = noise(128 * 100, rate)
        y = play(engine, x)
        total = engine.latency().total
        assert lag_of(x[0], y[0]) == total
        error = y - 0.5 * delayed(conditioned(x, engine), total)
        assert np.abs(error)[:, total + 2000 :].max() < 2e-3
        assert engine.faults().dry_frames == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_makes_nan_is_dry_and_tried_again(kind: str, tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "m", kind, gain=0.5, nan_after=300, **KINDS[kind])
    with playing(load_model(bundle)) as engine:
        x = sine(96_000)
        y = play(engine, x)
        total = engine.latency().total
        dry = delayed(x, total)
        assert np.isfinite(y).all()
        silence = round(SILENCE_SECONDS * engine.model.sample_rate)  # heard before the stream, so part of the 300 hops
        begun = 300 * engine.model.hop - silence + total + 240
        assert np.array_equal(y[:, begun : begun + 1500], dry[:, begun : begun + 1500])
        assert np.abs(np.diff(y)).max() < 0.02
        assert engine.faults().model_error >= 2
        assert np.mean(np.abs(y - 0.5 * dry) < 1e-2) > 0.4  # it plays in between
    assert engine.faults().nonfinite_out == 0


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_the_session_is_dry_until_its_cause_is_gone(kind: str, tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "m", kind, gain=0.5, fail_above=0.7, **KINDS[kind])
    with playing(load_model(bundle)) as engine:
        x = sine(48_000)
        total = engine.latency().total
        engine.set("style.amount", 1.0)
        y = play(engine, x)
        assert np.array_equal(y[:, 4800:], delayed(x, total)[:, 4800:])
        assert engine.faults().model_error > 1
        engine.set("style.amount", 0.5)
        y = play(engine, x)
        assert np.abs(y - 0.5 * delayed(x, total))[:, -4800:].max() < 1e-2


def test_two_kinds_swap_without_a_jump(tmp_path: Path) -> None:
    bundles = [make_identity_bundle(tmp_path / kind, kind, **options) for kind, options in KINDS.items()]
    x = sine(2 * 48_000)
    with playing(load_model(bundles[0])) as engine:
        parts = []
        for number, start in enumerate(range(0, x.shape[1], 128)):
            if number % 75 == 74:
                engine.load(load_model(bundles[(number // 75 + 1) % 2]))
            parts.append(engine.process(x[:, start : start + 128]))
            for models in engine.service():
                for model in models:
                    model.close()
        y = np.concatenate(parts, axis=1)
    assert np.abs(np.diff(y)).max() < 1.02 * np.abs(np.diff(x)).max()
    assert engine.faults().model_error == 0


def test_one_instance_per_channel_keeps_stereo(tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "m", "latent")
    x = noise(128 * 60, channels=2)
    with playing(load_model(bundle), load_model(bundle), channels=2) as engine:
        both = play(engine, x)
    for channel in range(2):
        with playing(load_model(bundle)) as engine:
            assert np.array_equal(play(engine, x[channel : channel + 1])[0], both[channel])


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_do_not_change_what_a_network_plays(kind: str, tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "m", kind)
    x = noise(20_000)
    with playing(load_model(bundle), driver="offline") as engine:
        engine.set("mix", 0.7)
        total = engine.latency().total
        whole = play(engine, x, 20_000)
    for block in (64, 441):
        with playing(load_model(bundle), block=block) as engine:
            engine.set("mix", 0.7)
            y = play(engine, x, block)
            late = engine.latency().total
            frames = 20_000 - max(late, total)
            assert np.abs(y[:, late : late + frames] - whole[:, total : total + frames]).max() < 1e-5


def decibels(x: np.ndarray) -> float:
    return 10 * float(np.log10(np.mean(x**2)))


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("fall", [0.0, -30.0])
def test_what_is_plucked_falls_under_a_held_note_and_what_is_held_does_not(
    fall: float, rate: int, tmp_path: Path
) -> None:
    bundle = make_network_bundle(tmp_path / "m")
    notes = [part for pitch in (196.0, 220.0, 247.0) for part in (tone(pitch, 0.8, fall=fall), silence(0.2))]
    x = np.concatenate([np.zeros(rate // 4), sine(2 * rate, 220.0, rate, 0.2)[0]]).astype(np.float32).reshape(1, -1)
    sounds, played = {bundle.styles[0].id: np.concatenate(notes)}, {}
    for block in (128, 441):
        with playing(load_model(replace(bundle, sounds=sounds)), sample_rate=rate, block=block) as engine:
            engine.set("dynamics", 1.0)
            played[block] = play(engine, x, block)[0, engine.latency().total :]
    early, late = (decibels(played[128][round(s * rate) : round((s + 0.1) * rate)]) for s in (0.3, 1.6))
    assert late - early < -9.0 if fall else abs(late - early) < 0.5
    shorter = min(played[128].size, played[441].size)
    assert np.abs(played[128][:shorter] - played[441][:shorter]).max() < 1e-5
