"""How alike are two players of the same notes? The measures of `rtstyle evaluate` on the corpus itself.

    python -m benchmarks.unison --corpus CORPUS [--pairs 84]

The target of a pair is what a perfect model would play for its source: the same notes at the same moments, from the target's
own recordings. What it reaches in pitch, onsets, loudness and in the judge's ear is what training towards such pairs can reach
at most; a figure above it is the renderer's own doing, and a goal above it takes something else than better imitation.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.measure import record
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.corpus.sections import NAME
from rtstyle.lab.evaluate import content
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.clips import INSTRUMENTS
from rtstyle.lab.evaluate.judge import load_judge

FIGURES = ("pitch_accuracy", "voicing_f1", "onset_f1", "loudness_r", "chroma")
SECONDS = 5.0
SEED = 3


def main() -> None:
    """Compare source and target of pairs, evenly over the sections, and record means with intervals in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: every pair is heard once")
    parser.add_argument("--corpus", type=Path, help="folder that `rtstyle corpus build` made")
    parser.add_argument("--pairs", type=int, default=84)
    arguments = parser.parse_args()
    if arguments.corpus is None:
        print("unison: nothing done; it needs --corpus.")
        return
    corpus, rng, judge = PairCorpus(arguments.corpus, same=0.0), np.random.default_rng(SEED), load_judge()
    found: dict[str, list[float]] = {name: [] for name in (*FIGURES, "judge_share")}
    for number in range(arguments.pairs):
        target = INSTRUMENTS[number % len(INSTRUMENTS)]
        x, y, source, _ = corpus.sample(rng, SECONDS, sources=INSTRUMENTS, targets=[f"{target}/{NAME}"])
        alike = content.compare(content.measure(x, SAMPLE_RATE), content.measure(y, SAMPLE_RATE))
        for name in FIGURES:
            found[name].append(alike[name])
        if judge.verdict_usable(target):
            found["judge_share"].append(judge(y, SAMPLE_RATE).share(target))
        print(f"{source} and {target}: " + ", ".join(f"{name} {alike[name]:.2f}" for name in FIGURES), flush=True)
    means = {name: figure(value for value in values if value == value).as_dict() for name, values in found.items()}
    record("unison", means, pairs=arguments.pairs, pair_seconds=SECONDS)


if __name__ == "__main__":
    main()
