"""A copy is known by its fingerprint, another take is not."""

import numpy as np
import pytest
import soxr

from rtstyle.corpus.fingerprint import BANDS, alike, copies, fingerprint
from tests.corpus.tones import RATE, tone


def take(midi: float, seed: int) -> np.ndarray:
    """A tone with breath of its own."""
    sound = tone(midi, 1.5)
    noise = np.random.default_rng(seed).standard_normal(sound.size).astype(np.float32)
    return sound + 0.02 * np.convolve(noise, np.hanning(9), "same").astype(np.float32)


CHANGES = {
    "level": lambda x: (0.1 * x, RATE),
    "margins": lambda x: (np.pad(x, (4321, 999)), RATE),
    "rate": lambda x: (soxr.resample(x, RATE, 44_100), 44_100),
    "resolution": lambda x: (np.round(x * 32767) / 32767, RATE),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found(change: str) -> None:
    originals = [take(60 + k, k) for k in range(6)]
    changed = [CHANGES[change](x) for x in originals]
    prints = [fingerprint(x, RATE) for x in originals] + [fingerprint(x.astype(np.float32), r) for x, r in changed]
    found = copies(np.stack([p.spectrum for p in prints]), lambda k: prints[k].words)
    assert found == {6 + k: k for k in range(6)}


def test_other_takes_of_the_same_note_are_no_copies() -> None:
    prints = [fingerprint(take(64, seed), RATE) for seed in range(6)]
    assert copies(np.stack([p.spectrum for p in prints]), lambda k: prints[k].words) == {}
    assert alike(prints[0].words, prints[0].words) == 1.0


@pytest.mark.parametrize("audio", [np.zeros(0, np.float32), np.zeros(4800, np.float32), np.ones(3, np.float32)])
def test_silence_and_specks_have_fingerprints_too(audio: np.ndarray) -> None:
    found = fingerprint(audio, RATE)
    assert found.spectrum.shape == (BANDS,)
    assert np.isfinite(found.spectrum).all()
