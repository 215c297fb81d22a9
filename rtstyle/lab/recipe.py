"""A shipped bundle from nothing: corpus, training, export. The scripts in `export/` say what, this says how."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import cyclopts
import torch

from rtstyle.bundle import Bundle, find_bundle, load_bundle
from rtstyle.bundle.manifest import ParameterRange
from rtstyle.corpus import sections
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.errors import FileError, MissingPartError
from rtstyle.lab.export.bundle import export_checkpoint, export_tiny
from rtstyle.lab.export.turns import in_turns
from rtstyle.lab.origin import find_origin
from rtstyle.lab.recogniser import add_recogniser
from rtstyle.lab.train.trainer import STYLES, Plan, Trainer

EVERYONE = {instrument: f"{instrument}/{sections.NAME}" for instrument in sections.PARTS}
ORCHESTRA = {instrument: EVERYONE[instrument] for instrument in STYLES}


@dataclass(frozen=True)
class Recipe:
    """What a bundle is made of."""

    name: str
    kind: str
    description: str
    shape: dict[str, int] = field(default_factory=dict)
    minutes: float = 45.0
    batch: int = 8
    rate: float = 1.5e-3
    seed: int = 0
    styles: Mapping[str, str] = field(default_factory=lambda: ORCHESTRA)
    left_out: tuple[str, ...] = ()  # of the styles that training aims at, in the bundle: they did not come out well
    begin_with: str = ""  # a bundle whose weights training goes on from
    turns: int = 1  # more than one: nothing is trained, `begin_with` plays so often
    parameters: tuple[ParameterRange, ...] = ()  # of a bundle of several turns, where it wants others

    @property
    def played(self) -> dict[str, str]:
        """The styles of the bundle."""
        return {name: voice for name, voice in self.styles.items() if name not in self.left_out}

    def plan(self, corpus: PairCorpus, minutes: float | None = None) -> Plan:
        return Plan(
            self.kind,
            minutes=minutes or self.minutes,
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            styles=aims_in(corpus, self.styles),
        )


def pick_device(wanted: str = "auto", threads: int = 0) -> str:
    """The device to train on, and the threads of the CPU (0: as they are). `[control]`

    wanted: "auto" takes CUDA where there is one. Raises MissingPartError for "cuda" where there is none.
    """
    if threads:
        torch.set_num_threads(threads)
    if wanted == "cuda" and not torch.cuda.is_available():
        raise MissingPartError("The device cuda was asked for, but torch sees no CUDA device; use cpu.")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def voices_in(corpus: PairCorpus, styles: Mapping[str, str] = ORCHESTRA) -> dict[str, str]:
    """The voice of every style in `corpus`: whoever lacks a library, say without the recordings, takes the instrument
    as a whole.
    """
    return {name: voice if voice in corpus.voices else voice.split("/")[0] for name, voice in styles.items()}


def aims_in(corpus: PairCorpus, styles: Mapping[str, str] = ORCHESTRA) -> tuple[str, ...]:
    """The voices or instruments that training aims at: those of `styles` that play in `corpus`, or all that do."""
    return tuple(voice for voice in voices_in(corpus, styles).values() if corpus.count(voice)) or corpus.instruments


def cook(
    recipe: Recipe,
    out: Path,
    *,
    corpus: Path | None,
    checkpoint: Path | None,
    work: Path,
    minutes: float | None = None,
    tiny: bool = False,
) -> Bundle:
    """Make the bundle `out`: from random weights (tiny), from a checkpoint, or by training first. `[control]`

    corpus: what `rtstyle corpus build` made. work: folder of the training run, gone on with when it exists.
    """
    if recipe.turns > 1:
        return _in_turns(recipe, out, tiny)
    if tiny:
        return _tiny(recipe, out)
    if corpus is None:
        raise FileError(
            "A bundle is made from a corpus; build one with `rtstyle corpus build FOLDER` and give --corpus FOLDER."
        )
    pairs = PairCorpus(corpus)
    if checkpoint is None:
        trainer = Trainer(recipe.plan(pairs, minutes), pairs, work, shape=recipe.shape, device=pick_device())
        if not trainer.resume() and recipe.begin_with:
            begun = find_origin(recipe.begin_with)
            trainer.begin_with(begun)
        trainer.train(print)
        checkpoint = trainer.checkpoint
    bundle = export_checkpoint(
        checkpoint,
        pairs,
        out,
        name=recipe.name,
        description=recipe.description,
        recipe=_script(recipe),
        styles=voices_in(pairs, recipe.played),
    )
    return add_recogniser(bundle, pairs, say=print)


def _tiny(recipe: Recipe, out: Path) -> Bundle:
    return export_tiny(recipe.kind, out, name=recipe.name, styles=list(recipe.played), seed=recipe.seed)


def _in_turns(recipe: Recipe, out: Path, tiny: bool) -> Bundle:
    with tempfile.TemporaryDirectory() as folder:
        once = _tiny(recipe, Path(folder) / "once") if tiny else load_bundle(find_bundle(recipe.begin_with))
        return in_turns(once, out, name=recipe.name, turns=recipe.turns, description=recipe.description,
                        recipe=_script(recipe), parameters=recipe.parameters)  # fmt: skip


def _script(recipe: Recipe) -> str:
    return f"export/{recipe.name.replace('-', '_')}.py"


def main(recipe: Recipe) -> None:
    """Command line of a recipe script."""
    app = cyclopts.App(help=f"Rebuild the bundle {recipe.name}.", help_format="plaintext")

    @app.default
    def make(
        *,
        corpus: Path | None = None,
        checkpoint: Path | None = None,
        out: Path | None = None,
        work: Path | None = None,
        minutes: float | None = None,
        tiny: Annotated[bool, cyclopts.Parameter(negative="")] = False,
    ) -> None:
        """Make the bundle.

        Parameters
        ----------
        corpus
            Folder that `rtstyle corpus build` made.
        checkpoint
            Export this checkpoint instead of training.
        out
            Folder of the bundle; default models/<name>.
        work
            Folder of the training run, gone on with when it exists; default var/<name>.
        minutes
            Minutes of training.
        tiny
            Random weights, in seconds: a template for tests.
        """
        root = Path(__file__).resolve().parents[2]
        bundle = cook(
            recipe,
            out or root / "models" / recipe.name,
            corpus=corpus,
            checkpoint=checkpoint,
            work=work or root / "var" / recipe.name,
            minutes=minutes,
            tiny=tiny,
        )
        print(f"{bundle.path}: {bundle.kind}, {len(bundle.styles)} styles")

    app()
