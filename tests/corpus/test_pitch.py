"""The pitch tracker and the measurement of notes."""

import numpy as np
import pytest

from rtstyle.corpus.note import measure
from rtstyle.corpus.pitch import HOP, track
from tests.corpus.tones import RATE, cents, tone


@pytest.mark.parametrize(("midi", "limit"), [(36, 5.0), (55, 3.0), (74, 3.0), (96, 3.0)])
def test_track_follows_a_vibrato(midi: int, limit: float) -> None:
    x = tone(midi, vibrato_cents=35.0, rate_hz=6.0)
    f0, noise = track(x, 440.0 * 2.0 ** ((midi - 69) / 12.0), RATE)
    at = np.arange(len(f0)) * HOP / RATE - 0.1
    truth = 440.0 * 2.0 ** ((midi - 69 + 0.35 * np.sin(2 * np.pi * 6.0 * at)) / 12.0)
    held = (at > 0.15) & (at < 1.0)
    assert np.abs(cents(f0[held], truth[held])).max() < limit
    assert noise[held].max() < 0.1


@pytest.mark.parametrize("label", [48.0, 72.0, None])
def test_a_label_an_octave_off_or_missing_is_corrected(label: float | None) -> None:
    note = measure(tone(60), label, "x")
    assert note is not None
    assert abs(note.midi - 60.0) < 0.05


def test_noise_and_clicks_are_no_notes() -> None:
    rng = np.random.default_rng(1)
    hiss = (0.1 * rng.standard_normal(RATE)).astype(np.float32)
    assert measure(hiss, None, "x") is None
    assert measure(hiss, 60.0, "x") is None
    assert measure(np.zeros(RATE, np.float32), 60.0, "x") is None
    assert measure(tone(60, 0.1)[:6000], 60.0, "x") is None


def test_the_parts_of_a_note_are_found() -> None:
    note = measure(tone(64, 1.5), 64.0, "x")
    assert note is not None
    assert abs(note.speak - 0.1 * RATE) < 0.03 * RATE
    assert note.start <= note.speak < note.body < note.stop
    assert 1.3 * RATE < note.stop < 1.6 * RATE
    assert abs(note.decay_db) < 1.0


def test_a_plucked_note_is_seen_to_decay() -> None:
    note = measure(tone(64, 1.5, decay_db=-20.0, vibrato_cents=0.0), 64.0, "x")
    assert note is not None
    assert -23.0 < note.decay_db < -17.0


def test_rumble_below_the_pitch_is_removed() -> None:
    x = tone(69)
    t = np.arange(len(x)) / RATE
    rumble = (0.2 * np.sin(2 * np.pi * 50.0 * t)).astype(np.float32)
    note = measure(x + rumble, 69.0, "x")
    assert note is not None
    body = note.audio[note.body : note.body + RATE // 2]
    at = np.arange(len(body)) / RATE
    left = 2.0 * np.abs(np.mean(body * np.exp(-2j * np.pi * 50.0 * at)))
    assert left < 0.2 * 10 ** (-40 / 20)
