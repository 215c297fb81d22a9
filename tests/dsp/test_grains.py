"""Grains have the player's pitch and level and the recording's spectrum, and are still where the player has no pitch."""

import numpy as np
import pytest

from rtstyle.dsp import excitation, grains, marks
from tests.dsp.test_marks import RATE, silence, tone

HOP, LATENCY = 64, 64
RECORDING = marks.find_marks(np.concatenate([silence(0.1), tone(220.0, 0.8, partials=20), silence(0.1)]), RATE)


def play(
    x: np.ndarray, found: marks.Marks = RECORDING, share: float | np.ndarray = 1.0, latency: int = LATENCY
) -> tuple[np.ndarray, np.ndarray]:
    """What the grains add to an input, and the share of the model beside them. share: one for all, or of each hop."""
    recording = grains.Recording(found.audio, found.marks, found.notes, 0, len(found.notes), found.fall)
    state, rings = grains.new_state()
    excited, table = excitation.new_state(), excitation.pulse_table()
    pulses, cues = np.zeros(HOP, np.float32), np.zeros(excitation.CUES, np.float32)
    x = x[: x.size // HOP * HOP]
    played, kept = np.empty_like(x), np.empty_like(x)
    shares = np.broadcast_to(share, x.size // HOP)
    for start in range(0, x.size, HOP):
        now = slice(start, start + HOP)
        excitation.excite(excited, table, float(RATE), x[now], pulses, cues)
        grains.play(
            state, rings, recording, shares[start // HOP], latency, float(RATE), excited, played[now], kept[now]
        )
    return played, kept


def pure(pitch: float, seconds: float = 1.0, level: float = 0.2) -> np.ndarray:
    ramp = np.minimum(1.0, np.arange(round(seconds * RATE)) / 480)
    return (level * ramp * np.sin(2 * np.pi * pitch * np.arange(ramp.size) / RATE)).astype(np.float32)


def partials(x: np.ndarray, pitch: float, count: int) -> np.ndarray:
    """Levels in dB of the first partials against the first one."""
    power = np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2
    hertz = np.fft.rfftfreq(x.size, 1 / RATE)
    levels = np.array([power[np.abs(hertz - k * pitch) < 0.2 * pitch].sum() for k in range(1, count + 1)])
    return 10.0 * np.log10(levels / levels[0] + 1e-12)


@pytest.mark.parametrize("semitones", [-12, -5, 0, 7, 12])
def test_a_sine_becomes_the_recording_at_its_own_pitch(semitones: int) -> None:
    pitch = 220.0 * 2.0 ** (semitones / 12.0)
    played, _ = play(pure(pitch))
    late = played[RATE // 3 :]
    count = 8
    assert partials(late, pitch, count) == pytest.approx(20.0 * np.log10(1.0 / np.arange(1, count + 1)), abs=2.5)
    power = np.abs(np.fft.rfft(late * np.hanning(late.size))) ** 2
    hertz = np.fft.rfftfreq(late.size, 1 / RATE)
    near = np.abs(hertz - pitch * np.round(hertz / pitch)) < 0.1 * pitch
    assert power[near & (hertz < 4000)].sum() / power[hertz < 4000].sum() > 0.99, "nothing between the partials"


@pytest.mark.parametrize("level", [0.02, 0.2])
def test_it_is_as_loud_as_the_player(level: float) -> None:
    played, _ = play(pure(330.0, level=level))
    assert np.std(played[RATE // 3 :]) == pytest.approx(level / np.sqrt(2.0), rel=0.15)


def test_it_goes_on_longer_than_the_recording_without_a_seam() -> None:
    played, _ = play(pure(220.0, 4.0))
    late = played[RATE // 2 :]
    level = np.array([np.std(part) for part in np.array_split(late, 40)])
    assert level.min() > 0.8 * level.max()
    steps = np.abs(np.diff(late, 2))
    assert steps.max() < 1.5 * np.quantile(steps, 0.999)


def test_a_short_note_that_a_glide_begins_is_left_when_it_is_over() -> None:
    short, long = tone(261.6, 0.14, partials=1), tone(220.0, 0.8, partials=8)
    found = marks.find_marks(np.concatenate([silence(0.1), short, long, silence(0.1)]), RATE)
    assert len(found.notes) == 2
    pitch = 220.0 * 2.0 ** (np.interp(np.arange(2 * RATE) / RATE, [0.2, 0.5], [3.0, 0.0]) / 12.0)
    played, _ = play((0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)).astype(np.float32), found)
    assert partials(played[RATE:], 220.0, 2)[1] > -10.0  # the long one has a second partial, the short one none


def test_what_moves_in_the_recording_goes_on_moving_when_it_is_over() -> None:
    time = np.arange(round(0.8 * RATE)) / RATE
    fifth = 0.1 * (1.0 + np.sin(2 * np.pi * 6.0 * time)) * np.sin(2 * np.pi * 1100.0 * time)
    found = marks.find_marks(
        np.concatenate([tone(220.0, 0.8, partials=4) + fifth, silence(0.1)]).astype(np.float32), RATE
    )
    played, _ = play(pure(220.0, 4.0), found)
    parts = np.array_split(played[2 * RATE :], 40)  # 50 ms each
    levels = [partials(part, 220.0, 5)[4] for part in parts]
    assert max(levels) - min(levels) > 10.0


@pytest.mark.parametrize("semitones", [-7, 0, 5])
def test_what_is_in_no_period_sounds_as_it_was_recorded(semitones: int) -> None:
    """A partial that is none of the pitch stays one line, where it was: strings beat, and bells are out of tune."""
    time = np.arange(round(0.8 * RATE)) / RATE
    strange = 3.4 * 220.0
    found = marks.find_marks(
        np.concatenate([tone(220.0, 0.8, partials=2) + 0.03 * np.sin(2 * np.pi * strange * time), silence(0.1)]).astype(
            np.float32
        ),
        RATE,
    )
    ratio = 2.0 ** (semitones / 12.0)
    played, _ = play(pure(220.0 * ratio, 0.6), found)
    part = played[RATE // 5 : RATE // 2]
    power = np.abs(np.fft.rfft(part * np.hanning(part.size))) ** 2
    hertz = np.fft.rfftfreq(part.size, 1 / RATE)
    near = power[np.abs(hertz - strange * ratio) < 15.0].sum()
    level = 10.0 * np.log10(near / power[np.abs(hertz - 220.0 * ratio) < 15.0].sum())
    assert level == pytest.approx(20.0 * np.log10(0.03 / 0.15), abs=1.5)
    around = power[(hertz > 2.4 * 220.0 * ratio) & (hertz < 20.0 * 220.0 * ratio)].sum()
    assert near > 0.9 * around


def test_where_there_is_no_pitch_the_model_alone_is_heard() -> None:
    noise = (0.1 * np.random.default_rng(2).standard_normal(2 * RATE)).astype(np.float32)
    chord = np.sum([tone(pitch, 3.0) for pitch in (261.6, 311.1, 370.0, 440.0)], axis=0)
    for sound in (silence(1.0), noise, chord):
        played, kept = play(sound)
        assert np.std(played[-RATE // 2 :]) < 0.03 * (np.std(sound) + 1e-6)
        assert kept[-RATE // 2 :].min() > 0.9


def test_the_model_is_there_before_a_note_and_not_within_a_line() -> None:
    line = np.concatenate([silence(0.3), pure(330.0, 0.5), pure(440.0, 0.5), silence(0.5)])
    _, kept = play(line)
    speaks = round(0.3 * RATE)
    assert (kept[:speaks] == 1.0).all()
    assert kept[speaks + RATE // 10 : speaks + RATE].max() < 0.3, "not in the moment between two notes"
    assert kept[-1] > 0.95, "and again when it is silent"


def test_grains_go_on_where_the_crossings_are_no_pulses() -> None:
    """A loud second partial that drifts past a weak first moves the crossings all the time; the period stays clear."""
    time = 2 * np.pi * np.arange(2 * RATE) / RATE
    second = np.sin(440.0 * time + 5.0 * np.sin(5.0 * time))
    x = 0.05 * (np.sin(220.0 * time) + 8.0 * second + 4.0 * np.sin(660.0 * time))
    played, kept = play(x.astype(np.float32))
    level = np.array([np.std(part) for part in np.array_split(played[RATE // 2 :], 60)])
    assert kept[RATE // 2 :].max() < 0.05 and level.min() > 0.7 * level.max()
    steps = np.abs(np.diff(played[RATE // 2 :], 2))
    assert steps.max() < 3.0 * np.quantile(steps, 0.999), "nothing jumps"


def test_a_pitch_that_is_lost_for_a_moment_goes_on() -> None:
    x = pure(330.0, 1.0)
    lost = slice(RATE // 2, RATE // 2 + RATE // 25)
    x[lost] = 0.14 * np.random.default_rng(1).standard_normal(RATE // 25)
    played, kept = play(x)
    within = slice(lost.start + RATE // 100, lost.stop + RATE // 50)
    assert np.std(played[within]) > 0.5 * np.std(played[RATE // 4 : lost.start])
    assert kept[within].max() < 0.3


def test_a_struck_note_is_struck_again_after_a_rest_however_softly_it_returns() -> None:
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, -40.0), tone(262.0, 0.6, -40.0), silence(0.1)]), RATE)
    swell = pure(220.0, 1.0) * np.minimum(1.0, np.arange(RATE) / (0.5 * RATE)).astype(np.float32) ** 2
    played, _ = play(np.concatenate([pure(220.0, 0.8), silence(0.4), swell]), struck)
    first, second = (np.abs(played[round(a * RATE) : round((a + 0.6) * RATE)]).max() for a in (0.0, 1.4))
    assert second > 0.05 * first


def test_at_no_share_nothing_is_played_and_the_model_is_untouched() -> None:
    played, kept = play(pure(220.0), share=0.0)
    assert not played.any() and (kept == 1.0).all()


def test_a_change_of_style_is_no_step() -> None:
    x = pure(330.0, 2.0)
    turns = (np.arange(x.size // HOP) // 94) % 2.0  # to the recording and away from it, eight times a second
    steady, _ = play(x)
    played, kept = play(x, share=turns)
    assert kept[RATE:].max() > 0.99 and kept[RATE:].min() < 0.01
    assert np.abs(np.diff(kept)).max() < 1.0 / (0.005 * RATE), "over 5 ms at least"
    assert np.abs(np.diff(played, 2)).max() < 1.2 * np.abs(np.diff(steady, 2)).max()


def test_the_share_of_the_model_is_as_late_as_the_model() -> None:
    soon, late = (play(pure(330.0), latency=latency)[1] for latency in (0, 300))
    assert np.array_equal(late[300:], soon[:-300])


def test_a_struck_recording_falls_while_the_player_holds() -> None:
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, -40.0), tone(262.0, 0.6, -40.0), silence(0.1)]), RATE)
    played, _ = play(pure(220.0, 1.2), struck)
    early, later = (np.std(played[round(a * RATE) : round((a + 0.1) * RATE)]) for a in (0.2, 0.7))
    assert 20.0 * np.log10(later / early) == pytest.approx(-20.0, abs=3.0)
    again, _ = play(np.concatenate([pure(220.0, 0.8), pure(294.0, 0.3)]), struck)
    before, after = (np.std(again[round(a * RATE) : round((a + 0.1) * RATE)]) for a in (0.65, 0.9))
    assert after > 4.0 * before, "another pitch is another stroke"


def test_a_struck_style_that_comes_back_within_a_note_strikes_it() -> None:
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, -40.0), tone(262.0, 0.6, -40.0), silence(0.1)]), RATE)
    x = pure(220.0, 2.0)
    share = np.where((np.arange(x.size // HOP) * HOP // (RATE // 2)) % 3 == 0, 1.0, 0.0)  # from 0 and from 1.5 s on
    played, _ = play(x, struck, share)
    first, again = (np.abs(played[round(a * RATE) : round((a + 0.3) * RATE)]).max() for a in (0.0, 1.5))
    assert again > 0.5 * first


def test_what_was_struck_dies_away_when_the_player_stops() -> None:
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, -20.0), tone(262.0, 0.6, -20.0), silence(0.1)]), RATE)
    x = pure(220.0, 0.5)
    x[-RATE // 50 :] *= np.linspace(1.0, 0.0, RATE // 50, dtype=np.float32)
    played, _ = play(np.concatenate([x, silence(0.6)]), struck)
    level = np.array([np.std(part) for part in np.array_split(played[RATE * 4 // 10 :], 70)])  # 10 ms each
    fall = 20.0 * np.log10((level[:-1] + 1e-9) / (level[1:] + 1e-9))
    heard = level[:-1] > 0.02 * level.max()
    assert fall[heard].max() < 4.0, "nothing is cut off"
    assert level[-10:].max() < 1e-3 * level.max()


def test_a_stroke_does_not_wait_for_the_player_to_swell_and_is_no_louder_than_what_was_played() -> None:
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, -40.0), tone(262.0, 0.6, -40.0), silence(0.1)]), RATE)
    swell = pure(220.0, 0.5) * np.minimum(1.0, np.arange(RATE // 2) / (0.2 * RATE)).astype(np.float32)
    played, _ = play(np.concatenate([pure(262.0, 0.5), silence(0.05), swell]), struck)
    first, stroke, swollen = (
        np.abs(played[round(a * RATE) : round(b * RATE)]).max() for a, b in ((0.0, 0.5), (0.55, 0.65), (0.7, 0.8))
    )
    assert swollen < stroke < 1.1 * first


def test_a_struck_note_falls_as_it_was_recorded_before_it_falls_evenly() -> None:
    time = np.arange(round(0.7 * RATE)) / RATE
    curve = np.maximum(-60.0 * time, -12.0 - 8.0 * (time - 0.2)).astype(np.float32)
    note = tone(220.0, 0.7) * 10.0 ** (0.05 * curve)
    struck = marks.find_marks(np.concatenate([note, silence(0.1), note, silence(0.1)]), RATE)
    assert struck.fall < 0.0
    played, _ = play(pure(220.0, 0.65), struck)
    level = [20.0 * np.log10(np.std(played[round(s * RATE) : round((s + 0.03) * RATE)])) for s in (0.1, 0.2, 0.35, 0.5)]
    first, second, third = np.diff(level)
    assert first < -4.0 and second < 0.0 and abs(third) < 3.0


def test_a_held_note_is_never_silence() -> None:
    """What a struck recording leaves of it when it has faded is the model's, and soft: a harp does not swell."""
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, -40.0), tone(262.0, 0.6, -40.0), silence(0.1)]), RATE)
    played, kept = play(pure(220.0, 3.0), struck)
    early, late = slice(RATE // 5, RATE // 4), slice(-RATE // 2, None)
    assert np.std(played[late]) < 0.01 * np.std(played[early]), "the recording itself has faded"
    assert kept[late] == pytest.approx(grains.REST, abs=0.02)
    assert kept[RATE // 5 :].max() < 1.2 * grains.REST


@pytest.mark.parametrize("swell", [0.02, 0.1, 0.3])
def test_a_swell_is_one_stroke_and_a_second_one_two(swell: float) -> None:
    struck = marks.find_marks(np.concatenate([tone(220.0, 0.6, -40.0), tone(262.0, 0.6, -40.0), silence(0.1)]), RATE)
    once = pure(220.0, 0.9, 1.0) * np.minimum(1.0, 1e-3 + np.arange(round(0.9 * RATE)) / (swell * RATE)).astype(
        np.float32
    )

    def strokes(x: np.ndarray) -> int:
        """How often the note begins: the level rises by 4 dB within 20 ms, and did not in the 60 ms before."""
        level = np.array([np.std(part) for part in np.array_split(play(x, struck)[0], round(x.size / RATE * 50))])
        level /= np.maximum(1e-9, np.array([np.std(part) for part in np.array_split(x, level.size)]))
        rises = np.flatnonzero(level[1:] > 1.6 * level[:-1])
        return 1 + int((np.diff(rises) > 3).sum()) if rises.size else 0

    again = np.concatenate([0.1 * once[: RATE // 20], once[RATE // 2 :]])
    assert strokes(once) == 1
    assert strokes(np.concatenate([once[: RATE // 2], again])) == 2


def test_the_nearest_note_is_played() -> None:
    two = marks.find_marks(
        np.concatenate([tone(220.0, 0.7, partials=2), tone(880.0, 0.7, partials=12), silence(0.1)]), RATE
    )
    low, high = (partials(play(pure(pitch), two)[0][RATE // 3 :], pitch, 6)[4] for pitch in (233.0, 830.0))
    assert low < -40.0 and high > -20.0, "the fifth partial, which the low note has not"
