"""Signals and runs that the engine's tests share."""

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import dynamics
from rtstyle.engine import cells
from rtstyle.engine.engine import Engine
from tests.engine.fake_model import FakeModel

Audio = NDArray[np.float32]


def noise(frames: int, rate: int = 48_000, channels: int = 1, seed: int = 0) -> Audio:
    """Noise between 200 Hz and 15 kHz, RMS 0.1, so that a resampler leaves it whole."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((channels, frames)))
    frequency = np.fft.rfftfreq(frames, 1 / rate)
    spectrum[:, (frequency < 200) | (frequency > 15_000)] = 0.0
    x = np.fft.irfft(spectrum, frames)
    return (0.1 * x / np.sqrt(np.mean(x**2))).astype(np.float32)


def sine(frames: int, hz: float = 220.0, rate: int = 48_000, level: float = 0.5) -> Audio:
    """One channel of a sine."""
    return (level * np.sin(2 * np.pi * hz * np.arange(frames) / rate)).astype(np.float32).reshape(1, -1)


def ready(
    *models: FakeModel,
    sample_rate: int = 48_000,
    block: int = 128,
    channels: int = 1,
    driver: str = "tight",
    patient: bool = True,
) -> Engine:
    """An engine with these models as they are, its gate open; patient, so that a busy machine cannot change what is heard."""
    engine = Engine()
    engine.set("gate.threshold_db", -96)
    engine.set("dynamics", 0.0)
    engine.prepare(sample_rate=sample_rate, block=block, channels=channels, driver=driver)
    engine.set_patient(patient)
    if models:
        engine.load(models, entry=models[0].entry)
    return engine


def play(engine: Engine, x: Audio, block: int = 128) -> Audio:
    """x in blocks of one size through the engine, as long as x."""
    parts = [engine.process(x[:, start : start + block]) for start in range(0, x.shape[1], block)]
    return np.concatenate(parts, axis=1)


def conditioned(x: Audio, engine: Engine) -> Audio:
    """What the chain's DC blocker, the only filter before the model, makes of x."""
    y = np.array(x)
    pole = np.exp(-2 * np.pi * 8.0 / engine.sample_rate)
    dynamics.block_dc(np.zeros((x.shape[0], 2)), pole, y, y.shape[1])
    return y


def delayed(x: Audio, frames: int) -> Audio:
    """x late by `frames`, as long as before."""
    return np.pad(x, ((0, 0), (frames, 0)))[:, : x.shape[1]]


def lane_state(engine: Engine, which: int = 0) -> NDArray[np.int64]:
    """Cells of a lane."""
    lane = engine._slots._lanes[which]
    assert lane is not None
    return lane.memory[cells.L_STATE]
