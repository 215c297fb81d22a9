"""Latency of the chain: what each stage costs, and a total that is exact and whole.

Wet sample n stands for input sample n (see lane.py), so all that counts is how many wet samples W(n) exist once n input
samples came:

    X = ceil((n - half_down) up / down)      samples at the model's rate        (n where rates are equal)
    Y = H floor(X / H)                       samples that the model has put out
    W = ceil((Y - half_up - L) down / up)    wet samples at the host's rate     (Y - L where rates are equal)

half_*: look-ahead of the resamplers, H: hop, L: latency of the model. A callback that ends at input n plays wet samples up
to n - P, so the smallest constant latency that never runs dry is P = max over callbacks of n - W(n), found by going through
one whole period of the pattern. Equal rates: P = L + H - gcd(B, H), the formula of S. Letz, "Callback adaptation techniques",
GRAME 2001. The driver `safe` plays what the callbacks before the last S samples allowed: P = max of n - W(n - S).
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from rtstyle.dsp import resample

SAFE_FRAMES_ANY = 1024  # time that the worker gets where the block is not known


@dataclass(frozen=True)
class Item:
    """One stage's share, in samples at the host's rate; a resampler's or a model's may be a fraction."""

    name: str
    samples: float


@dataclass(frozen=True)
class Latency:
    """What the chain adds between its input and its output; the device's own part is not in it."""

    sample_rate: int
    items: tuple[Item, ...]
    total: int

    @property
    def milliseconds(self) -> float:
        """The total as time."""
        return 1000.0 * self.total / self.sample_rate


@dataclass(frozen=True)
class Path:
    """What determines a lane's latency. half_down, half_up: look-ahead in their own input samples, 0 at equal rates."""

    host_rate: int
    model_rate: int
    hop: int
    model_latency: int
    half_down: int = 0
    half_up: int = 0

    @property
    def resamples(self) -> bool:
        """Whether the rates differ."""
        return self.host_rate != self.model_rate

    def written(self, n: np.ndarray) -> np.ndarray:
        """W(n), also continued below zero; int64 in and out."""
        if not self.resamples:
            return n // self.hop * self.hop - self.model_latency
        divisor = math.gcd(self.host_rate, self.model_rate)
        host, model = self.host_rate // divisor, self.model_rate // divisor
        at_model = -((self.half_down - n) * model // host)
        out = at_model // self.hop * self.hop
        return -((self.half_up + self.model_latency - out) * host // model)

    def period(self) -> int:
        """Input samples after which n - W(n) repeats."""
        divisor = math.gcd(self.host_rate, self.model_rate)
        model = self.model_rate // divisor
        return self.host_rate // divisor * (math.lcm(model, self.hop) // model)

    def prefill(self, block: int, ahead: int = 0) -> int:
        """P for callbacks of `block` samples (0: any pattern), of which the last `ahead` samples do not count yet."""
        step = block or 1
        count = math.lcm(step, self.period()) // step
        n = step * np.arange(1, count + 1, dtype=np.int64)
        return int(max(0, np.max(n - self.written(n - ahead))))


def safe_frames(path: Path, block: int) -> int:
    """Whole blocks, at least one hop long, that the driver `safe` grants the worker. `[control]`"""
    if block == 0:
        return SAFE_FRAMES_ANY
    hop = path.hop * path.host_rate / path.model_rate
    return block * max(1, math.ceil(hop / block))


def path_of(model: Any, host_rate: int) -> Path:
    """The path of a `lane.Model` at a host's rate. `[control]`"""
    if model.sample_rate == host_rate:
        return Path(host_rate, host_rate, model.hop, model.latency)
    down, up = resample.half_length(host_rate, model.sample_rate), resample.half_length(model.sample_rate, host_rate)
    return Path(host_rate, model.sample_rate, model.hop, model.latency, down, up)


def itemise(path: Path | None, prefill: int, ahead: int, lookahead: int, host_rate: int) -> Latency:
    """The stages of one lane and the limiter; what rounding adds is in the block adaptation. `[control]`

    path: None where there is no model. prefill: P, at least the path's own. ahead: S of the driver `safe`.
    """
    limiter = Item("limiter", float(lookahead))
    if path is None:
        return Latency(host_rate, (limiter,), lookahead)
    ratio = Fraction(path.host_rate, path.model_rate)
    model = path.model_latency * ratio
    up = path.half_up * ratio
    rest = prefill - model - up - path.half_down - ahead
    items = [Item("model", float(model))]
    if path.resamples:
        items += [Item("resampler in", float(path.half_down)), Item("resampler out", float(up))]
    items.append(Item("block adaptation", float(rest)))
    if ahead:
        items.append(Item("worker", float(ahead)))
    return Latency(host_rate, (*items, limiter), prefill + lookahead)
