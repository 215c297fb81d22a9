"""Scores: tunes from MIDI files, studies, articulation."""

from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import pytest

from rtstyle.corpus import score
from rtstyle.corpus.performance import LEAD_IN, chain, perform
from rtstyle.errors import FileError


def write_tune(path: Path, notes: list[tuple[int, int, int]]) -> None:
    """Write (start tick, length in ticks, pitch) notes at 480 ticks a beat; notes may overlap."""
    events = [(start, 1, pitch) for start, _, pitch in notes]
    events += [(start + length, 0, pitch) for start, length, pitch in notes]
    midi = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    clock = 0
    for at, down, pitch in sorted(events):
        track.append(mido.Message("note_on", note=pitch, velocity=90 * down, time=at - clock))
        clock = at
    midi.tracks.append(track)
    midi.save(path)


def test_the_highest_voice_is_read_without_overlaps(tmp_path: Path) -> None:
    write_tune(tmp_path / "a.mid", [(0, 480, 60), (0, 960, 48), (480, 700, 64), (960, 480, 67)])
    tune = score.read_tune(tmp_path / "a.mid")
    assert [(n.time, n.duration, n.midi) for n in tune] == [(0.0, 1.0, 60.0), (1.0, 1.0, 64.0), (2.0, 1.0, 67.0)]


def test_a_broken_melody_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.mid").write_bytes(b"MThd nonsense")
    with pytest.raises(FileError, match=r"bad\.mid"):
        score.read_tune(tmp_path / "bad.mid")


def test_scores_are_monophonic_in_range_and_in_time() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        events = score.articulate(score.study(rng, 10.0), rng)
        assert len(events) > 1
        assert events[-1].time + events[-1].duration <= 10.1
        for before, after in pairwise(events):
            assert before.time + before.duration <= after.time + 1e-6 or before.duration == 0.08
        assert max(e.midi for e in events) - min(e.midi for e in events) <= 24.0


def test_a_slur_joins_notes_that_touch_and_differ() -> None:
    line = [score.Event(0.5 * k, 0.5, 60.0 + pitch) for k, pitch in enumerate([0, 2, 2, 4, 0])]
    slurs = set()
    for seed in range(40):
        played = score.articulate(line, np.random.default_rng(seed))
        for k, event in enumerate(played):
            if event.slurred:
                slurs.add(k)
                assert played[k - 1].time + played[k - 1].duration == pytest.approx(event.time)
    assert slurs == {1, 3, 4}


def test_a_performance_sounds_its_score_within_the_designed_deviation() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        performance = perform(score.articulate(score.study(rng, 8.0), rng), rng)
        assert performance.samples % 256 == 0
        assert sorted(k for group in performance.chains for k in group) == list(range(len(performance.events)))
        for event in performance.events:
            middle = round((event.time + 0.5 * event.duration) * 48_000 / 256)
            if event.duration > 0.15:
                wanted = 440.0 * 2.0 ** ((event.midi - 69.0) / 12.0)
                assert abs(1200.0 * np.log2(performance.f0[middle] / wanted)) < 100.0
        assert not performance.f0[: int(LEAD_IN * 48_000 / 256) - 1].any()


def test_slurs_become_one_chain() -> None:
    flags = [False, True, True, False, True]
    events = [score.Event(float(k), 1.0, 60.0, slurred=s) for k, s in enumerate(flags)]
    assert chain(events) == [[0, 1, 2], [3, 4]]
