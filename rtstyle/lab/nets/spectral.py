"""The spectral family: AdaIN between a causal encoder and decoder of band features, gains on input, pulses and noise.

    features (T, F) --> VGG branch ---+--> latent (T, C) --> AdaIN --> StyledUnit x n --> log gains of 3 x B bands
                    \\-> MBConv branch-/                                  ^
                     \\--------------------------------- skip ------------/

The encoder joins a VGG-like branch (stacked causal convolutions, no pooling, swish) and an MBConv branch (expand,
depthwise, squeeze-excitation, project).
"""

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from rtstyle.dsp import bands as erb
from rtstyle.dsp import front
from rtstyle.lab.nets.streaming import CausalConv, DepthwiseConv, Past, StyledUnit


@dataclass(frozen=True)
class SpectralShape:
    """Sizes of a spectral network; all of them travel in the checkpoint."""

    bands: int = 80
    channels: int = 160
    latent: int = 96
    style: int = 96
    units: int = 3
    hop: int = 64
    n_fft: int = 1024
    sample_rate: int = 48000

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def band_spread(n_fft: int, sample_rate: int, bands: int) -> Tensor:
    """The triangular bands as a matrix, float32 (bins, bands): gains over bins are `gains @ spread.T`. `[control]`"""
    lower, weight = (torch.from_numpy(v) for v in erb.band_layout(n_fft, sample_rate, bands))
    spread = torch.zeros(lower.numel(), bands)
    rows = torch.arange(lower.numel())
    spread[rows, lower] = 1.0 - weight
    spread[rows, lower + 1] += weight
    return spread


def glide(gains: Tensor, hop: int, sample_rate: int) -> Tensor:
    """Logarithms of the gains as `front.mix_sources` lets them glide: (batch, T, 3 B) linear -> (batch, T, 3, B) logs."""
    logs = torch.log(gains.clamp(min=front.CLOSED))
    share = 1.0 - math.exp(-hop / (front.GLIDE_SECONDS * sample_rate))
    reach = math.ceil(8.0 / share)  # after that many hops a gain has arrived within 0.03 %
    weights = share * (1.0 - share) ** torch.arange(reach - 1, -1, -1, dtype=logs.dtype, device=logs.device)
    weights = weights / weights.sum()
    rows = logs.transpose(1, 2).reshape(-1, 1, logs.shape[1])
    rows = nn.functional.pad(rows, (reach - 1, 0), mode="replicate")
    smooth = nn.functional.conv1d(rows, weights[None, None])
    return smooth.reshape(logs.shape[0], logs.shape[2], -1).transpose(1, 2).unflatten(2, (front.SOURCES, -1))


def minimum_phase(logs: Tensor) -> Tensor:
    """Complex response of least phase with these log magnitudes over the bins, as `dsp.minphase`: (..., bins)."""
    half = logs.shape[-1] - 1
    cepstrum = torch.fft.irfft(logs)
    fold = torch.zeros(2 * half, dtype=logs.dtype, device=logs.device)
    fold[0] = fold[half] = 1.0
    fold[1:half] = 2.0
    return torch.exp(torch.fft.rfft(cepstrum * fold))


class SqueezeExcitation(nn.Module):
    """Channel gate from the frame itself: the squeeze of the image original is over space, which a frame has not."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 8)
        self.excite = nn.Linear(channels // 8, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.excite(nn.functional.silu(self.squeeze(x))))


class SpectralEncoder(nn.Module):
    """features (batch, T, F) -> latent (batch, T, C) and the skip (batch, T, channels)."""

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        c, width = shape.channels, front.feature_width(shape.bands)
        self.stem = CausalConv("stem", width, c, 1)
        self.vgg = nn.ModuleList([CausalConv("vgg1", c, c // 2, 2), CausalConv("vgg2", c // 2, c // 2, 4)])
        self.expand = nn.Linear(c, c)
        self.depthwise = DepthwiseConv("mbconv", c, 8)
        self.gate = SqueezeExcitation(c)
        self.project = nn.Linear(c, c // 2)
        self.join = nn.Linear(c, shape.latent)

    def forward(self, features: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        silu = nn.functional.silu
        stem = silu(self.stem(features, past))
        vgg = stem
        for conv in self.vgg:
            vgg = silu(conv(vgg, past))
        mobile = silu(self.depthwise(silu(self.expand(stem)), past))
        mobile = self.project(self.gate(mobile))
        return self.join(torch.cat([vgg, mobile], dim=2)), features


class SpectralDecoder(nn.Module):
    """styled (batch, T, C), style (batch, 1, 2 C), amount (batch, 1, 1), skip -> linear gains (batch, T, 3 B).

    The gain of the input starts as the inverse of its smoothed spectrum (`flatten`), so that the source is normalised out
    before the first step of training; `amount` scales the logarithm of that gain and the gains of pulses and noise.
    """

    GAIN_RANGE = 7.0  # natural logarithm: gains within +-60 dB

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        c, b = shape.channels, shape.bands
        self.bands = b
        self.embed = nn.Sequential(
            nn.Linear(2 * shape.latent, shape.style), nn.SiLU(), nn.Linear(shape.style, shape.style)
        )
        self.inner = nn.Linear(shape.latent + front.feature_width(b), c)
        self.units = nn.ModuleList([StyledUnit(f"unit{i}", c, shape.style, 2**i) for i in range(shape.units)])
        self.out = nn.Linear(c, 3 * b)
        nn.init.normal_(self.out.weight, std=0.3 / c**0.5)
        with torch.no_grad():
            self.out.bias.copy_(torch.cat([torch.full((b,), -1.0), torch.full((b,), -2.5), torch.full((b,), -4.0)]))
        self.flatten = nn.Linear(front.feature_width(b), b, bias=False)
        distance = torch.arange(b)[:, None] - torch.arange(b)[None, :]
        smooth = torch.exp(-0.5 * (distance / 3.0) ** 2)
        smooth = smooth / smooth.sum(1, keepdim=True)
        with torch.no_grad():
            self.flatten.weight.zero_()
            self.flatten.weight[:, :b] = -2.0 * smooth  # features are 1 + ln(power) / 8: half of full whitening

    def forward(self, styled: Tensor, style: Tensor, amount: Tensor, skip: Tensor, past: Past) -> Tensor:
        embedded = self.embed(style)
        h = self.inner(torch.cat([styled, skip], dim=2))
        for unit in self.units:
            h = unit(h, embedded, past)
        logs = self.out(nn.functional.silu(h)).float()
        input_log, added_log = logs[..., : self.bands], logs[..., self.bands :]
        input_log = input_log + self.flatten(skip).float()
        input_log = self.GAIN_RANGE * torch.tanh(input_log / self.GAIN_RANGE)
        added_log = self.GAIN_RANGE * torch.tanh(added_log / self.GAIN_RANGE)
        return torch.cat([torch.exp(amount * input_log), amount * torch.exp(added_log)], dim=2)


class SpectralNet(nn.Module):
    """Encoder and decoder of one spectral model."""

    kind = "spectral"

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = SpectralEncoder(shape)
        self.decoder = SpectralDecoder(shape)
