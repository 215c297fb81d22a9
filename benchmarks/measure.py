"""What every benchmark shares: statistics of times, interleaving, and the results file with one JSON line per run."""

import datetime
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtstyle.cli.diagnosis import processor

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.jsonl"


def statistics(seconds: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Median, 99th and 99.9th percentile and maximum of some times, in microseconds."""
    times = np.asarray(seconds, dtype=np.float64) * 1e6
    values = (np.median(times), np.percentile(times, 99), np.percentile(times, 99.9), times.max())
    return {name: round(float(value), 2) for name, value in zip(("median", "p99", "p999", "max"), values, strict=True)}


def interleave(
    jobs: Mapping[str, Callable[[], object]],
    seconds: float,
    *,
    batch: int = 50,
    warm_up: int = 20,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Call the jobs in turns of `batch` calls until `seconds` have passed; return the time of every call, per job.

    Turns are short against the drift of a machine's clock and load, so that ratios hold although the times move.
    clock: time.thread_time counts this thread's processor time alone, which other programs of the machine do not lengthen.
    """
    for job in jobs.values():
        for _ in range(warm_up):
            job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, job in jobs.items():
            kept = times[name]
            for _ in range(batch):
                start = clock()
                job()
                kept.append(clock() - start)
    return {name: np.array(values) for name, values in times.items()}


def machine() -> dict[str, Any]:
    """The machine and its load now."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": None if load is None else round(load, 2),
    }


def commit() -> str:
    """The checkout's commit, with a + where tracked files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "rtstyle", "models")
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{'+' if changed else ''}"


def record(benchmark: str, figures: Mapping[str, Any], **conditions: Any) -> dict[str, Any]:
    """Append one line to the results file, print it for people, and return it."""
    line = {
        "benchmark": benchmark,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "conditions": conditions,
        "figures": figures,
    }
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    told = ", ".join(f"{key}={value}" for key, value in conditions.items())
    print(f"{benchmark} ({told})")
    for key, value in figures.items():
        print(f"    {key}: {value}")
    return line
