"""The stage of the spectral family as a part of the loss: what its gains sound like, with gradients.

    log gains (T, 3 B) -> two poles -> filters of least phase -> on the spectra of input, pulses, noise -> overlap-add -> y

A loss that takes the gains as constant within its windows does not hear what moves in between, and on stage that is noise
between the partials. Here every hop is filtered, faded and added as `front.mix_sources` and `stft.synthesise` do it, but that
gains move in rests as well, of which a loss hears little.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rtstyle.dsp import front, stft
from rtstyle.dsp.minphase import phase_per_gain
from rtstyle.lab.nets.spectral import SpectralShape, band_spread
from rtstyle.lab.train.losses import power_of

MOMENT = 8  # hops, 11 ms: how often the shares of the sources are looked at


class _Filter(torch.autograd.Function):
    """Y = gx X + ge E + gn N for log gains; only what the filters let through is kept for the gradient.

    logs: (T, 3, B). spectra: complex (T, 3, bins), which get no gradient. curves: (B, 2 bins), log magnitude and phase at each
    bin for a log gain of one.
    """

    @staticmethod
    def forward(ctx: Any, logs: Tensor, spectra: Tensor, curves: Tensor) -> Tensor:
        bins = spectra.shape[2]
        level, turn = (logs[:, :2].flatten(0, 1) @ curves).unflatten(0, (-1, 2)).split(bins, dim=2)
        level = torch.exp(level)
        passed = torch.complex(level * torch.cos(turn), level * torch.sin(turn)) * spectra[:, :2]
        noise = torch.exp(logs[:, 2])  # noise is faded between the bands, not filtered: its phase is as good as any
        ctx.save_for_backward(passed, noise, spectra[:, 2], curves)
        return passed[:, 0] + passed[:, 1] + (noise @ curves[:, :bins]) * spectra[:, 2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        passed, noise, hiss, curves = ctx.saved_tensors
        (grad,) = grads
        moved = grad[:, None] * passed.conj()  # of a log gain by its magnitude and its phase
        of_filters = torch.cat([moved.real, moved.imag], dim=2) @ curves.T
        spread = curves[:, : hiss.shape[1]]
        of_noise = ((grad * hiss.conj()).real @ spread.T) * noise
        return torch.cat([of_filters, of_noise[:, None]], dim=1), None, None


class Stage(nn.Module):
    """Plays whole clips as the compiled chain plays hops."""

    def __init__(self, shape: SpectralShape) -> None:
        super().__init__()
        self.shape = shape
        spread = band_spread(shape.n_fft, shape).numpy()
        rise, fade = stft.filter_windows(shape.n_fft, shape.hop)
        self.register_buffer("rise", torch.from_numpy(rise))
        self.register_buffer("fade", torch.from_numpy(fade))
        curves = np.concatenate([spread.T, phase_per_gain(spread)], axis=1)
        self.register_buffer("curves", torch.from_numpy(curves))
        self.left = 1.0 - front.glide_share(shape.hop, shape.sample_rate, front.GLIDE_SECONDS)

    def spectra(self, sources: Tensor) -> Tensor:
        """Input, pulses and noise (3, T hop) as the stage sees them: complex (T, 3, bins)."""
        past = nn.functional.pad(sources, (self.shape.n_fft - self.shape.hop, 0))
        frames = past.unfold(1, self.shape.n_fft, self.shape.hop).transpose(0, 1)
        return torch.fft.rfft(frames * self.rise)

    def glide(self, hops: int) -> Tensor:
        """What gains come to in force, begun at rest at the first ones: a matrix (T, T) before log gains (T, K)."""
        ago = torch.arange(hops, device=self.rise.device)
        ago = ago[:, None] - ago
        poles = (1.0 - self.left) ** 2 * (ago + 1) * self.left ** ago.clamp(min=0)
        # products with denormal numbers take ten times as long
        poles = torch.where((ago >= 0) & (poles > 1e-9), poles, 0.0)
        poles[:, 0] += 1.0 - poles.sum(1)  # the first gains were there before
        return poles.to(self.rise.dtype)

    def forward(self, gains: Tensor, sources: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Linear gains (batch, T, 3 B), sources (batch, 3, T hop) -> sound (batch, T hop), as early as the sources; its last
        hop has but half of its frames. And powers (batch, moments, B) of what each source comes to, every MOMENT hops.
        """
        logs = torch.log(gains.clamp(min=front.CLOSED))
        glide, played, powers = self.glide(logs.shape[1]), [], []
        for wanted, audio in zip(logs, sources, strict=True):  # one clip at a time stays in the cache
            own = (glide @ wanted).unflatten(1, (front.SOURCES, -1))
            with torch.no_grad():
                spectra = self.spectra(audio)
                heard = power_of(spectra[::MOMENT]) @ self.curves[:, : spectra.shape[2]].T
            frames = torch.fft.irfft(_Filter.apply(own, spectra, self.curves))[:, -self.fade.numel() :] * self.fade
            begun, ended = frames.split(self.shape.hop, dim=1)
            played.append((nn.functional.pad(begun[1:], (0, 0, 0, 1)) + ended).reshape(-1))
            powers.append(heard * torch.exp(2.0 * own[::MOMENT]))
        of_input, of_pulses, of_noise = torch.stack(powers).unbind(2)
        return torch.stack(played), (of_input, of_pulses, of_noise)
