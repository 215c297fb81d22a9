"""Which front end carries flute <-> violin: small equal networks on STFTs of three sizes and on the constant-Q description.

    python -m benchmarks.fronts --corpus FOLDER --recordings FOLDER [--steps 1200 | --seconds 600] [--work FOLDER]

Every network starts from the same seed and, with --steps, sees the same batches; without, it has the same time. Then each is
exported, and plays recordings that training never saw through the chain of the stage, flute to violin and violin to flute.
Runs in --work are gone on with. A picture per front end goes to benchmarks/study.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import ROOT, record
from rtstyle.bundle import Bundle
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.lab.evaluate import score
from rtstyle.lab.evaluate.bundle_run import BundleRun
from rtstyle.lab.evaluate.clips import RATE
from rtstyle.lab.evaluate.picture import write_picture
from rtstyle.lab.evaluate.report import Report
from rtstyle.lab.export.bundle import export_checkpoint
from rtstyle.lab.nets.spectral import SpectralNet
from rtstyle.lab.recipe import ORCHESTRA
from rtstyle.lab.reference import analyser_of
from rtstyle.lab.search.space import FRONTS
from rtstyle.lab.train.trainer import Plan, Trainer, load_net

SMALL: Mapping[str, int | str] = {"channels": 96, "latent": 64, "style": 64, "units": 2}
STYLES = ("flute", "violin")
STUDY = ROOT / "benchmarks" / "study"
BATCH, LEARNING_RATE = 4, 2e-3
COLUMNS = (
    *("judge_share", "judge_probability", "second_ear", "mfcc_distance", "pitch_accuracy", "cents"),
    *("harmonic_share_low", "harmonic_share_high", "haze_db"),
)
PICTURE_SECONDS = 2.0
HELD_OUT_BATCHES = 24


def train(name: str, corpus: PairCorpus, valid: PairCorpus, work: Path, plan: Plan) -> tuple[Path, float]:
    """Train one front end, or go on with it; returns the checkpoint, and the loss on libraries held out."""
    trainer = Trainer(plan, corpus, work / name, shape={**SMALL, **FRONTS[name]}, valid=valid)
    trainer.resume()
    trainer.train(lambda row: print(f"{name}: {json.dumps(row)}", flush=True))
    return trainer.checkpoint, trainer.validate(HELD_OUT_BATCHES)["valid"]


def export(name: str, checkpoint: Path, corpus: PairCorpus, folder: Path) -> Bundle:
    """The bundle of one front end, with the same two voices as styles in all."""
    styles = {style: ORCHESTRA[style] if ORCHESTRA[style] in corpus.voices else style for style in STYLES}
    return export_checkpoint(
        checkpoint,
        corpus,
        folder / name,
        name=name,
        description="Front ends.",
        recipe="benchmarks/fronts.py",
        styles=styles,
    )


def description_us(net: SpectralNet) -> float:
    """Processor time of the pulses and the description of one hop, in microseconds."""
    analyser, noise = analyser_of(net), np.random.default_rng(0).normal(0.0, 0.1, (1, 4 * RATE)).astype(np.float32)
    analyser.clip(noise, heard=False)
    started = time.thread_time()
    analyser.clip(noise, heard=False)
    return round(1e6 * (time.thread_time() - started) / (noise.size // analyser.hop), 1)


def table(report: Report, row: str) -> dict[str, Any]:
    """Means of one row in both directions and over all."""
    directions: dict[str, tuple[str | None, str | None]] = {
        "all": (None, None),
        **{f"{source} to {target}": (source, target) for source in STYLES for target in STYLES if source != target},
    }
    return {
        name: {column: report.mean(column, row, source=source, target=target).as_dict() for column in COLUMNS}
        for name, (source, target) in directions.items()
    }


def judge(bundle: Bundle, recordings: Path, clips: int, picture: Path) -> dict[str, Any]:
    """Play a bundle in both directions and to its own instrument: figures, and a picture of the first flute as a violin."""
    plan = score.Plan(clips=clips, amounts=(), sweep=0, sources=STYLES, targets=STYLES, decoys=False)
    run = BundleRun(bundle)
    try:
        report, pictures = score.evaluate_render(run, run.styles, recordings, plan=plan)
        cost, latency = run.cost(), run.latency_ms()
    finally:
        run.close()
    panels = [(name, audio[: int(PICTURE_SECONDS * RATE)]) for name, audio in pictures["flute", "violin"][:2]]
    write_picture(picture, panels, RATE, f"flute to violin, {bundle.name}")
    own = {name: [one["log_spectral_db"] for one in report.same if one["instrument"] == name] for name in STYLES}
    return {
        **table(report, "amount 1"),
        "own_log_spectral_db": {name: round(float(np.mean(found)), 2) for name, found in own.items()},
        "share_of_block": {name: round(cost[name], 4) for name in ("median", "p99")},
        "latency_ms": latency["model"],
        "baselines": {row: table(report, row) for row in ("copy-content", "EQ match", "copy-style")},
    }


def main() -> None:
    """Train, export and judge each front end and record them in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder that `rtstyle corpus build` made")
    parser.add_argument("--recordings", type=Path, help="folder of recordings that training never saw")
    parser.add_argument("--seconds", type=float, default=600.0, help="of training, for each front end")
    parser.add_argument("--steps", type=int, default=0, help="of training, instead of --seconds")
    parser.add_argument("--clips", type=int, default=3, help="recordings of each instrument")
    parser.add_argument("--work", type=Path, help="folder of the runs; gone afterwards without")
    parser.add_argument(
        "--only", nargs="*", choices=tuple(FRONTS), default=tuple(FRONTS), help="these front ends alone"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.corpus is None or arguments.recordings is None:
        print("fronts: nothing done; it needs --corpus and --recordings.")
        return
    torch.set_num_threads(1)
    corpus, valid = PairCorpus(arguments.corpus), PairCorpus(arguments.corpus, "valid")
    plan = Plan(
        "spectral", minutes=arguments.seconds / 60.0, steps=arguments.steps, batch=BATCH, rate=LEARNING_RATE,
        seed=arguments.seed, styles=STYLES, adversary_from=1.0,
    )  # fmt: skip
    STUDY.mkdir(exist_ok=True)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary) / "runs"
        for name in arguments.only:
            checkpoint, loss = train(name, corpus, valid, work, plan)
            net, _, state = load_net(checkpoint)
            bundle = export(name, checkpoint, corpus, Path(temporary))
            found = judge(bundle, arguments.recordings, arguments.clips, STUDY / f"front-{name}.png")
            figures |= found.pop("baselines")
            figures[name] = {
                "steps": state["step"],
                "held_out_loss": loss,
                "parameters": sum(p.numel() for p in net.parameters()),
                "description_us": description_us(net),
                **found,
            }
            print(f"{name}: {figures[name]}", flush=True)
    record(
        "fronts", figures, steps=arguments.steps, seconds=None if arguments.steps else arguments.seconds,
        batch=BATCH, clips=arguments.clips, seed=arguments.seed, shape=dict(SMALL),
    )  # fmt: skip


if __name__ == "__main__":
    main()
