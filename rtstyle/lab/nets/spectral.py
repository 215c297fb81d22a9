"""The spectral family: AdaIN between a causal encoder and decoder of band features, gains on input, pulses and noise.

    features (T, F) --> VGG branch ---+--> latent (T, C) --> AdaIN --> StyledUnit x n --> log gains of 3 x B bands
                    \\-> MBConv branch-/                                  ^
                     \\--------------------------------- skip ------------/

The encoder joins a VGG-like branch (stacked causal convolutions, no pooling, swish) and an MBConv branch (expand,
depthwise, squeeze-excitation, project), or has one of them alone. Bands see where formants are; what moves with the pitch
is read and written per partial (see `harmonics`).
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rtstyle.dsp import bands as erb
from rtstyle.dsp import front
from rtstyle.dsp.description import ANALYSES, STFT, described_centres, hop_step
from rtstyle.errors import ParameterError
from rtstyle.lab.nets.harmonics import HALVES, PITCHES, HarmonicAxis, partial_frequency, pitch_code
from rtstyle.lab.nets.normalisation import NORMS, normalisation
from rtstyle.lab.nets.streaming import CausalConv, DepthwiseConv, Past, StyledUnit, softplus

BRANCHES = ("both", "vgg", "mbconv")
COMPOUND = (1.2, 1.1, 1.15)  # of depth, width and resolution: 1.2 * 1.1^2 * 1.15^2 = 1.92


@dataclass(frozen=True)
class SpectralShape:
    """Sizes and choices of a spectral network; all of them travel in the checkpoint.

    branches: of the encoder, one of BRANCHES; one alone has the width of both. norm: of the encoder, one of NORMS. depth:
    convolutions of the VGG branch; the MBConv branch has half as many blocks, rounded up. analysis: what describes the
    input, see `dsp.description`; the gains' bands are the same for all. Raises ParameterError.
    """

    bands: int = 80
    channels: int = 160
    latent: int = 96
    style: int = 96
    units: int = 3
    hop: int = 64
    n_fft: int = 1024
    sample_rate: int = 48000
    branches: str = "both"
    norm: str = "none"
    depth: int = 2
    analysis: str = STFT

    def __post_init__(self) -> None:
        for name, allowed in (("branches", BRANCHES), ("norm", NORMS), ("analysis", ANALYSES)):
            if getattr(self, name) not in allowed:
                raise ParameterError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}.")
        if self.depth < 1:
            raise ParameterError(f"depth is {self.depth}; give at least 1.")
        if self.hop % (step := hop_step(self.analysis)):
            raise ParameterError(f"hop is {self.hop}; {self.analysis} needs a multiple of {step}.")

    def as_dict(self) -> dict[str, int | str]:
        return asdict(self)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres of the described bands in Hz."""
        return described_centres(self.analysis, self.n_fft, self.sample_rate, self.bands)


def scaled(phi: float, base: SpectralShape | None = None) -> dict[str, int]:
    """Depth, channels and bands of `base` for about 2^phi times its arithmetic. `[any]`

    Depth grows by 1.2^phi, width by 1.1^phi and the resolution, here in bands, by 1.15^phi: M. Tan, Q. V. Le,
    "EfficientNet", ICML 2019, Eq. 3; channels are a multiple of 8.
    """
    base = base or SpectralShape()
    depth, width, resolution = (factor**phi for factor in COMPOUND)
    return {
        "depth": max(1, round(base.depth * depth)),
        "channels": max(8, 8 * round(base.channels * width / 8)),
        "bands": round(base.bands * resolution),
    }


def band_spread(n_fft: int, shape: SpectralShape) -> Tensor:
    """The triangular bands of a network over the bins of an FFT of any size, float32 (bins, bands). `[control]`

    Gains over bins are `gains @ spread.T`.
    """
    centres = erb.band_centres(shape.n_fft, shape.sample_rate, shape.bands)
    return torch.from_numpy(erb.band_spread(*erb.place_bins(n_fft, shape.sample_rate, centres), shape.bands))


PACES = len(front.WANDER_SECONDS)


def skip_width(shape: SpectralShape) -> int:
    """Width of what the encoder hands on besides the latent: the features, and the bands read at the partials."""
    return front.feature_width(shape.centres.size) + HALVES


class SqueezeExcitation(nn.Module):
    """Channel gate from the frame itself: the squeeze of the image original is over space, which a frame has not."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 8)
        self.excite = nn.Linear(channels // 8, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.excite(nn.functional.silu(self.squeeze(x))))


def lay_bottleneck(
    owner: nn.Module, name: str, inputs: int, channels: int, outputs: int, dilation: int, norm: str
) -> None:
    """Give `owner` the layers of a mobile inverted bottleneck (MBConv): expand, convolve each channel, gate, project.

    Sources: M. Sandler et al., "MobileNetV2", CVPR 2018; M. Tan, Q. V. Le, "EfficientNet", ICML 2019.
    """
    owner.expand = nn.Linear(inputs, channels)
    owner.expanded = normalisation(norm, f"{name}_expanded", channels)
    owner.depthwise = DepthwiseConv(name, channels, dilation)
    owner.convolved = normalisation(norm, f"{name}_convolved", channels)
    owner.gate = SqueezeExcitation(channels)
    owner.project = nn.Linear(channels, outputs)


def bottleneck(owner: nn.Module, x: Tensor, past: Past) -> Tensor:
    """Run the layers that `lay_bottleneck` gave to `owner`."""
    silu = nn.functional.silu
    h = silu(owner.expanded(owner.expand(x), past))
    h = silu(owner.convolved(owner.depthwise(h, past), past))
    return owner.project(owner.gate(h))


class Residual(nn.Module):
    """A mobile inverted bottleneck that is added to its input."""

    def __init__(self, name: str, channels: int, width: int, dilation: int, norm: str) -> None:
        super().__init__()
        lay_bottleneck(self, name, width, channels, width, dilation, norm)

    def forward(self, x: Tensor, past: Past) -> Tensor:
        return x + bottleneck(self, x, past)


class SpectralEncoder(nn.Module):
    """features (batch, T, F) -> latent (batch, T, C) and the skip (batch, T, F + HALVES); the batch may be missing."""

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        c, norm = shape.channels, shape.norm
        width = c // 2 if shape.branches == "both" else c
        self.axis = HarmonicAxis(shape.n_fft, shape.sample_rate, shape.bands, shape.analysis)
        self.bands = self.axis.bands
        self.stem = CausalConv("stem", skip_width(shape) - front.WANDERERS, c, 1)
        self.stem_norm = normalisation(norm, "stem", c)
        self.has_vgg, self.has_mbconv = shape.branches != "mbconv", shape.branches != "vgg"
        if self.has_vgg:
            names = [f"vgg{i + 1}" for i in range(shape.depth)]
            inputs = [c] + [width] * (shape.depth - 1)
            self.vgg = nn.ModuleList(
                CausalConv(name, before, width, 2 ** (1 + i % 4))
                for i, (name, before) in enumerate(zip(names, inputs, strict=True))
            )
            self.vgg_norms = nn.ModuleList(normalisation(norm, name, width) for name in names)
        if self.has_mbconv:  # the layers of the first block are the encoder's own: so checkpoints name them
            lay_bottleneck(self, "mbconv", c, c, width, 8, norm)
            self.deeper = nn.ModuleList(
                Residual(f"mbconv{i + 1}", c, width, 2 ** (3 - i % 4), norm) for i in range(1, (shape.depth + 1) // 2)
            )
        self.join = nn.Linear(c, shape.latent)

    def forward(self, features: Tensor, past: Past) -> tuple[Tensor, Tensor]:
        silu = nn.functional.silu
        fundamental = partial_frequency(features, self.bands)
        partials = self.axis.at_partials(features[..., : self.bands], fundamental)
        heard, wanderers = features.split([self.bands + front.CUES, front.WANDERERS], dim=-1)
        heard = torch.cat([heard, partials], dim=-1)  # chance is for the decoder alone
        stem = silu(self.stem_norm(self.stem(heard, past), past))
        found = []
        if self.has_vgg:
            vgg = stem
            for conv, norm in zip(self.vgg, self.vgg_norms, strict=True):
                vgg = silu(norm(conv(vgg, past), past))
            found.append(vgg)
        if self.has_mbconv:
            mobile = bottleneck(self, stem, past)
            for block in self.deeper:
                mobile = block(mobile, past)
            found.append(mobile)
        return self.join(torch.cat(found, dim=-1)), torch.cat([heard, wanderers], dim=-1)


class SpectralDecoder(nn.Module):
    """styled (batch, T, C), style (batch, 1, 2 C), amount (batch, 1, 1), skip -> linear gains (batch, T, 3 B).

    The gain of the input starts as the inverse of its smoothed spectrum (`flatten`), so that the source is normalised out
    before the first step of training; `amount` scales the logarithm of that gain and the gains of pulses and noise.
    """

    GAIN_RANGE = 7.0  # natural logarithm: gains within +-60 dB

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        c, b = shape.channels, shape.bands
        self.bands, self.described = b, shape.centres.size
        self.embed = nn.Sequential(
            nn.Linear(2 * shape.latent, shape.style), nn.SiLU(), nn.Linear(shape.style, shape.style)
        )
        self.axis = HarmonicAxis(shape.n_fft, shape.sample_rate, b)
        self.inner = nn.Linear(shape.latent + skip_width(shape) + PITCHES, c)
        self.units = nn.ModuleList([StyledUnit(f"unit{i}", c, shape.style, 2**i) for i in range(shape.units)])
        # log gains: of the bands of all three sources, then of input and pulses at and between the partials
        self.out = nn.Linear(c, 3 * b + 2 * HALVES)
        nn.init.normal_(self.out.weight, std=0.3 / c**0.5)
        with torch.no_grad():
            self.out.bias.zero_()
            for start, value in zip((0, b, 2 * b), (-1.0, -2.5, -4.0), strict=True):
                self.out.bias[start : start + b] = value
        # flutter: each band has its own mixture of the random walks of each pace, and the network says how much of it
        self.flutter = nn.Linear(c, PACES * b)
        self.mixtures = nn.Linear(front.WANDERERS, PACES * b, bias=False)
        walks = front.WANDERERS // PACES
        with torch.no_grad():
            self.flutter.bias.fill_(-2.25)  # a tenth, as a natural logarithm
            self.mixtures.weight.zero_()
            for pace in range(PACES):
                own = torch.randn(b, walks)
                own = own / own.norm(dim=1, keepdim=True) / 0.3  # the features carry the walks at that scale
                self.mixtures.weight[pace * b : (pace + 1) * b, pace * walks : (pace + 1) * walks] = own
        self.flatten = nn.Linear(skip_width(shape), b, bias=False)
        gained = erb.band_centres(shape.n_fft, shape.sample_rate, b)
        described = torch.from_numpy(np.interp(shape.centres, gained, np.arange(b))).float()
        distance = torch.arange(b)[:, None] - described[None, :]
        smooth = torch.exp(-0.5 * (distance / 3.0) ** 2)
        smooth = smooth / smooth.sum(1, keepdim=True)
        with torch.no_grad():
            self.flatten.weight.zero_()
            # features are 1 + ln(power) / 8: half of full whitening
            self.flatten.weight[:, : self.described] = -2.0 * smooth

    def forward(self, styled: Tensor, style: Tensor, amount: Tensor, skip: Tensor, past: Past) -> Tensor:
        embedded = self.embed(style)
        fundamental = partial_frequency(skip, self.described)
        h = self.inner(torch.cat([styled, skip, pitch_code(fundamental).to(styled.dtype)], dim=-1))
        for unit in self.units:
            h = unit(h, embedded, past)
        h = nn.functional.silu(h)
        filtered, noise, partials = self.out(h).float().split([2 * self.bands, self.bands, 2 * HALVES], dim=-1)
        moved = softplus(self.flutter(h)) * self.mixtures(skip[..., -front.WANDERERS :])
        flutter = sum(moved.float().split(self.bands, dim=-1))
        shifts = torch.cat([self.flatten(skip).float() + flutter, flutter], dim=-1)
        filtered = filtered + self.axis.over_bands(partials, fundamental) + shifts
        logs = self.GAIN_RANGE * torch.tanh(torch.cat([filtered, noise], dim=-1) / self.GAIN_RANGE)
        of_input, added = logs.split([self.bands, 2 * self.bands], dim=-1)
        return torch.cat([torch.exp(amount * of_input), amount * torch.exp(added)], dim=-1)


class SpectralNet(nn.Module):
    """Encoder and decoder of one spectral model."""

    kind = "spectral"

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = SpectralEncoder(shape)
        self.decoder = SpectralDecoder(shape)
