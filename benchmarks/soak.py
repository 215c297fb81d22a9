"""A whole set: every shipped bundle live under JACK, with style changes all the time, and not one fallback.

    python -m benchmarks.soak [--seconds 1800] [--period 128] [--model NAME ...]

A sender plays noise bursts into the client; every half second another style, mix or amount is chosen. Beside it runs a
pass-through client: what it loses, the machine has lost. Each minute a line on the error stream says how it stands.
"""

import argparse
import subprocess
import sys
from subprocess import PIPE
from typing import Any

from benchmarks.callback import RATE, ClientError, finish, go, jack_server, start
from benchmarks.measure import record
from rtstyle.bundle import find_bundles

PLAY = """
import json, random, sys, time
from rtstyle.rig import Rig, Setup
seconds, model = float(sys.argv[1]), sys.argv[2]
chance = random.Random(1)
with Rig(Setup(model=model, backend="jack", midi="none", input="none", output="none")) as rig:
    rig.open(); rig.start()
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + seconds
    changes = 0
    while time.monotonic() < end:
        time.sleep(0.5)
        rig.choose_style(str(chance.randrange(len(rig.bundle.styles))))
        rig.set("mix", chance.random())
        rig.set("style.amount", chance.random())
        changes += 1
        if changes % 120 == 0:
            state, faults = rig.state(), rig.engine.faults()
            print(f"{model}: {state.meters.blocks} blocks, {faults}, xruns {state.audio.xruns}", file=sys.stderr)
    state, faults = rig.state(), rig.engine.faults()
    memory = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")]
print(json.dumps({
    "blocks": state.meters.blocks, "driver": state.audio.driver, "xruns": state.audio.xruns, "changes": changes,
    "late": faults.late, "underflow": faults.underflow, "model_error": faults.model_error,
    "nonfinite": faults.nonfinite_out, "dry_frames": faults.dry_frames, "memory_mib": int(memory[0]) / 1024,
}))
"""


def soak(environment: dict[str, str], model: str, seconds: float) -> dict[str, Any]:
    """Play one model for so long."""
    beside, noise = start(environment, "pass", str(seconds)), start(environment, "noise", str(seconds))
    command = [sys.executable, "-c", PLAY, str(seconds), model]
    player = subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True)
    clients = [player, beside, noise]
    try:
        go(clients)
        found, others, sender = [finish(client) for client in clients]
    finally:
        for client in clients:
            client.kill()
    found["fallbacks"] = found["late"] + found["underflow"] + found["model_error"] + found["nonfinite"]
    found["pass_through"] = others
    if not sender["targets"]:
        raise ClientError("the sender found no port of ours")
    return found


def main() -> None:
    """Soak every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--period", type=int, default=128)
    parser.add_argument("--model", nargs="*", default=list(find_bundles()))
    arguments = parser.parse_args()
    with jack_server(arguments.period) as environment:
        for model in arguments.model:
            found = soak(environment, model, arguments.seconds)
            record("soak", found, model=model, period=arguments.period, sample_rate=RATE, seconds=arguments.seconds)


if __name__ == "__main__":
    main()
