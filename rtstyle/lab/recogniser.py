"""The network that tells a bundle which of its styles a recording sounds like (see `rtstyle.runtime.recogniser`).

    python -m rtstyle.lab.recogniser MODEL CORPUS

The judge's shape and training, on other sounds: clips of the pair corpus, whose libraries the model itself was trained on.
Libraries that the corpus holds out stay out. It never says how well a model plays.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rtstyle.bundle import Bundle, find_bundle, load_bundle, update_bundle
from rtstyle.bundle.manifest import RECOGNISER
from rtstyle.corpus import sections
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.dsp import mel
from rtstyle.errors import ParameterError
from rtstyle.lab.evaluate.judge import JudgeNet
from rtstyle.lab.evaluate.judge_material import Material, noise_vocoded
from rtstyle.lab.evaluate.judge_training import BATCH, train
from rtstyle.lab.evaluate.melodies import read_warped
from rtstyle.lab.export.bundle import style_id
from rtstyle.lab.export.graphs import serialise
from rtstyle.lab.train.batches import Augment

OTHER = "other"
CLIPS, SECONDS = 20, 8.0  # of each library
BEND = 2.0  # semitones by which a clip may be read faster or slower
TWO_AT_A_TIME = 0.2  # share of the clips with another one of the library at the same time
STEPS = 3000

Audio = NDArray[np.float32]


class _Naming(nn.Module):
    def __init__(self, net: JudgeNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, patches: Tensor) -> Tensor:
        return torch.softmax(self.net(patches)[0], dim=1)


def libraries_of(corpus: PairCorpus, voice: str) -> list[str]:
    """The libraries that sound like a style: those of its instrument for a section, else the one library. `[any]`"""
    instrument, _, library = voice.partition("/")
    if library and library != sections.NAME:
        return [voice]
    return [name for name in _libraries(corpus) if name.split("/")[0] == instrument]


def _libraries(corpus: PairCorpus) -> list[str]:
    """All voices but the sections, which are made of them."""
    return [name for name in corpus.voices if not name.endswith(f"/{sections.NAME}")]


def make_material(corpus: PairCorpus, styles: Mapping[str, str], seed: int) -> Material:
    """Log-mel material of every style's libraries, and of all else under OTHER, with noise in the styles' bands. `[control]`

    styles: by id the voice of the corpus.
    """
    rng = np.random.default_rng([seed, 17])
    augment = Augment(rng)
    owners = {library: style for style, voice in styles.items() for library in libraries_of(corpus, voice)}
    material: Material = {name: {} for name in (*styles, OTHER)}

    def clip(library: str) -> Audio:
        read = round(SECONDS * SAMPLE_RATE)
        audio = corpus.style_clip(rng, library, SECONDS * 2.0 ** (BEND / 12.0))
        return read_warped(audio, 0.0, read, 2.0 ** (rng.uniform(-BEND, BEND) / 12.0), 0.0, rng)

    def levels(audio: Audio) -> NDArray[np.float16]:
        return mel.log_mel(audio).astype(np.float16)

    for library in _libraries(corpus):
        pieces = []
        for number in range(CLIPS):
            audio = clip(library)
            if rng.random() < TWO_AT_A_TIME:
                audio = audio + np.float32(rng.uniform(0.3, 1.0)) * clip(library)
            audio = soxr.resample(augment.recording(audio), SAMPLE_RATE, mel.SAMPLE_RATE)
            pieces.append(levels(audio))
            if number == 0:
                material[OTHER][f"noise of {library}"] = levels(noise_vocoded(audio, rng))
        material[owners.get(library, OTHER)][library] = np.concatenate(pieces)
    return material


def train_recogniser(
    corpus: PairCorpus,
    styles: Mapping[str, str],
    *,
    steps: int = STEPS,
    seed: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> JudgeNet:
    """A network that names `styles` (by id the voice of the corpus), in their order, and OTHER. `[control]`"""
    classes = (*styles, OTHER)
    return train(make_material(corpus, styles, seed), steps, BATCH, seed, say=say, classes=classes, favoured=())


def export_recogniser(net: JudgeNet) -> bytes:
    """The ONNX graph of a bundle. `[control]`"""
    return serialise(
        _Naming(net.eval()),
        (torch.zeros(2, mel.PATCH, mel.MELS),),
        ["patches"],
        ["probabilities"],
        {"patches": {0: "patches"}, "probabilities": {0: "patches"}},
    )


def add_recogniser(
    bundle: Bundle,
    corpus: PairCorpus,
    *,
    steps: int = STEPS,
    seed: int = 1,
    say: Callable[[str], None] = lambda text: None,
) -> Bundle:
    """Train a recogniser of a bundle's trained styles and put it into the bundle, in the place of an older one. `[control]`

    Raises ParameterError for a style that the corpus does not play.
    """
    voices = {style_id(voice): voice for voice in (*corpus.instruments, *corpus.voices)}
    ids = [style.id for style in bundle.manifest.styles]
    unknown = [id for id in ids if id not in voices]
    if unknown:
        raise ParameterError(f"No performance has {', '.join(unknown)}; the corpus knows {', '.join(sorted(voices))}.")
    net = train_recogniser(corpus, {id: voices[id] for id in ids}, steps=steps, seed=seed, say=say)
    return update_bundle(bundle.path, {RECOGNISER: export_recogniser(net)})


def main(arguments: list[str] | None = None) -> int:
    """The command line: a recogniser for a bundle that is there."""
    parser = argparse.ArgumentParser(description="Teach a bundle which of its styles a recording sounds like.")
    parser.add_argument("model", help="name or folder of the bundle")
    parser.add_argument("corpus", type=Path, help="folder that rtstyle corpus build made")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    bundle = load_bundle(find_bundle(given.model))
    add_recogniser(
        bundle,
        PairCorpus(given.corpus),
        steps=given.steps,
        seed=given.seed,
        say=lambda text: print(text, file=sys.stderr),
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
