"""A mean over clips, and how far another draw of clips could have moved it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Figure:
    """A mean with its bootstrap 95 % interval and the number of clips behind it."""

    mean: float
    low: float
    high: float
    clips: int

    def as_dict(self) -> dict[str, float | int | None]:
        """JSON form: NaN becomes null."""
        rounded = {name: round(getattr(self, name), 5) for name in ("mean", "low", "high")}
        return {**{k: None if v != v else v for k, v in rounded.items()}, "clips": self.clips}

    def text(self, digits: int = 2) -> str:
        """For tables: `0.83 [0.71, 0.92]`, or a dash without clips."""
        if self.clips == 0:
            return "-"
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def figure(values: Iterable[float], draws: int = 1000, seed: int = 0) -> Figure:
    """Mean and percentile interval over clips drawn with replacement. NaN values are left out."""
    kept = np.array([v for v in values if v == v], dtype=np.float64)
    if kept.size == 0:
        return Figure(float("nan"), float("nan"), float("nan"), 0)
    picks = np.random.default_rng(seed).integers(kept.size, size=(draws, kept.size))
    low, high = np.quantile(kept[picks].mean(axis=1), [0.025, 0.975])
    return Figure(float(kept.mean()), float(low), float(high), int(kept.size))
