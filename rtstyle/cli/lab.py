"""`rtstyle train` and `rtstyle export`: from a corpus to a checkpoint, from a checkpoint to a bundle."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from rtstyle.errors import FileError, MissingPartError, ParameterError

if TYPE_CHECKING:
    from rtstyle.lab.train.trainer import Plan

Kind = Literal["spectral", "latent"]


def _need_lab() -> None:
    """Raise MissingPartError, with the command that mends it, where torch is missing."""
    if find_spec("torch") is None:
        raise MissingPartError("Training and export need torch; install it with: pip install 'rtstyle[lab]'")


def train(
    kind: Kind,
    corpus: Path,
    out: Path,
    *,
    minutes: float = 45.0,
    batch: int = 8,
    rate: float = 1.5e-3,
    seed: int = 0,
    styles: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (),
    threads: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    processes: int = 0,
    snapshots: int = 0,
    begin_with: str | None = None,
) -> None:
    """Train a model on a corpus, or go on with the run in OUT.

    Parameters
    ----------
    kind
        Family of the network.
    corpus
        Folder that `rtstyle corpus build` made.
    out
        Folder of the run: checkpoint.pt, log.jsonl, tensorboard/.
    minutes
        Length of the whole run, earlier parts counted; the learning rate falls over it.
    batch
        Clips of one second in a step.
    rate
        Highest learning rate.
    seed
        Seed of weights and batches.
    styles
        Instruments of the corpus, or single libraries of them as "instrument/library", that most steps aim at; the
        sections of the orchestra when not given, or all where it has none.
    threads
        Threads of the arithmetic; 0: as many as there are cores.
    device
        Where to train.
    processes
        Processes that train together, each on batches of its own; 0: one per GPU, or one on the processor.
    snapshots
        Steps between weights that are kept in OUT/snapshots, each ready for `rtstyle export` and for BEGIN_WITH, a third of a
        checkpoint's size; 0: none are kept.
    begin_with
        Bundle, by name or folder, or checkpoint of another run (checkpoint.pt, snapshots/STEP.pt), whose weights a new run
        begins with in the place of random ones. Its shape is taken over, and the discriminators of a checkpoint.
    """
    _need_lab()
    if processes < 0:
        raise ParameterError(f"processes is {processes}; give a number, or 0 for one per GPU.")
    if snapshots < 0:
        raise ParameterError(f"snapshots is {snapshots}; give a number of steps, or 0 for none.")
    if minutes <= 0 or batch < 1 or rate <= 0:
        raise ParameterError(f"minutes {minutes}, batch {batch} and rate {rate} must be positive.")
    from rtstyle.corpus.pairs import PairCorpus
    from rtstyle.lab.origin import find_origin
    from rtstyle.lab.recipe import aims_in, pick_device
    from rtstyle.lab.train import together
    from rtstyle.lab.train.trainer import Plan

    if begin_with is not None:
        find_origin(begin_with, kind)
    where = pick_device(device, threads)
    pairs = PairCorpus(corpus)
    unknown = sorted(name for name in set(styles) if not pairs.count(name))
    if unknown:
        raise ParameterError(f"The corpus has no {', '.join(unknown)}; it has {', '.join(pairs.instruments)}.")
    aims = styles or aims_in(pairs)
    plan = Plan(kind, minutes=minutes, batch=batch, rate=rate, seed=seed, styles=aims, snapshots=snapshots)
    together.launch(together.processes(processes, where), _run, plan, corpus, out, begin_with, device=where)
    print(out / "checkpoint.pt")


def _run(plan: "Plan", corpus: Path, out: Path, begin_with: str | None, device: str) -> None:
    """One process of a training run."""
    from rtstyle.corpus.pairs import PairCorpus
    from rtstyle.lab.origin import find_origin
    from rtstyle.lab.train import together
    from rtstyle.lab.train.trainer import Trainer

    try:
        valid = PairCorpus(corpus, "valid")
    except FileError:  # a small corpus has no validation performances
        valid = None
    begun = None if begin_with is None else find_origin(begin_with, plan.kind)
    shape = None if begun is None else begun.net.shape.as_dict()
    trainer = Trainer(plan, PairCorpus(corpus), out, shape=shape, device=device, valid=valid)
    resumed = trainer.resume()
    console = Console(stderr=True, quiet=together.rank() > 0)
    if begun is not None and not resumed:
        trainer.begin_with(begun)
        listen = (
            "its discriminators go on"
            if begun.adversaries
            else "new discriminators listen to it first, for some minutes"
        )
        console.print(f"From the weights of {begin_with}; {listen}.")
    console.print(
        f"{'Going on with' if resumed else 'Training'} {plan.kind} in {out} on {device} for {plan.minutes:g} minutes in all."
    )
    trainer.train(lambda row: console.print("  ".join(f"{k} {v:g}" for k, v in row.items())))


def export(
    out: Path,
    *,
    checkpoint: Path | None = None,
    corpus: Path | None = None,
    kind: Kind = "spectral",
    styles: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (),
    description: str = "",
    recogniser: Annotated[bool, Parameter(negative="")] = False,
    tiny: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Export a checkpoint as a bundle, ready to play.

    Parameters
    ----------
    out
        Folder of the bundle; its name becomes the bundle's.
    checkpoint
        What `rtstyle train` wrote.
    corpus
        The corpus, from which the statistics of the styles are taken.
    kind
        Family, for --tiny alone: a checkpoint knows its own.
    styles
        Instruments of the corpus, or single libraries of them as "instrument/library"; what training aimed at when not
        given.
    description
        One sentence for the card.
    recogniser
        Train, in some minutes, what tells captured recordings which of the styles they sound like.
    tiny
        A small network of random weights, for tests.
    """
    _need_lab()
    from rtstyle.corpus.pairs import PairCorpus
    from rtstyle.lab.export.bundle import export_checkpoint, export_tiny, style_id
    from rtstyle.lab.recogniser import add_recogniser

    if tiny:
        bundle = export_tiny(kind, out, name=out.name)
    elif checkpoint is None or corpus is None:
        raise ParameterError("An export needs --checkpoint and --corpus (or --tiny for random weights).")
    elif not checkpoint.is_file():
        raise FileError(f"{checkpoint} is no file; give the checkpoint.pt of a run of `rtstyle train`.")
    else:
        pairs = PairCorpus(corpus)
        bundle = export_checkpoint(
            checkpoint,
            pairs,
            out,
            name=out.name,
            description=description,
            recipe="rtstyle export",
            styles={style_id(voice): voice for voice in styles} or None,
        )
        if recogniser:
            bundle = add_recogniser(bundle, pairs, say=Console(stderr=True).print)
    print(f"{bundle.path}: {bundle.kind}, {len(bundle.styles)} styles")
