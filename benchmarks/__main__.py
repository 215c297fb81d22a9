"""Run every benchmark: `python -m benchmarks [--duration 600] [--only NAME ...]`; one: `python -m benchmarks.NAME`.

Figures are appended to benchmarks/results.jsonl. Each benchmark runs in a process of its own: none warms another.
"""

import argparse
import subprocess
import sys

BENCHMARKS = (
    "kernels",
    "chain",
    "runtime_call",
    "brave",
    "latency",
    "startup",
    "offline",
    "corpus",
    "multisource",
    "accuracy",
    "fronts",
    "registers",
    "unison",
    "same_notes",
    "captured",
    "series",
    "genres",
    "quantised",
    "bundles",
    "callback",
    "soak",
)


def main() -> int:
    """Run the benchmarks one after another; exit code 1 if any failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run every benchmark of rtstyle.")
    parser.add_argument("--duration", type=float, default=600.0, help="seconds per paced figure")
    parser.add_argument("--only", nargs="*", choices=BENCHMARKS, default=BENCHMARKS, help="run these alone")
    arguments = parser.parse_args()
    failed = []
    for name in arguments.only:
        print(f"--- {name}", flush=True)
        seconds = arguments.duration * (3 if name == "soak" else 1)  # a set is longer than a figure
        command = [sys.executable, "-m", f"benchmarks.{name}", "--seconds", str(seconds)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
