"""Models in series: one plays what another has played, each to the same style at amount 1.

    python -m benchmarks.series --recordings FOLDER [--clips 2] [--chains a b,a b,b]

Recordings as `rtstyle evaluate` chooses them, of each instrument to the six others. The models' delays add up, and so do
the shares of a block.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.measure import record
from rtstyle.bundle import find_bundle
from rtstyle.lab.evaluate import content, fidelity, inputs
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.bundle_run import BundleRun
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, find_clips
from rtstyle.lab.evaluate.judge import load_judge
from rtstyle.lab.evaluate.second_ear import tag_probability

SPECTRAL, LATENT = "orchestra-spectral", "orchestra-latent"
CHAINS = (SPECTRAL, LATENT, f"{LATENT},{SPECTRAL}", f"{SPECTRAL},{LATENT}", f"{SPECTRAL},{SPECTRAL}")
SECONDS, SEED = 5.0, 0


def listen(chain: list[BundleRun], heard: list[tuple[inputs.Input, content.Content]]) -> dict[str, dict[str, float]]:
    """Mean and interval of every figure over all conversions of one chain; the judge's share also by target."""
    judge, found = load_judge(), defaultdict(list)
    for one, own in heard:
        active = judge(one.audio, RATE).audible
        for target in (name for name in INSTRUMENTS if name != one.instrument):
            audio = one.audio
            for model in chain:
                audio = model(audio, target, 1.0)
            kept = content.compare(own, content.measure(audio, RATE))
            share = judge(audio, RATE).share(target, active)
            found["judge_share"].append(share)
            found[target].append(share)
            found["second_ear"].append(tag_probability(audio, RATE, target))
            found["pitch_accuracy"].append(np.nan if one.chords else kept["pitch_accuracy"])
            for name in ("onset_f1", "loudness_r"):
                found[name].append(kept[name])
            found["haze_db"].append(fidelity.harmonicity(audio, RATE, own.f0)["haze_db"])
    return {name: figure(values).as_dict() for name, values in found.items()}


def main() -> None:
    """Play every chain and record its figures in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: every clip is played once")
    parser.add_argument("--recordings", type=Path, help="folder of recordings that training never saw")
    parser.add_argument("--clips", type=int, default=2, help="of each instrument")
    parser.add_argument("--chains", nargs="*", default=CHAINS, help="names of bundles, joined by commas")
    arguments = parser.parse_args()
    if arguments.recordings is None:
        print("series: nothing done; it needs --recordings.")
        return
    clips = inputs.with_soundfont(find_clips(arguments.recordings), INSTRUMENTS)
    chosen = inputs.choose_inputs(clips, INSTRUMENTS, arguments.clips, SECONDS, SEED)
    heard = [(one, content.measure(one.audio, RATE)) for one in chosen]
    figures = {}
    for chain in arguments.chains:
        models = [BundleRun(find_bundle(name)) for name in chain.split(",")]
        figures[chain] = listen(models, heard)
        figures[chain]["block"] = {
            "median": round(sum(model.cost()["median"] for model in models), 4),
            "latency_ms": round(sum(model.latency_ms()["model"] for model in models), 3),
        }
        for model in models:
            model.close()
        print(chain, {name: value.get("mean", value) for name, value in figures[chain].items()}, flush=True)
    record("series", figures, clips=arguments.clips, clip_seconds=SECONDS)


if __name__ == "__main__":
    main()
