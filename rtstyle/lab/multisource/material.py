"""What the autoencoders hear: kinds of sources from a corpus, described once, and the held-out material by its recordings."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.corpus.recordings import read_recordings
from rtstyle.lab.evaluate.inputs import SHORTEST_S, level, loudest
from rtstyle.lab.multisource.nets import Vae
from rtstyle.lab.nets.streaming import Past

Audio = NDArray[np.float32]
VOICE = ("voice", "choir")  # sung, hummed and spoken
PERCUSSION = ("drums", "mix", "xylophone", "glockenspiel")  # what there is of sounds without a player's pitch
KINDS = ("instrument", "voice", "percussion")
LOUDNESS_DB = -23.0
STRETCHES = 3  # of one held-out recording
AT_ONCE = 16  # clips that are described together


def kind_of(instrument: str) -> str:
    """The kind of source that an instrument is."""
    return "voice" if instrument in VOICE else "percussion" if instrument in PERCUSSION else "instrument"


@dataclass(frozen=True)
class Stretch:
    """One held-out clip; `recording` is what it was cut from."""

    recording: str
    instrument: str
    audio: Audio

    @property
    def kind(self) -> str:
        return kind_of(self.instrument)


def draw(corpus: PairCorpus, rng: np.random.Generator, seconds: float, only: Collection[str] | None) -> Audio:
    """One clip of a kind drawn evenly, of an instrument drawn evenly in it; half of them recorded phrases, if it has any.

    only: instruments to which the draw is restricted.
    """
    phrases = set(corpus.phrase_instruments)
    names = sorted({*corpus.instruments, *phrases} & set(only or {*corpus.instruments, *phrases}))
    kinds = sorted({kind_of(name) for name in names})
    kind = kinds[int(rng.integers(len(kinds)))]
    names = [name for name in names if kind_of(name) == kind]
    name = names[int(rng.integers(len(names)))]
    if name in phrases and rng.random() < 0.5:
        return corpus.phrase(rng, seconds, name)[0]
    return corpus.style_clip(rng, name, seconds)


@torch.no_grad()
def described(net: Vae, clips: Sequence[Audio], frames: int) -> Tensor:
    """Band spectra of clips, brought to one loudness and `frames` hops, (clips, frames, width) in bfloat16."""
    samples = frames * net.shape.hop
    found = []
    for first in range(0, len(clips), AT_ONCE):
        batch = np.zeros((len(clips[first : first + AT_ONCE]), samples), np.float32)
        for row, clip in zip(batch, clips[first : first + AT_ONCE], strict=True):
            row[: clip.size] = level(clip, LOUDNESS_DB)[:samples]
        found.append(net.describe(torch.from_numpy(batch), Past()).half())
    return torch.cat(found)


def held_out(corpus: PairCorpus, recordings: Path | None, seconds: float, seed: int = 5) -> list[Stretch]:
    """Stretches of every voice of a corpus' held-out split, and of every recording of a folder that training never saw."""
    rng = np.random.default_rng(seed)
    found = []
    for voice in corpus.voices:
        count = 1 if voice.split("/")[0] in PERCUSSION else STRETCHES
        found += [Stretch(voice, voice.split("/")[0], corpus.style_clip(rng, voice, seconds)) for _ in range(count)]
    for recording in read_recordings(recordings) if recordings is not None else []:
        audio = read_mono(recording.path)
        for skip in range(min(STRETCHES, max(1, int(audio.size / SAMPLE_RATE / seconds)))):
            cut = loudest(audio, seconds, skip)
            if cut.size >= SHORTEST_S * SAMPLE_RATE:
                found.append(Stretch(recording.path.stem, recording.instrument, cut))
    return found
