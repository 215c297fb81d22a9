"""`rtstyle search`: which network and which training, by many short trials."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from rtstyle.cli.output import emit_json, table
from rtstyle.errors import MissingPartError, ParameterError


def search(
    out: Path,
    *,
    corpus: Path,
    recordings: Path | None = None,
    kind: Literal["spectral", "latent"] = "spectral",
    over: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = (),
    trials: int = 40,
    minutes: float = 10.0,
    batch: int = 8,
    seed: int = 0,
    workers: int = 1,
    threads: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "cpu",
    begin_with: str | None = None,
    storage: str | None = None,
    ray: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Search for a network and a training, or go on with the study in OUT.

    Each trial trains for some minutes, is exported, and is scored as it plays live: the judge's probability of the target,
    the share of the pitch that is kept, and the slowest blocks. A trial whose validation loss is 1 % above the median of the
    others at a quarter, half or three quarters of its minutes is given up.

    Parameters
    ----------
    out
        Folder of the study: journal.log, trials.csv, pareto.png, and a folder per trial with checkpoint and bundle.
    corpus
        Folder that `rtstyle corpus build` made.
    recordings
        Folder of recordings to score with, of which those that `rtstyle evaluate` judges by are left out; lines of the
        corpus when not given.
    kind
        Family of the networks; with BEGIN_WITH that of the bundle.
    over
        What is chosen, for instance front norm rate; everything that the family has when not given.
    trials
        Trials of the study in all, earlier ones and those of other machines counted.
    minutes
        Training of each trial.
    batch
        Clips of one second in a step.
    seed
        Seed of the choices, the weights and the batches.
    workers
        Trials at a time on this machine; 0: one per core. Blocks that share cores take longer.
    threads
        Threads of each trial.
    device
        Where to train.
    begin_with
        Bundle, by name or folder, or checkpoint of a run (checkpoint.pt, snapshots/STEP.pt) around whose network the search
        goes: trials begin with its weights in every layer that keeps its size. The first one is that network itself, the
        next differ from it in one choice each. The discriminators of a checkpoint play along; with a bundle, which has
        none, they do so only where chosen.
    storage
        URL of a database that keeps the study instead of OUT/journal.log, for instance sqlite:///study.db.
    ray
        Address of a Ray cluster that runs the trials: "auto", or "local" for one of its own; its machines must see all
        folders under the same paths.
    json
        Print the trials that none beats as JSON on stdout.
    """
    for package in ("torch", "optuna"):
        if find_spec(package) is None:
            raise MissingPartError(f"A search needs {package}; install it with: pip install 'rtstyle[lab]'")
    if minutes <= 0 or trials < 1 or batch < 1 or threads < 1 or workers < 0:
        raise ParameterError(
            f"minutes {minutes}, trials {trials}, batch {batch} and threads {threads} must be positive, "
            f"and workers {workers} a number or 0."
        )
    from rtstyle.lab.origin import find_origin
    from rtstyle.lab.recipe import pick_device
    from rtstyle.lab.search import report
    from rtstyle.lab.search.space import space
    from rtstyle.lab.search.study import OBJECTIVES, open_study, run_study
    from rtstyle.lab.search.trial import TrainAndListen

    console = Console(stderr=True)
    out = out.resolve()  # workers may run elsewhere
    out.mkdir(parents=True, exist_ok=True)
    heard = recordings.resolve() if recordings else None
    where = pick_device(device)
    begun = None if begin_with is None else find_origin(begin_with)
    around = space(begun.net.kind if begun else kind, over, begun)
    score = TrainAndListen(
        corpus.resolve(), out / "trials", minutes, batch, seed, threads, where, heard, begun.place if begun else None
    )
    place = storage or str(out / "journal.log")
    scored = "recordings" if recordings else "corpus"
    conditions = {"minutes": minutes, "batch": batch, "scored": scored, "weights": begun.identity if begun else None}
    for trial in run_study(
        around, score, place, trials=trials, seed=seed, workers=workers, ray=ray, conditions=conditions
    ):
        values = "  ".join(f"{value:.3f}" for value in trial.values or ())
        console.print(f"trial {trial.number}: {trial.state.name.lower()}  {values}")
        report.write_report(open_study(place), out)
    study = open_study(place)
    report.write_report(study, out)
    best = [row for row in report.rows(study) if row["best"]]
    if json:
        emit_json({"folder": str(out), "best": best})
        return
    head = ("trial", *OBJECTIVES, *around.choices)
    print(table([[_short(row.get(name)) for name in head] for row in best], head=head))


def _short(value: object) -> object:
    return f"{value:.3g}" if isinstance(value, float) else value
