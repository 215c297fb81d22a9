"""Normalisation of hidden frames that streams: what is removed is known at every frame and does not depend on the block.

    y = (x - mean) / sqrt(var + EPSILON) * scale + shift

| kind | mean and variance are those of |
| --- | --- |
| none | nothing: y = x |
| layer | this frame, over all channels (J. Ba et al., arXiv 1607.06450) |
| group | this frame, over GROUPS groups of channels (Y. Wu, K. He, "Group normalization", ECCV 2018) |
| instance | each channel over the past (D. Ulyanov et al., arXiv 1607.08022, with running statistics as in AdaIN) |
| batch | each channel over the training data, a constant once exported (S. Ioffe, C. Szegedy, ICML 2015) |
| switchable | learnt mixtures of those of instance, layer and batch (P. Luo et al., ICLR 2019, Eq. 3 and 5) |
"""

import math

import torch
from torch import Tensor, nn

from rtstyle.lab.nets.streaming import Past

EPSILON = 1e-4
GROUPS = 8
MEMORY_FRAMES = 2000.0  # of instance normalisation: 2.7 s at a hop of 64
PRIOR_FRAMES = 50.0  # of mean 0 and variance 1, which always count as seen
MOMENTUM = 0.02  # share of a batch in the statistics of batch normalisation
# Of scales and shifts at first. Of equal parameters torch's ONNX exporter keeps one, and loses the name of another.
SPREAD = 0.02

Moments = tuple[Tensor, Tensor]  # mean and variance, each of a shape that broadcasts to x


class OverChannels(nn.Module):
    """Moments of one frame over groups of channels; of several groups by a product, the fastest form in ONNX Runtime."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        size = channels // groups
        average = torch.kron(torch.eye(groups), torch.ones(size, size)) / size if groups > 1 else None
        self.register_buffer("average", average, persistent=False)

    def mean(self, x: Tensor) -> Tensor:
        return x.mean(-1, keepdim=True) if self.average is None else x @ self.average

    def forward(self, x: Tensor, past: Past) -> Moments:
        mean = self.mean(x)
        return mean, self.mean((x - mean).square())


class OverTime(nn.Module):
    """Moments of each channel over the past, this frame included, in which old frames fade: after n frames, with

        k = 1 - 1 / MEMORY,    (sum, squares, count)[n] = k (sum, squares, count)[n - 1] + (x, x x, 1)

    One cumulative sum of (x, x x, 1) k^-n gives it for a whole call, so a call must be shorter than about 20 MEMORY. Pauses
    count as any other frames.
    """

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.name, self.channels = name, channels

    def forward(self, x: Tensor, past: Past) -> Moments:
        ones = torch.ones_like(x[..., :1])
        fade = torch.exp(torch.cumsum(ones, -2) * math.log1p(-1.0 / MEMORY_FRAMES))
        seen = torch.cat([x, x.square(), ones], -1)
        before = past.recall(self.name, torch.zeros_like(seen[..., :1, :]))
        sums = fade * (before + torch.cumsum(seen / fade, -2))
        past.keep(self.name, sums[..., -1:, :])
        total, squares, count = sums.split([self.channels, self.channels, 1], dim=-1)
        mean = total / (count + PRIOR_FRAMES)
        return mean, torch.relu((squares + PRIOR_FRAMES) / (count + PRIOR_FRAMES) - mean.square())


class OverBatch(nn.Module):
    """Moments of each channel over the batch while training, of the batches so far afterwards."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Tensor, past: Past) -> Moments:
        if not self.training:
            return self.mean, self.var
        var, mean = torch.var_mean(x.flatten(0, -2), dim=0, correction=0)
        with torch.no_grad():
            self.mean.lerp_(mean, MOMENTUM)
            self.var.lerp_(var, MOMENTUM)
        return mean, var


class Unchanged(nn.Module):
    """y = x, under the same call as the normalisations."""

    def forward(self, x: Tensor, past: Past) -> Tensor:
        return x


class Normalisation(nn.Module):
    """One of NORMS over x (..., frames, channels), with a scale and a shift per channel."""

    def __init__(self, kind: str, name: str, channels: int) -> None:
        super().__init__()
        self.moments = nn.ModuleList(MOMENTS[kind](name, channels))
        if len(self.moments) > 1:
            self.shares = nn.Parameter(SPREAD * torch.randn(2, len(self.moments)))  # of the means, of the variances
        self.scale = nn.Parameter(1.0 + SPREAD * torch.randn(channels))
        self.shift = nn.Parameter(SPREAD * torch.randn(channels))

    def forward(self, x: Tensor, past: Past) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # sums over seconds need more than eight bits
            x = x.float()
            found = [part(x, past) for part in self.moments]
            if len(found) == 1:
                mean, var = found[0]
            else:
                share = torch.softmax(self.shares, dim=1)
                mean, var = (sum(share[i, k] * one[i] for k, one in enumerate(found)) for i in range(2))
            gain = self.scale * torch.rsqrt(var + EPSILON)
            return x * gain + (self.shift - mean * gain)


MOMENTS = {
    "batch": lambda name, channels: [OverBatch(channels)],
    "layer": lambda name, channels: [OverChannels(channels, 1)],
    "instance": lambda name, channels: [OverTime(name, channels)],
    "group": lambda name, channels: [OverChannels(channels, math.gcd(GROUPS, channels))],
    "switchable": lambda name, channels: [OverTime(name, channels), OverChannels(channels, 1), OverBatch(channels)],
}
NORMS = ("none", *MOMENTS)


def normalisation(kind: str, name: str, channels: int) -> nn.Module:
    """A normalisation of NORMS. name: of its state, if it has one, among those of the network."""
    return Unchanged() if kind == "none" else Normalisation(kind, f"{name}_norm", channels)
