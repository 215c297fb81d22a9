"""One trial: train a candidate for some minutes, export it, and score what plays through the stage's own chain."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from rtstyle.bundle import Bundle
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.errors import FileError, ParameterError
from rtstyle.lab.evaluate import content
from rtstyle.lab.evaluate.bundle_run import BundleRun
from rtstyle.lab.evaluate.clips import RATE, find_clips
from rtstyle.lab.evaluate.inputs import Input, choose_inputs, held_out, level
from rtstyle.lab.evaluate.judge import load_judge
from rtstyle.lab.export.bundle import export_checkpoint
from rtstyle.lab.origin import find_origin
from rtstyle.lab.recipe import aims_in
from rtstyle.lab.search.space import Candidate
from rtstyle.lab.search.study import Scores
from rtstyle.lab.train.trainer import STYLES, Net, Plan, Trainer

SHARES = (0.25, 0.5, 0.75)  # of the minutes, after which a trial may be given up
SOURCES = ("violin", "flute", "cello", "saxophone")
PITCH_EVERY = 3  # the tracker takes most of the time: of the styles of a source it hears one in three
SECONDS = 4.0
LISTENING_SEED = 5
PRECISE = time.get_clock_info("thread_time").resolution < 1e-5  # Windows counts a thread's time in 15 ms
CLOCK = time.thread_time if PRECISE else time.perf_counter


@dataclass(frozen=True)
class TrainAndListen:
    """The score of a study: a picklable `Score`.

    recordings: folder of those to score with, of which the ones that `rtstyle evaluate` judges by are left out; None: lines
    of the corpus' own training performances. So no figure of a later evaluation has helped to choose. The median rule hears
    the validation performances, as every training does. begin_with: bundle or checkpoint whose weights a trial begins with in
    every layer that keeps its size (`grafted`).
    """

    corpus: Path
    folder: Path
    minutes: float
    batch: int = 8
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    recordings: Path | None = None
    begin_with: Path | None = None

    def __call__(self, candidate: Candidate, number: int, report: Callable[[float, float], None]) -> Scores:
        torch.set_num_threads(self.threads)
        pairs = PairCorpus(self.corpus)
        common = {"minutes": self.minutes, "batch": self.batch, "seed": self.seed, "styles": aims_in(pairs)}
        plan = Plan(candidate.kind, **(common | candidate.plan))
        folder = self.folder / f"{number:04d}"
        trainer = Trainer(plan, pairs, folder, shape=candidate.shape, device=self.device, valid=self._valid())
        if self.begin_with is not None:
            begun = find_origin(str(self.begin_with))
            trainer.begin_with(replace(begun, net=grafted(begun.net, trainer.net)))
        trainer.train(_Watch(trainer, report))
        bundle = export_checkpoint(
            trainer.checkpoint,
            pairs,
            folder / "bundle",
            name=f"trial-{number:04d}",
            description="A trial of a study.",
            recipe="rtstyle search",
        )
        size = sum(parameter.numel() for parameter in trainer.net.parameters())
        return listen(bundle, self._inputs(pairs), {"parameters": size, "steps": trainer.step})

    def _valid(self) -> PairCorpus | None:
        try:
            return PairCorpus(self.corpus, "valid")
        except FileError:  # a small corpus has no validation performances: nothing is given up early
            return None

    def _inputs(self, pairs: PairCorpus) -> list[Input]:
        if self.recordings is None:
            return corpus_inputs(pairs)
        clips = [c for c in find_clips(self.recordings) if c.source == "user" or not held_out(c)]
        return choose_inputs(clips, SOURCES, 1, SECONDS, LISTENING_SEED)


def grafted(trained: Net, net: Net) -> Net:
    """`net` with the weights of `trained` in every layer that has its size; the others stay as they are. `[any]`

    Units of the decoder beyond those of `trained` add nothing at first.
    """
    own = net.state_dict()
    fitting = {k: v for k, v in trained.state_dict().items() if k in own and own[k].shape == v.shape}
    net.load_state_dict(own | fitting)
    for unit in list(net.decoder.units)[len(trained.decoder.units) :]:
        torch.nn.init.zeros_(unit.project.weight)
    return net


class _Watch:
    """Reports the validation loss once each of SHARES is reached."""

    def __init__(self, trainer: Trainer, report: Callable[[float, float], None]) -> None:
        self.trainer, self.report, self.ahead = trainer, report, list(SHARES)

    def __call__(self, row: dict[str, float]) -> None:
        reached = self.trainer.trained_seconds / (60.0 * self.trainer.plan.minutes)
        if self.trainer.valid is None or not self.ahead or reached < self.ahead[0]:
            return
        loss = self.trainer.validate()["valid"]
        while self.ahead and reached >= self.ahead[0]:
            self.report(self.ahead.pop(0), loss)


def corpus_inputs(pairs: PairCorpus) -> list[Input]:
    """A line of each of SOURCES that plays in a corpus, the same ones every time. `[control]`"""
    found = []
    for number, name in enumerate(source for source in SOURCES if source in pairs.instruments):
        audio = pairs.style_clip(np.random.default_rng([LISTENING_SEED, number]), name, SECONDS)
        found.append(Input(f"{name}/corpus", name, level(audio), seen=True))
    return found


def listen(bundle: Bundle, inputs: list[Input], notes: dict[str, float]) -> Scores:
    """Play each input to each style of other instruments; judge is the mean over all, pitch over one in three. `[control]`

    p99: of the processor time of a block as a share of the block's duration: what else runs does not lengthen it.
    """
    if not inputs:
        raise FileError(f"There is nothing to score with: no recording or performance of {', '.join(SOURCES)}.")
    judge, run = load_judge(), BundleRun(bundle, clock=CLOCK)
    probability: list[float] = []
    pitch: list[float] = []
    try:
        for one in inputs:
            audible, own = judge(one.audio, RATE).audible, content.measure(one.audio, RATE)
            for style in (style for style in run.styles if style in STYLES and style != one.instrument):
                played = run(one.audio, style, 1.0)
                if len(probability) % PITCH_EVERY == 0:
                    pitch.append(content.compare(own, content.measure(played, RATE))["pitch_accuracy"])
                probability.append(judge(played, RATE).probability(style, audible))
        cost = run.cost()
        latency = run.latency_ms()["total"]
    finally:
        run.close()
    if not probability:
        raise ParameterError(f"The corpus has none of the styles that the judge knows: {', '.join(STYLES)}.")
    notes = {**notes, "median": cost["median"], "latency_ms": latency}
    return Scores(float(np.mean(probability)), float(np.mean(np.nan_to_num(pitch))), cost["p99"], notes)
