"""The second phase of training: a discriminator that knows which voice it ought to hear.

A distance to the target is least at the mean of all that the target could have been, and a mean of spectra is haze. The
discriminator asks instead whether a patch of the log spectrum could be this voice; real sounds of another voice count as
false, so that it looks at timbre and not at quality alone.

It hears everything through a random equaliser and a random noise floor. Without them the easiest difference to find is that
of two long-term spectra, which the distance to the target sees to anyhow; with them there is only what moves.

Sources: hinge loss: J. H. Lim, J. C. Ye, "Geometric GAN", 2017; projection of the condition: T. Miyato, M. Koyama, "cGANs with
projection discriminator", ICLR 2018; mismatched conditions: S. Reed et al., ICML 2016; feature matching: K. Kumar et al.,
"MelGAN", NeurIPS 2019; auxiliary classifier: A. Odena et al., "AC-GAN", ICML 2017.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

TOP_HZ = 11000.0
ORDERS = 8  # of the random equaliser's cosines over the mel scale
DEPTH_DB = 6.0  # of the first of them, at most
FLOOR_DB = (-65.0, -35.0)  # of the random noise in one bin, against the power of the frame


class Discriminator(nn.Module):
    """Log powers (batch, frames, bins), voices (batch) -> scores of patches, logits of the voices, the maps before them."""

    WIDTHS = (24, 40, 64, 64, 64)
    STRIDES = ((1, 2), (2, 2), (2, 2), (2, 2), (2, 1))  # over 65 frames, 0.43 s: an attack, two turns of a vibrato

    def __init__(self, voices: Sequence[str], n_fft: int, sample_rate: int) -> None:
        super().__init__()
        self.index = {voice: i for i, voice in enumerate(voices)}
        self.bins = int(TOP_HZ * n_fft / sample_rate)
        layers, width = [], 2  # the second channel says how high a bin lies
        for after, stride in zip(self.WIDTHS, self.STRIDES, strict=True):
            layers.append(nn.utils.parametrizations.weight_norm(nn.Conv2d(width, after, (3, 5), stride, (1, 2))))
            width = after
        self.layers = nn.ModuleList(layers)
        self.score = nn.Conv2d(width, 1, 3, padding=1)
        self.voice = nn.Embedding(len(self.index), width)
        heights = self.bins
        for _, stride in self.STRIDES:
            heights = -(-heights // stride)
        self.name = nn.Linear(width * heights, len(self.index))

    def labels(self, voices: Sequence[str]) -> Tensor:
        """Numbers of voices, int64 (batch)."""
        return torch.tensor([self.index[voice] for voice in voices], device=self.score.weight.device)

    def forward(self, power: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        x = 1.0 + torch.log(power[:, None, :, : self.bins] + 1e-7) / 8.0
        height = torch.linspace(-1.0, 1.0, self.bins, device=x.device).expand_as(x)
        h, maps = torch.cat([x, height], dim=1), []
        for layer in self.layers:
            h = nn.functional.leaky_relu(layer(h), 0.2)
            maps.append(h)
        # the voice is asked of each moment as a whole, over all frequencies
        asked = (h.mean(3) * self.voice(labels)[:, :, None]).sum(1)
        return self.score(h)[:, 0] + asked[:, :, None], self.name(h.mean(2).flatten(1)), maps


def colour(bins: int, top_hz: float, batch: int) -> tuple[Tensor, Tensor]:
    """Power gains (batch, 1, bins) of random smooth equalisers, one per clip, and floors (batch, 1, 1) under them."""
    mel = torch.log1p(torch.linspace(0.0, top_hz, bins) / 700.0)
    orders = torch.arange(1, ORDERS + 1)
    shapes = torch.cos(torch.pi * orders[:, None] * (mel / mel[-1]))
    depth = torch.randn(batch, ORDERS) * (DEPTH_DB * torch.rand(batch, 1)) / orders**0.6
    low, high = FLOOR_DB
    floor = low + (high - low) * torch.rand(batch, 1, 1)
    return 10.0 ** ((depth @ shapes)[:, None] / 10.0), 10.0 ** (floor / 10.0)


def discriminator_loss(net: Discriminator, played: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """Hinge loss of the discriminator over real, played, and real with another's voice."""
    others = labels.roll(1)
    real, named, _ = net(target, labels)
    fake, _, _ = net(played.detach(), labels)
    wrong, _, _ = net(target, others)
    mismatched = (others != labels).float()[:, None, None]
    relu = nn.functional.relu
    told = relu(1.0 - real).mean() + relu(1.0 + fake).mean() + 0.5 * (relu(1.0 + wrong) * mismatched).mean()
    return told + nn.functional.cross_entropy(named, labels)


def generator_loss(net: Discriminator, played: Tensor, target: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """What the player is to lower: minus the score of what it played, with how little it is taken for the voice that it
    ought to be; and the distance of the maps to the target's.
    """
    fake, named, played_maps = net(played, labels)
    with torch.no_grad():
        _, _, target_maps = net(target, labels)
    apart = [
        (a - b).abs().mean() / b.abs().mean().clamp(min=1e-3) for a, b in zip(played_maps, target_maps, strict=True)
    ]
    return nn.functional.cross_entropy(named, labels) - fake.mean(), torch.stack(apart).mean()


class Adversary:
    """The discriminator with its optimiser: it learns from every batch that it judges."""

    EASE_STEPS = 300  # until its word has full weight: at first it only guesses

    def __init__(self, voices: Sequence[str], n_fft: int, sample_rate: int, device: str) -> None:
        self.device = device
        self.net = Discriminator(voices, n_fft, sample_rate).to(device)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=1e-3, betas=(0.5, 0.9))
        self.steps = 0
        self.last = {"against": 0.0, "fooled": 0.0, "matched": 0.0}  # of the last batch, for the log

    def play_against(self, played: Tensor, target: Tensor, voices: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Learn from one batch of `relative_powers`, then return both parts of `generator_loss`."""
        labels, bins = self.net.labels(voices), self.net.bins
        gain, floor = (each.to(self.device) for each in colour(bins, TOP_HZ, len(voices)))
        played, target = (power[..., :bins] * gain + floor for power in (played, target))
        with torch.autocast(self.device, torch.bfloat16):
            against = discriminator_loss(self.net, played, target, labels)
        self.optimiser.zero_grad(set_to_none=True)
        against.backward()
        self.optimiser.step()
        self.net.requires_grad_(False)  # the player's gradient goes through it, not into it
        with torch.autocast(self.device, torch.bfloat16):
            fooled, matched = generator_loss(self.net, played, target, labels)
        self.net.requires_grad_(True)
        self.last = {
            "against": float(against.detach()),
            "fooled": float(fooled.detach()),
            "matched": float(matched.detach()),
        }
        ease = min(1.0, self.steps / self.EASE_STEPS)
        self.steps += 1
        return ease * fooled, ease * matched

    def state(self) -> dict[str, Any]:
        """All that `restore` needs to go on."""
        return {"net": self.net.state_dict(), "optimiser": self.optimiser.state_dict(), "steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]
