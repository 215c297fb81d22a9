"""What the chain costs besides its network, of a block of 128 frames, mono, at 48 kHz, for every shipped bundle.

    python -m benchmarks.chain [--seconds 20]

Three jobs in turns: the whole chain, the same chain without a model (trims, gate, DC blocker, dry delay, mix, limiter, meters),
and both graphs of the network alone, on the same memory. What is left is the model's front end: transforms, features, pulses,
noise, filters.
"""

import argparse

import numpy as np
import soundfile

from benchmarks.measure import interleave, record, statistics
from rtstyle.bundle import find_bundles, load_bundle
from rtstyle.cli.bench import RATE
from rtstyle.cli.offline import OfflineChain
from rtstyle.engine.chain import process
from rtstyle.engine.engine import Engine
from rtstyle.performance import PERFORMANCE
from rtstyle.runtime.model import load_model
from rtstyle.runtime.session import run_session

BLOCK = 128


def main() -> None:
    """Measure and record each bundle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="per bundle; more than 60 adds nothing")
    seconds = min(parser.parse_args().seconds, 60.0)
    audio, _ = soundfile.read(PERFORMANCE, dtype="float32")
    blocks = [audio[None, start : start + BLOCK].copy() for start in range(RATE, 2 * RATE, BLOCK)]
    out = np.zeros((1, BLOCK), np.float32)
    for folder in find_bundles().values():
        bundle = load_bundle(folder)
        whole = OfflineChain(bundle, sample_rate=RATE, block=BLOCK, driver="tight")
        bare = Engine()
        bare.prepare(sample_rate=RATE, block=BLOCK, channels=1, driver="tight")
        model = load_model(bundle)
        level = (BLOCK // bundle.hop).bit_length() - 1
        turn = 0

        def play(table: np.ndarray) -> None:
            nonlocal turn
            turn = (turn + 1) % len(blocks)
            process(table, blocks[turn], out, BLOCK)

        def network(model=model, level=level) -> None:  # type: ignore[no-untyped-def]
            for one in model.turns:
                for session in one.sessions:
                    run_session(session.table, level)

        jobs = {
            "chain": lambda whole=whole: play(whole.engine.table),
            "without a model": lambda bare=bare: play(bare.table),
            "network": network,
        }
        times = interleave(jobs, seconds)
        chain, without, graphs = (float(np.median(times[name])) * 1e6 for name in jobs)
        period = 1e6 * BLOCK / RATE
        figures = {
            **{name: statistics(values) for name, values in times.items()},
            "without_a_model_percent_of_block": round(100 * without / period, 3),
            "front_end_percent_of_block": round(100 * (chain - without - graphs) / period, 3),
            "network_percent_of_block": round(100 * graphs / period, 3),
        }
        whole.close()
        model.close()
        record("chain", figures, model=bundle.name, block=BLOCK, sample_rate=RATE, seconds=seconds)


if __name__ == "__main__":
    main()
