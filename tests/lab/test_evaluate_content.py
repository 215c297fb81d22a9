"""Content figures know what was played and when."""

import numpy as np
import pytest

from rtstyle.lab.evaluate import content
from tests.lab.evaluate_tones import NOTES, RATE, melody


@pytest.fixture(scope="module")
def tune():
    return melody(12)


@pytest.fixture(scope="module")
def played(tune):
    return content.measure(tune, RATE)


def test_a_copy_has_perfect_content(played):
    figures = content.compare(played, played)
    assert figures["pitch_accuracy"] == 1.0
    assert figures["cents"] == 0.0
    assert figures["voicing_f1"] == figures["onset_f1"] == 1.0
    assert figures["loudness_r"] == pytest.approx(1.0)
    assert figures["loudness_mae_db"] == pytest.approx(0.0)
    assert figures["chroma"] == pytest.approx(1.0, abs=1e-5)


def test_the_tracker_hears_the_notes_that_were_played(played):
    for note in NOTES:
        cents = 1200 * np.log2(played.f0[played.voiced] / (440.0 * 2 ** ((note - 69) / 12)))
        near = cents[np.abs(cents) < 50]
        assert near.size > 20
        assert abs(np.median(near)) < 1.0
    assert len(played.onsets) == 5


@pytest.mark.parametrize(
    ("pitch", "levels"),
    [
        (1865.0, (0.3, 1.0, 0.6)),
        (2160.0, (1.0, 0.05)),
        (1865.0, (1.0, 0.05)),
        (220.0, (0.3, 1.0, 0.1, 0.5)),
        (440.0, (1.0, 0.01, 0.5, 0.01)),
    ],
)
def test_the_tracker_hears_the_octave(pitch, levels):
    time = np.arange(RATE) / RATE
    tone = sum(level * np.sin(2 * np.pi * pitch * k * time + k) for k, level in enumerate(levels, start=1))
    f0, voiced = content.track_pitch((0.1 * tone).astype(np.float32), RATE)
    right = np.abs(1200 * np.log2(f0[voiced] / pitch)) < 10
    assert right.size > 50
    assert right.mean() > 0.95


def test_another_timbre_of_the_same_tune_keeps_its_content(played):
    figures = content.compare(played, content.measure(melody(3, slope=2.0), RATE))
    assert figures["pitch_accuracy"] > 0.95
    assert figures["onset_f1"] > 0.8
    assert figures["loudness_r"] > 0.95


@pytest.mark.parametrize(("semitones", "accurate"), [(0.3, True), (0.7, False)])
def test_fifty_cents_are_the_limit(played, semitones, accurate):
    figures = content.compare(played, content.measure(melody(12, semitones), RATE))
    assert (figures["pitch_accuracy"] > 0.9) == accurate
    assert figures["cents"] == pytest.approx(100 * semitones, abs=2)


def test_noise_in_the_tune_s_envelope_has_its_loudness_but_not_its_pitch(tune, played):
    noise = np.random.default_rng(1).standard_normal(tune.size).astype(np.float32)
    envelope = np.convolve(np.abs(tune), np.ones(960) / 960, "same")
    figures = content.compare(played, content.measure((noise * envelope).astype(np.float32), RATE))
    assert figures["pitch_accuracy"] < 0.2
    assert figures["loudness_r"] > 0.9


def test_a_late_output_loses_its_onsets(tune, played):
    late = np.concatenate([np.zeros(RATE // 10, np.float32), tune])[: tune.size]
    assert content.compare(played, content.measure(late, RATE))["onset_f1"] < 0.3


def test_silence_out_has_no_pitch_right(tune, played):
    figures = content.compare(played, content.measure(np.zeros_like(tune), RATE))
    assert figures["pitch_accuracy"] == 0.0
    assert figures["voicing_f1"] == 0.0
    assert figures["level_db"] < -60


def test_each_onset_is_matched_once():
    reference = np.array([1.0, 1.04, 2.0])
    assert content.f1(reference, np.array([1.02]), 0.05) == pytest.approx(0.5)
    assert content.f1(reference, reference, 0.05) == 1.0
    assert np.isnan(content.f1(np.array([]), reference, 0.05))
