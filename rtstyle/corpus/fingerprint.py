"""Which recordings are the same one, whatever its level, rate, resolution or margins.

A fingerprint is a row of 32-bit words, one every 12 ms: each bit says whether, from the last frame to this one, the difference
in energy between two neighbouring bands rose. Other recordings share half of the bits, copies all but a few; of copies by a
lossy codec one in seven shares enough. Compared are those whose average spectra are close, so that the comparisons grow
with the copies and not with the square of the recordings.

Source: J. Haitsma, T. Kalker, "A highly robust audio fingerprinting system", ISMIR 2002.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

RATE, FRAME, HOP = 5512.5, 2048, 64
BANDS, LOWEST_HZ, HIGHEST_HZ = 33, 100.0, 2700.0
MARGIN_DB = -50.0  # below the loudest sample: silence before and after
RANGE_DB = 25.0  # of the average spectrum
NEAR_DB = 9.0  # distance of two average spectra, over all bands, within which their words are compared
SAME_BITS = 0.95  # two recordings of one bell or string, struck alike, share up to 0.93

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Fingerprint:
    """words: uint32[frames]. spectrum: float32[BANDS], dB against the strongest band."""

    words: Words
    spectrum: NDArray[np.float32]


def fingerprint(audio: NDArray[np.float32], sample_rate: int) -> Fingerprint:
    """Fingerprint of a mono recording from its first audible sample to its last. `[any]`"""
    peak = float(np.abs(audio).max(initial=0.0))
    audible = np.flatnonzero(np.abs(audio) > peak * 10 ** (MARGIN_DB / 20))
    heard = audio[audible[0] : audible[-1] + 1] / np.float32(peak) if audible.size else np.zeros(0, np.float32)
    low = soxr.resample(np.asarray(heard, np.float32), sample_rate, RATE) if heard.size else heard
    low = np.pad(low, (0, max(0, FRAME + HOP - low.size)))
    frames = np.lib.stride_tricks.sliding_window_view(low, FRAME)[::HOP]
    power = np.abs(scipy.fft.rfft(frames * np.hanning(FRAME).astype(np.float32), axis=1)) ** 2
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1) * FRAME / RATE
    energy = np.add.reduceat(power, np.round(edges).astype(int), axis=1)[:, :BANDS]
    rising = np.diff(energy[:, :-1] - energy[:, 1:], axis=0) > 0.0
    words = np.packbits(rising, axis=1, bitorder="little").view("<u4").ravel().astype(np.uint32)
    mean = energy.mean(axis=0)
    level = 10 * np.log10(np.maximum(mean / (mean.max() + 1e-30), 10 ** (-RANGE_DB / 10)))
    return Fingerprint(words, level.astype(np.float32))


def alike(one: Words, other: Words) -> float:
    """Share of equal bits over the frames that both have. `[any]`"""
    size = min(one.size, other.size)
    if size == 0:
        return 0.0
    different = np.bitwise_xor(one[:size], other[:size])
    return 1.0 - float(np.unpackbits(different.view(np.uint8)).sum()) / (32 * size)


def copies(spectra: NDArray[np.float32], words: Callable[[int], Words]) -> dict[int, int]:
    """By number, the recordings that are copies of an earlier one, which is not among them itself. `[any]`

    spectra: float32[recordings, BANDS]. words: gives those of a recording, only asked for where two may be one.
    """
    found: dict[int, int] = {}
    for early, late in sorted(map(sorted, cKDTree(spectra).query_pairs(NEAR_DB))):
        if early in found or late in found:
            continue
        if alike(words(early), words(late)) >= SAME_BITS:
            found[late] = early
    return found
