"""Pseudo-quadrature mirror filter bank: M bands at a rate of 1 / M, near-perfect reconstruction, streaming.

The analysis reads each block of M samples as soon as it is complete and the taps are not padded, so that the pair delays by
N - 1 - (M - 1) samples (107 for 16 bands at 40 dB), the least that this bank allows.
Source: T. Q. Nguyen, "Near-perfect-reconstruction pseudo-QMF banks", IEEE Trans. Signal Processing 42 (1994).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rtstyle.lab.nets.streaming import Past


def prototype(bands: int, attenuation_db: float) -> NDArray[np.float64]:
    """Kaiser low-pass of odd length whose autocorrelation vanishes best at multiples of 2 M. `[control]`"""
    from scipy.optimize import minimize_scalar
    from scipy.signal import firwin, kaiserord

    taps, beta = kaiserord(attenuation_db, 0.586 / bands)
    taps = int(taps) | 1

    def overlap(cutoff: float) -> float:
        h = firwin(taps, float(cutoff), window=("kaiser", beta))
        correlation = np.convolve(h, h[::-1])[taps - 1 :]
        return float(np.max(np.abs(correlation[2 * bands :: 2 * bands])))

    grid = np.linspace(0.3 / bands, 0.9 / bands, 61)
    best = grid[int(np.argmin([overlap(c) for c in grid]))]
    width = grid[1] - grid[0]
    found = minimize_scalar(overlap, bounds=(best - width, best + width), method="bounded", options={"xatol": 1e-10})
    return firwin(taps, float(found.x), window=("kaiser", beta))


def filters(bands: int, attenuation_db: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Analysis and synthesis impulse responses, each float32[bands, N]; together they have unit gain. `[control]`"""
    h = prototype(bands, attenuation_db)
    n = np.arange(h.size) - (h.size - 1) / 2
    k = np.arange(bands)[:, None]
    angle = (2 * k + 1) * np.pi / (2 * bands) * n
    sign = np.where(k % 2 == 0, 1.0, -1.0) * np.pi / 4
    analysis = 2 * h * np.cos(angle + sign)
    synthesis = 2 * h * np.cos(angle - sign)
    through = sum(np.convolve(analysis[b], synthesis[b]) for b in range(bands))
    scale = bands / float(through[h.size - 1])  # decimation keeps one sample in M
    return analysis.astype(np.float32), (synthesis * scale).astype(np.float32)


class Pqmf(nn.Module):
    """Analysis (batch, rows, samples) -> (batch, samples / M, rows * M) and synthesis (batch, frames, M) -> (batch, samples)."""

    def __init__(self, bands: int = 16, attenuation_db: float = 40.0) -> None:
        super().__init__()
        analysis, synthesis = filters(bands, attenuation_db)
        self.bands, self.taps = bands, analysis.shape[1]
        self.latency = self.taps - bands
        self.register_buffer("kernel", torch.from_numpy(analysis[:, None, ::-1].copy()), persistent=False)
        blocks = -(-self.taps // bands)
        padded = np.zeros((bands, blocks * bands), np.float32)
        padded[:, : self.taps] = synthesis
        # row (i, b) of the matrix: what band b, i frames ago, adds to the M samples of this frame
        matrix = padded.reshape(bands, blocks, bands).transpose(1, 0, 2)[::-1].reshape(blocks * bands, bands)
        self.blocks = blocks
        self.register_buffer("matrix", torch.from_numpy(matrix.copy()), persistent=False)

    def analyse(self, audio: Tensor, past: Past) -> Tensor:
        """audio: (batch, rows, samples), samples a multiple of M -> (batch, samples / M, rows * M), row after row."""
        batch, rows, _ = audio.shape
        joined = past.extend("pqmf_analysis", audio.transpose(1, 2), self.taps - self.bands).transpose(1, 2)
        flat = joined.reshape(batch * rows, 1, -1)
        split = nn.functional.conv1d(flat, self.kernel, stride=self.bands)
        return split.reshape(batch, rows * self.bands, -1).transpose(1, 2)

    def synthesise(self, frames: Tensor, past: Past) -> Tensor:
        """frames: (batch, frames, M) -> (batch, frames * M)."""
        joined = past.extend("pqmf_synthesis", frames, self.blocks - 1)
        last = self.blocks - 1
        stacked = torch.cat([joined[:, i : i - last or None] for i in range(self.blocks)], dim=2)
        return (stacked @ self.matrix).reshape(frames.shape[0], -1)
