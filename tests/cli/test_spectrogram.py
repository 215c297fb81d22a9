"""The picture shows what sounds, where it sounds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rtstyle.cli import spectrogram
from rtstyle.errors import FileError

RATE = 48_000


def sine(hz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


@pytest.mark.parametrize("hz", [220.0, 1000.0, 7000.0])
def test_a_sine_is_one_bright_line_at_its_frequency(hz: float) -> None:
    level = spectrogram.spectrogram_db(sine(hz), RATE, width=20, height=150)
    row = int(np.argmax(level[:, 10]))
    edges = np.geomspace(spectrogram.HIGHEST_HZ, spectrogram.LOWEST_HZ, 151)
    # A row is as wide as its band or one bin of the transform, whichever is more.
    assert edges[row] * 1.04 + RATE / spectrogram.N_FFT >= hz >= edges[row + 1] * 0.96 - RATE / spectrogram.N_FFT
    assert level[row, 10] == pytest.approx(0.0, abs=1.5)


def test_silence_is_dark_and_full_scale_is_bright() -> None:
    dark = spectrogram.colour(np.full((2, 2), -200.0))
    bright = spectrogram.colour(np.zeros((2, 2)))
    assert dark.max() < 20 < 200 < bright.mean()


def test_the_picture_has_a_panel_per_sound(tmp_path: Path) -> None:
    path = tmp_path / "s.png"
    spectrogram.write_spectrograms(path, [("a", sine(440)), ("b", np.zeros(10, np.float32))], RATE)
    with Image.open(path) as image:
        assert image.size == (spectrogram.MARGIN + spectrogram.WIDTH, 2 * (spectrogram.HEIGHT + spectrogram.TITLE))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="missing"):
        spectrogram.write_spectrograms(tmp_path / "missing" / "s.png", [("a", sine(440))], RATE)
