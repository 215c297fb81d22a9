"""Distances between clouds, and a judge that refuses rather than guesses."""

import numpy as np
import pytest
import soundfile
import torch

from rtstyle.dsp import mel
from rtstyle.errors import FileError
from rtstyle.lab.evaluate import baselines, spectrum, timbre
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.clips import INSTRUMENTS
from rtstyle.lab.evaluate.judge import CLASSES, Judge, JudgeNet, Verdict, load_judge, save_judge
from rtstyle.lab.evaluate.judge_training import make_judge
from tests.lab.evaluate_tones import RATE, melody


def fresh_judge(**record) -> Judge:
    torch.manual_seed(3)
    return Judge(JudgeNet().eval(), record)


def verdict(says: list[str], audible: list[bool]) -> Verdict:
    probabilities = np.full((len(says), len(CLASSES)), 0.01, np.float32)
    probabilities[np.arange(len(says)), [CLASSES.index(name) for name in says]] = 0.9
    return Verdict(probabilities, np.zeros((len(says), 128), np.float32), np.array(audible))


def test_frechet_is_0_for_the_same_cloud_and_the_squared_shift_for_a_moved_one():
    cloud = np.random.default_rng(0).standard_normal((500, 6))
    assert timbre.frechet(cloud, cloud) == pytest.approx(0.0, abs=1e-6)
    assert timbre.frechet(cloud, cloud + 2.0) == pytest.approx(6 * 4.0, rel=1e-4)
    assert timbre.frechet(cloud, 3 * cloud) == pytest.approx(6 * 4.0, rel=0.2)
    assert np.isnan(timbre.frechet(cloud, cloud[:3]))


def test_mfcc_statistics_tell_timbres_apart_and_ignore_level():
    dark, bright = melody(3, slope=2.0), melody(30, slope=0.3)
    statistics = [timbre.mfcc_statistics(x, RATE) for x in (dark, 0.3 * dark, melody(3, 2.0, slope=2.0), bright)]
    own, quiet, other_notes, other_sound = (timbre.cosine_distance(statistics[0], s) for s in statistics)
    assert own == pytest.approx(0.0, abs=1e-9)
    assert quiet < 0.05
    assert other_notes < 0.5 * other_sound


def test_silence_is_nobody_s():
    judge = fresh_judge()
    heard = judge(np.zeros(2 * RATE, np.float32), RATE)
    assert heard.label == "silence"
    assert heard.share("violin") == 0.0
    assert heard.probability("violin") == 0.0


def test_falling_silent_where_the_input_sounds_counts_against_the_output():
    heard = verdict(["violin", "violin", "violin", "violin"], [True, True, False, False])
    assert heard.share("violin") == 1.0
    assert heard.share("violin", np.ones(4, bool)) == 0.5
    assert heard.probability("violin", np.ones(4, bool)) == pytest.approx(0.45)


def test_the_judge_is_deaf_to_level():
    patch = np.random.default_rng(0).uniform(-60, 0, (2, mel.PATCH, mel.MELS)).astype(np.float32)
    np.testing.assert_allclose(mel.normalise(patch), mel.normalise(patch - 20.0), atol=1e-5)
    judge = fresh_judge()
    loud, quiet = (judge(g * melody(12), RATE).probabilities for g in (1.0, 0.1))
    np.testing.assert_allclose(loud, quiet, atol=2e-3)


def test_probabilities_add_up_and_the_embeddings_fit_them():
    heard = fresh_judge()(np.concatenate([melody(12), np.zeros(RATE, np.float32), melody(3)]), RATE)
    np.testing.assert_allclose(heard.probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert heard.probabilities.shape == (heard.audible.size, len(CLASSES))
    assert heard.embeddings.shape == (heard.audible.size, 128)


def test_a_saved_judge_says_the_same(tmp_path):
    judge = fresh_judge(held_out={"violin": {"accuracy": 0.97}, "flute": {"accuracy": 0.9}})
    save_judge(judge, tmp_path / "j.npz")
    again = load_judge(tmp_path / "j.npz")
    tune = melody(12)
    np.testing.assert_allclose(judge(tune, RATE).probabilities, again(tune, RATE).probabilities, atol=5e-3)
    assert [again.verdict_usable(name) for name in ("violin", "flute", "cello")] == [True, False, False]
    assert (tmp_path / "j.npz").stat().st_size < 2e6


@pytest.mark.parametrize("damage", ["missing", "garbage", "another shape"])
def test_a_judge_that_cannot_be_read_is_one_clear_error(tmp_path, damage):
    path = tmp_path / "j.npz"
    if damage == "garbage":
        path.write_bytes(b"no archive")
    elif damage == "another shape":
        np.savez(path, weight=np.zeros(3))
        path.with_suffix(".json").write_text("{}")
    with pytest.raises(FileError, match="train-judge"):
        load_judge(path)


def test_the_shipped_judge_hears_no_instrument_in_noise():
    noise = np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32) * 0.1
    judge = load_judge()
    shaped = baselines.equalise(noise, RATE, spectrum.average(melody(20)))
    assert judge(noise, RATE).label == "noise"
    assert judge(shaped, RATE).label == "noise"


def test_mel_frames_follow_the_clock():
    assert mel.log_mel(np.zeros(mel.SAMPLE_RATE, np.float32)).shape == (81, mel.MELS)
    sine = np.sin(2 * np.pi * 1000 * np.arange(mel.SAMPLE_RATE) / mel.SAMPLE_RATE).astype(np.float32)
    band = mel.log_mel(sine).mean(axis=0).argmax()
    assert mel.filters()[band, round(1000 * mel.N_FFT / mel.SAMPLE_RATE)] > 0


def test_an_equaliser_reaches_the_target_s_average_spectrum_and_keeps_the_level():
    dark, bright = melody(40, slope=1.2), melody(40, slope=0.7)
    matched = baselines.equalise(dark, RATE, spectrum.average(bright))
    before, after, wanted = (spectrum.band_levels_db(spectrum.average(x), RATE) for x in (dark, matched, bright))
    assert np.abs(after - wanted)[2:5].max() < 3.0 < np.abs(before - wanted)[2:5].max()
    assert spectrum.level_db(matched) == pytest.approx(spectrum.level_db(dark), abs=0.01)


def test_the_interval_holds_the_mean_and_narrows_with_more_clips():
    rng = np.random.default_rng(0)
    few, many = figure(rng.standard_normal(5)), figure(rng.standard_normal(200))
    assert few.low <= few.mean <= few.high
    assert many.high - many.low < few.high - few.low
    assert figure([1.0, float("nan"), 3.0]).mean == 2.0
    assert figure([]).clips == 0
    assert figure([]).as_dict()["mean"] is None


def test_a_judge_learns_from_a_folder_and_is_examined_on_what_it_never_heard(tmp_path):
    for number, name in enumerate(INSTRUMENTS):
        (tmp_path / "r" / name).mkdir(parents=True)
        for take in (0, 4):
            soundfile.write(tmp_path / "r" / name / f"take_{take:03d}.wav", melody(2 + number), RATE)
    table = make_judge(tmp_path / "r", tmp_path / "j.npz", minutes=0.4, steps=3, fold_steps=0)
    judge = load_judge(tmp_path / "j.npz")
    assert judge.record["held_out"]["violin"]["lines"] == 1
    assert judge.record["trained_on"] == sorted(f"{name}/user" for name in INSTRUMENTS)
    assert "violin" in table
    (tmp_path / "r" / "cello" / "take_000.wav").unlink()
    with pytest.raises(FileError, match="cello"):
        make_judge(tmp_path / "r", tmp_path / "j.npz", minutes=0.4, steps=3, fold_steps=0)
