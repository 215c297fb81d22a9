"""The notes of a line are found where they are, and a sampler can play them."""

import numpy as np
import pytest

from rtstyle.corpus.library import LEAST_NOTES
from rtstyle.lab.evaluate.notes import cut_notes, find_notes
from tests.corpus.tones import RATE, tone

LINE = (60, 64, 64, 67, 55, 72)  # with a note struck twice


def line(pitches: tuple[int, ...] = LINE) -> np.ndarray:
    """Notes of 0.6 s, 0.15 s apart."""
    return np.concatenate([tone(pitch, 0.6, seed=k) for k, pitch in enumerate(pitches)])


def test_the_notes_of_a_line_are_found_where_they_are() -> None:
    found = find_notes(line())
    assert [round(midi) for _, _, midi in found] == list(LINE)
    every = round(0.75 * RATE)
    for k, (begin, end, _) in enumerate(found):
        assert abs(begin - (k * every + 4800)) < 0.06 * RATE
        assert k * every + 0.4 * RATE < end <= (k + 1) * every + 0.06 * RATE


def test_slurred_notes_are_told_apart_by_their_pitch() -> None:
    hz = np.repeat(440.0 * 2.0 ** ((np.array([60, 62, 64, 65]) - 69) / 12), round(0.5 * RATE))
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    audio = sum(0.6**k * np.sin(k * phase) for k in range(1, 9)).astype(np.float32) * 0.2
    assert [round(midi) for _, _, midi in find_notes(audio)] == [60, 62, 64, 65]


@pytest.mark.parametrize("sound", ["noise", "chords", "silence"])
def test_what_has_no_single_notes_has_too_few_for_a_sampler(sound: str) -> None:
    rng = np.random.default_rng(0)
    audio = {
        "noise": 0.1 * rng.standard_normal(5 * RATE),
        "chords": sum(line(tuple(p + move for p in LINE)) for move in (0, 3.3, 7.6, 10.5)),
        "silence": np.zeros(5 * RATE),
    }[sound]
    assert len(cut_notes(audio.astype(np.float32))) < LEAST_NOTES
    assert [round(note.midi) for note in cut_notes(line())] == list(LINE)
