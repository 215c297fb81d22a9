"""Cells between threads keep the order in which they were written."""

import numpy as np
import pytest
from numba import njit

from rtstyle.dsp.atomics import load_acquire, look, put, store_release


def test_a_cell_holds_what_was_put() -> None:
    cells = np.zeros(4, np.int64)
    put(cells, 2, -(1 << 62))
    assert cells.tolist() == [0, 0, -(1 << 62), 0]
    assert look(cells, 2) == -(1 << 62)


@pytest.mark.parametrize(("name", "order"), [("load", "acquire"), ("store", "release")])
def test_the_machine_code_carries_the_order(name: str, order: str) -> None:
    # x86 would pass any test by behaviour, so the order is looked for in the intermediate code itself
    @njit
    def both(cells):
        store_release(cells, 0, load_acquire(cells, 1))

    both(np.zeros(2, np.int64))
    code = next(iter(both.inspect_llvm().values()))
    assert any(f"{name} atomic" in line and order in line for line in code.splitlines())
