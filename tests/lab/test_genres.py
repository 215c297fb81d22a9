"""Four bands play one tune, each on a score that fits into ten seconds, and always the same."""

import numpy as np
import pytest

from rtstyle.corpus.soundfont import find_font
from rtstyle.lab.evaluate.timbre import cosine_distance, mfcc_statistics
from rtstyle.lab.genres import BAR, CHORDS, DRUMS, GENRES, UPBEAT, render, score, tune


@pytest.mark.parametrize("genre", GENRES)
def test_every_stroke_lies_within_the_tune_and_every_player_has_a_channel(genre):
    players = score(GENRES[genre])
    channels = [channel for channel, _, _ in players]
    assert len(set(channels)) == len(channels) <= 16
    assert [program for channel, program, _ in players if channel == DRUMS] == [None]
    for _, _, strokes in players:
        for at, length, note, velocity in strokes:
            assert at >= 0 and at + length <= UPBEAT + BAR * len(CHORDS)
            assert 0 < note < 128 and 0 < velocity < 128
    assert [stroke[0] for stroke in tune()] in [[stroke[0] for stroke in strokes] for _, _, strokes in players]


def test_a_band_sounds_the_same_every_time_and_unlike_another():
    first, again, other = (render(genre, find_font()) for genre in ("rock", "rock", "classical"))
    assert first.shape == (480_000,) and np.abs(first).max() == pytest.approx(0.5)
    np.testing.assert_array_equal(first, again)
    assert cosine_distance(mfcc_statistics(first, 48000), mfcc_statistics(other, 48000)) > 0.05
