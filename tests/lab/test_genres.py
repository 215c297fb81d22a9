"""Four bands play one tune, each on a score that fits into ten seconds, and always the same."""

import numpy as np
import pytest

from benchmarks.genres import EQ, ITSELF, STYLE, convert
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


class Copying:
    """A model whose captured styles change nothing."""

    def captured(self, recording):
        return self

    def __call__(self, audio, style, amount):
        return audio

    def close(self):
        pass


def test_a_captured_style_that_changes_nothing_is_counted_as_the_input_and_an_equaliser_is_not(tmp_path):
    bands = {genre: render(genre, find_font()) for genre in ("rock", "classical", "jazz")}
    lines = {"noise": np.random.default_rng(0).normal(0, 0.1, 96_000).astype(np.float32)}
    figures = convert(Copying(), bands, lines, tmp_path)
    for what in ("one line", "a band"):
        assert figures[f"{STYLE}, {what}"] == figures[f"{ITSELF}, {what}"]
        assert figures[f"{EQ}, {what}"]["bands_db"]["mean"] < figures[f"{ITSELF}, {what}"]["bands_db"]["mean"]
    # A band that stays what it was is never taken for another; the noise is nearest to one of the three.
    assert figures[f"{ITSELF}, a band"]["taken_for_it"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "clips": 6}
    assert figures[f"{ITSELF}, one line"]["taken_for_it"]["mean"] == pytest.approx(1 / 3, abs=1e-4)
    assert sorted(figures["distortion"][STYLE].values()) == pytest.approx([2 / 3, 1.0, 1.0], abs=1e-4)
    assert len(list(tmp_path.glob("* as *.wav"))) == 9
