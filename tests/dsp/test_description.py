"""The description sees what an offline analysis sees, each band in its own frame, wherever a block begins or ends."""

from typing import get_args

import numpy as np
import pytest

from rtstyle.bundle import manifest
from rtstyle.dsp import description, front, stft
from rtstyle.dsp.description import CONSTANT_Q, STFT

RATE, N, HOP, BANDS = 48000.0, 1024, 64, 80
WINDOW = stft.describing_window(N, HOP)
WINDOW_POWER = float(np.sum(WINDOW.astype(np.float64) ** 2))
TIME = np.arange(24_000) / RATE


def shares_of(x: np.ndarray, analysis: str) -> np.ndarray:
    """Band shares hop by hop, as on stage: float32 (T, D)."""
    layout = description.layout(analysis, N, RATE, BANDS)
    history, frame, axis = np.zeros(N, np.float32), np.zeros(N, np.float32), np.zeros(1, np.int64)
    seen = np.zeros(N // 2 + 1, np.complex64)
    past = np.zeros((layout.levels, description.ROWS, N), np.float32)
    shares = np.zeros((x.size // HOP, layout.centres.size), np.float32)
    for t, row in enumerate(shares):
        hop = x[t * HOP : (t + 1) * HOP].astype(np.float32)
        stft.analyse(history, hop, WINDOW, frame, seen, axis)
        power = front.frame_power(seen, WINDOW_POWER)
        description.band_shares(
            hop, power, WINDOW, WINDOW_POWER, frame, seen, past, layout.place, layout.weights, row, axis
        )
    return shares


def last_shares_offline(x: np.ndarray) -> np.ndarray:
    """The constant-q shares at the end of x, band by band from whole signals."""
    centres = description.described_centres(CONSTANT_Q, N, RATE, BANDS)
    samples, squares = x.astype(np.float64), x.astype(np.float64) ** 2
    binomial = np.array([1, 5, 10, 10, 5, 1]) / 32
    spectra, powers = [], []
    for _ in range(description.LEVELS):
        spectra.append(np.abs(np.fft.rfft(samples[-N:] * WINDOW)) ** 2)
        powers.append(float(squares[-N:] @ WINDOW.astype(np.float64) ** 2))
        samples, squares = (np.convolve(row, binomial)[: row.size][1::2] for row in (samples, squares))
    found = []
    for centre in centres:
        step = centre * (2 ** (1 / 24) - 1)
        level = next((j for j in range(3) if 1.5 * RATE / N / 2**j <= step), 3)
        width = RATE / N / 2**level
        bins = np.arange(N // 2 + 1) * width
        below, above = max(centre - centre / 2 ** (1 / 24), width), max(step, width)
        weight = np.clip(np.where(bins < centre, 1 - (centre - bins) / below, 1 - (bins - centre) / above), 0, 1)
        found.append(weight @ spectra[level] / (powers[level] * N / 2))
    return np.array(found)


def test_constant_q_is_that_of_an_offline_analysis() -> None:
    rng = np.random.default_rng(3)
    x = 0.1 * rng.standard_normal(160 * HOP) * np.linspace(0.1, 1.0, 160 * HOP)
    x[::313] += 0.4
    found, wanted = shares_of(x, CONSTANT_Q)[-1], last_shares_offline(x)
    assert np.abs(np.log(found) - np.log(wanted + 1e-7)).max() < 0.02


def test_stft_shares_cover_the_frame_once() -> None:
    x = 0.1 * np.random.default_rng(4).standard_normal(40 * HOP)
    assert np.allclose(shares_of(x, STFT)[20:].sum(1), 1.0, atol=0.02)


@pytest.mark.parametrize("octave", range(9))
def test_a_steady_tone_peaks_in_its_band_at_every_octave(octave: int) -> None:
    pitch = 55.0 * 2.0 ** (octave + 0.25 / 24)  # not on a band's centre
    centres = description.described_centres(CONSTANT_Q, N, RATE, BANDS)
    shares = shares_of(0.3 * np.sin(2 * np.pi * pitch * TIME), CONSTANT_Q)[-1]
    assert abs(np.log2(centres[shares.argmax()] / pitch)) < 0.51 / 24
    assert shares.max() > 0.4


def dip_db(low: float, analysis: str) -> float:
    """How far the description falls between two tones a semitone apart, below the weaker of their peaks."""
    tones = [low, low * 2 ** (1 / 12)]
    centres = description.described_centres(analysis, N, RATE, BANDS)
    shares = shares_of(sum(0.2 * np.sin(2 * np.pi * f * TIME) for f in tones), analysis)[-280:].mean(0)
    first, last = (int(np.abs(centres - f).argmin()) for f in tones)
    return float(10 * np.log10(min(shares[first], shares[last]) / shares[first : last + 1].min()))


@pytest.mark.parametrize("low", [311.1, 466.2, 622.3, 1318.5, 2637.0])
def test_two_tones_a_semitone_apart_are_two_peaks(low: float) -> None:
    assert dip_db(low, CONSTANT_Q) > 1.0
    assert dip_db(low, STFT) < 0.1


def test_white_noise_has_as_much_in_a_band_as_the_band_is_wide() -> None:
    x = 0.1 * np.random.default_rng(5).standard_normal(1500 * HOP)
    layout = description.layout(CONSTANT_Q, N, RATE, BANDS)
    wide = layout.weights.sum(1) * RATE / N / 2.0 ** layout.place[:, 0] / (RATE / 2)
    apart = 10 * np.log10(shares_of(x, CONSTANT_Q)[300:].mean(0) / wide)  # dB
    octaves = apart[: apart.size // 24 * 24].reshape(-1, 24).mean(1)
    assert np.abs(octaves).max() < 1.0  # the halvings' 0.7 among them


def test_silence_after_sound_and_before_it_has_finite_shares() -> None:
    x = np.concatenate([np.zeros(640), 0.3 * np.sin(2 * np.pi * 440 * TIME), np.zeros(16 * N)])
    shares = shares_of(x, CONSTANT_Q)
    assert np.isfinite(shares).all()
    assert shares.max() < 2.0
    assert np.all(shares > 0)
    assert shares[-1].max() < 1e-5


def test_an_unknown_analysis_is_named_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="'cqt' must be one of stft, constant-q"):
        description.layout("cqt", N, RATE, BANDS)


def test_a_bundle_may_name_every_analysis_that_there_is() -> None:
    assert get_args(manifest._ANALYSES) == description.ANALYSES
