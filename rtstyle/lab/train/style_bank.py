"""The statistics that make a style: of one clip's latent, and running ones of every voice that training met."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class StyleBank:
    """Running statistics of the latents, per voice and, under the name "", over all inputs (the neutral prior)."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.mean: dict[str, Tensor] = {}
        self.square: dict[str, Tensor] = {}

    def update(self, name: str, mean: Tensor, std: Tensor, rate: float = 0.02) -> None:
        """Move a voice's statistics towards those of one clip, (1, 1, C) each."""
        mean, square = mean.detach().float(), (std.square() + mean.square()).detach().float()
        if name not in self.mean:
            self.mean[name], self.square[name] = mean.clone(), square.clone()
        self.mean[name] += rate * (mean - self.mean[name])
        self.square[name] += rate * (square - self.square[name])

    def get(self, name: str) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of a voice, (1, 1, C) each. Raises KeyError for one that was never met."""
        mean = self.mean[name]
        return mean, torch.sqrt(torch.clamp(self.square[name] - mean.square(), min=1e-4))

    def take_neutral(self, mean: NDArray[np.float32], std: NDArray[np.float32]) -> None:
        """Begin with the neutral prior of a bundle, float32 (C,) each."""
        self.update("", *(torch.from_numpy(value)[None, None] for value in (mean, std)))

    def state(self) -> dict[str, Any]:
        """All that `restore` needs."""
        return {"mean": self.mean, "square": self.square}

    def restore(self, state: dict[str, Any], device: str = "cpu") -> None:
        """Take over what `state` gave, on the device of the training."""
        self.mean, self.square = ({k: v.to(device) for k, v in state[name].items()} for name in ("mean", "square"))


def clip_statistics(latent: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel over the active frames: (batch, 1, C) each."""
    weight = active / active.sum(1, keepdim=True).clamp(min=1.0)
    mean = (latent * weight).sum(1, keepdim=True)
    variance = ((latent - mean).square() * weight).sum(1, keepdim=True)
    return mean, torch.sqrt(variance + 1e-4)
