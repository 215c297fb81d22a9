"""The arrays of one loaded model and the table that points at them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.runtime.layout import SLOTS
from rtstyle.runtime.session import aligned_zeros


class Memory:
    """Owns every array that compiled code reaches through `table`, int64[layout.SLOTS]. `[control]`"""

    def __init__(self) -> None:
        self.table = np.zeros(SLOTS, dtype=np.int64)
        self.arrays: dict[int, NDArray[Any]] = {}

    def numbers(self, values: Mapping[int, int]) -> None:
        """Write plain numbers into slots of the table. `[control]`"""
        for slot, value in values.items():
            self.table[slot] = value

    def keep(self, slot: int, array: NDArray[Any]) -> None:
        """Own `array` and write its address into a slot of the table. `[control]`"""
        self.arrays[slot] = np.ascontiguousarray(array)
        self.table[slot] = self.arrays[slot].ctypes.data

    def zeros(self, slot: int, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """Own a new array of zeros at the start of a cache line, its address in a slot of the table. `[control]`"""
        words = -(-int(np.prod(shape)) * np.dtype(dtype).itemsize // 4)
        self.keep(slot, aligned_zeros(words).view(dtype)[: int(np.prod(shape))].reshape(shape))
        return self.arrays[slot]
