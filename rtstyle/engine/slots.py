"""Slots A and B: which models the chain has, which comes in, which goes out, and when one may be let go.

A swap is a conversation through cells; neither side waits for the other:

    control                                      audio
    lane B built, LANES[B] = address, NEXT = B
                                                 starts B, unheard; crossfades; CURRENT = B, A inactive, NEXT = -1
    LANES[A] = 0
                                                 two more blocks, and two more rounds of the worker: A is out of sight
    A's memory and models are free
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import ring
from rtstyle.dsp.atomics import look, put
from rtstyle.engine import cells
from rtstyle.engine.lane import Lane, Model, new_lane
from rtstyle.engine.latency import Path, path_of, safe_frames
from rtstyle.engine.memory import Memory

RING_FRAMES = 4 * cells.MAX_BLOCK  # of the wet rings, the feed and the dry line

Models = tuple[Model, ...]


@dataclass(frozen=True)
class Host:
    """What the chain was prepared for. block 0: any."""

    sample_rate: int
    block: int
    channels: int
    driver: str


@dataclass(frozen=True)
class _Leaving:
    """A lane on its way out: whether its address was taken away, and the counters when that, or its leaving, was seen."""

    which: int
    hidden: bool
    blocks: int
    rounds: int


class Slots:
    """Owns the two lanes and knows the models in them. `[control]`, one thread at a time.

    memory: the chain's. worker_runs: tells whether a worker runs the lanes beside the audio thread.
    """

    def __init__(self, memory: Memory, worker_runs: Callable[[], bool]) -> None:
        self._memory = memory
        self._worker_runs = worker_runs
        self._host: Host | None = None
        self._lanes: list[Lane | None] = [None, None]
        self._loaded: tuple[Models, int] | None = None  # what shall sound, and the entry that runs it
        self._waiting = False  # `_loaded` has no lane yet
        self._leaving: _Leaving | None = None
        self._retired: list[Models] = []
        self.weights: NDArray[np.float32] = np.zeros(0, np.float32)

    @property
    def model(self) -> Model | None:
        """The model that sounds, or will once the swap under way is over."""
        return self._loaded[0][0] if self._loaded else None

    @property
    def instances(self) -> int:
        """How many there are of it: 1, or one per channel; 0 without a model."""
        return len(self._loaded[0]) if self._loaded else 0

    @property
    def swapping(self) -> bool:
        """Whether a model is on its way in."""
        return self._waiting or int(self._state[cells.NEXT]) >= 0

    @property
    def current(self) -> Lane | None:
        """The lane that sounds."""
        which = int(self._state[cells.CURRENT])
        return self._lanes[which] if which >= 0 else None

    @property
    def newest(self) -> Lane | None:
        """The lane that comes in, else the one that sounds."""
        which = int(self._state[cells.NEXT])
        return self._lanes[which] if which >= 0 else self.current

    def load(self, models: Models, entry: int) -> None:
        """Let `models` sound: at once before the first block, else by a swap, now or when the present one is over."""
        before = self._loaded
        if before is not None and before[0] == models and not self._waiting:
            self.aim_weights()  # it plays already
            return
        if before is not None and before[0] != models and self._waiting and not self._has_lane(before[0]):
            self._retired.append(before[0])
        self._loaded = (models, entry)
        self._waiting = True
        if self._host is not None and int(self._memory[cells.FEED_INDEX][ring.WRITTEN]) == 0:
            self._begin_at_once()
        else:
            self.advance()

    def aim_weights(self) -> None:
        """Send `weights` to the newest lane, unless they belong to a model that has none yet."""
        lane = self.newest
        if lane is not None and not self._waiting:
            lane.set_weights(self.weights)

    def install(self, host: Host) -> None:
        """Make the loaded model the only one, sounding from position 0. Only while no thread is in the chain."""
        self._host = host
        self._retired += [lane.models for lane in self._lanes if lane is not None and not self._is_loaded(lane.models)]
        self._memory[cells.LANES][:] = 0
        self._state[cells.CURRENT] = self._state[cells.NEXT] = -1
        self._lanes = [None, None]
        self._leaving = None
        self._waiting = self._loaded is not None
        self._begin_at_once()

    def advance(self) -> None:
        """Let go of what was left; put up what waits."""
        if self._host is None or int(look(self._state, cells.NEXT)) >= 0:
            return
        self._let_go()
        if self._waiting and self._leaving is None:
            lane = self._build(sounding=False)
            lane.state[cells.LATENCY] = max(self._prefill(lane), self.voice_latency)  # never shrinks while playing
            which = self._put_up(lane)
            put(self._state, cells.NEXT, which)

    def take_retired(self) -> list[Models]:
        """The models that no thread uses any more; each is returned once."""
        retired, self._retired = self._retired, []
        return retired

    def clear(self) -> list[Models]:
        """Forget and return all models. Only while no thread is in the chain."""
        models = [*self._retired, *(lane.models for lane in self._lanes if lane is not None)]
        if self._loaded is not None and self._loaded[0] not in models:
            models.append(self._loaded[0])
        self._memory[cells.LANES][:] = 0
        self._state[cells.CURRENT] = self._state[cells.NEXT] = -1
        self._lanes, self._loaded, self._retired, self._waiting, self._leaving = [None, None], None, [], False, None
        return models

    @property
    def voice_latency(self) -> int:
        """Latency of the newest voice, without the limiter."""
        lane = self.newest
        return int(lane.state[cells.LATENCY]) if lane is not None else 0

    def path(self, lane: Lane) -> Path:
        """What determines the lane's latency."""
        return path_of(lane.models[0], lane.host_rate)

    def ahead(self, lane: Lane) -> int:
        """Samples that the worker is granted."""
        host = self._host
        return safe_frames(self.path(lane), host.block) if host is not None and host.driver == "safe" else 0

    @property
    def _state(self) -> NDArray[np.int64]:
        return self._memory[cells.STATE]

    def _prefill(self, lane: Lane) -> int:
        return self.path(lane).prefill(self._host.block if self._host else 0, self.ahead(lane))

    def _is_loaded(self, models: Models) -> bool:
        return self._loaded is not None and self._loaded[0] == models

    def _has_lane(self, models: Models) -> bool:
        return any(lane is not None and lane.models == models for lane in self._lanes)

    def _build(self, *, sounding: bool) -> Lane:
        if self._host is None or self._loaded is None:
            raise RuntimeError("a lane needs a model and a host")
        models, entry = self._loaded
        lane = new_lane(
            models,
            host_rate=self._host.sample_rate,
            channels=self._host.channels,
            ring_frames=RING_FRAMES,
            entry=entry,
            weights=self.weights,
        )
        lane.reset(sounding=sounding)
        return lane

    def _begin_at_once(self) -> None:
        """Before the first block: the loaded model sounds from position 0, even if a callback starts at this moment."""
        if self._loaded is None or self._leaving is not None:
            return
        lane = self._build(sounding=True)
        lane.hear_silence(float(self._memory[cells.PARAMETERS][cells.AMOUNT]))
        lane.state[cells.LATENCY] = self._prefill(lane)
        which = self._put_up(lane)
        put(self._state, cells.CURRENT, which)

    def _put_up(self, lane: Lane) -> int:
        """Give the lane the free slot and show it to the threads; the other slot's lane will leave."""
        current = int(self._state[cells.CURRENT])
        which = 1 - max(current, 0) if current >= 0 else 0
        self._lanes[which] = lane
        put(self._memory[cells.LANES], which, lane.memory.address)
        if current >= 0:
            self._leaving = self._note(current, hidden=False)
        self._waiting = False
        return which

    def _note(self, which: int, *, hidden: bool) -> _Leaving:
        state = self._state
        return _Leaving(which, hidden, int(look(state, cells.BLOCKS)), int(look(state, cells.WET_ROUNDS)))

    def _let_go(self) -> None:
        """Two steps, since a thread may have read the address just before it was taken away."""
        leaving = self._leaving
        if leaving is None:
            return
        now = self._note(leaving.which, hidden=True)
        if now.blocks < leaving.blocks + 2 or (self._worker_runs() and now.rounds < leaving.rounds + 2):
            return
        lane = self._lanes[leaving.which]
        if not leaving.hidden:
            put(self._memory[cells.LANES], leaving.which, 0)
            self._leaving = now
            return
        self._lanes[leaving.which] = None
        self._leaving = None
        if lane is not None and not self._is_loaded(lane.models):
            self._retired.append(lane.models)
