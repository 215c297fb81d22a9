"""The chain as Python sees it: prepared, loaded, steered and read by the control thread, run by compiled code."""

import math
import threading
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtstyle.dsp import delay, dynamics, meters, ramp, ring
from rtstyle.engine import cells
from rtstyle.engine.chain import process, process_entry
from rtstyle.engine.hops import lanes_entry
from rtstyle.engine.lane import CONTROLS, Model, as_models
from rtstyle.engine.latency import Latency, itemise
from rtstyle.engine.memory import Memory
from rtstyle.engine.native import Native
from rtstyle.engine.readings import Faults, Jitter, Levels, Meters, read_faults, read_jitter, read_meters
from rtstyle.engine.slots import RING_FRAMES, Host, Slots
from rtstyle.engine.worker import Worker
from rtstyle.errors import DeviceError, ParameterError
from rtstyle.params import PARAMETERS, parameter
from rtstyle.units import db_to_gain

__all__ = ["DRIVERS", "Engine", "Faults", "Jitter", "Levels", "Meters"]

DRIVERS: Final = {"tight": cells.TIGHT, "safe": cells.SAFE, "offline": cells.OFFLINE}
RATES: Final = (44_100, 192_000)  # lowest and highest that a device may have
MAX_CHANNELS: Final = cells.MAX_MODELS
LOOKAHEAD_MS: Final = 1000.0 * 16 / 48_000  # of the limiter
FAULT_FADE_MS: Final = 4.0  # wet to dry after a fault, and back
PREROLL_MS: Final = 40.0  # a new model runs unheard for that long
SWAP_MS: Final = 30.0  # crossfade between two models


class Engine:
    """One chain. `[control]` unless a method says otherwise.

    Use: `prepare`, `load`, then `process` arrays, or give `function` and `table` to a device's callback. `table` stays the
    same array for the engine's life. While a callback runs, only `load`, `set`, `set_styles`, `service` and the reading
    methods may be called.
    """

    def __init__(self, *, lookahead_ms: float = LOOKAHEAD_MS) -> None:
        self._memory = Memory(cells.CHAIN_SLOTS)
        self._native = Native()
        self._memory.put(cells.NATIVE, self._native.cells)
        self._native.cells[cells.RUN_LANES] = lanes_entry.address
        self._memory.put(cells.PARAMETERS, np.zeros(cells.PARAMETER_COUNT, np.float32))
        self._memory.put(cells.STATE, np.zeros(cells.STATE_SIZE, np.int64))
        self._memory[cells.STATE][[cells.CURRENT, cells.NEXT]] = -1
        self._memory.put(cells.LANES, np.zeros(2, np.int64))
        self._memory.put(cells.ENTRIES, np.zeros(cells.ENTRY_BINS, np.int64))
        self._patient = False
        self._lookahead_ms = lookahead_ms
        self._worker = Worker(self._memory, self._native)
        self._slots = Slots(self._memory, lambda: self._worker.running)
        self._slots.weights = _style_weights([1.0])
        self._lock = threading.RLock()  # of the control threads; no compiled code knows it
        self.sample_rate = 0
        self.block = 0
        self.channels = 0
        self.driver = ""
        for id in cells.CELL_OF:
            self.set(id, PARAMETERS[id].default)

    # --- preparation ----------------------------------------------------------------------------------------------------

    @property
    def table(self) -> NDArray[np.int64]:
        """All that the compiled function needs, int64; its address is what a callback gets."""
        return self._memory.table

    @property
    def function(self) -> int:
        """C pointer of `chain.process_entry`: int32 function(table, in, out, channels, room, frames), all int64."""
        return int(process_entry.address)

    def prepare(self, *, sample_rate: int, block: int, channels: int, driver: str = "tight") -> None:
        """Allocate for a device and go to silence; a model that was loaded stays. Not while a callback runs.

        block: frames of every callback, or 0 for any (costs up to a hop of latency). driver: tight, safe or offline
        (tight without a clock, for any blocks). Raises DeviceError for values that no chain can have.
        """
        if not RATES[0] <= sample_rate <= RATES[1]:
            raise DeviceError(
                f"sample rate {sample_rate} Hz is not supported: choose one from {RATES[0]} to {RATES[1]} Hz"
            )
        if not 0 <= block <= cells.MAX_BLOCK:
            raise DeviceError(f"block {block} is not supported: choose 1 to {cells.MAX_BLOCK} frames, or 0 for any")
        if not 1 <= channels <= MAX_CHANNELS:
            raise DeviceError(f"{channels} channels are not supported: choose 1 to {MAX_CHANNELS}")
        if driver not in DRIVERS:
            raise DeviceError(f"driver '{driver}' does not exist; there are: {', '.join(DRIVERS)}")
        if self._slots.instances not in (0, 1, channels):
            raise DeviceError(
                f"the model has {self._slots.instances} instances for {channels} channels: load another one first"
            )
        with self._lock:
            self.stop_worker()
            self.sample_rate, self.channels, self.driver = sample_rate, channels, driver
            self.block = 0 if driver == "offline" else block
            self._allocate()
            self.reset()

    def reset(self) -> None:
        """Return to silence and to position 0, with the model that was loaded last. Not while a callback runs."""
        if not self.sample_rate:
            raise DeviceError("the engine is not prepared: call prepare first")
        with self._lock:
            running = self._worker.running
            self.stop_worker()
            self._silence()
            self._slots.install(Host(self.sample_rate, self.block, self.channels, self.driver))
            if running:
                self.start_worker()

    def _silence(self) -> None:
        """All memory of sound away, all counters at zero."""
        memory = self._memory
        for slot in (cells.FEED, cells.DRY, cells.DC, cells.INPUT_METERS, cells.OUTPUT_METERS, cells.FEED_INDEX):
            memory[slot][:] = 0
        memory.put(cells.GATE, dynamics.new_gate())
        limiter, line, history = dynamics.new_limiter(self.channels, self.lookahead)
        memory.put(cells.LIMITER, limiter)
        memory.put(cells.LIMITER_LINE, line)
        memory.put(cells.LIMITER_HISTORY, history)
        state = memory[cells.STATE]
        memory[cells.ENTRIES][:] = 0
        state[:] = 0
        state[cells.DRIVER] = DRIVERS[self.driver]
        state[cells.PATIENT] = self._patient or self.driver == "offline"
        state[cells.PREROLL_LENGTH] = round(PREROLL_MS * self.sample_rate / 1000)
        state[cells.FADE_LENGTH] = round(SWAP_MS * self.sample_rate / 1000)
        state[cells.PREPARED_BLOCK] = self.block

    def _allocate(self) -> None:
        memory, rate, channels = self._memory, self.sample_rate, self.channels
        setup = np.zeros(cells.SETUP_SIZE)
        setup[cells.SAMPLE_RATE] = rate
        setup[cells.DC_POLE] = math.exp(-2 * math.pi * 8.0 / rate)
        setup[cells.GATE_FALL] = math.exp(-1.0 / (0.010 * rate))
        setup[cells.GATE_HOLD] = round(0.040 * rate)
        setup[cells.GATE_ATTACK] = 1.0 / (0.001 * rate)
        setup[cells.GATE_RELEASE] = 1.0 / (0.060 * rate)
        setup[cells.LIMITER_RELEASE] = 1.0 - math.exp(-1.0 / (0.080 * rate))
        setup[cells.FAULT_STEP] = 1000.0 / (FAULT_FADE_MS * rate)
        setup[cells.DEBT_LIMIT_NS] = 1e9 * max(self.block, 1) / rate
        setup[cells.RAMP_LENGTH] = round(PARAMETERS["mix"].smoothing_ms * rate / 1000)
        setup[cells.FOLLOW_GLIDE] = 1000.0 / (PARAMETERS["dynamics"].smoothing_ms * rate)
        setup[cells.FOLLOW_POLE] = math.exp(-2 * math.pi * dynamics.TREBLE_HZ / rate)
        setup[cells.FOLLOW_SMOOTH] = 1.0 - math.exp(-1.0 / (0.006 * rate))
        setup[cells.BYPASS_LENGTH] = round(PARAMETERS["bypass"].smoothing_ms * rate / 1000)
        memory.put(cells.SETUP, setup)
        memory.put(cells.RAMPS, np.zeros((cells.RAMPED, ramp.STATE_SIZE)))
        memory.put(cells.RAMP_SCRATCH, np.zeros((cells.RAMPED, cells.MAX_BLOCK), np.float32))
        memory.put(cells.FEED, delay.new_line(channels, RING_FRAMES))
        memory.put(cells.FEED_INDEX, ring.new_index())
        memory.put(cells.DRY, delay.new_line(channels, RING_FRAMES))
        memory.put(cells.DC, np.zeros((channels, 2)))
        memory.put(cells.INPUT_METERS, meters.new_state(channels))
        memory.put(cells.OUTPUT_METERS, meters.new_state(channels))
        for slot in (cells.WORK, cells.DRY_NOW, cells.DRY_NEXT):
            memory.put(slot, np.zeros((channels, cells.MAX_BLOCK), np.float32))
        memory.put(cells.VOICE_SCRATCH, np.zeros((2 * (channels + 1), cells.MAX_BLOCK), np.float32))

    # --- models --------------------------------------------------------------------------------------------------------

    def load(
        self, model: Model | Sequence[Model], weights: ArrayLike | None = None, *, entry: int | None = None
    ) -> None:
        """Play `model` from now on: at once before the first block, else by a gapless crossfade.

        model: one for all channels (they are summed, each hears the result), or one instance per channel. weights: of its
        styles, convex; those of `set_styles` otherwise. entry: C function that runs it, see `entry.py`; the one for
        loaded bundles otherwise. The new model is warmed by its loader; here it runs unheard for PREROLL_MS first.

        A load during a crossfade waits for it: `service` (or `process` from Python) puts it up. The engine keeps the
        model until `service` returns it. Raises DeviceError where the number of instances fits no channel count.
        """
        models = as_models(model)
        if self.sample_rate and len(models) not in (1, self.channels):
            raise DeviceError(
                f"{len(models)} instances of '{models[0].name}' for {self.channels} channels: "
                "give one, or one per channel"
            )
        chosen = None if weights is None else _style_weights(weights)
        if entry is None:
            from rtstyle.engine.entry import (
                run_model_entry,
            )  # compiles the runtime, which a foreign entry does not need

            entry = int(run_model_entry.address)
        with self._lock:
            if chosen is not None:
                self._slots.weights = chosen
            self._slots.load(models, entry)

    def service(self) -> list[tuple[Model, ...]]:
        """Advance swaps; returns the models that no thread uses any more, for the caller to close. Call it regularly."""
        with self._lock:
            self._slots.advance()
            return self._slots.take_retired()

    @property
    def swapping(self) -> bool:
        """Whether a model is on its way in. `[any]`"""
        return self._slots.swapping

    @property
    def model(self) -> Model | None:
        """The model that sounds, or will once the swap under way is over. `[any]`"""
        return self._slots.model

    # --- steering -----------------------------------------------------------------------------------------------------------

    def set(self, name: str, value: float) -> None:
        """Aim a parameter at `value`, in the unit of `params.PARAMETERS`; the audio side ramps there. `[any]`

        Raises ParameterError for a name that is not the chain's (styles: `set_styles`) and for a value out of range.
        """
        cell = cells.CELL_OF.get(name)
        if cell is None:
            parameter(name)
            raise ParameterError(f"'{name}' is not a parameter of the chain; there are: {', '.join(cells.CELL_OF)}")
        value = PARAMETERS[name].check(value)
        if name == "gate.threshold_db" and value <= PARAMETERS[name].minimum:
            linear = 0.0
        else:
            linear = db_to_gain(value) if name.endswith("_db") else value
        self._memory[cells.PARAMETERS][cell] = linear

    def set_styles(self, weights: ArrayLike) -> None:
        """Aim the style mix at `weights`: non-negative, sum 1, at most 32, in the order of the model's styles. `[any]`

        Raises ParameterError otherwise.
        """
        values = _style_weights(weights)
        with self._lock:
            self._slots.weights = values
            self._slots.aim_weights()

    def set_patient(self, patient: bool) -> None:
        """While patient, time does not matter: no model rests for being slow, the worker is waited for (freewheel). `[any]`"""
        self._patient = patient
        self._memory[cells.STATE][cells.PATIENT] = int(patient or self.driver == "offline")

    # --- reading ------------------------------------------------------------------------------------------------------------

    @property
    def lookahead(self) -> int:
        """Of the limiter, in samples. `[any]`"""
        return round(self._lookahead_ms * self.sample_rate / 1000)

    def latency(self) -> Latency:
        """Samples between input and output, itemised; after a swap under way, if there is one. `[control]`"""
        if not self.sample_rate:
            raise DeviceError("the engine is not prepared: call prepare first")
        slots = self._slots
        lane = slots.newest
        if lane is None:
            return itemise(None, 0, 0, self.lookahead, self.sample_rate)
        return itemise(slots.path(lane), slots.voice_latency, slots.ahead(lane), self.lookahead, self.sample_rate)

    def meters(self) -> Meters:
        """Levels and costs now. `[any]`"""
        return read_meters(self._memory, self._slots.current)

    def jitter(self) -> Jitter:
        """The device's punctuality since `prepare` or `reset`. `[any]`"""
        return read_jitter(self._memory)

    def faults(self) -> Faults:
        """Counters since `prepare` or `reset`. `[any]`"""
        return read_faults(self._memory)

    def clear_clips(self) -> None:
        """Unlatch the clip lights. `[any]`"""
        for slot in (cells.INPUT_METERS, cells.OUTPUT_METERS):
            self._memory[slot][:, meters.CLIPPED] = 0.0

    # --- running ------------------------------------------------------------------------------------------------------------

    def process(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run float32 (channels, frames) through the chain, late by `latency().total`; returns a new array. `[control]`

        Mono may be (frames,). The same compiled function as live; here it also advances swaps.
        """
        if not self.sample_rate:
            raise DeviceError("the engine is not prepared: call prepare first")
        block = np.ascontiguousarray(x.reshape(1, -1) if x.ndim == 1 else x, dtype=np.float32)
        if block.shape[0] != self.channels:
            raise DeviceError(f"{block.shape[0]} channels given to an engine of {self.channels}")
        out = np.empty_like(block)
        process(self.table, block, out, block.shape[1])
        with self._lock:
            self._slots.advance()
        return out.reshape(x.shape)

    def start_worker(self) -> None:
        """Start the thread that runs the model for the driver `safe`; nothing to do for the others."""
        if self.driver == "safe":
            self._worker.start()

    def stop_worker(self) -> None:
        """Stop it and wait for it. Harmless without one."""
        self._worker.stop()

    def close(self) -> list[tuple[Model, ...]]:
        """Stop, and return all models for the caller to close. Not while a callback runs."""
        with self._lock:
            self.stop_worker()
            return self._slots.clear()


def _style_weights(weights: ArrayLike) -> NDArray[np.float32]:
    values = np.asarray(weights, dtype=np.float32).ravel()
    if not 1 <= values.size <= CONTROLS - 1:
        raise ParameterError(f"{values.size} style weights given: give 1 to {CONTROLS - 1}")
    if not np.all(values >= 0.0) or abs(float(values.sum()) - 1.0) > 1e-3:
        raise ParameterError(f"style weights {values.tolist()} are not a mix: each must be 0 or more, and their sum 1")
    return np.concatenate([values, np.zeros(CONTROLS - 1 - values.size, np.float32)])
