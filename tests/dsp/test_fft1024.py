"""The fast transform of 1024 samples is a Fourier transform, and `fft` uses it for that length."""

import numpy as np
import pytest

from rtstyle.dsp import fft, fft1024

AXIS = np.zeros(1, np.int64)


def frames() -> list[np.ndarray]:
    generator = np.random.default_rng(7)
    impulses = [np.eye(1024, dtype=np.float32)[n] for n in (0, 1, 2, 511, 512, 1023)]
    tones = [
        np.cos(2 * np.pi * k * np.arange(1024) / 1024 + 0.3).astype(np.float32) for k in (0, 1, 2, 255, 256, 511, 512)
    ]
    return [generator.standard_normal(1024).astype(np.float32), *impulses, *tones]


@pytest.mark.parametrize("number", range(14))
def test_forward_is_the_definition(number: int) -> None:
    frame = frames()[number]
    spectrum = np.full(513, np.nan, np.complex64)
    fft1024.forward(frame.copy(), spectrum)
    expected = np.fft.rfft(frame.astype(np.float64))
    assert np.abs(spectrum - expected).max() < 2e-7 * np.sqrt(1024) * np.linalg.norm(frame)


@pytest.mark.parametrize("number", range(14))
def test_inverse_undoes_forward(number: int) -> None:
    frame = frames()[number]
    expected = np.fft.rfft(frame).astype(np.complex64)
    back = np.full(1024, np.nan, np.float32)
    fft1024.inverse(expected, back)
    assert np.abs(back - frame).max() < 2e-6


def test_imaginary_parts_of_the_outer_bins_are_ignored_as_in_any_real_inverse() -> None:
    spectrum = np.fft.rfft(frames()[0]).astype(np.complex64)
    disturbed = spectrum.copy()
    disturbed[0] += 3j
    disturbed[-1] -= 5j
    expected, found = np.empty(1024, np.float32), np.empty(1024, np.float32)
    fft1024.inverse(spectrum, expected)
    fft1024.inverse(disturbed, found)
    assert np.array_equal(expected, found)


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_every_length_goes_there_and_back(size: int) -> None:
    frame = np.random.default_rng(size).standard_normal(size).astype(np.float32)
    spectrum, back = np.empty(size // 2 + 1, np.complex64), np.empty(size, np.float32)
    fft.forward(frame.copy(), spectrum, AXIS)
    assert np.abs(spectrum - np.fft.rfft(frame)).max() < 1e-3
    fft.inverse(spectrum, back, AXIS)
    assert np.abs(back - frame).max() < 2e-6
