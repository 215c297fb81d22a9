"""A running step allocates nothing of ours and runs no Python."""

import gc
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core.runtime import _nrt_python
from numba.core.runtime.nrt import rtsys

from rtstyle.runtime.model import load_model, run_model
from tests.contract import noise_signal
from tests.fixtures_bundles import in_two_turns, make_network_bundle, parted


@njit(nogil=True)
def run_often(table, controls, x, y, own, frames, times):
    errors = 0
    for _ in range(times):
        errors += run_model(table, controls, x, y, own, frames)
    return errors


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_a_thousand_steps_allocate_nothing(kind: str, turns: int, tmp_path: Path) -> None:
    bundle = parted(make_network_bundle(tmp_path / "m", kind))
    model = load_model(in_two_turns(bundle) if turns == 2 else bundle)
    x = noise_signal(2 * model.hop)
    y, own, controls = np.zeros_like(x), np.zeros(2, np.float32), model.controls()
    assert run_often(model.table, controls, x, y, own, 2, 1) == 0  # compiles
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    run_often(model.table, controls, x, y, own, 2, 1)
    entry = rtsys.get_allocation_stats().alloc - before.alloc  # of the call from Python, one per array argument
    gc.collect()
    tracemalloc.start()
    arrays, blocks = rtsys.get_allocation_stats(), sys.getallocatedblocks()
    traced = tracemalloc.get_traced_memory()[0]
    errors = run_often(model.table, controls, x, y, own, 2, 1000)
    grown = tracemalloc.get_traced_memory()[0] - traced
    counted, left = rtsys.get_allocation_stats(), sys.getallocatedblocks() - blocks
    tracemalloc.stop()
    assert errors == 0
    assert counted.alloc - arrays.alloc == entry == 5, "compiled code made arrays"
    assert grown < 2048 and left < 50, f"Python's memory grew by {grown} bytes, {left} blocks"


def test_a_step_runs_no_python_frame(tmp_path: Path) -> None:
    model = load_model(make_network_bundle(tmp_path / "m", "latent"))
    x = noise_signal(2 * model.hop)
    y, own, controls = np.zeros_like(x), np.zeros(2, np.float32), model.controls()
    run_often(model.table, controls, x, y, own, 2, 1)
    frames: list[str] = []
    sys.setprofile(lambda frame, event, _: frames.append(frame.f_code.co_name) if event == "call" else None)
    run_often(model.table, controls, x, y, own, 2, 100)
    sys.setprofile(None)
    assert frames == ["run_often"]  # numba tells of the call from Python
