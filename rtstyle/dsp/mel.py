"""Log-mel patches: what a network that names instruments looks at."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 24000
N_FFT = 1024
HOP = 300  # 12.5 ms
MELS = 64
LOW_HZ, HIGH_HZ = 50.0, 11500.0
PATCH = 96  # frames: 1.2 s
STEP = 40  # frames, 0.5 s, between patches when a whole clip is judged
FLOOR_DB = 70.0  # below the loudest frame of the patch
AUDIBLE_DB = -60.0  # patches whose loudest frame is below are silence


def _hz_to_mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))


@lru_cache(maxsize=1)
def filters() -> NDArray[np.float32]:
    """Triangular filters of unit area on the HTK mel scale, `(MELS, N_FFT // 2 + 1)`."""
    edges = 700.0 * (10.0 ** (np.linspace(_hz_to_mel(LOW_HZ), _hz_to_mel(HIGH_HZ), MELS + 2) / 2595.0) - 1.0)
    bins = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    rise = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    weights = np.maximum(0.0, np.minimum(rise, fall))
    # A low filter narrower than a bin would be empty: give it its nearest bin.
    empty = weights.sum(axis=1) == 0
    centres = np.clip(np.round(edges[1:-1] * N_FFT / SAMPLE_RATE).astype(int), 0, N_FFT // 2)
    weights[empty, centres[empty]] = 1.0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def log_mel(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel power in dB of mono audio at SAMPLE_RATE: `(frames, MELS)`, one frame per HOP, 0 dB = full-scale sine."""
    window = np.hanning(N_FFT).astype(np.float32)
    padded = np.pad(np.asarray(audio, np.float32), N_FFT // 2)
    count = max(1, 1 + (padded.size - N_FFT) // HOP)
    padded = np.pad(padded, (0, max(0, N_FFT - padded.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP][:count]
    power = np.empty((count, MELS), np.float32)
    for start in range(0, count, 2048):
        spectrum = np.fft.rfft(frames[start : start + 2048] * window, axis=1)
        power[start : start + 2048] = (spectrum.real**2 + spectrum.imag**2) @ filters().T
    return np.asarray(10.0 * np.log10(power * (4.0 / window.sum() ** 2) + 1e-12), np.float32)


def cut(levels: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """dB levels `(frames, MELS)` as patches, one per STEP: `(patches, PATCH, MELS)`, and which of them are audible.

    What is shorter than a patch is filled up with silence.
    """
    if levels.shape[0] < PATCH:
        levels = np.pad(levels, ((0, PATCH - levels.shape[0]), (0, 0)), constant_values=-120.0)
    patches = np.lib.stride_tricks.sliding_window_view(levels, PATCH, axis=0)[::STEP].transpose(0, 2, 1)
    loud = patches.max(axis=2)
    audible = (np.quantile(loud, 0.6, axis=1) > levels.max() - 40.0) & (loud.max(axis=1) > AUDIBLE_DB)
    if not audible.any():  # a short or plucked note never fills a patch
        audible = (loud.max(axis=1) > levels.max() - 20.0) & (loud.max(axis=1) > AUDIBLE_DB)
    return patches, audible


def normalise(patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """dB patches `(..., frames, MELS)` to roughly -1..1: level removed, FLOOR_DB below the peak cut off."""
    peak = patch.max(axis=(-2, -1), keepdims=True)
    return np.asarray(np.maximum(patch - peak, -FLOOR_DB) / (FLOOR_DB / 2) + 1.0, np.float32)
