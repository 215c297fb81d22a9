"""Running a chain at the pace of a device: one block per period, each timed, by a thread that may run in real time."""

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.engine.chain import process
from rtstyle.engine.engine import Engine

PRIORITY: Final = 70  # of SCHED_FIFO, where it is allowed: below the system's own threads, above everything else


@dataclass(frozen=True)
class Pace:
    """What one run found. costs: seconds of every block. period: seconds a block lasts. realtime: priority was given.

    busy: seconds of every block in which a processor worked for it. woken_late: blocks before which the system woke this
    thread more than half a period late: the machine's part.
    """

    costs: NDArray[np.float64]
    busy: NDArray[np.float64]
    period: float
    realtime: bool
    woken_late: int

    @property
    def misses(self) -> int:
        """Blocks that took longer than they last."""
        return int(np.count_nonzero(self.costs > self.period))

    @property
    def own_misses(self) -> int:
        """Misses whose work alone took longer than the block lasts. A virtual machine counts time stolen from it as work."""
        return int(np.count_nonzero((self.costs > self.period) & (self.busy > self.period)))

    def share(self, percentile: float) -> float:
        """A percentile of the cost as a share of the period."""
        return float(np.percentile(self.costs, percentile)) / self.period


def pace(engine: Engine, audio: NDArray[np.float32], *, block: int, seconds: float) -> Pace:
    """Play `audio` (channels, frames) in a loop for `seconds`, a block at a time, when its time has come. `[control]`

    engine: prepared for that block, with a model. The first tenth of a second is not counted: everything is cold then.
    """
    period = block / engine.sample_rate
    count = int(seconds / period)
    warm = int(0.1 / period)
    blocks = [
        np.ascontiguousarray(audio[:, start : start + block]) for start in range(0, audio.shape[1] - block, block)
    ]
    out = np.zeros((engine.channels, block), np.float32)
    costs, busy = np.zeros(count + warm), np.zeros(count + warm)
    woken_late = 0
    with _undisturbed() as realtime:
        due = time.perf_counter() + period
        for number in range(count + warm):
            left = due - time.perf_counter()
            if left > 0:
                time.sleep(left)
            worked = time.thread_time()
            start = time.perf_counter()
            woken_late += number >= warm and start - due > 0.5 * period
            process(engine.table, blocks[number % len(blocks)], out, block)
            end = time.perf_counter()
            costs[number], busy[number] = end - start, time.thread_time() - worked
            due += period
            if end > due + period:  # a device would have dropped these periods
                due = end
    return Pace(costs[warm:], busy[warm:], period, realtime, woken_late)


@contextmanager
def _undisturbed() -> Iterator[bool]:
    """Real-time priority for this thread where the system grants it, and no garbage collection; tells which."""
    realtime = False
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    thread = threading.get_native_id()
    if hasattr(os, "sched_setscheduler"):
        with suppress(OSError):
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(PRIORITY))
            realtime = True
    try:
        yield realtime
    finally:
        if realtime:
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
        if collecting:
            gc.enable()
