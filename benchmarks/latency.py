"""Declared against measured: the chain's delay at usual rates, blocks and drivers, and through a real JACK server.

    python -m benchmarks.latency [--model NAME ...]

A burst of noise on the dry path, which is delayed by exactly the wet one, is found by cross-correlation.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.callback import jack_server
from benchmarks.measure import record
from rtstyle.bundle import Bundle, find_bundle, find_bundles, load_bundle
from rtstyle.cli.latency import latency_report
from rtstyle.cli.loopback import BURST, burst, find_delay
from rtstyle.cli.offline import OfflineChain

SETUPS = (
    (48_000, 64, "tight"),
    (48_000, 128, "tight"),
    (48_000, 256, "tight"),
    (48_000, 128, "safe"),
    (44_100, 128, "tight"),
    (96_000, 256, "tight"),
    (44_100, 441, "tight"),
)
JACK = (
    "import sys; from rtstyle.cli.app import run; sys.exit(run(['latency', '--model', {!r}, '--loopback', '--json']))"
)


def measure_chain(bundle: Bundle, rate: int, block: int, driver: str) -> int | None:
    """Samples by which the engine delays a burst."""
    values = {"mix": 0.0, "gate.threshold_db": -96.0}
    chain = OfflineChain(bundle, sample_rate=rate, block=block, driver=driver, values=values)
    chain.engine.set_patient(True)  # no clock: this asks for the delay, not for speed
    x = np.zeros((1, rate // block * block), np.float32)
    start = rate // 4
    x[0, start : start + BURST] = burst()
    y = np.concatenate([chain.engine.process(x[:, i : i + block]) for i in range(0, x.shape[1], block)], axis=1)
    chain.close()
    return find_delay(burst(), y[0, start:])


def measure_through_jack(model: str, period: int) -> dict[str, Any]:
    """What `rtstyle latency --loopback` finds under a server of that period."""
    with jack_server(period) as environment:
        command = [sys.executable, "-c", JACK.format(model)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)["measured"]
    return found


def main() -> None:
    """Measure every model in every set-up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="not used: nothing here depends on how long it lasts"
    )
    parser.add_argument("--model", nargs="*", default=list(find_bundles()))
    arguments = parser.parse_args()
    for model in arguments.model:
        bundle = load_bundle(find_bundle(model))
        for rate, block, driver in SETUPS:
            report = latency_report(bundle, rate=rate, block=block, driver=driver)
            figures = {
                "declared_samples": report["chain"]["samples"],
                "measured_samples": measure_chain(bundle, rate, block, driver),
                "chain_ms": round(report["chain"]["ms"], 3),
                "in_to_out_ms": round(report["total"]["ms"], 3),
            }
            record("latency", figures, model=model, sample_rate=rate, block=block, driver=driver)
        for period in (64, 128, 256):
            found = measure_through_jack(model, period)
            figures = {"declared_samples": found["chain_declared"], "measured_samples": found["chain"]}
            record("latency through JACK", figures, model=model, sample_rate=found["sample_rate"], block=period)


if __name__ == "__main__":
    main()
