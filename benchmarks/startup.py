"""How long from the command to the first sound, and how much memory a live set-up takes.

    python -m benchmarks.startup [--seconds 20] [--model NAME]

A fresh process per run; kernels are already compiled, as after the first start. `to_first_sound_s` ends when the first
block has come out of the engine; `to_live_s` when a JACK server calls it. Memory is the resident set after two seconds of
playing, on Linux.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.callback import jack_server
from benchmarks.measure import record

FILE = """
import time; began = time.time()
import json, sys
import numpy as np
from rtstyle.cli.offline import OfflineChain, pick_bundle
chain = OfflineChain(pick_bundle({model!r}), sample_rate=48_000, block=128, driver="tight")
chain.engine.process(np.zeros((1, 128), np.float32))
print(json.dumps({{"ended": time.time()}}))
"""
LIVE = """
import json, sys, time
from rtstyle.rig import Rig, Setup
with Rig(Setup(model={model!r}, backend="jack", midi="none", driver="tight")) as rig:
    rig.open(); rig.start()
    while rig.engine.meters().blocks < 2:
        time.sleep(0.001)
    ended = time.time()
    time.sleep(2.0)
    memory = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")] if {linux} else [0]
print(json.dumps({{"ended": ended, "kib": int(memory[0])}}))
"""


def run(code: str, environment: dict[str, str] | None = None) -> tuple[float, dict[str, float]]:
    """Seconds from starting a fresh interpreter to what it calls the end, and what it printed."""
    began = time.time()
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found["ended"] - began, found


def main() -> None:
    """Start over and over; the median counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="more than 60 adds nothing")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    linux = Path("/proc/self/status").exists()
    code, live = FILE.format(model=arguments.model), LIVE.format(model=arguments.model, linux=linux)
    run(code)  # compiles what is not compiled yet
    times: list[float] = []
    lives: list[float] = []
    memory: list[float] = []
    with jack_server(128) as environment:
        run(live, environment)
        end = time.perf_counter() + min(arguments.seconds, 60.0)
        while time.perf_counter() < end or len(times) < 3:
            times.append(run(code)[0])
            seconds, found = run(live, environment)
            lives.append(seconds)
            memory.append(found["kib"] / 1024)
    figures = {
        "to_first_sound_s": round(statistics.median(times), 3),
        "to_live_s": round(statistics.median(lives), 3),
        "live_memory_mib": round(statistics.median(memory), 1),
        "starts": len(times),
    }
    record("startup", figures, model=arguments.model or "first", block=128, sample_rate=48_000)


if __name__ == "__main__":
    main()
