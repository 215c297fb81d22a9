"""Variational autoencoders of band spectra that know their input by their latents alone: plain, and with two time scales.

    plain:         audio -> PQMF -> band spectra -> causal convolutions -> z (every hop) -> causal convolutions -> band spectra

    hierarchical:                                        |-> attention pooling over the past -> s (every 32 hops)
                                                         |-> with s: z (every hop); with s: the prior of z
                                                         decoder: z and s -> band spectra

The front end is the latent family's. All layers are causal and keep their past in a `Past`: what trains on clips can play.
Sources: D. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014; C. Sonderby et al., "Ladder variational
autoencoders", NIPS 2016 (priors given the slower level); M. Ilse et al., "Attention-based deep multiple instance learning",
ICML 2018 (pooling by learned queries).
"""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from rtstyle.lab.nets.latent import BandSpectrum
from rtstyle.lab.nets.pqmf import Pqmf
from rtstyle.lab.nets.streaming import CausalConv, Past

SLOW_HOPS = 32  # hops for which one slow latent holds: 0.17 s at 256 samples
MEMORY_HOPS = 128  # hops over which it is pooled
HEADS, HEAD_WIDTH = 4, 16
SHARPEST = 4.0  # greatest score of a frame: its weight is within e^-4 and e^4
DILATIONS = (2, 4, 8)
CENTRE_DB, SPREAD_DB, QUIETEST_DB = -70.0, 15.0, -110.0  # of the powers of bins: about unit variance


@dataclass(frozen=True)
class VaeShape:
    """Sizes of one autoencoder. slow: units of the slow level, 0 for a plain one. pooling: "attention" or "mean"."""

    channels: int = 128
    latent: int = 64
    slow: int = 0
    pooling: str = "attention"
    bands: int = 16
    attenuation_db: int = 40
    hop: int = 256
    sample_rate: int = 48000


@dataclass(frozen=True)
class Level:
    """Posterior and prior of one level of latents, each (batch, T, units); drawn once per `hops`."""

    mean: Tensor
    log_variance: Tensor
    prior_mean: Tensor
    prior_log_variance: Tensor
    hops: int = 1

    def sample(self) -> Tensor:
        """One draw from the posterior, the same noise while a value holds."""
        batch, frames, units = self.mean.shape
        noise = torch.randn(batch, -(-frames // self.hops), units, device=self.mean.device)
        noise = noise.repeat_interleave(self.hops, dim=1)[:, :frames]
        return self.mean + noise * torch.exp(0.5 * self.log_variance)

    def divergence(self) -> Tensor:
        """Nats per draw, of the posterior from the prior, (batch, T, units)."""
        ratio = self.log_variance - self.prior_log_variance
        apart = (self.mean - self.prior_mean).square() * torch.exp(-self.prior_log_variance)
        return 0.5 * (apart + torch.exp(ratio) - ratio - 1.0)

    def surprise(self) -> Tensor:
        """Posterior mean in standard deviations of the prior: what moves in it comes from the input, not from the prior."""
        return (self.mean - self.prior_mean) * torch.exp(-0.5 * self.prior_log_variance)


def standard(flat: Tensor, hops: int = 1) -> Level:
    """Level with a standard normal prior from a layer's output (batch, T, 2 units)."""
    mean, log_variance = flat.float().chunk(2, dim=2)
    zero = torch.zeros_like(mean)
    return Level(mean, log_variance.clamp(-10.0, 4.0), zero, zero, hops)


def decibels(features: Tensor) -> Tensor:
    """`BandSpectrum` features (.., bins + 1) -> level of each bin in dB, (.., bins), at least QUIETEST_DB."""
    share, level = features[..., :-1], features[..., -1:]
    total = 50.0 * (level - 1.0) + 10.0 * math.log10(BandSpectrum.WINDOW / 2)
    return (80.0 / math.log(10.0) * (share - 1.0) + total).clamp(min=QUIETEST_DB)


def bin_numbers(bands: int) -> Tensor:
    """For each bin of the band spectra, in their order, its number among the bins of one long spectrum, (bins)."""
    half = BandSpectrum.WINDOW // 2
    k, band = torch.arange(half)[:, None], torch.arange(bands)[None]
    return torch.where(band % 2 == 0, band * half + k, (band + 1) * half - k).flatten()  # odd bands are mirrored


class Pooling(nn.Module):
    """Weighted mean of (a projection of) the last MEMORY_HOPS frames, weights by attention, or even ones.

    A learned query per head scores each frame by itself, so a frame's weight never changes while it is remembered:
    the sums slide, nothing later moves what was pooled before. (batch, T, channels) -> (batch, T, HEADS * HEAD_WIDTH)
    """

    def __init__(self, name: str, channels: int, attention: bool) -> None:
        super().__init__()
        self.name = name
        self.value = nn.Linear(channels, HEADS * HEAD_WIDTH)
        self.query = nn.Linear(channels, HEADS) if attention else None

    def forward(self, h: Tensor, past: Past) -> Tensor:
        batch, frames, _ = h.shape
        value = self.value(h).float().reshape(batch, frames, HEADS, HEAD_WIDTH)
        weight = value.new_ones(batch, frames, HEADS)
        if self.query is not None:
            weight = torch.exp(SHARPEST * torch.tanh(self.query(h).float() / SHARPEST))
        both = torch.cat([weight[..., None], weight[..., None] * value], dim=3).flatten(2)
        joined = past.extend(self.name, both, MEMORY_HOPS - 1)
        mean = nn.functional.avg_pool1d(joined.transpose(1, 2), MEMORY_HOPS, 1).transpose(1, 2)
        mean = mean.reshape(batch, frames, HEADS, HEAD_WIDTH + 1)
        return (mean[..., 1:] / mean[..., :1]).flatten(2)


def hold(name: str, x: Tensor, past: Past) -> Tensor:
    """Each frame gets x (batch, T, channels) as it was when the last whole SLOW_HOPS had ended; zeros before."""
    batch, frames, _ = x.shape
    clock = f"{name}_clock"
    begun = past.extend(clock, x.new_zeros(batch, frames, 1), 1)[:, :1]
    past.kept[clock] = (begun + frames) % SLOW_HOPS
    now = torch.arange(frames, device=x.device)
    since = (now + begun[0, 0, 0].long()) % SLOW_HOPS
    return past.extend(name, x, SLOW_HOPS).index_select(1, now + SLOW_HOPS - 1 - since)


class Vae(nn.Module):
    """audio (batch, samples) or its band spectra -> levels of the bins in units of SPREAD_DB, and the latents."""

    def __init__(self, shape: VaeShape) -> None:
        super().__init__()
        self.shape = shape
        c = shape.channels
        self.pqmf = Pqmf(shape.bands, shape.attenuation_db)
        self.spectrum = BandSpectrum("spectrum", shape.bands, shape.hop // shape.bands)
        self.stem = CausalConv("stem", self.spectrum.width, c, 1)
        self.encoder = nn.ModuleList([CausalConv(f"encoder{d}", c, c, d) for d in DILATIONS])
        if shape.slow:
            self.pooling = Pooling("pooling", c, shape.pooling == "attention")
            self.slow = nn.Linear(HEADS * HEAD_WIDTH, 2 * shape.slow)
            self.prior = nn.Linear(shape.slow, 2 * shape.latent)
            nn.init.zeros_(self.prior.weight)
            nn.init.zeros_(self.prior.bias)
        self.fast = nn.Linear(c + shape.slow, 2 * shape.latent)
        self.inner = nn.Linear(shape.latent + shape.slow, c)
        self.decoder = nn.ModuleList([CausalConv(f"decoder{d}", c, c, d) for d in DILATIONS])
        self.out = nn.Linear(c, self.spectrum.width - 1)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def describe(self, audio: Tensor, past: Past) -> Tensor:
        """Band spectra of audio (batch, samples), samples a multiple of the hop -> (batch, T, width)."""
        return self.spectrum(self.pqmf.analyse(audio[:, None], past), past)

    def wanted(self, features: Tensor) -> Tensor:
        """What is to be reconstructed of the band spectra: (batch, T, bins) of about unit variance."""
        return (decibels(features) - CENTRE_DB) / SPREAD_DB

    def forward(self, features: Tensor, past: Past, sample: bool = False) -> tuple[Tensor, list[Level]]:
        """Band spectra -> reconstruction (batch, T, bins) from latents drawn (`sample`) or at their means; the levels."""
        silu = nn.functional.silu
        h = silu(self.stem(features, past))
        for conv in self.encoder:
            h = h + silu(conv(h, past))
        levels, style = [], h[..., :0].float()
        if self.shape.slow:
            level = standard(self.slow(hold("held", self.pooling(h, past), past)), SLOW_HOPS)
            style = level.sample() if sample else level.mean
            levels.append(level)
        fast = standard(self.fast(torch.cat([h, style.to(h.dtype)], dim=2)))
        if self.shape.slow:
            prior_mean, prior_log = self.prior(style).float().chunk(2, dim=2)
            fast = replace(fast, prior_mean=prior_mean, prior_log_variance=prior_log.clamp(-4.0, 4.0))
        levels.append(fast)
        z = fast.sample() if sample else fast.mean
        h = silu(self.inner(torch.cat([z, style], dim=2)))
        for conv in self.decoder:
            h = h + silu(conv(h, past))
        return self.out(h).float(), levels


def of_equal_size(shape: VaeShape, like: VaeShape) -> VaeShape:
    """`shape` with as many channels as bring its parameters nearest to those of `like`."""
    wanted = Vae(like).parameter_count

    def excess(channels: int) -> int:
        return Vae(replace(shape, channels=channels)).parameter_count - wanted

    more = bisect_left(range(2 * like.channels), 0, lo=1, key=excess)
    return replace(shape, channels=min(more - 1, more, key=lambda channels: abs(excess(channels))))
