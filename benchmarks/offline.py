"""How fast files are rendered: seconds of sound per second on one core, for every shipped bundle.

python -m benchmarks.offline [--seconds 20]
"""

import argparse
import time

import numpy as np
import soundfile

from benchmarks.measure import record
from rtstyle.bundle import find_bundles, load_bundle
from rtstyle.cli.offline import OfflineChain
from rtstyle.performance import PERFORMANCE


def main() -> None:
    """Render the performance over and over; the median counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="per bundle; more than 60 adds nothing")
    seconds = min(parser.parse_args().seconds, 60.0)
    audio, rate = soundfile.read(PERFORMANCE, dtype="float32", always_2d=True)
    audio = np.ascontiguousarray(audio.T)
    for folder in find_bundles().values():
        bundle = load_bundle(folder)
        chain = OfflineChain(bundle, sample_rate=rate)
        chain.render(audio[:, :rate])
        speeds, processor_speeds = [], []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(speeds) < 3:
            wall, busy = time.perf_counter(), time.process_time()
            chain.render(audio)
            speeds.append(audio.shape[1] / rate / (time.perf_counter() - wall))
            processor_speeds.append(audio.shape[1] / rate / (time.process_time() - busy))
        chain.close()
        figures = {
            "times_real_time": round(float(np.median(speeds)), 1),
            "times_real_time_of_processor": round(float(np.median(processor_speeds)), 1),
            "renders": len(speeds),
        }
        record("offline", figures, model=bundle.name, kind=bundle.kind, sample_rate=rate, block=4096, seconds=seconds)


if __name__ == "__main__":
    main()
