"""What the chain says of itself: levels, costs, faults, the device's punctuality. Plain values, read from cells."""

import math
from dataclasses import dataclass

import numpy as np

from rtstyle.dsp import meters, ring
from rtstyle.engine import cells
from rtstyle.engine.lane import Lane
from rtstyle.engine.memory import Memory


@dataclass(frozen=True)
class Levels:
    """Meters of one channel, linear, full scale 1."""

    peak: float
    rms: float
    hold: float
    clipped: bool


@dataclass(frozen=True)
class Meters:
    """Levels before and after the chain, and what it costs."""

    input: tuple[Levels, ...]
    output: tuple[Levels, ...]
    blocks: int  # since `prepare`
    frames: int  # since `prepare`: the absolute position
    chain_us: float  # mean time of one block inside the chain, the model included where the driver is tight
    model_us: float  # mean time of the model per block
    wet: float  # 1 while the wet signal is there, 0 while a fault keeps it dry


@dataclass(frozen=True)
class Jitter:
    """How far from its time the device called, in microseconds; each call is due when the block before it ends."""

    calls: int
    median_us: float
    p99_us: float
    p999_us: float
    worst_us: float


@dataclass(frozen=True)
class Faults:
    """What went wrong since `prepare`, and was covered by the dry signal."""

    late: int  # times that the model was sent to rest for being too slow (tight), or hops that came too late (safe)
    model_error: int  # runs that returned an error
    nonfinite_in: int  # samples of the input that were NaN, infinite or absurd
    nonfinite_out: int  # runs, or samples at the limiter, that were
    underflow: int  # blocks for which wet samples were missing
    dry_frames: int  # frames played dry because of a fault
    block_changed: bool  # a block came that the latency was not prepared for, and ran dry: prepare anew
    last_error: int  # code of the last run that failed


def read_meters(memory: Memory, lane: Lane | None) -> Meters:
    """lane: the one that sounds. `[any]`"""
    state = memory[cells.STATE]
    blocks = int(state[cells.BLOCKS])
    return Meters(
        input=_levels(memory, cells.INPUT_METERS),
        output=_levels(memory, cells.OUTPUT_METERS),
        blocks=blocks,
        frames=int(memory[cells.FEED_INDEX][ring.WRITTEN]),
        chain_us=float(state[cells.CHAIN_NS]) / 1000.0 / max(blocks, 1),
        model_us=float(state[cells.MODEL_NS]) / 1000.0 / max(blocks, 1),
        wet=float(lane.memory[cells.L_READER][0, cells.WEIGHT]) if lane is not None else 0.0,
    )


def read_jitter(memory: Memory) -> Jitter:
    """To 10 us. `[any]`"""
    bins = memory[cells.ENTRIES].copy()
    total = int(bins.sum())
    below = np.cumsum(bins)
    median, p99, p999 = (
        (int(np.searchsorted(below, share * total)) + 0.5) * cells.ENTRY_BIN_NS / 1000.0 if total else 0.0
        for share in (0.5, 0.99, 0.999)
    )
    return Jitter(total, median, p99, p999, float(memory[cells.STATE][cells.LATEST_ENTRY_NS]) / 1000.0)


def read_faults(memory: Memory) -> Faults:
    """Counters. `[any]`"""
    state = memory[cells.STATE]
    frames, prepared = int(state[cells.LAST_FRAMES]), int(state[cells.PREPARED_BLOCK])
    return Faults(
        late=int(state[cells.LATE]),
        model_error=int(state[cells.MODEL_ERROR]),
        nonfinite_in=int(state[cells.NONFINITE_IN]),
        nonfinite_out=int(state[cells.NONFINITE_OUT]),
        underflow=int(state[cells.UNDERFLOW]),
        dry_frames=int(state[cells.DRY_FRAMES]),
        block_changed=bool(state[cells.UNDERFLOW] and prepared and frames and frames != prepared),
        last_error=int(state[cells.LAST_ERROR]),
    )


def _levels(memory: Memory, slot: int) -> tuple[Levels, ...]:
    return tuple(
        Levels(
            peak=float(row[meters.PEAK]),
            rms=math.sqrt(row[meters.MEAN_SQUARE]),
            hold=float(row[meters.HOLD]),
            clipped=bool(row[meters.CLIPPED]),
        )
        for row in memory[slot]
    )
