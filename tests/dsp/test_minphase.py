"""Filters of least phase have the magnitude asked for, and sound at once."""

import numpy as np

from rtstyle.dsp import bands
from rtstyle.dsp.minphase import minimum_phase, phase_per_gain

N, B = 1024, 80
LOWER, WEIGHT = bands.band_layout(N, 48000, B)


def design(logs: np.ndarray) -> np.ndarray:
    turn = phase_per_gain(bands.band_spread(LOWER, WEIGHT, B))
    response = np.zeros((2, N // 2 + 1), np.complex64)
    both = np.stack([np.zeros_like(logs), logs])
    minimum_phase(both, LOWER, WEIGHT, turn, np.zeros((2, 2, N // 2 + 1), np.float32), response)
    assert np.allclose(response[0], 1.0)
    return response[1]


def smooth(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (np.convolve(rng.normal(0.0, 3.0, B), np.hanning(9) / 4.5, "same")).astype(np.float32)


def test_magnitude_is_the_one_asked_for() -> None:
    logs = smooth(1)
    wanted = logs[LOWER] + WEIGHT * (logs[LOWER + 1] - logs[LOWER])
    assert np.abs(np.log(np.abs(design(logs))) - wanted).max() < 1e-4


def test_phase_is_that_of_the_folded_cepstrum() -> None:
    logs = smooth(2)
    cepstrum = np.fft.irfft((logs[LOWER] + WEIGHT * (logs[LOWER + 1] - logs[LOWER])).astype(np.float64))
    cepstrum[1 : N // 2] *= 2.0
    cepstrum[N // 2 + 1 :] = 0.0
    wanted = np.exp(np.fft.rfft(cepstrum))
    assert np.abs(design(logs) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_energy_comes_first() -> None:
    impulse = np.fft.irfft(design(smooth(3)))
    assert np.square(impulse[:64]).sum() > 0.9 * np.square(impulse).sum()
    assert np.square(impulse[N // 2 :]).sum() < 1e-3 * np.square(impulse).sum()
