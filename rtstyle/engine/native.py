"""The three things that compiled code needs of the operating system: a clock, a semaphore, a short sleep.

Each is a C function whose address is looked up here and kept in the NATIVE cells; compiled code calls it through the
address. POSIX: clock_gettime, sem_post, sem_wait, usleep; macOS, whose unnamed POSIX semaphores do not work, has dispatch
semaphores; Windows: QueryPerformanceCounter, ReleaseSemaphore, WaitForSingleObject, Sleep. Arguments that a function does
not have are ignored by all three calling conventions, so that one call form fits all.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import call_3
from rtstyle.engine import cells

_SEMAPHORE_BYTES: Final = 64  # above sizeof(sem_t) everywhere


class Native:
    """Owns the cells and the semaphore. `[control]`"""

    def __init__(self) -> None:
        self.cells: NDArray[np.int64] = np.zeros(cells.NATIVE_SIZE, dtype=np.int64)
        self._semaphore: Any = None
        if sys.platform == "win32":
            self._fill_windows()
        elif sys.platform == "darwin":
            self._fill_macos()
        else:
            self._fill_posix()

    def post(self) -> None:
        """Wake the thread that waits for the semaphore. `[any]`"""
        post(self.cells)

    def _fill_posix(self) -> None:
        library = ctypes.CDLL(None)
        memory = ctypes.create_string_buffer(_SEMAPHORE_BYTES)
        library.sem_init(memory, 0, 0)
        self._semaphore = memory
        self.cells[cells.SEMAPHORE] = ctypes.addressof(memory)
        self._name(library, post="sem_post", wait="sem_wait", clock="clock_gettime", sleep="usleep")
        self.cells[cells.CLOCK_ID] = time.CLOCK_MONOTONIC
        self.cells[cells.SLEEP_TIME] = 50

    def _fill_macos(self) -> None:
        library = ctypes.CDLL(None)
        library.dispatch_semaphore_create.restype = ctypes.c_void_p
        self.cells[cells.SEMAPHORE] = library.dispatch_semaphore_create(ctypes.c_long(0))
        self._name(
            library,
            post="dispatch_semaphore_signal",
            wait="dispatch_semaphore_wait",
            clock="clock_gettime",
            sleep="usleep",
        )
        self.cells[cells.CLOCK_ID] = time.CLOCK_MONOTONIC
        self.cells[cells.SLEEP_TIME] = 50

    def _fill_windows(self) -> None:
        loader: Callable[[str], Any] = getattr(ctypes, "WinDLL")  # noqa: B009 (the attribute exists on Windows alone)
        library = loader("kernel32")
        library.CreateSemaphoreW.restype = ctypes.c_void_p
        self.cells[cells.SEMAPHORE] = library.CreateSemaphoreW(None, 0, 0x7FFF_FFFF, None)
        self._name(
            library,
            post="ReleaseSemaphore",
            wait="WaitForSingleObject",
            clock="QueryPerformanceCounter",
            sleep="Sleep",
        )
        frequency = ctypes.c_int64()
        library.QueryPerformanceFrequency(ctypes.byref(frequency))
        self.cells[cells.CLOCK_ID] = -1
        self.cells[cells.CLOCK_RATE] = frequency.value
        self.cells[cells.SLEEP_TIME] = 1

    def _name(self, library: Any, *, post: str, wait: str, clock: str, sleep: str) -> None:
        for cell, name in ((cells.POST, post), (cells.WAIT, wait), (cells.CLOCK, clock), (cells.SLEEP, sleep)):
            self.cells[cell] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


@kernel
def post(native: Any) -> None:
    """Count the semaphore up by one; never waits. `[audio]` native: the int64 cells."""
    call_3(native[cells.POST], native[cells.SEMAPHORE], 1, 0)


@kernel
def wait(native: Any) -> None:
    """Wait until the semaphore is above zero and count it down. `[worker]` May return early after a signal."""
    call_3(native[cells.WAIT], native[cells.SEMAPHORE], -1, 0)


@kernel
def sleep(native: Any) -> None:
    """Give the processor away for some 0.1 ms (1 ms on Windows). `[worker]`"""
    call_3(native[cells.SLEEP], native[cells.SLEEP_TIME], 0, 0)


@kernel
def now_ns(native: Any, scratch: Any) -> Any:
    """Nanoseconds of a clock that only goes forward. `[any]`

    scratch: AUDIO_TIME or WORKER_TIME, the pair of cells that the calling thread may overwrite.
    """
    place = native.ctypes.data + 8 * scratch
    if native[cells.CLOCK_ID] < 0:
        call_3(native[cells.CLOCK], place, 0, 0)
        ticks = native[scratch]
        rate = native[cells.CLOCK_RATE]
        return ticks // rate * 1_000_000_000 + ticks % rate * 1_000_000_000 // rate
    call_3(native[cells.CLOCK], native[cells.CLOCK_ID], place, 0)
    return native[scratch] * 1_000_000_000 + native[scratch + 1]
