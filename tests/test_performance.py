"""The packaged performance is what the two commands and the README say it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstyle.errors import MissingPartError
from rtstyle.performance import PERFORMANCE, build


def pitch_hz(audio: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 17))
    return float(np.argmax(spectrum)) * rate / (1 << 17)


def test_it_is_short_small_mono_and_clean() -> None:
    audio, rate = soundfile.read(PERFORMANCE, dtype="float32")
    assert rate == 48_000 and audio.ndim == 1
    assert 8.0 <= len(audio) / rate <= 12.0
    assert PERFORMANCE.stat().st_size < 300_000
    assert 0.3 < np.abs(audio).max() < 0.9


def test_it_plays_the_melody_that_is_written_down() -> None:
    audio, rate = soundfile.read(PERFORMANCE, dtype="float32")
    start = 0.0
    for note, eighths, _ in build.MELODY:
        length = eighths * build.EIGHTH_S
        middle = audio[int((start + 0.4 * length) * rate) : int((start + 0.85 * length) * rate)]
        cents = 1200 * np.log2(pitch_hz(middle, rate) / (440.0 * 2 ** ((note - 69) / 12)))
        assert abs((cents + 600) % 1200 - 600) < 50, (note, cents)  # a partial may be louder than its fundamental
        start += length


def test_the_script_renders_the_same_performance(tmp_path: Path) -> None:
    assert shutil.which("fluidsynth"), "apt-get install fluidsynth fluid-soundfont-gm"
    build.render(tmp_path / "again.ogg")
    again, rate = soundfile.read(tmp_path / "again.ogg", dtype="float32")
    packaged, _ = soundfile.read(PERFORMANCE, dtype="float32")
    length = min(len(again), len(packaged))
    assert rate == 48_000 and abs(len(again) - len(packaged)) < 4_800
    error = np.mean((again[:length] - packaged[:length]) ** 2) / np.mean(packaged**2)
    assert error < 1e-3


def test_a_missing_soundfont_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="fluid-soundfont-gm"):
        build.render(tmp_path / "x.ogg", soundfont=tmp_path / "none.sf2")
