"""A second opinion on timbre, of a network that others have trained on 16 000 songs and that knows none of our recordings.

It names tags, not instruments of ours, and it is not told a level at which a tag counts: its probabilities mean something
beside those that it gives to real recordings of the target (row copy-style) and to the input (copy-content).
"""

from functools import lru_cache

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from rtstyle.lab.ear.nets import HOP, N_FFT, SAMPLE_RATE, TaggingEar

TAGS = {
    "violin": ("violin",),
    "cello": ("cello",),
    "flute": ("flute",),
    "voice": (
        *("vocal", "vocals", "singing", "voice", "choir", "opera", "male vocal", "female vocal", "male voice"),
        *("female voice", "man", "woman"),
    ),
    "classical": ("classical", "classic"),
    "rock": ("rock", "metal"),
    "pop": ("pop", "dance"),
}
PATCH = 187  # frames, three seconds, as it was trained
LEVEL = 0.1  # RMS to which a clip is brought


@lru_cache(maxsize=1)
def _ear() -> TaggingEar:
    return TaggingEar().eval()


def tag_probability(audio: NDArray[np.float32], sample_rate: int, target: str) -> float:
    """Probability of the likeliest tag of `target` in mono audio, mean over patches; NaN where there is no such tag."""
    if target not in TAGS:
        return float("nan")
    audio = soxr.resample(np.asarray(audio, np.float32), sample_rate, SAMPLE_RATE)
    rms = float(np.sqrt(np.mean(audio**2)))
    if rms < 1e-5:
        return 0.0
    audio = np.pad(audio * (LEVEL / rms), (0, max(0, PATCH * HOP - audio.size)))
    spectrum = torch.stft(
        torch.from_numpy(audio), N_FFT, HOP, window=torch.hann_window(N_FFT), pad_mode="constant", return_complex=True
    )
    power = spectrum.abs().square().T
    patches = power.unfold(0, PATCH, PATCH // 2).transpose(1, 2)
    with torch.inference_mode():
        found = _ear()(patches).mean(0)
    return max(float(found[TaggingEar.TAGS.index(tag)]) for tag in TAGS[target])
