"""How fast training material is made: hours of performances per hour of one core, with one worker and with all cores.

    python -m benchmarks.corpus [--seconds 60] [--recordings FOLDER]

The notes are measured first; then each number of workers renders the same shards into a folder of its own. A worker counts
from its start, so the loading of the notes and of the kernels is in the figure, which it is not for long when hours are built.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks.measure import record
from rtstyle.corpus.build import SHARD, Plan, build

HOURS_OF_MATERIAL = 0.2  # heard once, whoever plays: what a minute of one core is about enough for


def main() -> None:
    """Build with 1, 2, .. workers and record each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="scales the material; 60 for about a minute and a half"
    )
    parser.add_argument("--recordings", type=Path, help="folder of recordings; the soundfont alone without")
    arguments = parser.parse_args()
    hours = HOURS_OF_MATERIAL * min(arguments.seconds, 600.0) / 60.0
    plan = Plan(minutes=60.0 * hours)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "notes first"
        build(base, arguments.recordings, None, Plan(minutes=0.1), workers=0)
        count = 1
        while count <= (os.cpu_count() or 1):
            out = Path(folder) / f"{count} workers"
            out.mkdir()
            for kept in ("notes", "fingerprints"):
                if (base / kept).is_dir():
                    (out / kept).symlink_to(base / kept)
            started = time.perf_counter()
            build(out, arguments.recordings, None, plan, workers=count)
            spent = (time.perf_counter() - started) / 3600.0
            made = (plan.count("train") + plan.count("valid")) * plan.seconds / 3600.0
            figures = {
                "hours_per_core_hour": round(made / (spent * count), 2),
                "hours_per_hour": round(made / spent, 2),
                "shards": -(-plan.count("train") // SHARD) - (-plan.count("valid") // SHARD),
            }
            record("corpus", figures, workers=count, players=plan.players, recordings=arguments.recordings is not None)
            count *= 2


if __name__ == "__main__":
    main()
