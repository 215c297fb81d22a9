"""The marks of a recording are its periods, in notes of one pitch, and nothing else is marked."""

import numpy as np
import pytest

from rtstyle.dsp import marks

RATE = 48_000


def tone(pitch: float, seconds: float, fall: float = 0.0, partials: int = 8) -> np.ndarray:
    """A note that speaks within 5 ms; fall: dB per second."""
    time = np.arange(round(seconds * RATE)) / RATE
    parts = [np.sin(2 * np.pi * pitch * k * time + k) / k for k in range(1, partials + 1) if pitch * k < 18000]
    ramp = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.005)
    return (0.15 * np.sum(parts, axis=0) * ramp * 10.0 ** (0.05 * fall * time)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


@pytest.mark.parametrize("pitch", [73.4, 220.0, 880.0])
def test_the_marks_of_a_note_are_its_periods_apart(pitch: float) -> None:
    found = marks.find_marks(np.concatenate([silence(0.2), tone(pitch, 1.0), silence(0.2)]), RATE)
    assert len(found.notes) == 1 and found.fall == 0.0
    assert np.median(np.diff(found.marks[:, marks.PLACE])) == pytest.approx(RATE / pitch, rel=0.002)
    assert 2.0 ** found.notes[0, marks.LOG_PERIOD] == pytest.approx(RATE / pitch, rel=0.01)
    assert 0.8 < found.seconds < 1.0


def test_a_note_ends_where_another_pitch_begins_and_where_it_is_struck_again() -> None:
    struck = [tone(220.0, 0.5, fall=-30.0), tone(220.0, 0.5, fall=-30.0)]
    found = marks.find_marks(np.concatenate([tone(330.0, 0.5), tone(440.0, 0.5), *struck, silence(0.2)]), RATE)
    pitches = RATE / 2.0 ** found.notes[:, marks.LOG_PERIOD]
    assert pitches == pytest.approx([330.0, 440.0, 220.0, 220.0], rel=0.02)


@pytest.mark.parametrize("what", ["nothing", "silence", "noise", "chord"])
def test_what_has_no_pitch_has_no_notes(what: str) -> None:
    sound = {
        "nothing": silence(0.0),
        "silence": silence(2.0),
        "noise": (0.1 * np.random.default_rng(1).standard_normal(2 * RATE)).astype(np.float32),
        "chord": np.sum([tone(pitch, 3.0) for pitch in (261.6, 311.1, 370.0, 440.0)], axis=0),
    }[what]
    found = marks.find_marks(sound, RATE)
    assert found.seconds < 0.3 and found.fall == 0.0


@pytest.mark.parametrize("fall", [-40.0, -12.0, -6.0])
def test_struck_notes_say_how_fast_they_fall(fall: float) -> None:
    notes = [tone(pitch, 0.6, fall=fall) for pitch in (262.0, 330.0, 392.0)]
    assert marks.find_marks(np.concatenate(notes), RATE).fall == pytest.approx(fall, rel=0.1)


@pytest.mark.parametrize("fall", [-40.0, -12.0])
def test_short_bows_that_swell_first_are_no_struck_notes(fall: float) -> None:
    notes = [tone(pitch, 0.3, fall=fall) for pitch in (262.0, 330.0, 392.0)]
    swell = np.minimum(np.arange(notes[0].size) / (0.1 * RATE), 1.0)
    bowed = [(swell * 10.0 ** (-0.05 * fall * 0.1 * swell) * note).astype(np.float32) for note in notes]
    found = marks.find_marks(np.concatenate(bowed), RATE)
    assert len(found.notes) == 3 and found.fall == 0.0


def test_syllables_of_which_some_swell_are_no_struck_notes() -> None:
    notes = []
    for number, pitch in enumerate((262.0, 330.0, 392.0, 330.0, 262.0)):
        note = tone(pitch, 0.4, fall=-13.0)
        swell = np.minimum(np.arange(note.size) / (0.12 * RATE), 1.0) if number % 2 else np.ones(note.size)
        notes.append((swell**2 * note).astype(np.float32))
    found = marks.find_marks(np.concatenate(notes), RATE)
    assert len(found.notes) == 5 and found.fall == 0.0


def test_short_notes_that_are_let_go_are_held_ones() -> None:
    """A trombone's staccato is silent a tenth of a second later: no string that is plucked falls so fast."""
    notes = [part for pitch in (117.0, 147.0, 175.0) for part in (tone(pitch, 0.2, fall=-150.0), silence(0.1))]
    found = marks.find_marks(np.concatenate(notes), RATE)
    assert len(found.notes) == 3 and found.fall == 0.0


def test_a_held_note_ends_where_it_fades_away_and_a_struck_one_does_not() -> None:
    held = np.concatenate([tone(220.0, 1.0), tone(220.0, 0.6, fall=-50.0)[240:]])
    found = marks.find_marks(np.concatenate([held, silence(0.1)]), RATE)
    body = found.marks[int(found.notes[0, marks.BODY]) : int(found.notes[0, marks.LAST]) + 1]
    assert found.fall == 0.0
    assert 1.0 < found.seconds < 1.3
    assert body[:, marks.LEVEL].min() > 0.35 * body[:, marks.LEVEL].max()
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, fall=-40.0), silence(0.1)]), RATE)
    assert struck.fall < 0.0 and struck.seconds > 0.45


@pytest.mark.parametrize("drift", [1.0, 3.0])
def test_marks_stay_a_period_apart_where_a_loud_second_partial_drifts(drift: float) -> None:
    """The pulses that they begin as leap there by a part of a period."""
    time = np.arange(2 * RATE) / RATE
    first, second = (1.0 + (k * 220.0 / 1500.0) ** 2 for k in (1, 2))
    x = first * np.sin(2 * np.pi * 220.0 * time) + 1.6 * second * np.sin(2 * np.pi * (440.0 + drift) * time)
    found = marks.find_marks((0.1 * x).astype(np.float32), RATE)
    assert found.seconds > 1.5
    for note in found.notes:
        places = found.marks[int(note[marks.BODY]) : int(note[marks.LAST]) + 1, marks.PLACE]
        assert np.diff(places) == pytest.approx(RATE / 220.0, rel=0.03)


def test_rumble_below_a_note_is_taken_out_and_the_note_left() -> None:
    clean = np.concatenate([tone(440.0, 1.0), silence(0.1)])
    hum = (0.1 * np.sin(2 * np.pi * 50.0 * np.arange(clean.size) / RATE)).astype(np.float32)
    found = marks.find_marks(clean + hum, RATE)
    inside = found.audio[4000:-4000]
    power = np.abs(np.fft.rfft(inside * np.hanning(inside.size))) ** 2
    hertz = np.fft.rfftfreq(inside.size, 1 / RATE)
    low, own = (power[(hertz > a) & (hertz < b)].sum() for a, b in ((20.0, 120.0), (420.0, 460.0)))
    assert 10.0 * np.log10(low / own) < -60.0
    assert np.std(inside) == pytest.approx(np.std(clean[8000:40000]), rel=0.02)


def test_every_grain_lies_within_the_sound() -> None:
    """Two periods around every mark, from the first sample of the recording to its last."""
    rng = np.random.default_rng(5)
    line = np.concatenate([tone(110.0 * 2.0 ** (step / 12.0), 0.3) for step in rng.integers(0, 36, 12)])
    found = marks.find_marks(line, RATE)
    assert len(found.notes) >= 8
    assert (found.marks[:, marks.PLACE] - found.marks[:, marks.PERIOD] >= -1.0).all()
    assert (found.marks[:, marks.PLACE] + found.marks[:, marks.PERIOD] <= found.audio.size + 1.0).all()
    numbers = found.notes[:, [marks.FIRST, marks.BODY, marks.LAST]]
    assert (np.diff(numbers, axis=1) >= 0).all() and numbers[-1, -1] == len(found.marks) - 1
