"""The judge: which instrument does this second of sound come from?

A small convolutional network on log-mel patches of 1.2 s, trained by `judge_training` on real recordings alone. It
knows the seven styles, and six further families plus noise so that it can refuse. It is an evaluator: nothing may be
trained on its opinion, and its opinion on an instrument counts only where `verdict_usable` says so.
"""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import nn

from rtstyle.dsp import mel
from rtstyle.errors import FileError

CLASSES = (
    *("violin", "flute", "cello", "trumpet", "clarinet", "saxophone", "voice"),
    *("piano", "plucked", "low-brass", "double-reed", "organ", "percussion", "noise"),
)
EMBEDDING = 128
WIDTHS = (20, 40, 72, 96)  # channels of the convolutions before the last
REQUIRED_ACCURACY = 0.95
WEIGHTS = Path(__file__).with_name("judge.npz")
RECORD = Path(__file__).with_name("judge.json")


class JudgeNet(nn.Module):
    """Normalised patches `(batch, PATCH, MELS)` -> logits `(batch, classes)` and embeddings `(batch, EMBEDDING)`."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, classes: int = len(CLASSES)) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise((1, *widths, EMBEDDING))):
            size, stride = (5, 2) if index == 0 else (3, 1)
            blocks += [nn.Conv2d(before, after, size, stride, size // 2), nn.BatchNorm2d(after), nn.ReLU()]
            if 0 < index < 4:
                blocks.append(nn.MaxPool2d(2))
        self.body = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * EMBEDDING, EMBEDDING), nn.ReLU())
        self.out = nn.Linear(EMBEDDING, classes)

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        maps = self.body(patches[:, None])
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        embedding = self.head(pooled)
        return self.out(embedding), embedding


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one clip: per patch, and over the patches that are audible.

    probabilities: `(patches, CLASSES)`; embeddings: `(patches, EMBEDDING)`; audible: `(patches,)` bool.
    """

    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    audible: NDArray[np.bool_]

    def share(self, instrument: str, active: NDArray[np.bool_] | None = None) -> float:
        """Share of seconds heard as `instrument`; silence where the input is `active` counts against it. 0..1."""
        counted = self.audible if active is None else active[: self.audible.size] | self.audible[: active.size]
        if not counted.any():
            return 0.0
        said = (self.probabilities.argmax(axis=1) == CLASSES.index(instrument)) & self.audible
        return float(said[: counted.size][counted].mean())

    def mean(self, active: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Mean probability of every class over the counted patches; zeros when there are none."""
        counted = self.audible if active is None else active[: self.audible.size] | self.audible[: active.size]
        if not counted.any():
            return np.zeros(len(CLASSES))
        heard = np.where(self.audible[:, None], self.probabilities, 0.0)[: counted.size]
        return heard[counted].mean(axis=0, dtype=np.float64)

    def probability(self, instrument: str, active: NDArray[np.bool_] | None = None) -> float:
        """Mean probability of `instrument` over the counted patches."""
        return float(self.mean(active)[CLASSES.index(instrument)])

    @property
    def label(self) -> str:
        """The class with the largest mean probability, or "silence"."""
        return CLASSES[int(self.mean().argmax())] if self.audible.any() else "silence"


@dataclass
class Judge:
    """A trained judge with its record (provenance, seeds, accuracies)."""

    net: JudgeNet
    record: dict[str, Any] = field(default_factory=dict)

    def __call__(self, audio: NDArray[np.float32], sample_rate: int) -> Verdict:
        """Judge mono audio `(frames,)`: one patch per 0.5 s. `[control]`"""
        if sample_rate != mel.SAMPLE_RATE:
            audio = soxr.resample(audio, sample_rate, mel.SAMPLE_RATE)
        levels = mel.log_mel(np.nan_to_num(np.asarray(audio, np.float32)))
        patches, audible = mel.cut(levels)
        with torch.inference_mode():
            logits, embeddings = self.net(torch.from_numpy(mel.normalise(patches)))
        return Verdict(_smooth(torch.softmax(logits, dim=1).numpy(), audible), embeddings.numpy(), audible)

    def verdict_usable(self, instrument: str) -> bool:
        """Whether the judge was right on at least 95 % of the held-out real clips of `instrument`."""
        accuracy = self.record.get("held_out", {}).get(instrument, {}).get("accuracy")
        return accuracy is not None and accuracy >= REQUIRED_ACCURACY


def _smooth(probabilities: NDArray[np.float32], audible: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean over each patch and its two neighbours, as far as they are audible: an ear of 2.2 s."""
    weight = np.pad(audible.astype(np.float32), 1)
    padded = np.pad(probabilities, ((1, 1), (0, 0))) * weight[:, None]
    total = weight[:-2] + weight[1:-1] + weight[2:]
    mean = (padded[:-2] + padded[1:-1] + padded[2:]) / np.maximum(total, 1.0)[:, None]
    return np.where(total[:, None] > 0, mean, probabilities).astype(np.float32)


def save_judge(judge: Judge, weights: Path = WEIGHTS) -> None:
    """Write float16 weights and, beside them, the record as JSON. `[control]`"""
    arrays = {name: value.numpy().astype(np.float16) for name, value in judge.net.state_dict().items() if value.ndim}
    np.savez_compressed(weights, **arrays)
    weights.with_suffix(".json").write_text(json.dumps(judge.record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@lru_cache(maxsize=4)
def load_judge(weights: Path = WEIGHTS) -> Judge:
    """Read the judge that ships, or another one. `[control]` Raises FileError when it is missing or of another
    shape.
    """
    try:
        with np.load(weights, allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
        record = json.loads(Path(weights).with_suffix(".json").read_text(encoding="utf-8"))
        layers = sorted((int(name.split(".")[1]), len(a)) for name, a in arrays.items() if a.ndim == 4)
        net = JudgeNet(tuple(width for _, width in layers[:-1]) or WIDTHS)
        problems = net.load_state_dict(arrays, strict=False)
        wrong = [
            *problems.unexpected_keys,
            *(n for n in problems.missing_keys if not n.endswith("num_batches_tracked")),
        ]
    except (OSError, ValueError, RuntimeError) as problem:
        raise FileError(
            f"cannot read the judge {weights}: {problem}; rebuild it with rtstyle evaluate --train-judge."
        ) from problem
    if wrong:
        raise FileError(
            f"the judge {weights} lacks or exceeds {wrong}; rebuild it with rtstyle evaluate --train-judge."
        )
    return Judge(net.eval(), record)
