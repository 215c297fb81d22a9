"""Which driver suits this machine, model and block: a short measurement, and words for it."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import DeviceError

DRIVERS: Final = ("auto", "tight", "safe")
TIGHT_SHARE: Final = 0.5  # of a callback's time that the model may take inside it
_SECONDS: Final = 0.06
_MOST_RUNS: Final = 200
_FEWEST_RUNS: Final = 12


class Runnable(Protocol):
    """What the measurement needs of a model; `runtime.model.LoadedModel` is one."""

    sample_rate: int
    hop: int

    def controls(self, style: int = 0, amount: float = 1.0) -> NDArray[np.float32]: ...

    def step(self, x: NDArray[np.float32], controls: NDArray[np.float32]) -> NDArray[np.float32]: ...

    def reset(self) -> None: ...


@dataclass(frozen=True)
class DriverChoice:
    """The driver and why: `share` is the model's time in the slowest usual callback over that callback's duration."""

    driver: str
    reason: str
    share: float | None = None


def choose_driver(wanted: str, models: Sequence[Runnable], sample_rate: int, block: int) -> DriverChoice:
    """Settle "auto" by running the models for a moment as a callback would; "tight" and "safe" stay. `[control]`

    models: one, or one per channel, run one after the other. block: frames of a callback, 0 for any. A callback that
    makes the model run must have time for it: hops come in whole ones, so the worst callback counts, and of its runs
    the 95th percentile. The models are reset. Raises `DeviceError` for a driver that does not exist.
    """
    if wanted not in DRIVERS:
        raise DeviceError(f"driver '{wanted}' does not exist; there are: {', '.join(DRIVERS)}")
    if wanted != "auto":
        return DriverChoice(wanted, "as asked for")
    if block == 0:
        return DriverChoice("safe", "the device's block changes from callback to callback")
    share = model_share(models, sample_rate, block)
    words = f"the model takes {100 * share:.0f} % of a block"
    if share <= TIGHT_SHARE:
        return DriverChoice("tight", words, share)
    return DriverChoice("safe", f"{words}, so a worker runs it", share)


def model_share(models: Sequence[Runnable], sample_rate: int, block: int) -> float:
    """Time that the models take in a callback that makes them run, over the time that it may take. `[control]`"""
    model = models[0]
    hops = max(1, math.ceil(block * model.sample_rate / sample_rate / model.hop))
    x = np.random.default_rng(0).normal(0.0, 0.1, hops * model.hop).astype(np.float32)
    controls = model.controls()
    times: list[float] = []
    until = time.perf_counter() + _SECONDS
    while len(times) < _FEWEST_RUNS or (len(times) < _MOST_RUNS and time.perf_counter() < until):
        before = time.perf_counter()
        for instance in models:
            instance.step(x, controls)
        times.append(time.perf_counter() - before)
    for instance in models:
        instance.reset()
    return float(np.percentile(times[2:], 95)) * sample_rate / block
