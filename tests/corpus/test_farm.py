"""Every item is done once and reported once, whoever does it and whoever dies."""

import math
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from rtstyle.corpus.farm import AHEAD, spread
from rtstyle.errors import MissingPartError, RtstyleError


def double(item: int) -> int:
    return 2 * item


def die_once(folder: Path, item: int) -> int:
    mark = folder / str(item)
    if item == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def always_die(item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def refuse(item: int) -> int:
    if item == 3:
        raise ValueError("three")
    return item


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_done_once(workers: int) -> None:
    assert sorted(spread(double, range(20), workers=workers)) == [(k, 2 * k) for k in range(20)]
    assert list(spread(double, [], workers=workers)) == []


def test_items_are_drawn_as_workers_become_free() -> None:
    drawn = []

    def items() -> Iterator[int]:
        for k in range(100):
            drawn.append(k)
            yield k

    for done, _ in enumerate(spread(double, items(), workers=2), 1):
        assert len(drawn) <= done + AHEAD * 2


def test_the_items_of_a_killed_worker_are_done_by_another(tmp_path: Path) -> None:
    done = [result for _, result in spread(partial(die_once, tmp_path), range(12), workers=2)]
    assert sorted(done) == list(range(12))


def test_an_item_that_kills_every_worker_is_named() -> None:
    with pytest.raises(RtstyleError, match="died 3 times at 7"):
        list(spread(always_die, [7], workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_raises_is_raised_here(workers: int) -> None:
    with pytest.raises(ValueError, match="three"):
        list(spread(refuse, range(6), workers=workers))


def test_a_ray_cluster_does_the_same() -> None:
    assert sorted(spread(math.isqrt, range(30), ray="local")) == [(k, math.isqrt(k)) for k in range(30)]


def test_without_ray_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPartError, match=r"rtstyle\[cluster\]"):
        list(spread(double, [1], ray="auto"))
