"""Ramps end on their target, ignore how blocks are cut, and add no zipper noise."""

import numpy as np
import pytest

from rtstyle.dsp import ramp


def run(kind: str, targets: list[float], sizes: list[int], parameter: float) -> np.ndarray:
    state = ramp.new_state(0.0)
    parts = []
    for target, size in zip(targets, sizes, strict=True):
        out = np.zeros(size, np.float32)
        getattr(ramp, kind)(state, target, parameter, out)
        parts.append(out)
    return np.concatenate(parts)


@pytest.mark.parametrize(("kind", "parameter"), [("linear", 100), ("exponential", 0.05)])
def test_it_ends_exactly_on_the_target(kind: str, parameter: float) -> None:
    out = run(kind, [0.7], [1000], parameter)
    assert np.all(np.diff(out[:90]) > 0.0)
    assert out[-1] == np.float32(0.7)


@pytest.mark.parametrize(("kind", "parameter"), [("linear", 333), ("exponential", 0.013)])
def test_blocks_do_not_matter(kind: str, parameter: float) -> None:
    whole = run(kind, [0.3, 1.0], [200, 800], parameter)
    cut = run(kind, [0.3] * 4 + [1.0] * 8, [1, 63, 64, 72, 7, 93, 100, 100, 100, 100, 100, 200], parameter)
    assert np.array_equal(whole, cut)


def test_a_linear_ramp_takes_its_length() -> None:
    out = run("linear", [1.0], [150], 100)
    assert np.allclose(out[:100], np.arange(1, 101) / 100, atol=1e-6)
    assert np.all(out[99:] == 1.0)
    assert out[98] < 1.0


def test_settling_jumps() -> None:
    state = ramp.new_state(0.0)
    ramp.settle(state, 0.5)
    out = np.zeros(4, np.float32)
    ramp.linear(state, 0.5, 100, out)
    assert out.tolist() == [0.5] * 4


@pytest.mark.parametrize(("kind", "parameter"), [("linear", 960), ("exponential", 1 / 300)])
def test_a_full_scale_jump_adds_no_line_above_60_db(kind: str, parameter: float) -> None:
    rate = 48_000
    time = np.arange(rate) / rate
    gain = run(kind, [0.0, 1.0, 0.0], [rate // 4, rate // 2, rate // 4], parameter)
    spectrum = np.abs(np.fft.rfft(np.sin(2 * np.pi * 1000 * time) * gain * np.hanning(rate)))
    frequencies = np.fft.rfftfreq(rate, 1 / rate)
    beside = spectrum[np.abs(frequencies - 1000) > 150].max() / spectrum.max()
    assert 20 * np.log10(beside) < -60
