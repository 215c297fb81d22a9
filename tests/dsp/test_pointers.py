"""Compiled code reaches given memory and given functions by their addresses alone."""

import ctypes

import numpy as np
import pytest
from numba import carray, njit

from rtstyle.dsp.pointers import call_1, call_3, call_8, complex64_at, float32_at, float64_at, int64_at, uint64_at


@njit
def sum_float32(address, n):
    return carray(float32_at(address), (n,)).sum()


@njit
def sum_float64(address, n):
    return carray(float64_at(address), (n,)).sum()


@njit
def sum_complex64(address, n):
    return carray(complex64_at(address), (n,)).sum()


@njit
def sum_int64(address, n):
    return carray(int64_at(address), (n,)).sum()


@njit
def sum_uint64(address, n):
    return carray(uint64_at(address), (n,)).sum()


@njit
def fill(address, rows, columns):
    view = carray(float32_at(address), (rows, columns))
    for r in range(rows):
        for c in range(columns):
            view[r, c] = 10 * r + c


@njit(nogil=True)
def through(function, a, b, c):
    return call_3(function, a, b, c)


@njit(nogil=True)
def through_eight(function):
    return call_8(function, 1, 2, 3, 4, 5, 6, 7, 8)


@njit(nogil=True)
def tell(function, a):
    call_1(function, a)


@pytest.mark.parametrize(
    "dtype, total",
    [
        (np.float32, sum_float32),
        (np.float64, sum_float64),
        (np.complex64, sum_complex64),
        (np.int64, sum_int64),
        (np.uint64, sum_uint64),
    ],
)
def test_a_view_of_an_address_is_the_array(dtype: type, total: object) -> None:
    array = np.arange(1, 8).astype(dtype)
    assert total(array.ctypes.data, 7) == 28  # type: ignore[operator]
    assert total(array.ctypes.data + array.itemsize, 3) == 9  # type: ignore[operator]


def test_a_view_in_two_dimensions_writes_rows() -> None:
    array = np.zeros((2, 3), dtype=np.float32)
    fill(array.ctypes.data, 2, 3)
    assert array.tolist() == [[0, 1, 2], [10, 11, 12]]


def test_functions_are_called_by_an_address_known_at_run_time() -> None:
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    weighted, product = kind(lambda a, b, c: a + 10 * b + 100 * c), kind(lambda a, b, c: a * b * c)
    for function, result in ((weighted, -281), (product, -66)):
        address = ctypes.cast(function, ctypes.c_void_p).value
        assert through(address, -1 if function is weighted else 11, 2, -3) == result
    eight = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 8)(lambda *given: int("".join(map(str, given))))
    assert through_eight(ctypes.cast(eight, ctypes.c_void_p).value) == 12345678
    told: list[int] = []
    listener = ctypes.CFUNCTYPE(None, ctypes.c_int64)(told.append)
    tell(ctypes.cast(listener, ctypes.c_void_p).value, 1 << 40)
    assert told == [1 << 40]
