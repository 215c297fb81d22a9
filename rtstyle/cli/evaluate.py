"""`rtstyle evaluate`: a bundle against its baselines, on recordings that it never saw."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from rtstyle.cli.output import emit_json
from rtstyle.errors import MissingPartError, ParameterError

Flag = Annotated[bool, Parameter(negative="")]


def evaluate(
    bundle: str | None = None,
    *,
    recordings: Path,
    judge: Path | None = None,
    out: Path | None = None,
    quick: Flag = False,
    shallow: Flag = False,
    block: int = 128,
    seed: int = 0,
    train_judge: Flag = False,
    json: Flag = False,
) -> None:
    """Judge a bundle against its baselines.

    Every direction from each instrument to each style is played through the same compiled chain as live, and scored for
    timbre, content, fidelity, control and cost beside the unchanged input, an equaliser and two more baselines. So are styles
    captured from ten seconds, beside the trained ones.

    Parameters
    ----------
    bundle
        Name or folder of the bundle.
    recordings
        Folder with a manifest.csv (or one in each of its folders, of which `dev` was never trained on), or with one folder
        of recordings per instrument.
    judge
        Weights of another judge than the one that ships.
    out
        Folder for evaluation.json, evaluation.md, a picture per direction, and one of them all with a row per target.
    quick
        One short clip of five instruments.
    shallow
        Also run the optimisation on random filters, offline and slow.
    block
        Frames in a block.
    seed
        Seed of the clips.
    train_judge
        Train the judge on the recordings instead, into --judge or the place of the one that ships.
    json
        Print everything as JSON on stdout.
    """
    try:
        import librosa  # noqa: F401
        import torch
    except ImportError as error:
        raise MissingPartError(
            "Evaluation needs torch and librosa; install them with: pip install 'rtstyle[lab]'"
        ) from error
    console = Console(stderr=True)
    if train_judge:
        from rtstyle.corpus.soundfont import find_font
        from rtstyle.lab.evaluate.judge import WEIGHTS
        from rtstyle.lab.evaluate.judge_training import make_judge

        print(make_judge(recordings, judge or WEIGHTS, soundfont=find_font(), seed=seed, say=console.print))
        return
    if bundle is None:
        raise ParameterError("There is no bundle to judge; name one, as listed by `rtstyle models`.")
    if not 1 <= block <= 4096:
        raise ParameterError(f"--block is {block}; choose 1 to 4096 frames.")
    from rtstyle.bundle import find_bundle
    from rtstyle.lab.evaluate.bundle_table import evaluate_bundle

    torch.set_num_threads(1)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        folder = Path(bundle) if Path(bundle).is_dir() else find_bundle(bundle)
        report = evaluate_bundle(
            folder,
            recordings,
            judge=judge,
            out=out,
            quick=quick,
            shallow=shallow,
            block=block,
            seed=seed,
            tick=lambda done, total, text: progress.update(task, completed=done, total=total, description=text),
        )
    if json:
        emit_json(report.as_dict())
    else:
        print(report.markdown(f"Evaluation of {folder.name}"))
