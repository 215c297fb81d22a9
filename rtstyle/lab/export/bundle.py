"""A trained checkpoint as a bundle folder: graphs, style statistics, self-test, card, sounds and picture."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rtstyle.bundle import Adain, Bundle, Frontend, Golden, Pass, Style, golden_bytes, update_bundle, write_bundle
from rtstyle.corpus import sections
from rtstyle.corpus.credits import attribution_text
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.dsp import front
from rtstyle.errors import BundleError
from rtstyle.lab.export.graphs import export_graphs
from rtstyle.lab.nets.spectral import SpectralNet
from rtstyle.lab.reference import analyser_of, parity
from rtstyle.lab.train.style_bank import clip_statistics
from rtstyle.lab.train.trainer import NETS, SHAPES, STYLES, Net, encode, load_net
from rtstyle.runtime.model import load_model

Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]
ADAIN = Adain(prior_seconds=0.5, memory_seconds=6.0)
GOLDEN_SECONDS = 1.0
PARITY = 1e-4  # of the peak, between torch and the native chain, at every block size
LICENCE = "MIT; the weights were trained on recordings under free licences, see the attribution in the card."


@torch.no_grad()
def style_statistics(net: Net, clips: NDArray[np.float32]) -> Statistics:
    """Mean and standard deviation of the latent over the active frames of all clips, each float32 (C,). `[control]`

    clips: float32 (count, samples).
    """
    clip = analyser_of(net).clip(clips, amount=0.0)
    latent, _, _ = encode(net, clip)
    mean, std = clip_statistics(latent.reshape(1, -1, latent.shape[2]), clip.active.reshape(1, -1, 1))
    return mean.numpy().reshape(-1), std.numpy().reshape(-1)


def corpus_statistics(
    net: Net, corpus: PairCorpus, voices: Sequence[str], *, count: int = 40, seconds: float = 2.0, seed: int = 7
) -> tuple[list[Statistics], Statistics]:
    """Statistics of each voice, and of everything together (the neutral prior). `[control]`

    Raises ParameterError for a voice that the corpus lacks.
    """
    rng = np.random.default_rng(seed)
    found, everything = [], []
    for voice in voices:
        clips = np.stack([corpus.style_clip(rng, voice, seconds) for _ in range(count)])
        clips *= 10 ** (rng.uniform(-8, 4, (count, 1)) / 20)
        found.append(style_statistics(net, clips.astype(np.float32)))
        everything.append(clips[:6])
    return found, style_statistics(net, np.concatenate(everything).astype(np.float32))


def style_id(voice: str) -> str:
    """What a voice is called as a style: "violin/mtg" is violin-mtg, and a section is the instrument. `[any]`"""
    return voice.removesuffix(f"/{sections.NAME}").replace("/", "-")


def commit_of(folder: Path) -> str:
    """The commit that made a bundle, or "" outside a checkout. `[control]`"""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def write_net(
    net: Net,
    folder: Path,
    *,
    name: str,
    styles: Sequence[str],
    statistics: Sequence[Statistics],
    neutral: Statistics,
    description: str,
    recipe: str,
    attribution: str = "",
    documents: dict[str, bytes] | None = None,
) -> Bundle:
    """Write `net` as a bundle and add its self-test, played through the real runtime. `[control]`"""
    graphs = export_graphs(net)
    shape = net.shape
    if isinstance(net, SpectralNet):
        features = front.feature_width(shape.centres.size)
        frontend = Frontend(n_fft=shape.n_fft, bands=shape.bands, features=features, analysis=shape.analysis)
        latency = shape.hop
    else:
        frontend, latency = Frontend(front.ROWS), net.latency
    bundle = write_bundle(
        folder,
        name=name,
        kind=net.kind,
        sample_rate=shape.sample_rate,
        hop=shape.hop,
        latency=latency,
        encoder=graphs.encoder,
        decoder=graphs.decoder,
        conditioner=graphs.conditioner,
        styles=[Style(id=s, name=s.replace("-", " ").capitalize()) for s in styles],
        mean=np.stack([s[0] for s in statistics]),
        std=np.stack([s[1] for s in statistics]),
        neutral_mean=neutral[0],
        neutral_std=neutral[1],
        frontend=frontend,
        adain=ADAIN,
        passes=[Pass(*p) for p in graphs.passes],
        documents=documents,
        description=description,
        licence=LICENCE,
        attribution=attribution,
        recipe=recipe,
        commit=commit_of(Path(__file__).parent),
    )
    rng = np.random.default_rng(11)
    time = np.arange(int(GOLDEN_SECONDS * shape.sample_rate) // shape.hop * shape.hop) / shape.sample_rate
    tone = sum(np.sin(2 * np.pi * 330.0 * k * time) / k**2 for k in range(1, 9))
    audio = (0.2 * tone * np.minimum(1.0, time * 8) + 1e-4 * rng.standard_normal(time.size)).astype(np.float32)
    apart = parity(net, bundle, statistics[0], neutral, audio)
    if max(apart.values()) > PARITY:
        raise BundleError(f"{name}: the exported graphs differ from torch by {apart} of the peak, allowed is {PARITY}.")
    return add_self_test(bundle, audio, 0, 1.0)


def add_self_test(bundle: Bundle, audio: NDArray[np.float32], style: int, amount: float) -> Bundle:
    """Keep in a bundle what its model makes of `audio` here, float32 (n hops). `[control]`"""
    model = load_model(bundle)
    try:
        played = model.step(audio, model.controls(style, amount))
    finally:
        model.close()
    return update_bundle(bundle.path, {"golden.npz": golden_bytes(Golden(audio, played, style, amount))})


def export_checkpoint(
    checkpoint: Path,
    corpus: PairCorpus,
    folder: Path,
    *,
    name: str,
    description: str,
    recipe: str,
    styles: Mapping[str, str] | None = None,
) -> Bundle:
    """Export the averaged weights of a checkpoint. `[control]`

    styles: by name the voice of the corpus that it is ("instrument/library", or "instrument" for the mean of its
    libraries); None: what training aimed at. Raises ParameterError for a voice that the corpus lacks.
    """
    net, _, state = load_net(checkpoint)
    plan = state["plan"]
    if styles is None:
        styles = {style_id(voice): voice for voice in plan["styles"]}
    statistics, neutral = corpus_statistics(net, corpus, list(styles.values()))
    trained = f"{state['step']} steps in {state['trained_seconds'] / 60:.0f} minutes, seed {plan['seed']}, batch {plan['batch']}"
    return write_net(
        net,
        folder,
        name=name,
        styles=list(styles),
        statistics=statistics,
        neutral=neutral,
        description=f"{description} Trained: {trained}.",
        recipe=recipe,
        attribution=attribution_text(corpus.folder),
    )


def export_tiny(
    kind: str,
    folder: Path,
    *,
    name: str,
    styles: Sequence[str] = STYLES,
    seed: int = 0,
    shape: Mapping[str, int | str] | None = None,
) -> Bundle:
    """A small network with random weights and random styles: in seconds, for tests and as a template. `[control]`"""
    torch.manual_seed(seed)
    small: dict[str, int | str] = {"channels": 16, "latent": 8, "style": 8, "units": 2}
    net = NETS[kind](SHAPES[kind](**small | dict(shape or {}))).eval()
    rng = np.random.default_rng(seed)
    draw = [
        (rng.normal(0, 0.3, 8).astype(np.float32), rng.uniform(0.2, 0.6, 8).astype(np.float32))
        for _ in range(len(styles) + 1)
    ]
    return write_net(
        net,
        folder,
        name=name,
        styles=styles,
        statistics=draw[:-1],
        neutral=draw[-1],
        description="Random weights; for tests.",
        recipe="tiny",
    )
