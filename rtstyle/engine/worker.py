"""The thread that runs the models for the driver `safe`: a Python thread inside one compiled function."""

import os
import threading
import time
from typing import Final

from rtstyle.dsp.atomics import look, put
from rtstyle.engine import cells
from rtstyle.engine.hops import work
from rtstyle.engine.memory import Memory
from rtstyle.engine.native import Native
from rtstyle.errors import DeviceError

STOP_SECONDS: Final = 5.0
PRIORITY: Final = 50  # SCHED_FIFO, below the 55 to 70 of audio servers and their clients


class Worker:
    """Starts and stops the thread; `realtime` tells whether it got real-time scheduling. `[control]`"""

    def __init__(self, memory: Memory, native: Native) -> None:
        self._memory = memory
        self._native = native
        self._thread: threading.Thread | None = None
        self.realtime = False

    @property
    def running(self) -> bool:
        """Whether the thread is there. `[any]`"""
        return self._thread is not None

    def start(self) -> None:
        """Start the thread and wait until it works. Harmless when it does already."""
        if self._thread is not None:
            return
        state = self._memory[cells.STATE]
        put(state, cells.STOP, 0)
        self._thread = threading.Thread(target=self._run, name="rtstyle-worker", daemon=True)
        self._thread.start()
        while not look(state, cells.WORKING) and self._thread.is_alive():
            time.sleep(0.001)

    def stop(self) -> None:
        """Ask the thread to leave and wait for it; a model that is running finishes its hop first.

        Raises DeviceError where it does not within STOP_SECONDS: its memory must stay as it is then. Ending the program
        needs no stop.
        """
        if self._thread is None:
            return
        put(self._memory[cells.STATE], cells.STOP, 1)
        self._native.post()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise DeviceError(f"the model has not returned for {STOP_SECONDS:g} s: end the program and choose another")
        self._thread = None

    def _run(self) -> None:
        self.realtime = _ask_for_realtime()
        work(self._memory.table, self._memory.address)


def _ask_for_realtime() -> bool:
    """SCHED_FIFO for the calling thread where the system has it and grants it."""
    if not hasattr(os, "sched_setscheduler"):
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True
