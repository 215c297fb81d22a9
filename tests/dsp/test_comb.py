"""The comb takes out what lies between the partials of a line, leaves these as they are, and chords and noise alone."""

import numpy as np
import pytest

from rtstyle.dsp import comb, excitation

RATE, HOP = 48000.0, 64


def tone(pitch: float, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE) // HOP * HOP) / RATE
    partials = range(1, min(8, int(16000 / pitch)) + 1)
    return 0.2 * np.sum([np.sin(2 * np.pi * pitch * k * time + k) / k for k in partials], axis=0)


def noise(size: int, level: float) -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, level, size)


def combed(x: np.ndarray, amount: float = 1.0) -> np.ndarray:
    excited, table, state = excitation.new_state(), excitation.pulse_table(), comb.new_state()
    pulses, cues, y = np.zeros(HOP, np.float32), np.zeros(excitation.CUES, np.float32), x.astype(np.float32)
    for i in range(0, x.size, HOP):
        excitation.excite(excited, table, RATE, y[i : i + HOP], pulses, cues)
        comb.comb(state, excited, amount, RATE, y[i : i + HOP])
    return y


def spectrum(x: np.ndarray) -> np.ndarray:
    return np.fft.rfft(x[x.size // 2 :] * np.hanning(x.size - x.size // 2))


@pytest.mark.parametrize("pitch", [70.0, 196.0, 440.0, 1046.5, 2100.0])
def test_partials_stay_and_what_lies_between_them_fades(pitch: float) -> None:
    x = tone(pitch)
    y = combed(x + noise(x.size, 1e-3))
    place = np.arange(spectrum(x).size) * 2 * RATE / (x.size * pitch)  # of each bin, in partials
    within = (place > 0.4) & (place * pitch < 10000.0)
    partials = within & (np.abs(spectrum(x)) > 0.05 * np.abs(spectrum(x)).max())
    kept = spectrum(y)[partials] / spectrum(x)[partials]
    assert np.abs(np.abs(kept) - 1.0).max() < 0.03
    assert np.abs(kept - 1.0).max() < 0.1
    between = within & (np.abs(place % 1.0 - 0.5) < 0.1)
    left, was = (np.square(np.abs(spectrum(z)[between])).sum() for z in (y, x + noise(x.size, 1e-3)))
    assert 10 * np.log10(left / was) < -10.0  # -14.8 where the period is exact


@pytest.mark.parametrize("pitch", [70.0, 440.0, 1046.5])
def test_a_period_that_is_known_by_and_by_adds_nothing_of_its_own(pitch: float) -> None:
    x = tone(pitch)
    y = combed(x)
    place = np.arange(spectrum(x).size) * 2 * RATE / (x.size * pitch)
    between = (place > 0.4) & (np.abs(place % 1.0 - 0.5) < 0.1)
    made = np.square(np.abs(spectrum(y)[between])).sum() / np.square(np.abs(spectrum(x))).sum()
    assert 10 * np.log10(made) < -75.0


@pytest.mark.parametrize("many", ["chord", "noise"])
def test_many_notes_and_none_are_left_alone(many: str) -> None:
    size = tone(220.0, 2.0).size
    x = tone(220.0, 2.0) + tone(277.2, 2.0) + tone(329.6, 2.0) if many == "chord" else noise(size, 0.1)
    late = size // 2
    assert np.square(combed(x) - x)[late:].sum() < 1e-4 * np.square(x)[late:].sum()


def test_at_amount_0_no_bit_changes() -> None:
    x = (tone(330.0) + noise(tone(330.0).size, 0.01)).astype(np.float32)
    assert np.array_equal(combed(x, 0.0), x)
    assert not np.array_equal(combed(x), x)


@pytest.mark.parametrize("interval", [2.0 ** (1 / 12), 1.5, 0.5])
def test_a_step_from_note_to_note_makes_no_click(interval: float) -> None:
    """A pulse that jumped, or a past that did, would be heard far above the last partial."""
    time = np.arange(int(RATE) // HOP * HOP) / RATE
    pitch = 300.0 * np.where(time < 0.5, 1.0, interval)
    x = 0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    high = np.abs(np.diff(combed(x).astype(np.float64), 4))[4800:]
    assert high.max() < 3.0 * np.abs(np.diff(x, 4))[4800:].max() + 1e-4


def test_a_reset_forgets() -> None:
    excited, state = excitation.new_state(), comb.new_state()
    excited[excitation.PERIOD], excited[excitation.GATE] = 100.0, 1.0
    comb.comb(state, excited, 1.0, RATE, np.ones(HOP, np.float32))
    assert state.any()
    comb.reset(state)
    assert np.array_equal(state, comb.new_state())
