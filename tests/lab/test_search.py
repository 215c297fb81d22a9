"""A study finds its front, goes on where it was, is shared by processes, and gives up what is worse than the median."""

import csv
import json
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
import soundfile
import torch
from optuna.distributions import IntDistribution
from optuna.trial import TrialState

from rtstyle.bundle import find_bundle, load_bundle
from rtstyle.cli.app import run
from rtstyle.corpus import soundfont
from rtstyle.corpus.build import Plan as CorpusPlan
from rtstyle.corpus.build import build
from rtstyle.errors import BundleError, ParameterError
from rtstyle.lab.evaluate.inputs import Input
from rtstyle.lab.export.bundle import export_tiny
from rtstyle.lab.nets.latent import LatentShape
from rtstyle.lab.nets.normalisation import NORMS
from rtstyle.lab.nets.spectral import SpectralNet, SpectralShape, skip_width
from rtstyle.lab.nets.streaming import Past
from rtstyle.lab.origin import find_origin, of_bundle
from rtstyle.lab.search import study as studies
from rtstyle.lab.search.report import front, write_report
from rtstyle.lab.search.space import CHOICES, FRONTS, RESIZING, Candidate, Space, candidate, space
from rtstyle.lab.search.study import Scores, counted, fail_the_dead, open_study, run_study
from rtstyle.lab.search.trial import _Watch, corpus_inputs, grafted, listen
from rtstyle.lab.train.batches import Maker
from rtstyle.lab.train.trainer import Plan, Trainer
from tests.corpus.tones import RATE, tone, write_library
from tests.lab.test_training import SMALL, Tones

ONE = Space("latent", {"units": IntDistribution(1, 9)})
Report = Callable[[float, float], None]


def bought(candidate: Candidate, number: int, report: Report) -> Scores:
    """A score that must be paid for, up to 5; 6 to 9 cost more and give nothing."""
    units = int(candidate.shape["units"])
    return Scores(0.1 * min(units, 5), 0.5, 0.01 * units, {"size": units})


def waited(folder: Path, candidate: Candidate, number: int, report: Report) -> Scores:
    """A score that waits for another process: no trial ends before two have begun."""
    (folder / str(number)).touch()
    end = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    return bought(candidate, number, report)


def losing(losses: list[float], candidate: Candidate, number: int, report: Report) -> Scores:
    """A score that reports the loss of its number at half of its training."""
    report(0.5, losses[number])
    return bought(candidate, number, report)


def broken(candidate: Candidate, number: int, report: Report) -> Scores:
    if number == 1:
        raise BundleError("it does not export.")
    if number == 2:
        raise KeyboardInterrupt
    return bought(candidate, number, report)


def test_the_front_is_what_none_beats(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    trials = list(run_study(ONE, bought, place, trials=25))
    units = [trial.params["units"] for trial in trials]
    assert len(trials) == 25
    assert max(units) > 5  # what is not worth its price was tried
    best = {trial.params["units"] for trial in front(open_study(place))}
    assert best == {u for u in units if u <= 5}


def test_the_same_command_goes_on_and_a_full_study_is_left_alone(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    assert [trial.number for trial in run_study(ONE, bought, place, trials=12)] == list(range(12))
    assert [trial.number for trial in run_study(ONE, bought, place, trials=16)] == [12, 13, 14, 15]
    assert list(run_study(ONE, bought, place, trials=16)) == []
    whole = [trial.params for trial in run_study(ONE, bought, str(tmp_path / "whole.log"), trials=16)]
    assert whole == [trial.params for trial in open_study(place).trials]  # an interruption changes no choice


def test_a_database_keeps_a_study_as_well(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/study.db"
    assert [trial.number for trial in run_study(ONE, bought, place, trials=2)] == [0, 1]
    assert [trial.number for trial in run_study(ONE, bought, place, trials=3)] == [2]


@pytest.mark.slow
def test_two_processes_share_one_journal(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    place = str(tmp_path / "journal.log")
    trials = list(run_study(ONE, partial(waited, begun), place, trials=6, workers=2))
    assert sorted(trial.number for trial in trials) == list(range(6))
    everything = open_study(place).trials
    assert len(counted(open_study(place))) == 6
    assert everything[1].datetime_start < everything[0].datetime_complete  # two at a time


def test_what_is_worse_than_the_median_is_given_up_and_the_best_never(tmp_path: Path) -> None:
    losses = [1.0, 2.0, 3.0, 4.0, 9.0, 0.5, 2.01, float("nan"), 2.9, 0.1]
    place = str(tmp_path / "journal.log")
    states = [trial.state for trial in run_study(ONE, partial(losing, losses), place, trials=len(losses))]
    given_up = [number for number, state in enumerate(states) if state == TrialState.PRUNED]
    assert given_up == [4, 7, 8]
    assert len(open_study(place).get_trials(states=(TrialState.COMPLETE,))) == 7


def test_a_network_that_cannot_be_exported_is_a_result_and_an_interruption_is_none(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    with pytest.raises(KeyboardInterrupt):
        list(run_study(ONE, broken, place, trials=4))
    study = open_study(place)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL]
    assert study.trials[1].user_attrs["failure"] == "it does not export."
    assert [trial.number for trial in counted(study)] == [0, 1]
    assert [trial.number for trial in run_study(ONE, bought, place, trials=4)] == [3, 4]


def test_a_killed_trial_is_drawn_anew(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    study = open_study(place)
    dead, living = study.ask(), study.ask()
    dead.set_user_attr("alive", time.time() - 2 * studies.SILENT_SECONDS)
    living.set_user_attr("alive", time.time())
    fail_the_dead(study)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.RUNNING]
    assert [trial.number for trial in run_study(ONE, bought, place, trials=3)] == [2, 3]


def test_a_study_is_not_gone_on_with_under_other_conditions(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    list(run_study(ONE, bought, place, trials=1, conditions={"minutes": 3.0}))
    with pytest.raises(ParameterError, match="minutes"):
        list(run_study(ONE, bought, place, trials=2, conditions={"minutes": 5.0}))


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_whatever_is_drawn_is_a_shape_and_a_plan(kind: str) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        drawn = space(kind).draw(study.ask())
        Plan(drawn.kind, **drawn.plan)
        made = (SpectralShape if kind == "spectral" else LatentShape)(**drawn.shape)
        assert made.channels % 8 == 0
    assert set(study.trials[0].params) == set(CHOICES[kind])


def test_choices_can_be_narrowed_and_unknown_ones_are_named() -> None:
    assert set(space("spectral", ["norm", "rate"]).choices) == {"norm", "rate"}
    assert candidate("spectral", {"front": "stft-2048-128"}).shape == FRONTS["stft-2048-128"]
    with pytest.raises(ParameterError, match="norm"):
        space("spectral", ["nrom"])


@pytest.mark.parametrize("name", ["orchestra-spectral", "orchestra-latent", "orchestra-wide"])
def test_a_search_around_what_ships_begins_with_it(name: str, tmp_path: Path) -> None:
    bundle = load_bundle(find_bundle(name))
    origin = of_bundle(bundle)
    shape = origin.net.shape
    around = space(bundle.kind, origin=origin)
    with pytest.raises(ParameterError, match="trained network"):
        space(bundle.kind, [RESIZING[bundle.kind == "latent"]], origin)
    shapes: list[dict[str, int | str]] = []

    def noted(candidate: Candidate, number: int, report: Report) -> Scores:
        shapes.append(candidate.shape)
        return Scores(0.1, 0.5, 0.2)

    place = str(tmp_path / "journal.log")
    for trials in (1, 3):  # also when it is gone on with: the network is there once
        list(run_study(around, noted, place, trials=trials))
        assert len(shapes) == trials
    assert shapes[0] == shape.as_dict()
    study = open_study(place)
    dead = study.ask()
    dead.set_user_attr("alive", time.time() - 2 * studies.SILENT_SECONDS)
    list(run_study(around, noted, place, trials=4))
    trials = open_study(place).trials
    again = [
        t.number
        for t in trials
        if t.system_attrs.get("fixed_params") == trials[dead.number].system_attrs["fixed_params"]
    ]
    assert len(again) == 2 and trials[again[1]].state == TrialState.WAITING  # its turn comes once more
    own, *others = around.first()
    assert set(own) == set(around.choices)
    for trial in (own, *others):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # as Optuna warns of values out of range
            around.draw(optuna.trial.FixedTrial(trial))
    assert all(sum(trial[name] != own[name] for name in own) == 1 for trial in others)
    assert {name for name in own for trial in others if trial[name] != own[name]} == set(around.choices)
    assert open_study(place).trials[1].params == others[0]


def test_a_graft_keeps_what_fits_and_only_that() -> None:
    small = {"channels": 16, "latent": 8, "style": 8, "units": 1}
    trained = SpectralNet(SpectralShape(**small))
    for shape, fresh in (
        ({}, set()),
        ({"norm": "layer"}, {"norm", "expanded", "convolved"}),
        ({"units": 2}, {"units.1"}),
        (FRONTS["constant-q"], None),
    ):
        net = SpectralNet(SpectralShape(**{**small, **shape}))
        before = {name: value.clone() for name, value in net.state_dict().items()}
        own = trained.state_dict()
        for name, value in grafted(trained, net).state_dict().items():
            fits = name in own and own[name].shape == value.shape
            if name == "decoder.units.1.project.weight":
                assert not value.any()
            else:
                assert torch.equal(value, own[name] if fits else before[name]), name
            if fresh is not None:
                assert fits != any(part in name for part in fresh), name


def test_a_graft_with_more_units_plays_the_same_at_first() -> None:
    small = {"channels": 16, "latent": 8, "style": 8}
    trained, deeper = (SpectralNet(SpectralShape(**small, units=units)) for units in (1, 3))
    grafted(trained, deeper)
    heard = (
        torch.randn(1, 5, 8),
        torch.randn(1, 1, 16),
        torch.ones(1, 1, 1),
        torch.randn(1, 5, skip_width(trained.shape)),
    )
    assert torch.equal(*(net.decoder(*heard, Past()) for net in (trained, deeper)))


def test_trials_around_a_checkpoint_train_as_its_run_did_and_its_discriminators_play_along(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    plan = Plan("spectral", steps=1, batch=2, seconds=0.4, styles=(), adversary_from=0.0, rate=3e-4, flutter=1.5)
    trainer = Trainer(plan, Tones(), tmp_path, shape=SMALL)
    trainer.begin_adversaries()
    trainer.save()
    around = space("spectral", ["rate", "units"], find_origin(str(trainer.checkpoint)))
    assert around.own() == {"rate": 3e-4, "units": SMALL["units"]}
    drawn = around.draw(optuna.trial.FixedTrial(around.own()))
    assert drawn.shape == trainer.shape.as_dict()
    assert (drawn.plan["flutter"], drawn.plan["adversary_from"]) == (1.5, 0.0)
    trainer.adversaries.clear()
    trainer.save()
    assert space("spectral", origin=find_origin(str(trainer.checkpoint))).plan["adversary_from"] == 1.0


def test_the_report_lists_all_trials_and_draws_the_front(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    list(run_study(ONE, partial(losing, [1.0, 1.0, 1.0, 1.0, 2.0, 1.0]), place, trials=6))
    write_report(open_study(place), tmp_path)
    with (tmp_path / "trials.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["state"] for row in table] == ["complete"] * 4 + ["pruned", "complete"]
    assert {int(row["trial"]) for row in table if row["best"]} == {t.number for t in front(open_study(place))}
    assert table[0]["size"] == table[0]["units"]
    assert 5_000 < (tmp_path / "pareto.png").stat().st_size < 300_000


class Lines:
    """A corpus in which a flute and a cello play; the flute's line is a steady tone."""

    instruments = ("cello", "flute")

    def style_clip(self, rng: np.random.Generator, name: str, seconds: float) -> np.ndarray:
        time = np.arange(int(seconds * 48000)) / 48000
        return (0.1 * np.sin(2 * np.pi * 440.0 * time + rng.uniform(0, 1))).astype(np.float32)


def test_a_bundle_is_scored_alike_every_time(tmp_path: Path) -> None:
    inputs = corpus_inputs(Lines())
    assert [one.instrument for one in inputs] == ["flute", "cello"]
    short = [Input(one.name, one.instrument, one.audio[:96_000]) for one in inputs[:1]]
    bundle = export_tiny("spectral", tmp_path / "tiny", name="tiny", styles=("violin", "flute", "cello"))
    one, again = (listen(bundle, short, {"parameters": 7}) for _ in range(2))
    assert (one.judge, one.pitch) == (again.judge, again.pitch)
    assert 0.0 <= one.judge <= 1.0
    assert 0.5 < one.pitch <= 1.0
    assert one.p99 > 0.0
    assert one.notes["parameters"] == 7


@pytest.mark.parametrize("name", FRONTS)
def test_every_front_end_trains_every_parameter(name: str, tmp_path: Path) -> None:
    shape = {"channels": 16, "latent": 8, "style": 8, "units": 1, "norm": "switchable", "depth": 3, **FRONTS[name]}
    trainer = Trainer(Plan("spectral", batch=2, seconds=0.4, styles=()), Tones(), tmp_path, shape=shape)
    batch = Maker(Tones(), trainer.analyser, size=2, seconds=0.4, seed=1, identity=0.0)()
    trainer.loss(batch, sample=True)[0].backward()
    for name, parameter in trainer.net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0.0, name


def test_the_loss_is_reported_once_for_each_share_of_the_minutes() -> None:
    trainer = SimpleNamespace(plan=Plan("latent", minutes=1.0), valid=True, trained_seconds=0.0)
    trainer.validate = lambda: {"valid": trainer.trained_seconds}
    told: list[tuple[float, float]] = []
    watch = _Watch(trainer, lambda share, loss: told.append((share, loss)))
    for seconds in (10.0, 16.0, 20.0, 50.0, 59.0):
        trainer.trained_seconds = seconds
        watch({})
    assert told == [(0.25, 16.0), (0.5, 50.0), (0.75, 50.0)]


@pytest.mark.slow
def test_a_search_trains_exports_and_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundfont, "find_font", lambda: None)
    for instrument in ("violin", "flute", "cello"):
        write_library(tmp_path / "notes", instrument)
        soundfile.write(tmp_path / "notes" / instrument / "phrase.wav", tone(64, 2.0), RATE)
    build(tmp_path / "corpus", tmp_path / "notes", None, CorpusPlan(minutes=0.3, players=3, seconds=6.0))
    words = ["--corpus", str(tmp_path / "corpus"), "--minutes", "0.05", "--batch", "1", "--over", "norm", "--json"]
    assert run(["search", str(tmp_path / "study"), *words, "--trials", "1"]) == 0
    (best,) = json.loads(capsys.readouterr().out)["best"]
    assert best["state"] == "complete"
    assert best["norm"] in NORMS
    assert best["steps"] >= 1
    assert best["parameters"] > 100_000
    assert 0.0 <= best["judge"] <= 1.0
    assert (tmp_path / "study" / "trials.csv").is_file()
    trained = tmp_path / "study" / "trials" / "0000" / "bundle"
    assert (trained / "bundle.toml").is_file()
    around = ["search", str(tmp_path / "around"), *words]
    assert run([*around, "--trials", "1", "--begin-with", str(trained)]) == 0
    (again,) = json.loads(capsys.readouterr().out)["best"]
    assert again["norm"] == best["norm"]
    assert again["parameters"] == best["parameters"]
    assert run([*around, "--trials", "2"]) == 1  # the same study from random weights would be another one
    assert "weights" in capsys.readouterr().err


def test_a_search_without_a_corpus_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", str(tmp_path / "out"), "--corpus", str(tmp_path / "none"), "--trials", "1"]) == 1
    assert "none" in capsys.readouterr().err
    assert run(["search", str(tmp_path / "out"), "--corpus", "c", "--trials", "0"]) == 1
