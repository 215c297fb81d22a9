"""Causal layers whose past is an explicit argument: the same code trains on whole clips and exports as a streaming step.

Tensors are time-major, (batch, frames, channels) or without the batch: a convolution is a concatenation and one matrix
product, which is the fastest form of these small networks in ONNX Runtime; without the batch it adds the bias in the product.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Past:
    """What the layers remember between two calls: named tensors in, named tensors out.

    Without `given`, the past is silence (training on whole clips). A layer calls `extend`, or `recall` and `keep`, once per
    call; the names and the shapes that were kept are the states of the exported graph.
    """

    def __init__(self, given: Mapping[str, Tensor] | None = None) -> None:
        self.given = given
        self.kept: dict[str, Tensor] = {}

    def extend(self, name: str, x: Tensor, length: int) -> Tensor:
        """Return `x` (..., frames, channels) with the last `length` frames of earlier calls before it."""
        silence = x.new_zeros((*x.shape[:-2], length, x.shape[-1]))
        joined = torch.cat([self.recall(name, silence), x], dim=-2)
        self.keep(name, joined[..., -length:, :])
        return joined

    def recall(self, name: str, silence: Tensor) -> Tensor:
        """Return what an earlier call kept under a name, or `silence`, which has its shape and type."""
        return silence if self.given is None else self.given[name].to(silence.dtype)

    def keep(self, name: str, state: Tensor) -> None:
        """Remember a state (..., rows, width) for the next call."""
        if name in self.kept:
            raise ValueError(f"two layers keep a state named {name!r}")
        self.kept[name] = state


def softplus(x: Tensor) -> Tensor:
    """ln(1 + e^x), written out: ONNX Runtime vectorises the exponential and the logarithm, but not its Softplus."""
    return torch.log(1.0 + torch.exp(x.clamp(max=20.0)))


class CausalConv(nn.Module):
    """Convolution of two taps, now and `dilation` frames ago: y[t] = A x[t] + B x[t - dilation] + c."""

    def __init__(self, name: str, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        self.name, self.dilation = name, dilation
        self.linear = nn.Linear(2 * inputs, outputs)

    def forward(self, x: Tensor, past: Past) -> Tensor:
        joined = past.extend(self.name, x, self.dilation)
        return self.linear(torch.cat([joined[..., : -self.dilation, :], x], dim=-1))


class DepthwiseConv(nn.Module):
    """Causal convolution of three taps per channel, as in a mobile inverted bottleneck (MBConv)."""

    def __init__(self, name: str, channels: int, dilation: int) -> None:
        super().__init__()
        self.name, self.dilation = name, dilation
        self.weight = nn.Parameter(torch.randn(3, channels) / 3**0.5)

    def forward(self, x: Tensor, past: Past) -> Tensor:
        d = self.dilation
        joined = past.extend(self.name, x, 2 * d)
        first, second = joined[..., : -2 * d, :], joined[..., d:-d, :]
        return first * self.weight[0] + second * self.weight[1] + x * self.weight[2]


class StyledUnit(nn.Module):
    """Residual unit under a style: normalise across channels, scale and shift by the style, convolve, project, add.

    The scale and shift come from the target's statistics, as in adaptive instance normalisation (X. Huang, S. Belongie,
    "Arbitrary style transfer in real-time with adaptive instance normalization", ICCV 2017, Eq. 8); the statistics
    removed are those of one frame across channels, which need no memory and no future.
    """

    def __init__(self, name: str, channels: int, style: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.style = nn.Linear(style, 2 * channels)
        nn.init.normal_(self.style.weight, std=0.02)
        nn.init.zeros_(self.style.bias)
        self.conv = CausalConv(name, channels, channels, dilation)
        self.project = nn.Linear(channels, channels)
        nn.init.normal_(self.project.weight, std=0.1 / channels**0.5)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, style: Tensor, past: Past) -> Tensor:
        """x: (..., frames, channels). style: (..., 1, style)."""
        scale, shift = self.style(style).chunk(2, dim=-1)
        h = nn.functional.silu(self.norm(x) * (1.0 + scale) + shift)
        return x + self.project(nn.functional.silu(self.conv(h, past)))


def adapt(
    latent: Tensor,
    target_mean: Tensor,
    target_std: Tensor,
    prior: tuple[Tensor, Tensor],
    active: Tensor,
    prior_frames: Tensor,
    amount: Tensor | float = 1.0,
) -> Tensor:
    """Adaptive instance normalisation with running statistics, as `dsp.adain` does it on stage, for whole clips.

    latent: (batch, frames, C). target_mean, target_std: (batch, 1, C). prior: mean and std (batch, 1, C) that count as
    `prior_frames` (batch, 1, 1) frames already seen. active: (batch, frames, 1) of 0 or 1: silent frames teach nothing.
    The clip must be shorter than the memory of the running statistics, up to which they are those of all frames so far.
    """
    seen = prior_frames + torch.cumsum(active, dim=1)
    total = torch.cumsum(latent * active, dim=1) + prior_frames * prior[0]
    square = torch.cumsum(latent.square() * active, dim=1) + prior_frames * (prior[1].square() + prior[0].square())
    mean = total / seen
    std = torch.sqrt(torch.clamp(square / seen - mean.square(), min=1e-4))
    styled = (latent - mean) / std * target_std + target_mean
    return latent + amount * (styled - latent)
