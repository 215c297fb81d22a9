"""A streaming session: one graph with its states, bound to memory once, stepped from compiled code.

A call processes 1, 2, 4, ... hops; for each such number the tensors are bound beforehand, all to the same memory. The
states lie in two sets, and a step reads one and writes the other:

    side 0:  inputs, states A -> outputs, states B        side 1:  inputs, states B -> outputs, states A
"""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numba import carray
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import call_1, call_3, float32_at, int64_at
from rtstyle.runtime.native import Tensor

# Slots of a session's table, int64[SLOTS].
RUN, HANDLE, OK, RELEASE, SIDE, LEVELS, BINDINGS, STATES, STATES_SIZE = range(9)
SLOTS: Final = 9

_ALIGNMENT: Final = 16  # float32 values: one cache line


class Graph(Protocol):
    """What `NativeGraph` and `PythonGraph` have in common."""

    backend: str
    run: int
    handle: int
    ok: int
    release: int

    def bind(self, inputs: list[Tensor], outputs: list[Tensor]) -> int: ...
    def check(self, binding: int) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a graph and the memory that it is bound to.

    memory: float32, 1-D, enough for the most hops. shape: for one hop; `axis` (or None) is the one that grows with
    the hops.
    """

    name: str
    memory: NDArray[np.float32]
    shape: tuple[int, ...]
    axis: int | None = 0

    def tensor(self, hops: int) -> Tensor:
        """The tensor of a call of so many hops. `[control]`"""
        sizes = tuple(size * hops if axis == self.axis else size for axis, size in enumerate(self.shape))
        if int(np.prod(sizes)) > self.memory.size:
            raise ValueError(f"{self.name} of shape {sizes} does not fit {self.memory.size} elements")
        return self.name, self.memory.ctypes.data, sizes


def aligned_zeros(count: int) -> NDArray[np.float32]:
    """float32[count] at the start of a cache line. `[control]`"""
    raw = np.zeros(count + _ALIGNMENT, dtype=np.float32)
    start = -(raw.ctypes.data // 4) % _ALIGNMENT
    return raw[start : start + count]


class Session:
    """A graph bound to memory and to its states. `[control]`

    states: (name, shape) of every state; the graph reads `state_<name>` and writes `next_<name>`. levels: bindings
    are made for 2 ** level hops, level < levels. `table` is what `run_session` and `reset_session` take, for as long
    as this object lives and is not closed. Every binding is run once; raises BundleError if one fails.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        states: Sequence[tuple[str, tuple[int, ...]]],
        levels: int,
    ) -> None:
        self._close = weakref.finalize(self, graph.close)
        self._close.atexit = False  # a thread may still be running it when the program ends
        places, total = [], 0
        for _, shape in states:
            places.append(total)
            total += -(-int(np.prod(shape)) // _ALIGNMENT) * _ALIGNMENT
        self.states = aligned_zeros(2 * total)
        sides = [self.states[:total], self.states[total:]]
        self._memory = [port.memory for port in (*inputs, *outputs)]  # alive as long as the bindings
        self._bindings = np.zeros((levels, 2), dtype=np.int64)
        for level in range(levels):
            for side in range(2):
                read, written = (
                    [port.tensor(1 << level) for port in inputs],
                    [port.tensor(1 << level) for port in outputs],
                )
                for (name, shape), place in zip(states, places, strict=True):
                    read.append((f"state_{name}", sides[side][place:].ctypes.data, shape))
                    written.append((f"next_{name}", sides[1 - side][place:].ctypes.data, shape))
                self._bindings[level, side] = graph.bind(read, written)
        for binding in self._bindings.flat:
            graph.check(int(binding))
        self.table = np.zeros(SLOTS, dtype=np.int64)
        self.table[[RUN, HANDLE, OK, RELEASE]] = graph.run, graph.handle, graph.ok, graph.release
        self.table[[LEVELS, BINDINGS]] = levels, self._bindings.ctypes.data
        self.table[[STATES, STATES_SIZE]] = self.states.ctypes.data, self.states.size
        reset_session(self.table)

    def poison(self) -> None:
        """Fill the bound memory and the states with NaN, until the next reset. `[control]` For tests."""
        for array in (*self._memory, self.states):
            array.fill(np.nan)

    def close(self) -> None:
        """Free the graph, for all sessions that share it; no table of theirs must be used any more. `[control]`"""
        self._close()


@kernel
def run_session(table: Any, level: int) -> bool:
    """Run 2 ** level hops on the bound memory; returns True when all went well. `[audio]` table: int64[SLOTS]."""
    side = table[SIDE]
    bindings = carray(int64_at(table[BINDINGS]), (table[LEVELS], 2))
    status = call_3(table[RUN], table[HANDLE], 0, bindings[level, side])
    if status == table[OK]:
        table[SIDE] = 1 - side
        return True
    if table[RELEASE] != 0:
        call_1(table[RELEASE], status)
    return False


@kernel
def reset_session(table: Any) -> None:
    """Set every state to zero, as before the first call. `[audio]` table: int64[SLOTS]."""
    states = carray(float32_at(table[STATES]), (table[STATES_SIZE],))
    for i in range(states.size):
        states[i] = np.float32(0.0)
    table[SIDE] = 0
