"""One job for many items: in this process, on this machine's cores, or on a Ray cluster."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from rtstyle.errors import MissingPartError, RtstyleError

AHEAD = 2  # items in hand per worker: the next one waits beside the one that is worked at
MOST_TRIES = 3  # of an item whose worker died

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    job: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 1, ray: str | None = None
) -> Iterator[tuple[Item, Result]]:
    """Yield (item, job(item)) as they come; `items` is drawn as workers become free, never all at once. `[control]`

    job and items must be picklable, and a job may be done twice: the items of a worker that was killed are given to another
    one, MOST_TRIES times before RtstyleError names the item. What a job raises is raised here. workers: processes on this
    machine, 0 for one per core, 1 for none but this. ray: address of a cluster ("auto": the one that this machine belongs
    to, "local": one of its own), which then has the say about processes. Raises MissingPartError for `ray` without Ray.
    """
    if ray is not None:
        yield from _on_ray(job, iter(items), ray)
        return
    count = workers or os.cpu_count() or 1
    if count == 1:
        for item in items:
            yield item, job(item)
        return
    yield from _on_cores(job, iter(items), count)


def _on_cores(job: Callable[[Item], Result], items: Iterator[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    again: list[tuple[Item, int]] = []
    while True:
        under_way: dict[Any, tuple[Item, int]] = {}
        # Spawned, not forked: threads of numba and numpy do not survive a fork.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            try:
                while True:
                    fresh = ((item, 1) for item in items)
                    for item, tries in itertools.islice(
                        itertools.chain(_taken(again), fresh), AHEAD * workers - len(under_way)
                    ):
                        under_way[pool.submit(job, item)] = (item, tries)
                    if not under_way:
                        return
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield under_way.pop(future)[0], result
            except BrokenProcessPool:
                again += [(item, tries + 1) for item, tries in under_way.values()]
        for item, tries in again:
            if tries > MOST_TRIES:
                raise RtstyleError(f"A worker died {MOST_TRIES} times at {item}: too little memory? Use fewer workers.")


def _taken(items: list[Item]) -> Iterator[Item]:
    """The items of a list, which loses them."""
    while items:
        yield items.pop()


def _on_ray(job: Callable[[Item], Result], items: Iterator[Item], address: str) -> Iterator[tuple[Item, Result]]:
    try:
        import ray
    except ImportError as error:
        raise MissingPartError("--ray needs Ray; install it with: pip install 'rtstyle[cluster]'") from error
    begun_here = not ray.is_initialized()
    if begun_here:
        ray.init(address=None if address == "local" else address, log_to_driver=False)
    try:
        remote = ray.remote(max_retries=MOST_TRIES)(lambda item: job(item))  # Ray wants a function, a job may be more
        window = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        under_way: dict[Any, Item] = {}
        while True:
            for item in itertools.islice(items, window - len(under_way)):
                under_way[remote.remote(item)] = item
            if not under_way:
                return
            for reference in ray.wait(list(under_way), num_returns=1)[0]:
                yield under_way.pop(reference), ray.get(reference)
    finally:
        if begun_here:
            ray.shutdown()
