"""Spectral distances between what a network plays and the aligned target."""

import math

import torch
from torch import Tensor, nn

STRIDE_SECONDS = 0.00667  # between two windows
FREE_BITS = 0.25  # nats per unit of a latent up to which it is not pushed towards the prior
SMOOTHED = 6  # frames, 40 ms
LAGS = (1, 3, 9)  # frames, 7 to 60 ms
FLUTTER_FLOOR = 3e-6
WORST = 4.0  # relative error of one clip above which it teaches no more: a target that is all but silent would drown the rest


def hearing(n_fft: int, sample_rate: int) -> Tensor:
    """Weights of the bins by what an ear makes of them, (bins) with mean one: the inverse of the ERB, 0 above 18 kHz.

    Without them most of a spectrum's bins, and so of its loss, lie where an instrument has next to nothing.
    """
    frequency = torch.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    weight = (frequency < 18000.0) / (4.37e-3 * frequency + 1.0)
    return weight / weight.mean()


def log_distance(found: Tensor, wanted: Tensor, floor: float, weight: Tensor | float = 1.0) -> Tensor:
    """Mean absolute difference of log powers, above a floor: quiet detail counts until it is inaudible."""
    return ((torch.log(found + floor) - torch.log(wanted + floor)).abs() * weight).mean()


def relative_powers(power_y: Tensor, power_t: Tensor) -> tuple[Tensor, Tensor]:
    """Powers (batch, frames, bins) over the louder of the target's frame and 30 dB below its mean."""
    frame = power_t.sum(2, keepdim=True)
    level = torch.maximum(frame, 1e-3 * frame.mean(1, keepdim=True)) + 1e-6
    return power_y / level, power_t / level


def over_time(power: Tensor) -> Tensor:
    """Mean powers over SMOOTHED frames: how loud every bin is, whatever it flutters."""
    return nn.functional.avg_pool2d(power[:, None], (SMOOTHED, 1), (SMOOTHED // 2, 1))[:, 0]


def frame_loss(power_y: Tensor, power_t: Tensor, spread: Tensor, weight: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Distance of aligned frames: bands (envelope), bins (partials against haze), magnitudes (the loudest partials).

    power_y, power_t: (batch, frames, bins), `relative_powers` of `over_time`. spread: (bins, bands), the triangular bands.
    weight: (bins), see `hearing`.
    """
    band = log_distance(power_y @ spread, power_t @ spread, 3e-6)
    bins = log_distance(power_y, power_t, 3e-7, weight)
    magnitude_y, magnitude_t = torch.sqrt(power_y + 1e-10), torch.sqrt(power_t + 1e-10)
    convergence = (magnitude_y - magnitude_t).square().sum((1, 2)) / magnitude_t.square().sum((1, 2))
    linear = torch.sqrt(convergence + 1e-6).clamp(max=WORST).mean()
    loss = band + 0.5 * bins + linear
    return loss, {"band": float(band.detach()), "bins": float(bins.detach()), "linear": float(linear.detach())}


def flutter_loss(power_y: Tensor, power_t: Tensor, spread: Tensor) -> Tensor:
    """How differently the bands move from frame to frame, whenever they do: the same amount of flutter, not the same one.

    A distance to the target's own frames would be least without any flutter, as nobody can foresee it; and partials that
    stand still are what tells an organ from a bow. power_y, power_t: (batch, frames, bins), `relative_powers`. For each of
    LAGS, the mean change of each band's log power over that many frames; bands count as far as the target is heard there.
    """
    found, wanted = (torch.log(power @ spread + FLUTTER_FLOOR) for power in (power_y, power_t))
    heard = wanted.detach().mean(1) - math.log(FLUTTER_FLOOR)
    apart = sum(
        ((found[:, lag:] - found[:, :-lag]).abs().mean(1) - (wanted[:, lag:] - wanted[:, :-lag]).abs().mean(1)).abs()
        for lag in LAGS
    )
    return torch.as_tensor((apart * heard).sum() / heard.sum().clamp(min=1e-3) / len(LAGS))


def power_of(spectrum: Tensor) -> Tensor:
    """Square of the magnitude of complex values."""
    return spectrum.real.square() + spectrum.imag.square()


def share_of_pulses(of_input: Tensor, of_pulses: Tensor, noise: Tensor) -> Tensor:
    """Mean share of the pulses in the powers (batch, T, bands) of what is played; each frame weighs the same.

    The input moves as only a player can; the pulses are for the partials that it lacks, but as for power one will do for
    the other.
    """
    total = of_input + of_pulses + noise
    level = total.detach() / total.detach().sum(2, keepdim=True).clamp(min=1e-9)
    heard = torch.relu(torch.log(level + 1e-9) - math.log(1e-5))
    return (of_pulses / total.clamp(min=1e-12) * heard).sum() / heard.sum().clamp(min=1e-3)


def free_bits(divergence: Tensor, nats: float) -> Tensor:
    """Divergence (batch, T, units) as a loss: mean over frames, sum over units, each at least `nats`; 0 leaves it as it is.

    A unit that says less is not pushed further towards the prior, so it need not collapse.
    Source: D. Kingma et al., "Improved variational inference with inverse autoregressive flow", NIPS 2016, Eq. 15.
    """
    return divergence.mean((0, 1)).clamp(min=nats).sum()
