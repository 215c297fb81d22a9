"""The whole table of one bundle, with its pictures, in a folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rtstyle.lab.evaluate.bundle_run import BundleRun
from rtstyle.lab.evaluate.clips import RATE
from rtstyle.lab.evaluate.cost import memory_mb
from rtstyle.lab.evaluate.judge import load_judge
from rtstyle.lab.evaluate.picture import write_picture
from rtstyle.lab.evaluate.report import Report
from rtstyle.lab.evaluate.score import QUICK, Plan, evaluate_render
from rtstyle.lab.evaluate.sheet import PAIRS, write_sheet


def evaluate_bundle(
    bundle: Path,
    recordings: Path,
    *,
    judge: Path | None = None,
    out: Path | None = None,
    quick: bool = False,
    shallow: bool = False,
    block: int = 128,
    seed: int = 0,
    tick: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> Report:
    """Play a bundle through the engine in every direction and score it. `[control]`

    out: folder for evaluation.json, evaluation.md, SOURCE-to-TARGET.png, and pairs.png with one direction to each target.
    tick: called with steps done, steps in all and what is next. Raises BundleError, FileError.
    """
    plan = replace(QUICK if quick else Plan(), shallow=shallow, seed=seed)
    run = BundleRun(bundle, block=block)
    try:
        report, pictures = evaluate_render(
            run,
            run.styles,
            recordings,
            plan=plan,
            judge=load_judge(judge) if judge else None,
            switching=run.switching,
            capturing=run.captured,
            tick=tick,
        )
        report.cost = {"latency_ms": run.latency_ms(), "time_of_block": run.cost(), "peak_memory_mb": memory_mb()}
    finally:
        run.close()
    if out is not None:
        report.write(out, f"Evaluation of {bundle.name}")
        for (source, target), panels in pictures.items():
            write_picture(out / f"{source}-to-{target}.png", panels, RATE, f"{bundle.name}: {source} to {target}")
        write_sheet(out / PAIRS, pictures, RATE, bundle.name)
    return report
