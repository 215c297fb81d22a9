"""A Standard MIDI File moves parameters at exact samples."""

from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstyle.control.events import Panic, RecallPreset, SetParameter
from rtstyle.control.mapping import Binding, ControllerMap
from rtstyle.control.midifile import TimedEvent, read_midi_file, segments
from rtstyle.errors import FileError

RATE = 48_000


def control(number: int, value: int, ticks: int = 0) -> mido.Message:
    return mido.Message("control_change", control=number, value=value, time=ticks)


def save(path: Path, *tracks: list[mido.Message], ticks: int = 480, kind: int = 1) -> Path:
    content = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    for messages in tracks:
        content.tracks.append(mido.MidiTrack(messages))
    content.save(path)
    return path


def test_a_beat_at_120_lasts_half_a_second(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mid", [control(1, 0), control(1, 127, 480), control(74, 64, 240)])
    assert read_midi_file(path, sample_rate=RATE) == [
        TimedEvent(0, SetParameter("mix", 0.0)),
        TimedEvent(24_000, SetParameter("mix", 1.0)),
        TimedEvent(36_000, SetParameter("style.amount", 0.5)),
    ]


def test_tempo_changes_on_another_track_count(tmp_path: Path) -> None:
    tempo = [mido.MetaMessage("set_tempo", tempo=tempo, time=480) for tempo in (250_000, 1_000_000)]
    moves = [control(1, value, 480) for value in range(4)]
    events = read_midi_file(save(tmp_path / "a.mid", tempo, moves), sample_rate=RATE)
    assert [event.frame for event in events] == [24_000, 36_000, 84_000, 132_000]


@given(st.lists(st.integers(0, 700), min_size=20, max_size=80), st.sampled_from([96, 480, 960]))
def test_frames_are_the_nearest_to_exact_time_however_long_the_file(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], ticks: int
) -> None:
    path = tmp_path_factory.mktemp("midi") / "a.mid"
    save(path, [control(1, index % 128, gap) for index, gap in enumerate(gaps)], ticks=ticks)
    frames = np.cumsum(gaps) * (0.5 * RATE / ticks)
    events = read_midi_file(path, sample_rate=RATE)
    assert {event.frame for event in events} == set(np.round(frames).astype(int).tolist())


def test_time_may_be_counted_in_frames_of_film(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mid", [control(1, 0, 1000), mido.MetaMessage("set_tempo", tempo=1), control(1, 127, 500)])
    raw = bytearray(path.read_bytes())
    raw[12:14] = bytes((256 - 25, 40))  # 25 frames a second of 40 ticks: 1000 ticks a second, whatever the tempo
    path.write_bytes(raw)
    assert [event.frame for event in read_midi_file(path, sample_rate=RATE)] == [48_000, 72_000]


def test_at_one_sample_the_last_value_counts_and_programs_keep_their_place(tmp_path: Path) -> None:
    program = mido.Message("program_change", program=7)
    path = save(tmp_path / "a.mid", [control(1, 5), control(1, 127), program, control(120, 0), control(1, 0)])
    assert [event.event for event in read_midi_file(path, sample_rate=RATE)] == [
        SetParameter("mix", 1.0), RecallPreset(7), Panic(), SetParameter("mix", 0.0),
    ]  # fmt: skip


def test_the_map_holds_but_for_its_takeover(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mid", [control(20, 127), control(1, 0)])
    controllers = ControllerMap(bindings=(Binding("cc 20", "style.x", maximum=0.5, takeover="scale"),))
    assert [event.event for event in read_midi_file(path, sample_rate=RATE, controllers=controllers)] == [
        SetParameter("style.x", 0.5)
    ]


def test_what_is_no_midi_file_is_one_clear_error(tmp_path: Path) -> None:
    path = save(tmp_path / "a.mid", [control(1, index, 10) for index in range(100)])
    whole = path.read_bytes()
    source = np.random.default_rng(3)
    refused = 0
    for _ in range(150):
        raw = bytearray(whole)
        if source.random() < 0.5:
            raw = raw[: source.integers(0, len(raw))]
        for position in source.integers(0, max(len(raw), 1), source.integers(0, 8)):
            if raw:
                raw[position] = source.integers(0, 256)
        path.write_bytes(raw)
        try:
            read_midi_file(path, sample_rate=RATE)
        except FileError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 50


def test_missing_and_parallel_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        read_midi_file(tmp_path / "none.mid", sample_rate=RATE)
    two = save(tmp_path / "two.mid", [control(1, 0)], [control(1, 1)], kind=2)
    with pytest.raises(FileError, match="type 2"):
        read_midi_file(two, sample_rate=RATE)


@given(st.lists(st.integers(0, 1200), max_size=10), st.integers(1, 1000), st.integers(1, 300))
def test_segments_cover_every_frame_once_and_begin_at_events(frames: list[int], length: int, block: int) -> None:
    events = [TimedEvent(frame, RecallPreset(index)) for index, frame in enumerate(sorted(frames))]
    pieces = list(segments(events, length, block))
    assert [piece.start for piece in pieces] == [0, *(piece.stop for piece in pieces[:-1])]
    assert pieces[-1].stop == length
    assert all(0 < piece.stop - piece.start <= block for piece in pieces)
    placed = [(piece.start, event) for piece in pieces for event in piece.events]
    assert placed == [tuple(event) for event in events if event.frame < length]
