"""What a study found: a table of all its trials, and a picture of the ones that none beats."""

import csv
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from rtstyle.lab.search.study import OBJECTIVES

HIDDEN = ("alive",)  # attributes that are no finding


def front(study: optuna.Study) -> list[FrozenTrial]:
    """The Pareto front: the finished trials that no other beats in one objective without losing in another. `[control]`"""
    return study.best_trials


def rows(study: optuna.Study) -> list[dict[str, Any]]:
    """One row per trial that has begun, by number: state, whether none beats it, objectives, choices, notes. `[control]`"""
    best = {trial.number for trial in front(study)}
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.WAITING:
            continue
        values = dict(zip(OBJECTIVES, trial.values or [], strict=False))
        seconds = trial.duration.total_seconds() if trial.duration else None
        found.append(
            {
                "trial": trial.number,
                "state": trial.state.name.lower(),
                "best": "yes" if trial.number in best else "",
                **{name: values.get(name) for name in OBJECTIVES},
                **trial.params,
                **{name: value for name, value in trial.user_attrs.items() if name not in HIDDEN},
                "seconds": seconds,
            }
        )
    return found


def write_table(study: optuna.Study, path: Path) -> None:
    """Write all trials as CSV; numbers with four digits. `[control]`"""
    found = rows(study)
    names = list(dict.fromkeys(name for row in found for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(names)
        for row in found:
            cells = (row.get(name) for name in names)
            table.writerow([f"{cell:.4g}" if isinstance(cell, float) else cell for cell in cells])


def write_picture(study: optuna.Study, path: Path) -> None:
    """Draw judge and pitch over the time of the slowest blocks, the front marked and numbered. `[control]`"""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = front(study)
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    pruned = len(study.get_trials(deepcopy=False, states=(TrialState.PRUNED,)))
    figure.suptitle(f"{len(trials)} trials to the end, {pruned} given up; {len(best)} that none beats", fontsize=10)
    cost = list(OBJECTIVES).index("p99")
    names = (("judge", "judge's probability of the target"), ("pitch", "pitch within 50 cents"))
    for axes, (name, label) in zip(figure.subplots(1, len(names)), names, strict=True):
        at = list(OBJECTIVES).index(name)
        axes.scatter([100 * t.values[cost] for t in trials], [t.values[at] for t in trials], s=18, color="0.6")
        axes.scatter([100 * t.values[cost] for t in best], [t.values[at] for t in best], s=36, color="tab:red")
        for trial in best:
            place = (100 * trial.values[cost], trial.values[at])
            axes.annotate(str(trial.number), place, xytext=(4, 4), textcoords="offset points", fontsize=8)
        axes.set_xlabel("99th percentile of a block's time, % of the block")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=80)


def write_report(study: optuna.Study, folder: Path) -> None:
    """Write trials.csv and pareto.png into a folder. `[control]`"""
    write_table(study, folder / "trials.csv")
    write_picture(study, folder / "pareto.png")
