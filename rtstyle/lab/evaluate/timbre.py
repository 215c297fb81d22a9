"""Timbre: whose sound is it? The judge's verdict, distances between embeddings, and MFCC statistics without any
network.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg
import soxr
from numpy.typing import NDArray

from rtstyle.dsp import mel
from rtstyle.lab.evaluate import spectrum
from rtstyle.lab.evaluate.judge import Judge, Verdict

DIMENSIONS = 12  # of the embedding that Frechet distances see: clips are few, 128 dimensions would be noise


@dataclass(frozen=True)
class Reference:
    """Real recordings of one target: embeddings in two halves (by recording), MFCC statistics, average spectrum."""

    embeddings: tuple[NDArray[np.float64], NDArray[np.float64]]
    mfcc: NDArray[np.float64]
    power: NDArray[np.float64]

    @property
    def pooled(self) -> NDArray[np.float64]:
        """All embeddings of the target."""
        return np.concatenate(self.embeddings)


def mfcc_statistics(audio: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Means and standard deviations of MFCC 2..13 over the audible frames, `(24,)`. `[control]`"""
    if sample_rate != mel.SAMPLE_RATE:
        audio = soxr.resample(audio, sample_rate, mel.SAMPLE_RATE)
    levels = mel.log_mel(np.asarray(audio, np.float32))
    # The first coefficient is the level: it says which frames are heard and is then left out.
    mean = levels.mean(axis=1)
    heard = levels[mean > mean.max() - 40.0]
    mfcc = scipy.fft.dct(np.maximum(heard, heard.max() - 80.0), axis=1, norm="ortho")[:, 1:13]
    return np.concatenate([mfcc.mean(axis=0), mfcc.std(axis=0)]).astype(np.float64)


def cosine_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """1 - cosine of two vectors; 1 when either is zero."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return 1.0 - float(a @ b) / norm if norm > 0 else 1.0


def frechet(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Frechet distance of two clouds of points `(points, dimensions)`, each taken as a Gaussian.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)); covariances are shrunk by 5 % of their mean variance, since
    clouds are small. NaN below four points. Source: D. Dowson, B. Landau, 1982.
    """
    if len(a) < 4 or len(b) < 4:
        return float("nan")
    size = a.shape[1]

    def covariance(points: NDArray[np.float64]) -> NDArray[np.float64]:
        raw = np.cov(points, rowvar=False)
        return raw + 0.05 * np.trace(raw) / size * np.eye(size)

    ca, cb = covariance(a), covariance(b)
    root = scipy.linalg.sqrtm(ca @ cb)
    gap = a.mean(axis=0) - b.mean(axis=0)
    return float(max(0.0, gap @ gap + np.trace(ca) + np.trace(cb) - 2 * np.trace(root).real))


class EmbeddingSpace:
    """The DIMENSIONS directions in which real recordings of different instruments differ most, each of unit variance
    overall.
    """

    def __init__(self, embeddings: NDArray[np.float64]) -> None:
        self.centre = embeddings.mean(axis=0)
        _, scale, directions = np.linalg.svd(embeddings - self.centre, full_matrices=False)
        kept = min(DIMENSIONS, int((scale > 1e-6 * scale[0]).sum()))
        self.matrix = directions[:kept].T / (scale[0] / np.sqrt(len(embeddings)))

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Project `(patches, EMBEDDING)` to `(patches, DIMENSIONS)`."""
        return (embeddings.astype(np.float64) - self.centre) @ self.matrix


def build_references(
    recordings: dict[str, list[NDArray[np.float32]]], sample_rate: int, judge: Judge
) -> tuple[EmbeddingSpace, dict[str, Reference]]:
    """Listen to the real recordings of every target once. `[control]` recordings: target -> mono clips."""
    verdicts = {name: [judge(clip, sample_rate) for clip in clips] for name, clips in recordings.items()}
    heard = {name: [v.embeddings[v.audible] for v in found] for name, found in verdicts.items()}
    space = EmbeddingSpace(np.concatenate([e for found in heard.values() for e in found]).astype(np.float64))
    references = {}
    for name, clips in recordings.items():
        # Alternate by length, longest first, so that both halves hold about as much sound.
        order = sorted(range(len(clips)), key=lambda i: -len(heard[name][i]))
        if len(clips) > 1:
            halves = [np.concatenate([space(heard[name][i]) for i in order[half::2]]) for half in (0, 1)]
        else:
            points = space(heard[name][0])
            halves = [points[: len(points) // 2], points[len(points) // 2 :]]
        mfcc = np.mean([mfcc_statistics(clip, sample_rate) for clip in clips], axis=0)
        joined = np.concatenate([clip / (np.sqrt(np.mean(clip**2)) + 1e-9) * 0.1 for clip in clips])
        references[name] = Reference((halves[0], halves[1]), mfcc, spectrum.average(joined))
    return space, references


def measure(
    audio: NDArray[np.float32],
    sample_rate: int,
    target: str,
    verdict: Verdict,
    active: NDArray[np.bool_],
    reference: Reference,
) -> dict[str, float]:
    """One output against its target: share and probability by the judge (`active`: patches where the input sounds),
    and the MFCC distance to the real target. Frechet distances need all clips of a row: see `frechet_row`."""
    return {
        "judge_share": verdict.share(target, active),
        "judge_probability": verdict.probability(target, active),
        "mfcc_distance": cosine_distance(mfcc_statistics(audio, sample_rate), reference.mfcc),
    }


def frechet_row(verdicts: list[Verdict], space: EmbeddingSpace, reference: Reference) -> dict[str, float]:
    """Frechet distance of a whole row's audible patches to the real target, and the floor between two halves of the
    real one.
    """
    points = np.concatenate([space(v.embeddings[v.audible]) for v in verdicts])
    return {"frechet": frechet(points, reference.pooled), "frechet_floor": frechet(*reference.embeddings)}
