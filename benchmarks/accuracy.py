"""Accuracy over training: the share of converted clips that the judge takes for their style, against the steps trained.

    rtstyle train spectral CORPUS RUN --snapshots 100
    python -m benchmarks.accuracy --run RUN --corpus CORPUS [--clips 1] [--every 1]

Of the N_i clips converted to style i, m_i are not taken for it: D_i = m_i / N_i is the distortion of style i. Every snapshot
is exported and plays through the streaming chain; the clips are the same throughout, one instrument each, converted to
the styles of all the others. Train clips are of libraries that training saw, valid ones of libraries held out. The judge never
trained with the model; a dashed line says how many of the clips themselves it takes for their own instrument. The second
ear, which knows neither, gives probabilities of tags for the styles that it can name.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.measure import ROOT, record
from rtstyle.bundle import find_bundle
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.lab.evaluate.bundle_run import FILE_BLOCK, BundleRun
from rtstyle.lab.evaluate.clips import RATE
from rtstyle.lab.evaluate.inputs import level
from rtstyle.lab.evaluate.judge import load_judge
from rtstyle.lab.evaluate.second_ear import TAGS, tag_probability
from rtstyle.lab.export.bundle import export_checkpoint
from rtstyle.lab.recipe import ORCHESTRA, voices_in
from rtstyle.lab.train.trainer import SNAPSHOTS, load_net

SPLITS = ("train", "valid")
SECONDS = 4.0  # of a clip


@dataclass(frozen=True)
class Heard:
    """A sound of one split: the style that it is, or was converted to, and whether it is taken for it.

    ear: the second ear's probability of the style, NaN where it cannot name it.
    """

    split: str
    style: str
    accepted: bool
    ear: float


def hear(split: str, style: str, audio: NDArray[np.float32]) -> Heard:
    """Ask both listeners."""
    return Heard(split, style, load_judge()(audio, RATE).label == style, tag_probability(audio, RATE, style))


def accepted(sounds: list[Heard], split: str) -> float:
    """Share of the sounds of a split that are taken for their style."""
    return round(float(np.mean([one.accepted for one in sounds if one.split == split])), 4)


def ear(sounds: list[Heard], split: str) -> float:
    """The second ear's mean probability, over the styles that it can name."""
    return round(float(np.mean([one.ear for one in sounds if one.split == split and one.style in TAGS])), 4)


def distortion(sounds: list[Heard], style: str) -> float:
    """D_i = m_i / N_i of a style, over both splits."""
    return round(float(np.mean([not one.accepted for one in sounds if one.style == style])), 4)


def choose_clips(corpus: Path, clips: int, seed: int) -> list[tuple[str, str, NDArray[np.float32]]]:
    """(split, instrument, audio) of `clips` clips per instrument and split, the same for the same seed."""
    chosen = []
    for split in SPLITS:
        pairs, rng = PairCorpus(corpus, split), np.random.default_rng(seed)
        for name in ORCHESTRA:
            chosen += [(split, name, level(pairs.style_clip(rng, name, SECONDS))) for _ in range(clips)]
    return chosen


def convert(bundle: Path, clips: list[tuple[str, str, NDArray[np.float32]]]) -> list[Heard]:
    """What is heard of every clip in the style of every other instrument."""
    run = BundleRun(bundle, block=FILE_BLOCK)
    try:
        return [
            hear(split, style, run(audio, style, 1.0))
            for split, name, audio in clips
            for style in ORCHESTRA
            if style != name
        ]
    finally:
        run.close()


def measures(sounds: list[Heard]) -> dict[str, Any]:
    """Shares accepted and the second ear's probability of both splits, and the distortion of every style."""
    return {
        **{split: accepted(sounds, split) for split in SPLITS},
        **{f"{split}_second_ear": ear(sounds, split) for split in SPLITS},
        "distortion": {style: distortion(sounds, style) for style in ORCHESTRA},
    }


def draw(file: Path, figures: dict[str, Any], title: str) -> None:
    """Share accepted, the second ear's probability, and the distortion of every style over the steps."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    shares, ears, styles = figure.subplots(1, 3)
    levels = {"the clips themselves": (figures["themselves"], "--")}
    if figures.get("bundle"):
        levels[figures["bundle"]["name"]] = (figures["bundle"], ":")
    for axes, key, name in (
        (shares, "{}", "judge: share accepted"),
        (ears, "{}_second_ear", "second ear: probability"),
    ):
        for split, colour in zip(SPLITS, ("C0", "C1"), strict=True):
            own = key.format(split)
            axes.plot(figures["steps"], [one[own] for one in figures["snapshots"]], f"{colour}-o", ms=3, label=split)
            for label, (measured, line) in levels.items():
                axes.axhline(measured[own], color=colour, ls=line, lw=1, label=f"{split}, {label}")
        axes.set_title(name, fontsize=10)
    for style in ORCHESTRA:
        styles.plot(
            figures["steps"], [one["distortion"][style] for one in figures["snapshots"]], "-o", ms=3, label=style
        )
    styles.set_title("distortion of each style, train and valid", fontsize=10)
    for axes in (shares, ears, styles):
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("steps")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file, dpi=80)


def main() -> None:
    """Export, convert and judge every snapshot of a run; draw and record the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: the snapshots are what they are")
    parser.add_argument("--run", type=Path, default=ROOT / "var" / "accuracy", help="folder of `rtstyle train`")
    parser.add_argument("--corpus", type=Path, default=ROOT / "var" / "corpus", help="what it was trained on")
    parser.add_argument("--clips", type=int, default=1, help="per instrument and split")
    parser.add_argument("--every", type=int, default=1, help="use every n-th snapshot")
    parser.add_argument("--bundle", default="", help="a bundle to measure on the same clips, trained for longer")
    parser.add_argument("--seed", type=int, default=0, help="of the clips")
    arguments = parser.parse_args()
    snapshots = sorted((arguments.run / SNAPSHOTS).glob("*.pt"), key=lambda file: int(file.stem))[:: arguments.every]
    if not snapshots:
        print(f"{arguments.run} holds no snapshots; make some: rtstyle train spectral CORPUS RUN --snapshots 100")
        return
    corpus = PairCorpus(arguments.corpus)
    clips = choose_clips(arguments.corpus, arguments.clips, arguments.seed)
    itself = [hear(*clip) for clip in clips]
    steps, found = [], []
    for snapshot in snapshots:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "snapshot"
            export_checkpoint(snapshot, corpus, bundle, name="snapshot", description="", recipe="",
                              styles=voices_in(corpus))  # fmt: skip
            sounds = convert(bundle, clips)
        converted = len(sounds)
        found.append(measures(sounds))
        steps.append(int(snapshot.stem))
        print(f"{steps[-1]}: {', '.join(f'{split} {found[-1][split]:.2f}' for split in SPLITS)}", flush=True)
    figures: dict[str, Any] = {"steps": steps, "themselves": measures(itself), "snapshots": found}
    if arguments.bundle:
        sounds = convert(find_bundle(arguments.bundle), clips)
        figures["bundle"] = {"name": arguments.bundle, **measures(sounds)}
    state = load_net(snapshots[-1])[2]
    plan, minutes = state["plan"], round(state["trained_seconds"] / 60, 1)
    record("accuracy", figures, kind=plan["kind"], minutes=minutes, batch=plan["batch"], converted=converted,
           clip_seconds=SECONDS)  # fmt: skip
    title = f"{plan['kind']}: {converted} conversions of {SECONDS:g} s, {minutes:g} minutes of training"
    draw(ROOT / "benchmarks" / "study" / f"accuracy-{plan['kind']}.png", figures, title)


if __name__ == "__main__":
    main()
