"""How near a reconstruction of band spectra is to what was heard, and how much its latents are used."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rtstyle.corpus.pairs import PairCorpus
from rtstyle.lab.ear.nets import BINS, HOP_SECONDS, LEVEL_POWER, WINDOW_SECONDS, TrainingEar
from rtstyle.lab.multisource.nets import CENTRE_DB, SPREAD_DB, Level, Vae, bin_numbers, decibels, standard
from rtstyle.lab.nets.latent import BandSpectrum
from rtstyle.lab.nets.streaming import Past
from rtstyle.lab.train.batches import Analyser
from rtstyle.lab.train.trainer import load_net

AUDIBLE_DB = 60.0  # below the frame
SILENCE_DB = -60.0  # a frame below this, next to its clip's loudest one, counts nowhere
TOP_HZ = 18000.0
ACTIVE_VARIANCE = 0.01


@dataclass(frozen=True)
class Errors:
    """Of one clip: log-spectral distance and relative error in dB, similarity of log spectra and to an ear in percent.

    bound: the negative evidence bound in nats per hop from the clip's begin on, without free bits; NaN without latents.
    """

    distance_db: float
    relative_db: float
    similarity: float
    ear_similarity: float
    bound: float = float("nan")


def heard(wanted: Tensor) -> Tensor:
    """Which frames of bin levels in dB (T, bins) are no silence, (T)."""
    total = 10.0 * torch.log10((10.0 ** (wanted / 10.0)).sum(1))
    return total > total.max() + SILENCE_DB


def distance_db(found: Tensor, wanted: Tensor) -> float:
    """Log-spectral distance of levels in dB (T, bins): mean over frames of the RMS over bins that are audible in either.

    Audible is what is less than AUDIBLE_DB below the wanted frame's total; a bin below that counts as being there.
    """
    floor = 10.0 * torch.log10((10.0 ** (wanted / 10.0)).sum(1, keepdim=True)) - AUDIBLE_DB
    audible = (torch.maximum(found, wanted) > floor).float()
    apart = torch.maximum(found, floor) - torch.maximum(wanted, floor)
    each = ((apart.square() * audible).sum(1) / audible.sum(1).clamp(min=1.0)).sqrt()
    return float(each.mean())


def relative_db(found: Tensor, wanted: Tensor) -> float:
    """Energy of the difference of magnitudes over the energy of the wanted ones, in dB, of levels in dB (T, bins)."""
    a, b = 10.0 ** (found / 20.0), 10.0 ** (wanted / 20.0)
    return float(10.0 * torch.log10((a - b).square().sum() / b.square().sum()))


def cosine(a: Tensor, b: Tensor) -> float:
    """Cosine of two tensors taken as vectors, in percent."""
    return 100.0 * float(torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0, eps=1e-9))


class Listener:
    """Compares clips of bin levels of one layout: by the log spectra and by a network that others trained."""

    def __init__(self, bands: int, hop: int, sample_rate: int) -> None:
        half = BandSpectrum.WINDOW // 2
        self.frequency = bin_numbers(bands) * (sample_rate / (2 * bands * half))
        self.used = self.frequency < TOP_HZ
        self.order = self.frequency.argsort()
        self.stride = round(HOP_SECONDS * sample_rate / hop)
        self.ear = TrainingEar()
        # where the ear's bins lie between ours
        ours, theirs = self.frequency[self.order].contiguous(), torch.arange(BINS) / WINDOW_SECONDS
        self.above = torch.searchsorted(ours, theirs, right=True).clamp(max=ours.numel() - 1)
        gap = (ours[self.above] - ours[self.above - 1]).clamp(min=1e-3)
        self.share = ((theirs - ours[self.above - 1]) / gap).clamp(0.0, 1.0)

    def embedding(self, levels_db: Tensor, total: float) -> Tensor:
        """Mean over time of the ear's fourth maps; powers are scaled so that `total` sounds as loud as -20 dBFS."""
        power = (10.0 ** (levels_db / 10.0))[:: self.stride][:, self.order]
        power = power[:, self.above - 1] * (1.0 - self.share) + power[:, self.above] * self.share
        with torch.no_grad():
            return self.ear(power[None] * (LEVEL_POWER / total))[-1].mean(2)

    def compare(self, found: Tensor, wanted: Tensor) -> Errors:
        """found, wanted: levels in dB (T, bins)."""
        frames = heard(wanted)
        total = float((10.0 ** (wanted[frames] / 10.0)).sum(1).mean())
        ears = [self.embedding(one, total) for one in (found, wanted)]
        found, wanted = found[frames][:, self.used], wanted[frames][:, self.used]
        floor = float(wanted.max()) - AUDIBLE_DB
        above = [torch.relu(one - floor) for one in (found, wanted)]
        return Errors(distance_db(found, wanted), relative_db(found, wanted), cosine(*above), cosine(*ears))


@dataclass(frozen=True)
class Use:
    """How much one level of latents is used: active units of how many, nats per second."""

    active: int
    units: int
    nats_per_second: float


def active_units(means: Tensor) -> int:
    """How many columns of posterior means (draws, units) vary by more than ACTIVE_VARIANCE.

    Y. Burda, R. Grosse, R. Salakhutdinov, "Importance weighted autoencoders", ICLR 2016.
    """
    return int((means.var(0) > ACTIVE_VARIANCE).sum())


def use_of(levels: list[Level], skip: int, hops_per_second: float) -> Use:
    """The use of one level over clips (one Level each), without the first `skip` hops of each."""
    means = torch.cat([one.surprise()[0, skip :: one.hops] for one in levels])
    nats = torch.cat([one.divergence()[0, skip:].sum(1) for one in levels]).mean()
    return Use(active_units(means), means.shape[1], float(nats) * hops_per_second / levels[0].hops)


@torch.no_grad()
def reconstruct(net: Vae, features: Tensor) -> tuple[Tensor, Tensor, list[Level]]:
    """Levels in dB (T, bins) that a network makes of band spectra (T, width), the wanted ones, and the latents."""
    found, levels = net(features[None], Past())
    return found[0] * SPREAD_DB + CENTRE_DB, decibels(features), levels


@torch.no_grad()
def latent_use(checkpoint: Path, corpus: PairCorpus, clips: int = 48, seconds: float = 2.0) -> Use:
    """The use of the latent of a model of the latent family, over clips of a corpus; frames of silence do not count."""
    net, _, _ = load_net(checkpoint)
    shape, rng = net.shape, np.random.default_rng(5)
    analyser = Analyser(net.kind, shape.hop, shape.sample_rate)
    samples = int(seconds * shape.sample_rate) // shape.hop * shape.hop
    means, nats = [], []
    for number in range(clips):
        voice = corpus.voices[number % len(corpus.voices)]
        clip = analyser.clip(corpus.style_clip(rng, voice, seconds)[None, :samples], amount=0.0)
        level = standard(torch.cat(net.encoder(clip.audio, Past())[:2], dim=2))
        active = clip.active[0, :, 0] > 0
        means.append(level.mean[0, active])
        nats.append(level.divergence()[0, active].sum(1))
    return Use(
        active_units(torch.cat(means)), shape.latent, float(torch.cat(nats).mean()) * shape.sample_rate / shape.hop
    )
