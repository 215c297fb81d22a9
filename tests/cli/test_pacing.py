"""The pacing tells what was late, and whose fault it was."""

import numpy as np

from rtstyle.cli.pacing import Pace, pace
from rtstyle.engine.engine import Engine


def test_misses_are_ours_only_where_our_own_work_took_too_long() -> None:
    costs, busy = np.array([0.2, 1.5, 1.5, 0.9]), np.array([0.2, 0.3, 1.4, 0.9])
    found = Pace(costs, busy, 1.0, True, 0)
    assert (found.misses, found.own_misses) == (2, 1)
    assert found.share(100) == 1.5


def test_every_block_is_timed_and_none_works_longer_than_it_takes() -> None:
    engine = Engine()
    try:
        engine.prepare(sample_rate=48000, block=128, channels=1, driver="tight")
        found = pace(engine, np.zeros((1, 4096), np.float32), block=128, seconds=0.2)
    finally:
        engine.close()
    assert found.costs.size == found.busy.size == 75
    assert (found.costs > 0.0).all()
    assert found.busy.sum() <= 1.05 * found.costs.sum() + 75 * 2e-5
