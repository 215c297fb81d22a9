"""Meters show peak, RMS and hold of what passed, and latch clips."""

import numpy as np
import pytest

from rtstyle.dsp import meters

RATE = 48_000


def feed(state: np.ndarray, x: np.ndarray, block: int = 128, clip: float = 1.0) -> None:
    for start in range(0, x.shape[1], block):
        part = np.ascontiguousarray(x[:, start : start + block])
        meters.measure(state, part, part.shape[1], RATE, np.float32(clip))


def test_a_sine_reads_its_peak_and_its_rms() -> None:
    state = meters.new_state(2)
    sine = (0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    feed(state, np.stack([sine, 0 * sine]))
    assert state[0, meters.PEAK] == pytest.approx(0.5, rel=1e-2)
    assert np.sqrt(state[0, meters.MEAN_SQUARE]) == pytest.approx(0.5 / np.sqrt(2), rel=1e-2)
    assert np.all(state[1, [meters.PEAK, meters.MEAN_SQUARE, meters.HOLD, meters.CLIPPED]] == 0.0)


def test_the_peak_falls_15_db_a_second_and_the_hold_stays_a_while() -> None:
    state = meters.new_state(1)
    click = np.zeros((1, RATE), np.float32)
    click[0, 0] = 0.8
    feed(state, click)
    assert 20 * np.log10(state[0, meters.PEAK] / 0.8) == pytest.approx(-15, abs=0.5)
    assert state[0, meters.HOLD] == pytest.approx(0.8)
    feed(state, np.zeros((1, RATE), np.float32))
    assert state[0, meters.HOLD] < 0.1


def test_one_sample_at_the_level_latches_the_clip_light_until_it_is_cleared() -> None:
    state = meters.new_state(1)
    x = np.zeros((1, 1000), np.float32)
    x[0, 500] = -1.0
    feed(state, x)
    feed(state, np.zeros((1, 1000), np.float32))
    assert state[0, meters.CLIPPED] == 1.0
    state[0, meters.CLIPPED] = 0.0
    feed(state, 0.99 * x)
    assert state[0, meters.CLIPPED] == 0.0
