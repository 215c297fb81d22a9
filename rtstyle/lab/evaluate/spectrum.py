"""Short-time spectra that the metrics share: magnitudes, long-term averages, band levels, loudness."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Floats = NDArray[np.float64]

BANDS_HZ = ((100, 500), (500, 1000), (1000, 2000), (2000, 5000), (5000, 10000), (10000, 20000))
SILENCE_DB = -120.0


def magnitudes(audio: Audio, n_fft: int, hop: int) -> NDArray[np.float32]:
    """Hann magnitudes of mono audio, `(frames, n_fft // 2 + 1)`; a full-scale sine has magnitude 1. Padded to one
    frame.
    """
    audio = np.asarray(audio, np.float32)
    if audio.size < n_fft:
        audio = np.pad(audio, (0, n_fft - audio.size))
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(audio, n_fft)[::hop]
    out = np.empty((frames.shape[0], n_fft // 2 + 1), np.float32)
    for start in range(0, frames.shape[0], 512):
        out[start : start + 512] = np.abs(scipy.fft.rfft(frames[start : start + 512] * window, axis=1))
    return out * np.float32(2.0 / window.sum())


def a_weight_power(frequencies: Floats) -> Floats:
    """Power gain of A-weighting (IEC 61672) at `frequencies` in Hz; 1 at 1 kHz."""
    f2 = np.asarray(frequencies, np.float64) ** 2
    gain = 12194.0**2 * f2**2 / ((f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194.0**2))
    return (gain * 10 ** (2.0 / 20)) ** 2


def loudness_db(audio: Audio, sample_rate: int, hop: int) -> Floats:
    """A-weighted level in dB, one value per `hop` samples, over windows of about 43 ms."""
    n_fft = 1 << round(np.log2(0.043 * sample_rate))
    padded = np.pad(np.asarray(audio, np.float32), n_fft // 2)
    power = magnitudes(padded, n_fft, hop) ** 2 @ a_weight_power(np.fft.rfftfreq(n_fft, 1 / sample_rate))
    return 10 * np.log10(power + 1e-12)


def active(levels_db: Floats, range_db: float = 40.0) -> NDArray[np.bool_]:
    """Frames within `range_db` of the loudest one and above -70 dB."""
    levels_db = np.asarray(levels_db)
    return (levels_db > levels_db.max(initial=SILENCE_DB) - range_db) & (levels_db > -70.0)


def average(audio: Audio, n_fft: int = 4096) -> Floats:
    """Long-term average power spectrum of the audible frames, `(n_fft // 2 + 1,)`."""
    power = magnitudes(audio, n_fft, n_fft // 2).astype(np.float64) ** 2
    levels = 10 * np.log10(power.sum(axis=1) + 1e-12)
    chosen = active(levels)
    return power[chosen].mean(axis=0) if chosen.any() else power.mean(axis=0)


def smooth_octaves(power: Floats, sample_rate: int, width: float = 1 / 3) -> Floats:
    """Average a power spectrum `(bins,)` over `width` octaves around every bin."""
    bins = np.arange(power.size)
    total = np.concatenate([[0.0], np.cumsum(power)])
    low = np.clip(np.floor(bins * 2 ** (-width / 2)).astype(int), 0, power.size - 1)
    high = np.clip(np.ceil(bins * 2 ** (width / 2)).astype(int), 0, power.size - 1)
    return (total[high + 1] - total[low]) / (high - low + 1)


def band_levels_db(power: Floats, sample_rate: int) -> Floats:
    """Level of each of BANDS_HZ against 0.1-2 kHz, dB, from a power spectrum."""
    frequencies = np.linspace(0, sample_rate / 2, power.size)

    def level(low: float, high: float) -> float:
        return 10 * np.log10(power[(frequencies >= low) & (frequencies < high)].sum() + 1e-15)

    reference = level(100, 2000)
    return np.array([level(*band) - reference for band in BANDS_HZ])


def level_db(audio: Audio) -> float:
    """RMS level in dBFS (a full-scale square is 0); -120 for silence."""
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-12)) if len(audio) else SILENCE_DB
