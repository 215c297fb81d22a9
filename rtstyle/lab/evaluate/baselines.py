"""Rows that every table carries: what a model must beat, and what must lose."""

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from rtstyle.lab.evaluate import spectrum

Audio = NDArray[np.float32]
Floats = NDArray[np.float64]
EQ_LIMIT_DB = 20.0
EQ_TAPS = 4097


def match_level(audio: Audio, reference: Audio) -> Audio:
    """Scale `audio` to the RMS of `reference`."""
    return (audio * 10 ** ((spectrum.level_db(reference) - spectrum.level_db(audio)) / 20)).astype(np.float32)


def copy_style(length: int, recordings: list[Audio], rng: np.random.Generator) -> Audio:
    """`length` samples of the target's own recordings, one after the other from a random one on."""
    order = np.roll(np.arange(len(recordings)), -int(rng.integers(len(recordings))))
    joined = np.concatenate([recordings[i] for i in order])
    return np.resize(joined, length).astype(np.float32)


def equalise(audio: Audio, sample_rate: int, target: Floats) -> Audio:
    """Filter `audio` so that its long-term average spectrum, smoothed over 1/3 octave, is the target's. `[control]`

    target: average power, as of `spectrum.average`. Linear-phase FIR without delay; gains limited to +-20 dB around
    their mean; the level stays. This is all that an equaliser can do for the style.
    """
    own = spectrum.smooth_octaves(spectrum.average(audio, 2 * (target.size - 1)), sample_rate)
    gain_db = 10 * np.log10((spectrum.smooth_octaves(target, sample_rate) + 1e-15) / (own + 1e-15))
    weight = own / own.sum()
    gain_db -= (gain_db * weight).sum()
    gain = 10 ** (np.clip(gain_db, -EQ_LIMIT_DB, EQ_LIMIT_DB) / 20)
    taps = scipy.signal.firwin2(EQ_TAPS, np.linspace(0, 1, gain.size), gain)
    return match_level(scipy.signal.fftconvolve(audio, taps, mode="same").astype(np.float32), audio)


def noise_decoy(audio: Audio, sample_rate: int, target: Floats, rng: np.random.Generator) -> Audio:
    """The target's average spectrum as noise that follows the input's loudness, over a quiet input: a cheat that has
    to lose.

    It wins on a distance between average spectra; a table in which it wins on timbre is not to be believed.
    """
    noise = rng.normal(0, 0.1, audio.size).astype(np.float32)
    shaped = equalise(noise, sample_rate, target)
    hop = sample_rate // 50
    levels = 10 ** (spectrum.loudness_db(audio, sample_rate, hop) / 20)
    envelope = np.interp(np.arange(audio.size), np.arange(levels.size) * hop, levels)
    return match_level(match_level((shaped * envelope).astype(np.float32), audio) + 0.25 * audio, audio)
