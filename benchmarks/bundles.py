"""Every shipped bundle at the pace of a device: what share of a block's time the whole chain takes, and how often it is late.

    python -m benchmarks.bundles [--seconds 600] [--blocks 64 128 256] [--model NAME ...]

One block per period, by a thread with real-time priority where that is granted; driver tight, mono, 48 kHz.
"""

import argparse

import numpy as np
import soundfile

from benchmarks.measure import record
from rtstyle.bundle import find_bundle, find_bundles, load_bundle
from rtstyle.cli.bench import BLOCKS, RATE, measure
from rtstyle.performance import PERFORMANCE


def main() -> None:
    """Measure and record each bundle at each block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--blocks", type=int, nargs="*", default=BLOCKS)
    parser.add_argument("--model", nargs="*", default=list(find_bundles()))
    arguments = parser.parse_args()
    audio, _ = soundfile.read(PERFORMANCE, dtype="float32", always_2d=True)
    audio = np.ascontiguousarray(audio.T)
    for name in arguments.model:
        bundle = load_bundle(find_bundle(name))
        for block in arguments.blocks:
            figures = measure(bundle, audio, block=block, seconds=arguments.seconds)
            model = figures.pop("model")
            record("bundles", figures, model=model, kind=bundle.kind, sample_rate=RATE, seconds=arguments.seconds,
                   block=figures.pop("block"), driver="tight")  # fmt: skip


if __name__ == "__main__":
    main()
