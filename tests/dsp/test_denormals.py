"""Denormal numbers are flushed between entry and return, on this thread alone."""

import threading

import numpy as np
from numba import njit

from rtstyle.dsp.denormals import FLUSH, floating_point_mode, flush_denormals, restore_mode


@njit
def product(x):
    return x[0] * x[1]


@njit
def flushed_product(x):
    mode = flush_denormals()
    y = product(x)
    restore_mode(mode)
    return y


SMALL = np.asarray([1e-30, 1e-10], dtype=np.float32)


def test_denormal_results_are_zero_inside_and_kept_outside() -> None:
    assert FLUSH, "this processor is not known"
    assert product(SMALL) > 0.0
    assert flushed_product(SMALL) == 0.0
    assert product(SMALL) > 0.0


def test_denormal_operands_count_as_zero() -> None:
    operands = np.asarray([1e-40, 1e10], dtype=np.float32)
    assert product(operands) > 0.0
    assert flushed_product(operands) == 0.0


def test_the_mode_of_one_thread_is_not_that_of_another() -> None:
    before = flush_denormals()
    seen: list[float] = []
    thread = threading.Thread(target=lambda: seen.append(product(SMALL)))
    try:
        assert floating_point_mode() & FLUSH == FLUSH
        mine = product(SMALL)
    finally:
        restore_mode(before)
    thread.start()
    thread.join()
    assert mine == 0.0 and seen[0] > 0.0
    assert floating_point_mode() & FLUSH == before & FLUSH == 0
