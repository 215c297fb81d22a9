"""Styles captured from ten seconds: who plays what was captured reaches it, who plays the input does not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from rtstyle.lab.evaluate import captures, inputs
from rtstyle.lab.evaluate.captures import EXAMPLE, TRAINED, Heard
from rtstyle.lab.evaluate.clips import RATE, Clip
from rtstyle.lab.evaluate.inputs import Input
from rtstyle.lab.evaluate.judge import CLASSES, Verdict
from rtstyle.lab.evaluate.report import Entry, Report
from rtstyle.lab.evaluate.score import Evaluation, Plan, _Heard
from tests.lab.evaluate_tones import tone

PITCHES = {"violin": 300.0, "flute": 400.0, "double-reed": 500.0, "low-brass": 600.0}


class EarForPitch:
    """A judge to whom the pitch is the instrument."""

    record: ClassVar = {}

    def __call__(self, audio, sample_rate):
        strongest = np.abs(np.fft.rfft(audio)).argmax() * sample_rate / audio.size
        name = min(PITCHES, key=lambda name: abs(PITCHES[name] - strongest))
        probabilities = np.zeros((4, len(CLASSES)), np.float32)
        probabilities[:, CLASSES.index(name)] = 1.0
        return Verdict(probabilities, np.zeros((4, 1), np.float32), np.ones(4, bool))


class Player:
    """Plays the recording that its style was captured from, or its input."""

    closed: ClassVar[list["Player"]] = []
    leans = "flute"

    def __init__(self, recording, faithful):
        self.recording, self.faithful = recording, faithful

    def __call__(self, audio, style, amount):
        assert (style, amount) == ("captured", 1.0)
        return self.recording[: audio.size] if self.faithful else audio

    def close(self):
        self.closed.append(self)


def clip(instrument: str, hz: float, seconds: float, split: str) -> Clip:
    return Clip(Path(split, instrument), instrument, "take", "phrase", None, split, tone(hz, seconds, 1))


def sound(instrument: str, family: str, seconds: float) -> Input:
    return Input(instrument, instrument, tone(PITCHES[family], seconds, 1))


@pytest.fixture
def evaluation() -> Evaluation:
    run = Evaluation(None, Plan(), EarForPitch())  # type: ignore[arg-type]
    for name in ("violin", "flute"):
        one = sound(name, name, 2.0)
        run.heard = [*getattr(run, "heard", []), _Heard(one, run.judge(one.audio, RATE), None)]  # type: ignore[arg-type]
        other = "flute" if name == "violin" else "violin"
        figures = {"judge_share": 0.5, "judge_probability": 0.25}
        run.report.entries += [
            Entry("amount 1", name, other, name, figures),
            Entry("amount 1", name, name, name, figures),
        ]
    return run


@pytest.mark.parametrize(("faithful", "reached"), [(True, 1.0), (False, 0.0)])
def test_who_plays_what_was_captured_reaches_the_ten_seconds(evaluation, monkeypatch, faithful, reached):
    examples = [sound("violin", "violin", 10.0), sound("bassoon", "double-reed", 10.0)]
    monkeypatch.setattr(captures, "choose_examples", lambda *others: examples)
    Player.closed.clear()
    styles = ("violin", "flute")
    evaluation.captured(lambda recording, without: Player(recording, faithful), [], styles, styles)
    table = evaluation.report.captured
    found = captures.summary(table, ())
    assert found["share_captured_outside"] == found["share_captured_inside"] == reached
    assert found["share_eq_outside"] == 0.0  # no equaliser changes a pitch
    assert (found["share_trained"], found["probability_trained"]) == (0.5, 0.25)
    assert found["share_ratio_withheld_outside"] == 2.0 * reached
    assert found["probability_ratio_captured_inside"] == 4.0 * reached
    assert {one.clip for one in table if one.instrument == "violin" and one.row == "captured style"} == {"flute"}
    assert len(Player.closed) == len(examples) + 1 + len(evaluation.heard), (
        "the violin is captured without its style, too"
    )
    assert [one["clip"] for one in evaluation.report.own] == ["violin", "flute"]
    assert all(one["log_spectral_db"] == 0.0 for one in evaluation.report.own)


def test_an_instrument_of_another_family_is_also_captured_without_its_own_style(evaluation, monkeypatch):
    monkeypatch.setattr(captures, "choose_examples", lambda *others: [sound("tuba", "low-brass", 10.0)])
    evaluation.render = lambda audio, style, amount: tone(PITCHES["low-brass"], 2.0, 1)
    withheld = []

    def capturing(recording, without):
        withheld.append(without)
        return Player(recording, faithful=not without)

    evaluation.captured(capturing, [], ("violin", "flute"), ("violin", "flute", "tuba"))
    table = evaluation.report.captured
    assert withheld[:2] == ["", "tuba"]
    share = {row: captures.mean(table, row, "tuba", "share").mean for row in captures.ROWS}
    assert (share[TRAINED], share[captures.STYLE], share[captures.WITHHELD]) == (1.0, 1.0, 0.0)
    found = captures.summary(table, ())
    assert (found["share_captured_outside"], found["share_withheld_outside"]) == (1.0, 0.0)
    assert any(
        line.startswith("| tuba (low-brass) |") and line.endswith("| flute |") for line in captures.lines(table, ())
    )


def test_who_changes_what_it_was_captured_from_is_found_out(evaluation, monkeypatch):
    monkeypatch.setattr(captures, "choose_examples", lambda *others: [])
    hiss = 0.05 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    styles = ("violin", "flute")
    evaluation.captured(lambda recording, without: Player(recording + hiss, True), [], styles, styles)
    assert all(one["log_spectral_db"] > 5.0 for one in evaluation.report.own)


def test_recordings_left_out_of_training_come_first_and_unknown_ones_last():
    clips = [
        clip("violin", 300.0, 12.0, "dev"),
        clip("trombone", 500.0, 12.0, "dev"),  # the judge takes it for something else
        clip("tuba", 600.0, 12.0, "train"),
        clip("french-horn", 600.0, 12.0, "dev"),
        clip("bassoon", 500.0, 9.0, "dev"),  # too short
        clip("organ", 300.0, 12.0, "train"),  # unknown, but there is no other
    ]
    chosen = captures.choose_examples(clips, ("violin", "flute"), EarForPitch(), 0)  # type: ignore[arg-type]
    assert [(one.instrument, one.seen) for one in chosen] == [
        ("violin", False),
        ("french-horn", False),
        ("organ", True),
    ]
    assert all(one.audio.size == 10 * RATE for one in chosen)


def test_what_the_judge_does_not_know_is_left_out_of_the_summary():
    heard = Heard("tuba", "low-brass", "captured style", "a", 0.2, 0.2)
    known = [heard, replace(heard, row=EXAMPLE, share=0.8, probability=0.8)]
    trained = Heard("flute", "flute", TRAINED, "a", 0.5, 0.5)
    known += [trained, replace(trained, row=EXAMPLE, share=1.0, probability=1.0)]
    unknown = [replace(one, instrument="organ", target="organ", share=0.1) for one in known[:2]]
    misjudged = [replace(one, instrument="violin", target="violin", share=0.9) for one in known[2:]]
    found = captures.summary(known + unknown + misjudged, ["violin"])
    assert found["share_captured_outside"] == pytest.approx(0.25)
    assert found["share_ratio_withheld_outside"] == pytest.approx(0.5)


def test_the_report_shows_the_table_only_where_there_is_one(tmp_path):
    report = Report(captured=[Heard("tuba", "low-brass", row, "a", 0.6, 0.5) for row in ("captured style", EXAMPLE)])
    report.write(tmp_path, "t")
    assert "| tuba (low-brass) |" in (tmp_path / "evaluation.md").read_text()
    document = json.loads((tmp_path / "evaluation.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert document["captured"]["summary"]["share_captured_outside"] == 1.0
    assert document["captured"]["summary"]["share_ratio_withheld_outside"] is None  # nothing trained to compare with
    assert "Captured" not in Report().markdown("t")


def test_ten_seconds_are_a_line_of_single_notes_over_several_pitches_where_there_is_one():
    def notes(instrument: str, source: str, pitches: range) -> list[Clip]:
        return [
            Clip(Path(f"{instrument}_{source}_{pitch}"), instrument, source, "note", pitch, "", tone(300.0, 2.0, 1))
            for pitch in pitches
        ]

    several = {name: notes(name, "several", range(60, 72, 2)) for name in ("organ", "piano")}
    few = {name: notes(name, "few", range(60, 62)) for name in ("organ", "piano")}
    phrase = clip("piano", 300.0, 12.0, "dev")  # chords

    for name in ("organ", "piano"):
        alone = inputs.choose_example(several[name], name, 10.0, 0)
        assert alone is not None
        for others in (few[name], [phrase] if name == "piano" else few[name]):
            both = inputs.choose_example(others + several[name], name, 10.0, 0)
            assert both is not None and np.array_equal(both.audio, alone.audio)
    for only in ([phrase], few["organ"]):
        assert inputs.choose_example(only, only[0].instrument, 10.0, 0) is not None
