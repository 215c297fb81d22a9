"""Arrays that compiled code finds by address: one int64 table holds [address, rows, columns] of each.

A table can be handed to a C callback as one pointer. A slot is the index of its first number; the constants that name the
slots are multiples of three. The Python side keeps the arrays alive for as long as the table.
"""

from typing import Any, Final

import numpy as np
from numba import carray
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import float32_at, float64_at, int64_at

STRIDE: Final = 3  # numbers per slot


class Memory:
    """Owns a table of `slots` slots and the arrays in it. `[control]`"""

    def __init__(self, slots: int) -> None:
        self.table: NDArray[np.int64] = np.zeros(STRIDE * slots, dtype=np.int64)
        self._arrays: dict[int, NDArray[Any]] = {}

    @property
    def address(self) -> int:
        """Where the table itself lies. `[any]`"""
        return int(self.table.ctypes.data)

    def put(self, slot: int, array: NDArray[Any]) -> None:
        """Name `array` (C-contiguous; 1-D counts as one row) in `slot`; what was there before may go."""
        if not array.flags.c_contiguous or array.ndim > 2:
            raise ValueError(f"slot {slot}: an array of {array.ndim} dimensions must be C-contiguous and at most 2-D")
        rows, columns = array.shape if array.ndim == 2 else (1, array.shape[0])
        self._arrays[slot] = array
        self.table[slot : slot + STRIDE] = array.ctypes.data, rows, columns

    def __contains__(self, slot: int) -> bool:
        return slot in self._arrays

    def __getitem__(self, slot: int) -> NDArray[Any]:
        return self._arrays[slot]


@kernel
def table_at(address: Any, size: Any) -> Any:
    """View of the int64[size] table at `address`. `[audio]`"""
    return carray(int64_at(address), (size,))


@kernel
def floats(table: Any, slot: Any) -> Any:
    """View of float32[rows, columns]. `[audio]`"""
    return carray(float32_at(table[slot]), (table[slot + 1], table[slot + 2]))


@kernel
def doubles(table: Any, slot: Any) -> Any:
    """View of float64[rows, columns]. `[audio]`"""
    return carray(float64_at(table[slot]), (table[slot + 1], table[slot + 2]))


@kernel
def integers(table: Any, slot: Any) -> Any:
    """View of int64[rows * columns]. `[audio]`"""
    return carray(int64_at(table[slot]), (table[slot + 1] * table[slot + 2],))
