"""The table: who wins must win, and what cheats must lose."""

import csv
import json
from typing import ClassVar

import numpy as np
import pytest

from rtstyle.errors import FileError
from rtstyle.lab.evaluate import baselines, content, inputs
from rtstyle.lab.evaluate.clips import find_clips
from rtstyle.lab.evaluate.judge import CLASSES, Verdict
from rtstyle.lab.evaluate.picture import write_picture
from rtstyle.lab.evaluate.score import Evaluation, Plan, _Heard, evaluate_render
from tests.lab.evaluate_tones import RATE, melody, tone, write_folder

PLAN = Plan(
    clips=1, seconds=2.0, amounts=(0.5,), decoys=False, sources=("violin", "flute"), targets=("violin", "flute")
)


class EarForPartials:
    """A judge of the two test instruments: what has a tenth partial is a violin, what has none is a flute, else noise."""

    record: ClassVar = {"held_out": {"violin": {"accuracy": 1.0}, "flute": {"accuracy": 0.5}}}

    def __call__(self, audio, sample_rate):
        patches = max(1, audio.size // sample_rate)
        power = np.abs(np.fft.rfft(audio[: patches * sample_rate])) ** 2
        frequencies = np.fft.rfftfreq(patches * sample_rate, 1 / sample_rate)
        high = power[frequencies > 2000]
        peaky = np.quantile(power, 0.5) < 1e-4 * power.max()
        bright = high.sum() / (power.sum() + 1e-12)
        name = "noise" if not peaky else "violin" if bright > 1e-3 else "flute"
        probabilities = np.zeros((patches, len(CLASSES)), np.float32)
        probabilities[:, CLASSES.index(name)] = 1.0
        embeddings = np.tile(np.log(power[:128] + 1e-9), (patches, 1)).astype(np.float32)
        return Verdict(probabilities, embeddings, np.full(patches, power.max() > 1e-6))

    def verdict_usable(self, instrument):
        return self.record["held_out"].get(instrument, {}).get("accuracy", 0.0) >= 0.95


def hits(seconds):
    time = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(1).standard_normal(time.size)
    return (0.2 * noise * np.exp(-20.0 * (time % 0.25))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    sounds = {
        "violin": [melody(30, 0, slope=0.7), melody(30, 3, slope=0.7)],
        "flute": [melody(3, 0, slope=3.0), melody(3, 2, slope=3.0)],
        "guitar": [melody(8, 0) + melody(8, 4) + melody(8, 7)],
        "drums": [hits(4.0)],
    }
    return write_folder(tmp_path_factory.mktemp("recordings"), sounds)


def oracle(audio, style, amount):
    """Plays the same tune as the other instrument: the test's tunes differ only in their transposition."""
    for semitones in (0, 2, 3):
        for partials, slope in ((30, 0.7), (3, 3.0)):
            own = inputs.level(inputs.loudest(melody(partials, semitones, slope=slope), PLAN.seconds))
            if own.size == audio.size and np.allclose(own, audio, atol=1e-4):
                wanted = melody(
                    *((30, semitones) if style == "violin" else (3, semitones)), slope=0.7 if style == "violin" else 3.0
                )
                return (inputs.loudest(wanted, PLAN.seconds)[: audio.size] * amount + (1 - amount) * audio).astype(
                    np.float32
                )
    return audio.copy()


@pytest.fixture(scope="module")
def tables(folder):
    judge = EarForPartials()

    def decoy(audio, style, amount):
        if amount == 0 or not audio.any():
            return audio.copy()
        return baselines.noise_decoy(audio, RATE, np.ones(2049), np.random.default_rng(0))

    renders = {"oracle": oracle, "identity": lambda audio, style, amount: audio.copy(), "decoy": decoy}
    return {
        name: evaluate_render(render, ("violin", "flute", "theremin"), folder, plan=PLAN, judge=judge)
        for name, render in renders.items()
    }


def test_a_perfect_player_beats_every_baseline_on_timbre_and_keeps_the_tune(tables):
    report = tables["oracle"][0]
    share = {row: report.mean("judge_share", row, target="violin").mean for row in report.rows}
    assert share["amount 1"] == 1.0
    assert share["copy-content"] == share["noise decoy"] == 0.0
    assert report.mean("pitch_accuracy", "amount 1").mean > 0.95
    assert report.mean("onset_f1", "amount 1").mean > 0.8
    assert max(entry["mr_stft"] for entry in report.neutral) == 0.0


def test_an_identity_has_perfect_content_and_no_style(tables):
    report = tables["identity"][0]
    assert report.mean("pitch_accuracy", "amount 1").mean == 1.0
    assert report.mean("judge_share", "amount 1").mean == report.mean("judge_share", "copy-content").mean == 0.0
    assert report.mean("judge_share", "amount 1", same=True).mean == 1.0
    assert max(entry["mr_stft"] for entry in report.neutral + report.same) == 0.0


def test_a_decoy_of_noise_loses_timbre_pitch_and_purity(tables):
    decoy, honest = tables["decoy"][0], tables["oracle"][0]
    for name in ("judge_share", "pitch_accuracy", "harmonic_share_low"):
        assert decoy.mean(name, "amount 1").mean < honest.mean(name, "amount 1").mean - 0.3
    assert decoy.mean("haze_db", "amount 1").mean > honest.mean("haze_db", "amount 1").mean + 10


def test_of_several_notes_the_chord_must_stay_and_nothing_may_come_between(tables):
    def mean(name, row, figure, source="guitar"):
        kept = [e for e in tables[name][0].chordal if (e["row"], e["source"]) == (row, source)]
        return np.mean([entry[figure] for entry in kept])

    assert {entry["source"] for entry in tables["identity"][0].chordal} == {"guitar", "drums"}
    for figure in ("onset_f1", "chroma", "between_partials_db"):
        assert mean("identity", "amount 1", figure) == mean("identity", "copy-content", figure)
    assert mean("decoy", "amount 1", "between_partials_db") > mean("decoy", "EQ match", "between_partials_db") + 10.0
    assert mean("decoy", "amount 1", "chroma") < mean("decoy", "EQ match", "chroma")
    assert "| guitar, amount 1 |" in tables["identity"][0].markdown("t")
    assert mean("identity", "amount 1", "onset_f1", "drums") == 1.0
    assert np.isnan(mean("identity", "amount 1", "chroma", "drums"))
    assert "| drums, amount 1 | 1.00 [1.00, 1.00] | - |" in tables["identity"][0].markdown("t")


def test_pitch_is_not_judged_on_double_stops():
    audio = tone(330.0, 1.0, 8)
    run = Evaluation(None, Plan(), None)
    found = {}
    for name in ("cello/sms_001_cello-double-2+0", "cello/mtg-line-0"):
        tracks = content.measure(audio, RATE)
        found[name] = run.content_of(_Heard(inputs.Input(name, "cello", audio), None, tracks), tracks)
    double, single = found.values()
    assert single["pitch_accuracy"] == 1.0
    assert np.isnan([double[key] for key in ("pitch_accuracy", "pitch_accuracy_voiced", "cents")]).all()
    assert double["loudness_mae_db"] == single["loudness_mae_db"] == 0.0


def test_the_real_target_is_near_the_real_target(tables):
    report = tables["oracle"][0]
    assert report.mean("mfcc_distance", "copy-style").mean < report.mean("mfcc_distance", "copy-content").mean


def test_a_style_without_recordings_is_named_and_not_scored(tables):
    report = tables["identity"][0]
    assert any("theremin" in note for note in report.notes)
    assert report.targets == ["violin", "flute"]


def test_an_unusable_verdict_is_left_out_of_the_mean_and_marked(tables):
    report = tables["oracle"][0]
    assert report.mean("judge_share", "amount 1").clips == 1  # flute -> violin alone
    assert report.mean("judge_share", "amount 1", target="flute").clips == 1
    assert "flute (verdict unusable)" in report.markdown("x")


def test_the_json_has_no_nan_and_the_page_every_row(tables, tmp_path):
    report = tables["oracle"][0]
    report.write(tmp_path, "oracle")
    document = json.loads((tmp_path / "evaluation.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert set(document["summary"]) == set(report.rows)
    page = (tmp_path / "evaluation.md").read_text()
    assert all(f"| {row} |" in page for row in ("copy-content", "copy-style", "EQ match", "noise decoy", "amount 1"))


def test_pictures_show_input_output_and_the_real_thing(tables, tmp_path):
    panels = tables["oracle"][1]["flute", "violin"]
    assert [name for name, _ in panels] == ["input", "output at amount 1", "a real recording of the target"]
    write_picture(tmp_path / "p.png", panels, RATE, "flute to violin")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_seed_plays_the_same_clips(folder):
    clips = find_clips(folder)
    first, second = (inputs.choose_inputs(clips, ("violin",), 2, 2.0, 0) for _ in range(2))
    assert [one.name for one in first] == [one.name for one in second]
    assert all(np.array_equal(a.audio, b.audio) for a, b in zip(first, second, strict=True))


def test_nothing_that_training_used_is_chosen_while_there_is_anything_else(tmp_path):
    rows = [("train", "violin", "vsco2", "phrase"), ("train", "violin", "mtg", "phrase"), ("dev", "violin", "telmanyi", "phrase"),
            ("train", "flute", "ixox", "phrase")]  # fmt: skip
    for split in ("train", "dev"):
        (tmp_path / split).mkdir()
        with (tmp_path / split / "manifest.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["path", "instrument", "source", "kind", "midi"])
            for where, instrument, source, kind in rows:
                if where == split:
                    write_folder(tmp_path / split, {source: [tone(300.0, 2.0, 8)]})
                    table.writerow([f"{source}/take-0.wav", instrument, source, kind, ""])
    chosen = inputs.choose_inputs(find_clips(tmp_path), ("violin", "flute"), 4, 1.0, 0)
    violins = [one for one in chosen if one.instrument == "violin"]
    assert len(violins) == 4
    assert not any(one.seen for one in violins)
    assert all(one.seen for one in chosen if one.instrument == "flute")


def test_recordings_that_do_not_fit_are_one_clear_error(tmp_path, folder):
    with pytest.raises(FileError, match="no folder"):
        find_clips(tmp_path / "nowhere")
    with pytest.raises(FileError, match="holds no recordings"):
        find_clips(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,instrument,midi\na.wav,violin,high\n")
    with pytest.raises(FileError, match="line 2"):
        find_clips(tmp_path)
    with pytest.raises(FileError, match="nothing to judge"):
        evaluate_render(oracle, ("theremin",), folder, plan=PLAN, judge=EarForPartials())
