"""A session steps its graph by powers of two, swaps its states, and turns an error into False."""

import ctypes
from collections.abc import Callable

import numpy as np
import pytest

from rtstyle.errors import BundleError
from rtstyle.runtime.fallback import PythonGraph
from rtstyle.runtime.native import NativeGraph
from rtstyle.runtime.ort_api import open_library
from rtstyle.runtime.session import RELEASE, Graph, Port, Session, aligned_zeros, reset_session, run_session
from tests.fixtures_bundles import GraphBuilder

MAKERS: dict[str, Callable[[bytes], Graph]] = {
    "native": lambda model: NativeGraph(open_library(), model, "step.onnx"),
    "by name": lambda model: NativeGraph(open_library(), model, "step.onnx", by_name=True),
    "python": lambda model: PythonGraph(model, "step.onnx"),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[bytes], Graph]:
    return MAKERS[request.param]


def running_sum() -> bytes:
    """y[t] = sum of all x so far; fails when `index` is not 0."""
    graph = GraphBuilder()
    x = graph.input("x", ("frames", 1))
    total = graph.node("Add", graph.node("CumSum", x, graph.constant(0, np.int64)), graph.input("state_sum", (1, 1)))
    row = graph.node("Cast", graph.input("index", (1,)), to=7)
    graph.output("y", graph.node("Add", total, graph.node("Gather", graph.constant([[0.0]]), row)), ("frames", 1))
    graph.output("next_sum", graph.slice(total, -1, 2**62, 0), (1, 1))
    return graph.bytes()


class Summing:
    def __init__(self, make: Callable[[bytes], Graph], levels: int = 4) -> None:
        self.x, self.y, self.index = (aligned_zeros(size) for size in (1 << (levels - 1), 1 << (levels - 1), 1))
        self.session = Session(
            make(running_sum()),
            [Port("x", self.x, (1, 1)), Port("index", self.index, (1,), None)],
            [Port("y", self.y, (1, 1))],
            [("sum", (1, 1))],
            levels,
        )


def test_calls_of_any_level_share_the_states(make: Callable[[bytes], Graph]) -> None:
    sums = Summing(make)
    given, heard, total = np.random.default_rng(0), [], []
    for level in (0, 1, 3, 0, 2, 2, 1, 0, 3):
        sums.x[: 1 << level] = given.integers(-9, 9, 1 << level)
        total.append(sums.x[: 1 << level].copy())
        assert run_session(sums.session.table, level)
        heard.append(sums.y[: 1 << level].copy())
    assert np.array_equal(np.concatenate(heard), np.cumsum(np.concatenate(total)))
    reset_session(sums.session.table)
    sums.x[0] = 5.0
    assert run_session(sums.session.table, 0) and sums.y[0] == 5.0, "reset clears both sides"


def test_a_failed_step_leaves_the_states_as_they_were(make: Callable[[bytes], Graph]) -> None:
    sums = Summing(make)
    sums.x[0] = 4.0
    assert run_session(sums.session.table, 0)
    sums.index[0] = 1.0
    for _ in range(3):
        assert not run_session(sums.session.table, 0)
    sums.index[0] = 0.0
    assert run_session(sums.session.table, 0) and sums.y[0] == 8.0


def test_every_status_of_an_error_is_released() -> None:
    sums, released = Summing(MAKERS["native"]), []

    def release(status: int) -> None:
        released.append(status)
        open_library().release("ReleaseStatus", status)

    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(release)
    sums.session.table[RELEASE] = ctypes.cast(callback, ctypes.c_void_p).value
    assert run_session(sums.session.table, 0) and not released
    sums.index[0] = 1.0
    for _ in range(3):
        assert not run_session(sums.session.table, 0)
    assert len(released) == 3 and all(released)


def test_memory_that_is_too_small_is_refused(make: Callable[[bytes], Graph]) -> None:
    short = Port("x", aligned_zeros(7), (1, 1))
    assert short.tensor(7)[2] == (7, 1)
    with pytest.raises(ValueError, match=r"x of shape \(8, 1\) does not fit 7"):
        short.tensor(8)


def test_a_binding_that_does_not_run_is_refused_at_once(make: Callable[[bytes], Graph]) -> None:
    index = aligned_zeros(1)
    index[0] = 1.0
    with pytest.raises(BundleError, match=r"step\.onnx does not run \(.*indices element out of data bounds"):
        Session(
            make(running_sum()),
            [Port("x", aligned_zeros(1), (1, 1)), Port("index", index, (1,), None)],
            [Port("y", aligned_zeros(1), (1, 1))],
            [("sum", (1, 1))],
            1,
        )


def test_bound_memory_starts_at_a_cache_line() -> None:
    assert all(aligned_zeros(count).ctypes.data % 64 == 0 for count in (1, 15, 16, 1000))
