"""A ring passes every frame on, in order and once, between any two threads."""

import threading

import numpy as np
import pytest
from numba import njit

from rtstyle.dsp import delay, ring


@pytest.mark.parametrize("channels", [1, 3])
def test_any_pattern_of_runs_gives_the_same_stream(channels: int) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((channels, 5000)).astype(np.float32)
    data, index = delay.new_line(channels, 128), ring.new_index()
    y = np.zeros_like(x)
    written = read = 0
    while read < x.shape[1]:
        offer = min(int(rng.integers(0, 150)), x.shape[1] - written)
        free = 128 - ring.available(index)
        took = ring.write(data, index, x[:, written : written + offer].copy(), offer)
        assert took == min(offer, free)
        written += took
        want = int(rng.integers(0, 150))
        out = np.zeros((channels, 150), np.float32)
        got = ring.read(data, index, out, want)
        assert got == min(want, written - read)
        y[:, read : read + got] = out[:, :got]
        read += got
    assert np.array_equal(x, y)


@njit(nogil=True)
def send(data, index, x, run):
    sent = 0
    block = np.zeros((1, run), np.float32)
    while sent < x.size:
        count = min(run, x.size - sent)
        for i in range(count):
            block[0, i] = x[sent + i]
        sent += ring.write(data, index, block, count)


@njit(nogil=True)
def receive(data, index, y, run):
    got = 0
    block = np.zeros((1, run), np.float32)
    while got < y.size:
        count = ring.read(data, index, block, min(run, y.size - got))
        for i in range(count):
            y[got + i] = block[0, i]
        got += count


def test_two_threads_lose_nothing() -> None:
    x = np.arange(200_000, dtype=np.float32)
    y = np.zeros_like(x)
    data, index = delay.new_line(1, 1024), ring.new_index()
    send(data, ring.new_index(), x[:8], 3)  # compiled before the threads start
    receive(data, index, y[:0], 3)
    sender = threading.Thread(target=send, args=(data, index, x, 61))
    sender.start()
    receive(data, index, y, 97)
    sender.join()
    assert np.array_equal(x, y)


def test_publishing_overwrites_the_oldest() -> None:
    data, index = delay.new_line(1, 8), ring.new_index()
    for start in range(0, 20, 5):
        ring.publish(data, index, np.arange(start, start + 5, dtype=np.float32).reshape(1, -1), 5)
    out = np.zeros((1, 8), np.float32)
    delay.read(data, 12, out, 8)
    assert out[0].tolist() == list(range(12, 20))
    assert ring.available(index) == 20  # the reader sees that it was overrun: more than the capacity
