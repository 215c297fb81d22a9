"""What the judge learns from: recordings strung into lines, moved in pitch, put into rooms, as log-mel frames.

A class "noise" is made of the same recordings with their partials turned into noise of the same envelope: sounds that only
fill the target's bands are nobody's.
"""

from collections.abc import Callable, Iterable

import numpy as np
import scipy.ndimage
import scipy.signal
import soxr
from numpy.typing import NDArray

from rtstyle.dsp import mel
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, Clip
from rtstyle.lab.evaluate.melodies import play, read_warped

FAMILIES = {
    **{name: name for name in (*INSTRUMENTS, "piano", "organ")},
    **dict.fromkeys(("guitar", "harp", "harpsichord", "bass"), "plucked"),
    **dict.fromkeys(("trombone", "tuba", "french-horn"), "low-brass"),
    **dict.fromkeys(("bassoon", "oboe", "english-horn"), "double-reed"),
    **dict.fromkeys(("drums", "vibraphone", "xylophone", "glockenspiel"), "percussion"),
}
# Other sounds than the instrument's name promises: no bow, no voice, no flute tone.
NOT_ITS_LABEL = ("pizz", "stac", "whistling", "harmonics")
PIECE_SECONDS = 10.0
NOISE = 0.06  # share of the pieces of which a noise is made
TWO_LINES = 0.2  # share of the pieces with two lines at a time
WITHHELD = 5  # every fifth recording of a source with ten or more is kept to test on


def learns_from(clip: Clip) -> bool:
    """Whether the judge may be trained on `clip`: never on the dev split, nor on the recordings kept to test on."""
    if clip.split == "dev" or clip.instrument not in FAMILIES or _misnamed(clip):
        return False
    return not (clip.instrument in INSTRUMENTS and _number(clip) % WITHHELD == WITHHELD - 1)


def tests_on(clip: Clip) -> bool:
    """Whether `clip` is a fair test of the judge: one of the seven, never trained on, and truly what its label says."""
    return clip.instrument in INSTRUMENTS and not _misnamed(clip) and not learns_from(clip)


def _misnamed(clip: Clip) -> bool:
    return any(word in f"{clip.source} {clip.path.stem}" for word in NOT_ITS_LABEL)


def _number(clip: Clip) -> int:
    """A clip's place in its source: the running number in its name, for a soundfont's notes the pitch."""
    parts = clip.path.stem.split("_")
    if clip.split == "soundfont":
        return int(clip.midi or 0) // 3
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


def _phrase(clip: Clip, rng: np.random.Generator) -> NDArray[np.float32]:
    audio = clip.audio(RATE)
    ratio = 2.0 ** (rng.uniform(-4, 4) / 12)
    length = int(PIECE_SECONDS * RATE)
    start = rng.uniform(0, max(1.0, audio.size - length * ratio))
    return read_warped(audio, start, min(length, int((audio.size - start) / ratio)), ratio, 0.0, rng)


def _room(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A room of random size: direct sound plus decaying, slightly dark noise."""
    decay_s = rng.uniform(0.1, 1.6)
    length = int(mel.SAMPLE_RATE * decay_s)
    response = rng.normal(size=length) * 10.0 ** (-3.0 * np.arange(length) / length)
    response = scipy.signal.lfilter([1.0], [1.0, -rng.uniform(0, 0.8)], response)
    response *= 10 ** (rng.uniform(-18, 0) / 20) / np.sqrt((response**2).sum())
    response[0] += 1.0
    return scipy.signal.fftconvolve(audio, response)[: audio.size].astype(np.float32)


def noise_vocoded(audio: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The same bands over time, with noise in the place of partials."""
    size = int(rng.choice([128, 256, 512]))
    _, _, spectrum = scipy.signal.stft(audio, mel.SAMPLE_RATE, nperseg=size)
    magnitude = scipy.ndimage.uniform_filter1d(np.abs(spectrum), 5, axis=0)
    _, _, carrier = scipy.signal.stft(rng.normal(size=audio.size), mel.SAMPLE_RATE, nperseg=size)
    _, noise = scipy.signal.istft(magnitude * carrier / (np.abs(carrier) + 1e-9), mel.SAMPLE_RATE, nperseg=size)
    return noise[: audio.size].astype(np.float32)


Material = dict[str, dict[str, NDArray[np.float16]]]


def make_pieces(clips: Iterable[Clip], minutes: float, seed: int, say: Callable[[str], None]) -> Material:
    """Log-mel material by class and source: `(frames, MELS)` float16 dB, at most `minutes` of each source.
    `[control]`
    """
    sources: dict[str, list[Clip]] = {}
    for clip in clips:
        sources.setdefault(clip.key, []).append(clip)
    material: Material = {"noise": {}}
    for name, group in sorted(sources.items()):
        rng = np.random.default_rng([seed, *name.encode()])
        seconds = sum(clip.audio(RATE).size for clip in group) / RATE
        pieces, noise = [], []
        for _ in range(max(2, int(minutes * 6 * min(1.0, (seconds / 60) ** 0.5)))):
            clip = group[int(rng.integers(len(group)))]
            audio = play(group, rng, PIECE_SECONDS, semitones=4.0) if clip.kind == "note" else _phrase(clip, rng)
            if rng.random() < TWO_LINES and audio.any():
                # Double stops, and two of the same in one room.
                second = play(group, rng, PIECE_SECONDS, semitones=4.0) if clip.kind == "note" else _phrase(clip, rng)
                size = min(audio.size, second.size)
                audio = audio[:size] + rng.uniform(0.3, 1.0) * second[:size]
            audio = soxr.resample(audio, RATE, mel.SAMPLE_RATE)
            if rng.random() < 0.5:
                audio = _room(audio, rng)
            pieces.append(mel.log_mel(audio).astype(np.float16))
            if not noise or rng.random() < NOISE:
                noise.append(mel.log_mel(noise_vocoded(audio, rng)).astype(np.float16))
        material.setdefault(FAMILIES[group[0].instrument], {})[name] = np.concatenate(pieces)
        if noise:
            material["noise"][name] = np.concatenate(noise)
        say(f"{name}: {len(pieces)} pieces")
    return material
