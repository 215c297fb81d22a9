"""The memory of one lane: a model, its resamplers, its rings and its controls."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import delay, dynamics, resample, ring
from rtstyle.engine import cells
from rtstyle.engine.cells import (
    BACKOFF,
    CALL_CONTROLS,
    CALL_OWN,
    CALL_SIZE,
    CALL_TABLE,
    CALL_TABLE_SIZE,
    CHUNK,
    GOOD,
    L_CALLS,
    L_CONTROLS,
    L_DOWN,
    L_DOWN_BUFFER,
    L_DOWN_STATE,
    L_HOST,
    L_READER,
    L_STAGE,
    L_STATE,
    L_UP,
    L_UP_BUFFER,
    L_UP_STATE,
    L_WET,
    L_WET_INDEX,
    L_X,
    L_Y,
    LAST_BAD,
    MUTED_UNTIL,
    RESET_DUE,
    TAKEN,
    WAITING,
)
from rtstyle.engine.memory import Memory
from rtstyle.errors import RtstyleError

CONTROLS = 33  # amount and the weights of 32 styles, as `runtime.model.run_model` takes them
SHORT_REST_SECONDS = 0.050  # of a model after a fault; doubled each time up to the long one
LONG_REST_SECONDS = 0.500
SILENCE_SECONDS = 0.17  # that a model hears before a stream


class Model(Protocol):
    """What the engine needs of a loaded model; `runtime.model.LoadedModel` is one."""

    table: NDArray[np.int64]
    name: str
    sample_rate: int
    hop: int
    latency: int
    max_frames: int
    styles: tuple[str, ...]

    def reset(self) -> None:
        """Forget the past."""

    def step(self, x: NDArray[np.float32], controls: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run x, float32[a multiple of the hop], under the controls [amount, weights of the styles].

        Raises RtstyleError when it fails.
        """


@dataclass(frozen=True)
class Lane:
    """One model, or one instance of it per channel, with the memory that it runs in. `[control]`"""

    models: tuple[Model, ...]
    memory: Memory
    host_rate: int
    down: resample.Resampler | None
    up: resample.Resampler | None

    @property
    def state(self) -> NDArray[np.int64]:
        """Cells of the lane."""
        return self.memory[L_STATE]

    def set_weights(self, weights: NDArray[np.float32]) -> None:
        """Aim the style mix at `weights`, float32[up to 32], convex. `[any]`"""
        targets = self.memory[L_CONTROLS][1]
        targets[1 : 1 + weights.size] = weights
        targets[1 + weights.size :] = 0.0

    def hear_silence(self, amount: float) -> None:
        """Let the models run on silence: a stream may begin in the middle of a note, and empty states would crack.

        A network's zero states are not those that silence leaves in it. A model that fails here fails again in the chain,
        which plays dry and counts it. Only while no thread runs the lane.
        """
        controls = self.memory[L_CONTROLS][1].copy()
        controls[0] = amount
        for model in self.models:
            hops = round(SILENCE_SECONDS * model.sample_rate / model.hop)
            try:
                model.step(np.zeros(hops * model.hop, np.float32), controls)
            except RtstyleError:
                model.reset()

    def reset(self, *, sounding: bool) -> None:
        """Return to silence. Only while no thread runs the lane.

        sounding: the lane is the first of a stream and is heard from position 0 on; else it fades in after `start_at`.
        """
        for model in self.models:
            model.reset()
        for resampler in (self.down, self.up):
            if resampler is not None:
                resampler.reset()
        state = self.state
        rate = self.models[0].sample_rate
        for cell in (
            cells.ORIGIN,
            cells.UNHEARD,
            cells.STRIKES,
            cells.OVERRUNS,
            TAKEN,
            WAITING,
            MUTED_UNTIL,
            RESET_DUE,
            cells.SPENT_NS,
            cells.DEBT_NS,
        ):
            state[cell] = 0
        state[cells.TARGETS_SEEN] = 0
        state[cells.SKIP] = 0 if self.up is not None else state[cells.MODEL_LATENCY]
        state[LAST_BAD] = -(1 << 60)
        state[GOOD] = int(cells.TRUST_SECONDS * rate) + 1
        state[BACKOFF] = state[cells.SHORT_BACKOFF]
        self.memory[L_WET][:] = 0.0
        self.memory[L_WET][-1] = float(sounding)
        self.memory[L_WET_INDEX][:] = 0
        self.memory[cells.L_FOLLOWER][:] = dynamics.new_follower(len(self.models))
        reader = self.memory[L_READER][0]
        reader[cells.MODE] = cells.SOUNDING if sounding else cells.SILENT
        reader[cells.WEIGHT] = float(sounding)
        state[cells.ACTIVE] = int(sounding)


def new_lane(
    models: tuple[Model, ...],
    *,
    host_rate: int,
    channels: int,
    ring_frames: int,
    entry: int,
    weights: NDArray[np.float32],
) -> Lane:
    """Allocate a lane for `models` (one, or one per channel); `reset` it before it runs. `[control]`

    entry: C function that runs a model, see `entry.run_model_entry`. weights: of the styles. ring_frames: of the wet ring.
    """
    model = models[0]
    count, hop = len(models), model.hop
    resamples = model.sample_rate != host_rate
    down = resample.Resampler(host_rate, model.sample_rate, count, CHUNK) if resamples else None
    longest = model.max_frames * hop
    up = resample.Resampler(model.sample_rate, host_rate, count, longest, model.latency) if resamples else None
    room = hop + CHUNK + longest
    host_room = longest if up is None else longest * up.up // up.down + 2

    memory = Memory(cells.LANE_SLOTS)
    memory.put(L_STATE, np.zeros(cells.LANE_STATE_SIZE, np.int64))
    memory.put(L_CONTROLS, np.zeros((2, CONTROLS), np.float32))
    memory.put(L_STAGE, np.zeros((channels, CHUNK), np.float32))
    memory.put(L_X, np.zeros((count, room), np.float32))
    memory.put(L_Y, np.zeros((count, longest), np.float32))
    memory.put(L_HOST, np.zeros((channels + 1, host_room), np.float32))
    for resampler, table, buffer, cells_slot in (
        (down, L_DOWN, L_DOWN_BUFFER, L_DOWN_STATE),
        (up, L_UP, L_UP_BUFFER, L_UP_STATE),
    ):
        memory.put(table, np.zeros((1, 2), np.float32) if resampler is None else resampler.table)
        memory.put(buffer, np.zeros((count, 1), np.float32) if resampler is None else resampler.buffer)
        memory.put(cells_slot, np.zeros(resample.STATE_SIZE, np.int64) if resampler is None else resampler.state)
    memory.put(cells.L_WANTED, np.zeros((channels, host_room), np.float32))
    memory.put(cells.L_FOLLOWER, dynamics.new_follower(count))
    memory.put(cells.L_OWN, np.zeros((count, model.max_frames), np.float32))
    memory.put(L_WET, delay.new_line(channels + 1, ring_frames))
    memory.put(L_WET_INDEX, ring.new_index())
    memory.put(L_READER, np.zeros((1, cells.READER_SIZE)))
    calls = np.zeros((count, CALL_SIZE), np.int64)
    for row, own, instance in zip(calls, memory[cells.L_OWN], models, strict=True):
        row[CALL_TABLE], row[CALL_TABLE_SIZE] = instance.table.ctypes.data, instance.table.size
        row[CALL_CONTROLS], row[CALL_OWN] = memory[L_CONTROLS].ctypes.data, own.ctypes.data
    memory.put(L_CALLS, calls)

    state = memory[L_STATE]
    for cell, value in (
        (cells.HOP, hop),
        (cells.MODEL_LATENCY, model.latency),
        (cells.MODEL_RATE, model.sample_rate),
        (cells.MAX_FRAMES, model.max_frames),
        (cells.MODELS, count),
        (cells.RESAMPLES, int(resamples)),
        (cells.ENTRY, entry),
        (cells.DOWN_STEP, down.down if down else 1),
        (cells.UP_STEP, up.down if up else 1),
        (cells.SHORT_BACKOFF, int(SHORT_REST_SECONDS * host_rate)),
        (cells.LONG_BACKOFF, int(LONG_REST_SECONDS * host_rate)),
    ):
        state[cell] = value
    lane = Lane(models, memory, host_rate, down, up)
    lane.set_weights(weights)
    return lane


def as_models(model: Any) -> tuple[Model, ...]:
    """One model or several as a tuple. `[any]`"""
    return tuple(model) if isinstance(model, (tuple, list)) else (model,)
