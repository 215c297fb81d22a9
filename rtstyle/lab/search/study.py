"""A study: trials that processes and machines draw, run and record together, each of which may end early or die.

The storage is an Optuna journal, a file that all share, or any database that Optuna knows. Three objectives: the judge's
probability and the share of the pitch that is kept are to be high, the slowest blocks fast. Optuna prunes no trial of several
objectives, so `_report` does, after the median rule of D. Golovin et al., "Google Vizier", KDD 2017. On a Ray cluster trials
are tasks of `corpus.farm` that share the storage; Ray Tune would add a second scheduler to that and is not used.
"""

import math
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count, takewhile
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from rtstyle.corpus.farm import spread
from rtstyle.errors import BundleError, ParameterError
from rtstyle.lab.search.space import Candidate, Space

NAME = "rtstyle"
OBJECTIVES: Mapping[str, str] = {"judge": "maximize", "pitch": "maximize", "p99": "minimize"}
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
PRUNED_FROM = 4  # finished trials that must have come as far before a median says anything
MARGIN = 0.01  # of the median, by which a loss may lie above it: around a trained network all are alike but for chance
BEAT_SECONDS = 20.0  # between two signs of life of a running trial
SILENT_SECONDS = 120.0  # after the last one it counts as dead


@dataclass(frozen=True)
class Scores:
    """What a trial was found to be worth, in the order of OBJECTIVES, and what else is worth a column."""

    judge: float
    pitch: float
    p99: float
    notes: Mapping[str, float | str] = field(default_factory=dict)


#: Called with the candidate, the number of its trial and `report(share, loss)`, which may end it by raising TrialPruned.
Score = Callable[[Candidate, int, Callable[[float, float], None]], Scores]


def open_study(place: str) -> optuna.Study:
    """The study of a journal file or of a database URL, made when missing. `[control]`"""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.create_study(
            storage=_storage(place),
            study_name=NAME,
            sampler=_sampler(0),
            directions=list(OBJECTIVES.values()),
            load_if_exists=True,
        )


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    """Not multivariate: it draws when a value is asked for, so that a trial can have a seed by its number."""
    return optuna.samplers.TPESampler(seed=seed, multivariate=False)


def _storage(place: str) -> BaseStorage:
    if "://" in place:
        return RDBStorage(place)
    return JournalStorage(JournalFileBackend(place, lock_obj=JournalFileOpenLock(place)))


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that count: finished, running, or failed by their own fault, but none that waits or whose process died."""
    begun = [t for t in study.get_trials(deepcopy=False) if t.state != TrialState.WAITING]
    return [t for t in begun if t.state != TrialState.FAIL or "failure" in t.user_attrs]


def fail_the_dead(study: optuna.Study) -> None:
    """End the trials whose process has given no sign of life for SILENT_SECONDS. `[control]`"""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if time.time() - trial.user_attrs.get("alive", trial.datetime_start.timestamp()) > SILENT_SECONDS:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def agree(study: optuna.Study, conditions: Mapping[str, Any]) -> None:
    """Keep the conditions of a study with it. Raises ParameterError where it began under others. `[control]`"""
    kept = study.user_attrs.get("conditions")
    if kept is None:
        study.set_user_attr("conditions", dict(conditions))
        return
    for name, value in conditions.items():
        if kept.get(name) != value:
            raise ParameterError(
                f"The study began with {name} {kept.get(name)}, not {value}; give that again, or another folder."
            )


def run_study(
    space: Space,
    score: Score,
    place: str,
    *,
    trials: int,
    seed: int = 0,
    workers: int = 1,
    ray: str | None = None,
    conditions: Mapping[str, Any] | None = None,
) -> Iterator[FrozenTrial]:
    """Run trials until the study has so many, whoever ran them, and yield each of one's own as it ends. `[control]`

    The first trials are those of `Space.first`. Running it again goes on. workers, ray: as in `corpus.farm.spread`;
    `space` and `score` must then be picklable. What a killed trial had found is lost and it is drawn anew. Raises
    ParameterError where the study began under other conditions.
    """
    study = open_study(place)
    agree(study, {"choices": sorted(space.choices), "kind": space.kind, "seed": seed, **(conditions or {})})
    fail_the_dead(study)
    _enqueue(study, space.first())
    turns = takewhile(lambda _: len(counted(study)) < trials, count())
    job = partial(_run_trial, space, score, place, trials, seed)
    for _, number in spread(job, turns, workers=workers, ray=ray):
        if number is not None:
            yield study.get_trials(deepcopy=False)[number]


def _enqueue(study: optuna.Study, first: list[dict[str, Any]]) -> None:
    """Let those of `first` come next that nobody has taken yet, or whoever took them died."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    known = [trial.system_attrs.get("fixed_params") for trial in (*counted(study), *waiting)]
    for chosen in first:
        if chosen not in known:
            study.enqueue_trial(chosen)


def _run_trial(space: Space, score: Score, place: str, trials: int, seed: int, turn: int) -> int | None:
    """Draw and run one trial; returns its number, or None when the study was full or gave the trial up."""
    study = open_study(place)
    fail_the_dead(study)
    if len(counted(study)) >= trials:
        return None
    trial = study.ask()
    if sum(t.number < trial.number for t in counted(study)) >= trials:  # another process was faster
        study.tell(trial, state=TrialState.FAIL)
        return None
    study.sampler = _sampler(seed * 100_003 + trial.number)
    with _Alive(trial):
        try:
            scores = score(space.draw(trial), trial.number, partial(_report, study, trial))
            for name, value in scores.notes.items():
                trial.set_user_attr(name, value)
            study.tell(trial, [scores.judge, scores.pitch, scores.p99], skip_if_finished=True)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        except UpdateFinishedTrialError:  # it was silent for too long, and counts as dead
            return None
        except (BundleError, RuntimeError) as error:  # this network does not train or does not export: a result, too
            trial.set_user_attr("failure", str(error).splitlines()[0][:200])
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise
    return trial.number


def _report(study: optuna.Study, trial: optuna.Trial, share: float, loss: float) -> None:
    """Keep the loss after a share of a trial's training; raises TrialPruned if it lies behind the median of the finished ones."""
    key = f"loss at {share:g}"
    trial.set_user_attr(key, loss)
    finished = study.get_trials(deepcopy=False, states=FINISHED)
    others = [other for t in finished if math.isfinite(other := t.user_attrs.get(key, math.nan))]
    if len(others) >= PRUNED_FROM and not loss <= (1.0 + MARGIN) * statistics.median(others):
        raise optuna.TrialPruned


class _Alive:
    """Gives a sign of life of a trial every BEAT_SECONDS, for as long as it is entered."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial, self.done = trial, threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def _beat(self) -> None:
        while not self.done.wait(BEAT_SECONDS):
            try:
                self.trial.set_user_attr("alive", time.time())
            except UpdateFinishedTrialError:
                return

    def __enter__(self) -> None:
        self.trial.set_user_attr("alive", time.time())
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
