"""The second phase of training: discriminators that know which voice they ought to hear.

A distance to the target is least at the mean of all that the target could have been, and a mean of spectra is haze. The
discriminator asks instead whether a patch of the log spectrum could be this voice; real sounds of another voice count as
false, so that it looks at timbre and not at quality alone.

There are two. One looks at fine spectra and learns all that it knows from what it is shown. The other looks at the maps of a
network that has heard a million songs, and has to learn only what to make of them.

They hear everything through a random equaliser and a random noise floor. Without them the easiest difference to find is that
of two long-term spectra, which the distance to the target sees to anyhow; with them there is only what moves.

Sources: hinge loss: J. H. Lim, J. C. Ye, "Geometric GAN", 2017; projection of the condition: T. Miyato, M. Koyama, "cGANs with
projection discriminator", ICLR 2018; mismatched conditions: S. Reed et al., ICML 2016; feature matching: K. Kumar et al.,
"MelGAN", NeurIPS 2019; auxiliary classifier: A. Odena et al., "AC-GAN", ICML 2017; discriminators on frozen maps, mixed at
random: A. Sauer et al., "Projected GANs converge faster", NeurIPS 2021.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from rtstyle.lab.ear.nets import BINS, HOP_SECONDS, LEVEL_POWER, SAMPLE_RATE, WINDOW_SECONDS, TrainingEar
from rtstyle.lab.train import together
from rtstyle.lab.train.losses import STRIDE_SECONDS, relative_powers

TOP_HZ = 11000.0
PER_VOICE = ("voice", "name")  # layers of a discriminator with a row for each voice
ORDERS = 8  # of the random equaliser's cosines over the mel scale
DEPTH_DB = 6.0  # of the first of them, at most
FLOOR_DB = (-90.0, -50.0)  # of the random noise in one bin, against the power of the frame


class Discriminator(nn.Module, ABC):
    """What both have in common: the windows that they want to be shown, and the voices that they know."""

    n_fft: int  # samples of a window
    stride: float  # seconds from one to the next
    top_hz: float
    bins: int  # up to there

    def __init__(self, voices: Sequence[str]) -> None:
        super().__init__()
        self.index = {voice: i for i, voice in enumerate(voices)}

    def labels(self, voices: Sequence[str]) -> Tensor:
        """Numbers of voices, int64 (batch)."""
        return torch.tensor([self.index[voice] for voice in voices], device=next(self.parameters()).device)

    @abstractmethod
    def level(self, power_y: Tensor, power_t: Tensor) -> tuple[Tensor, Tensor]:
        """Both powers (batch, windows, bins), brought to the target's level."""

    @abstractmethod
    def hear(self, power: Tensor) -> list[Tensor]:
        """Powers at that level -> what `forward` looks at; nothing in it learns."""

    @abstractmethod
    def forward(self, heard: list[Tensor], labels: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        """What was heard, voices (batch) -> scores of patches, logits of the voices, maps to compare."""


def _with_heights(x: Tensor) -> Tensor:
    """x (batch, channels, frames, bins) with one more channel, which says how high a bin lies."""
    rising = torch.linspace(-1.0, 1.0, x.shape[3], device=x.device, dtype=x.dtype)
    return torch.cat([x, rising.expand(x.shape[0], 1, *x.shape[2:])], dim=1)


class SpectrumDiscriminator(Discriminator):
    """Looks at log powers, frame by frame at one level."""

    WIDTHS = (24, 40, 64, 64, 64)
    STRIDES = ((1, 2), (2, 2), (2, 2), (2, 2), (2, 1))  # over 65 frames, 0.43 s: an attack, two turns of a vibrato
    stride, top_hz = STRIDE_SECONDS, TOP_HZ

    def __init__(self, voices: Sequence[str], n_fft: int, sample_rate: int) -> None:
        super().__init__(voices)
        self.n_fft = n_fft
        self.bins = int(TOP_HZ * n_fft / sample_rate)
        layers, width = [], 2
        for after, stride in zip(self.WIDTHS, self.STRIDES, strict=True):
            layers.append(weight_norm(nn.Conv2d(width, after, (3, 5), stride, (1, 2))))
            width = after
        self.layers = nn.ModuleList(layers)
        self.score = nn.Conv2d(width, 1, 3, padding=1)
        self.voice = nn.Embedding(len(self.index), width)
        heights = self.bins
        for _, stride in self.STRIDES:
            heights = -(-heights // stride)
        self.name = nn.Linear(width * heights, len(self.index))

    def level(self, power_y: Tensor, power_t: Tensor) -> tuple[Tensor, Tensor]:
        return relative_powers(power_y, power_t)

    def hear(self, power: Tensor) -> list[Tensor]:
        x = 1.0 + torch.log(power[:, None] + 1e-7) / 8.0
        return [_with_heights(x)]

    def forward(self, heard: list[Tensor], labels: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        (h,), maps = heard, []
        for layer in self.layers:
            h = nn.functional.leaky_relu(layer(h), 0.2)
            maps.append(h)
        # the voice is asked of each moment as a whole, over all frequencies
        asked = (h.mean(3) * self.voice(labels)[:, :, None]).sum(1)
        return [self.score(h)[:, 0] + asked[:, :, None]], self.name(h.mean(2).flatten(1)), maps


class EarDiscriminator(Discriminator):
    """Looks at the maps of `TrainingEar`, whole clips at one level: it hears attacks and swells."""

    WIDTH = 64
    stride, top_hz, bins = HOP_SECONDS, SAMPLE_RATE / 2, BINS

    def __init__(self, voices: Sequence[str], sample_rate: int) -> None:
        super().__init__(voices)
        self.n_fft = round(WINDOW_SECONDS * sample_rate)
        self.ear = TrainingEar()
        layers, width = len(TrainingEar.POOLS), self.WIDTH
        mix = torch.randn(layers, width, TrainingEar.CHANNELS) / TrainingEar.CHANNELS**0.5
        self.register_buffer("mix", mix)  # so that no channel can be left out of account
        self.first = nn.ModuleList(weight_norm(nn.Conv2d(width + 1, width, 3, padding=1)) for _ in range(layers))
        self.second = nn.ModuleList(weight_norm(nn.Conv2d(width, width, 3, padding=1)) for _ in range(layers))
        self.score = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(layers))
        self.voice = nn.Embedding(len(self.index), width * layers)
        self.name = nn.Linear(width * layers, len(self.index))

    def level(self, power_y: Tensor, power_t: Tensor) -> tuple[Tensor, Tensor]:
        mean = power_t.sum(2).mean(1)[:, None, None].clamp(min=1e-6)
        return power_y / mean, power_t / mean

    def hear(self, power: Tensor) -> list[Tensor]:
        return self.ear(power * LEVEL_POWER)

    def forward(self, heard: list[Tensor], labels: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        scores, moments = [], []
        voices = self.voice(labels).chunk(len(heard), dim=1)
        for layer, (maps, voice) in enumerate(zip(heard, voices, strict=True)):
            h = torch.einsum("bcth,wc->bwth", maps, self.mix[layer])
            h = nn.functional.leaky_relu(self.first[layer](_with_heights(h)), 0.2)
            h = nn.functional.leaky_relu(self.second[layer](h), 0.2)
            asked = (h.mean(3) * voice[:, :, None]).sum(1)
            scores.append(self.score[layer](h)[:, 0] + asked[:, :, None])
            moments.append(h.mean((2, 3)))
        return scores, self.name(torch.cat(moments, 1)), heard


def colour(bins: int, top_hz: float, batch: int) -> tuple[Tensor, Tensor]:
    """Power gains (batch, 1, bins) of random smooth equalisers, one per clip, and floors (batch, 1, 1) under them."""
    mel = torch.log1p(torch.linspace(0.0, top_hz, bins) / 700.0)
    orders = torch.arange(1, ORDERS + 1)
    shapes = torch.cos(torch.pi * orders[:, None] * (mel / mel[-1]))
    depth = torch.randn(batch, ORDERS) * (DEPTH_DB * torch.rand(batch, 1)) / orders**0.6
    low, high = FLOOR_DB
    floor = low + (high - low) * torch.rand(batch, 1, 1)
    return 10.0 ** ((depth @ shapes)[:, None] / 10.0), 10.0 ** (floor / 10.0)


def discriminator_loss(net: Discriminator, played: list[Tensor], target: list[Tensor], labels: Tensor) -> Tensor:
    """Hinge loss of the discriminator over real, played, and real with another's voice; each as it was heard."""
    others = labels.roll(1)
    real, named, _ = net(target, labels)
    fake, _, _ = net([each.detach() for each in played], labels)
    wrong, _, _ = net(target, others)
    mismatched = (others != labels).float()[:, None, None]
    relu = nn.functional.relu
    told = [
        relu(1.0 - r).mean() + relu(1.0 + f).mean() + 0.5 * (relu(1.0 + w) * mismatched).mean()
        for r, f, w in zip(real, fake, wrong, strict=True)
    ]
    return torch.stack(told).mean() + nn.functional.cross_entropy(named, labels)


def generator_loss(
    net: Discriminator, played: list[Tensor], target: list[Tensor], labels: Tensor
) -> tuple[Tensor, Tensor]:
    """What the player is to lower: minus the score of what it played, with how little it is taken for the voice that it
    ought to be; and the distance of the maps to the target's.
    """
    fake, named, played_maps = net(played, labels)
    with torch.no_grad():
        _, _, target_maps = net(target, labels)
    apart = [
        (a - b).abs().mean() / b.abs().mean().clamp(min=1e-3) for a, b in zip(played_maps, target_maps, strict=True)
    ]
    score = torch.stack([each.mean() for each in fake]).mean()
    return nn.functional.cross_entropy(named, labels) - score, torch.stack(apart).mean()


class Adversary:
    """A discriminator with its optimiser: it learns from every batch that it judges."""

    EASE_STEPS = 300  # until its word has full weight: at first it only guesses

    def __init__(self, net: Discriminator, device: str, name: str) -> None:
        self.device, self.name = device, name
        self.net = net.to(device)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=1e-3, betas=(0.5, 0.9))
        self.steps = 0
        self.last: dict[str, float] = {}  # of the last batch, for the log

    def play_against(self, played: Tensor, target: Tensor, voices: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Learn from one batch of powers, then return both parts of `generator_loss`."""
        net = self.net
        labels, bins = net.labels(voices), net.bins
        gain, floor = (each.to(self.device) for each in colour(bins, net.top_hz, len(voices)))
        played, target = (power[..., :bins] * gain + floor for power in net.level(played, target))
        with torch.autocast(self.device, torch.bfloat16):
            heard = net.hear(played)
            with torch.no_grad():
                wanted = net.hear(target)
            against = discriminator_loss(net, heard, wanted, labels)
        self.optimiser.zero_grad(set_to_none=True)
        against.backward()
        together.mean_gradients(self.net.parameters())
        self.optimiser.step()
        net.requires_grad_(False)  # the player's gradient goes through it, not into it
        with torch.autocast(self.device, torch.bfloat16):
            fooled, matched = generator_loss(net, heard, wanted, labels)
        net.requires_grad_(True)
        self.last = {
            f"{self.name}_against": float(against.detach()),
            f"{self.name}_fooled": float(fooled.detach()),
            f"{self.name}_matched": float(matched.detach()),
        }
        ease = min(1.0, self.steps / self.EASE_STEPS)
        self.steps += 1
        return ease * fooled, ease * matched

    def state(self) -> dict[str, Any]:
        """All that `restore` needs to go on."""
        return {**self.ears(), "optimiser": self.optimiser.state_dict()}

    def ears(self) -> dict[str, Any]:
        """All that `take_over` needs."""
        return {"net": self.net.state_dict(), "steps": self.steps, "voices": list(self.net.index)}

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]

    def take_over(self, state: Mapping[str, Any]) -> None:
        """Know what the discriminator of another run knew; of voices that it never met, what this one knew before."""
        own, index = self.net.state_dict(), self.net.index
        known = [voice for voice in state["voices"] if voice in index]
        here = torch.tensor([index[voice] for voice in known], dtype=torch.long)
        there = torch.tensor([state["voices"].index(voice) for voice in known], dtype=torch.long)
        for name, value in state["net"].items():
            if name.split(".")[0] in PER_VOICE:
                own[name][here] = value[there].to(self.device)
            else:
                own[name].copy_(value)
        self.steps = state["steps"]
