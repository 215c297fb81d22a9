"""Spectral distances between what a network plays and the aligned target."""

import torch
from torch import Tensor

WORST = 4.0  # relative error of one clip above which it teaches no more: a target that is all but silent would drown the rest


def log_distance(found: Tensor, wanted: Tensor, floor: Tensor) -> Tensor:
    """Mean absolute difference of log powers, above a floor: quiet detail counts until it is inaudible."""
    return (torch.log(found + floor) - torch.log(wanted + floor)).abs().mean()


def frame_loss(played: Tensor, target: Tensor, spread: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Distance of spectra that share their frames: bands (envelope), bins (harmonics against haze), magnitudes (level).

    played, target: complex (batch, frames, bins). spread: (bins, bands), the triangular bands. Powers are taken relative to
    the louder of the target's frame and the clip's mean, so that level does not weigh.
    """
    power_y = played.real.square() + played.imag.square()
    power_t = target.real.square() + target.imag.square()
    frame = power_t.sum(2, keepdim=True)
    level = torch.maximum(frame, 1e-3 * frame.mean(1, keepdim=True)) + 1e-6
    power_y, power_t = power_y / level, power_t / level
    band = log_distance(power_y @ spread, power_t @ spread, torch.tensor(1e-6))
    bins = log_distance(power_y, power_t, torch.tensor(1e-7))
    magnitude_y, magnitude_t = torch.sqrt(power_y + 1e-10), torch.sqrt(power_t + 1e-10)
    convergence = (magnitude_y - magnitude_t).square().sum((1, 2)) / magnitude_t.square().sum((1, 2))
    linear = torch.sqrt(convergence + 1e-6).clamp(max=WORST).mean()
    loss = band + 0.5 * bins + linear
    return loss, {"band": float(band.detach()), "bins": float(bins.detach()), "linear": float(linear.detach())}


class MultiResolution:
    """Multi-resolution STFT distance of waveforms: spectral convergence and log magnitude (R. Yamamoto et al., 2020)."""

    def __init__(self, sizes: tuple[int, ...] = (4096, 2048, 1024, 512, 256), device: str = "cpu") -> None:
        self.windows = {n: torch.hann_window(n, device=device) for n in sizes}

    def __call__(self, played: Tensor, target: Tensor) -> tuple[Tensor, dict[str, float]]:
        """played, target: (batch, samples), aligned."""
        level = target.square().mean(1, keepdim=True).sqrt() + 1e-4
        played, target = played / level, target / level
        logs, linears = [], []
        for n, window in self.windows.items():
            both = torch.stft(torch.cat([played, target]), n, n // 4, window=window, return_complex=True)
            power = (both.real.square() + both.imag.square()) / window.square().sum()
            power_y, power_t = power.chunk(2)
            logs.append(log_distance(power_y, power_t, torch.tensor(1e-7)))
            magnitude_y, magnitude_t = torch.sqrt(power_y + 1e-9), torch.sqrt(power_t + 1e-9)
            difference = (magnitude_y - magnitude_t).square().sum((1, 2)) / magnitude_t.square().sum((1, 2))
            linears.append(torch.sqrt(difference + 1e-6).clamp(max=WORST).mean())
        log, linear = torch.stack(logs).mean(), torch.stack(linears).mean()
        return 0.5 * log + linear, {"log": float(log.detach()), "linear": float(linear.detach())}
