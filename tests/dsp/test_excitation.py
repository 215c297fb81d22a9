"""The pulses follow the input's pitch and level, and keep still where there is no pitch."""

import numpy as np
import pytest

from rtstyle.dsp import excitation

RATE = 48000.0


def tone(pitch: float, seconds: float = 0.6, decay: float = 3.0, partials: int = 8) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    parts = [np.sin(2 * np.pi * pitch * k * time + k) / k**decay for k in range(1, partials + 1) if pitch * k < 20000]
    return (0.2 * np.sum(parts, axis=0)).astype(np.float32)


def pulses_of(x: np.ndarray, hop: int = 64) -> tuple[np.ndarray, np.ndarray]:
    state, table = excitation.new_state(), excitation.pulse_table()
    x = x[: x.size // hop * hop]
    pulses, cues = np.zeros_like(x), np.zeros(excitation.CUES, np.float32)
    for i in range(0, x.size, hop):
        excitation.excite(state, table, RATE, x[i : i + hop], pulses[i : i + hop], cues)
    return pulses, cues


def harmonic_share(x: np.ndarray, pitch: float, low: float, high: float) -> float:
    """Share of the energy between two frequencies that lies within 25 Hz of a harmonic."""
    power = np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2
    frequency = np.fft.rfftfreq(x.size, 1 / RATE)
    band = (frequency > low) & (frequency < high)
    distance = np.abs(frequency[band] - pitch * np.round(frequency[band] / pitch))
    return float(power[band][distance < 25.0].sum() / power[band].sum())


@pytest.mark.parametrize("pitch", [70.0, 196.0, 440.0, 1046.5, 1900.0])
@pytest.mark.parametrize("decay", [0.7, 3.0])
def test_pulses_have_all_harmonics_of_the_input(pitch: float, decay: float) -> None:
    pulses, cues = pulses_of(tone(pitch, decay=decay))
    late = pulses[pulses.size // 2 :]
    assert harmonic_share(late, pitch, 100.0, 10000.0) > 0.9
    assert cues[excitation.STEADINESS] > 0.8
    assert 1000.0 / pitch == pytest.approx(2.0 ** (5.0 * float(cues[excitation.LOG_PERIOD])), rel=0.03)


@pytest.mark.parametrize("pitch", [71.0, 233.1, 554.4, 880.0, 1108.7, 1318.5, 1568.0, 1864.7, 2217.5, 2637.0])
def test_the_period_of_a_note_is_in_tune(pitch: float) -> None:
    _, cues = pulses_of(tone(pitch))
    cents = 1200.0 * np.log2(1000.0 / pitch / 2.0 ** (5.0 * float(cues[excitation.LOG_PERIOD])))
    assert abs(cents) < 3.0


@pytest.mark.parametrize("pitch", [1102.0, 1254.0, 1408.0, 2024.0])
def test_a_high_note_with_a_weak_fundamental_is_not_taken_for_a_lower_one(pitch: float) -> None:
    time = np.arange(28800) / RATE
    levels = (0.3, 1.0, 0.6, 0.03)
    x = sum(level * np.sin(2 * np.pi * pitch * k * time + k) for k, level in enumerate(levels, start=1))
    _, cues = pulses_of((0.1 * x).astype(np.float32))
    assert 1000.0 / pitch == pytest.approx(2.0 ** (5.0 * float(cues[excitation.LOG_PERIOD])), rel=0.03)


def test_a_take_sounds_the_same_whenever_it_begins() -> None:
    x = tone(196.0, seconds=0.3)
    wanted, _ = pulses_of(x)
    for hops in range(1, 6):  # three of them are a search for the period
        late, _ = pulses_of(np.concatenate([np.zeros(64 * hops, np.float32), x]))
        assert np.array_equal(late[64 * hops :], wanted)


def periods_of(x: np.ndarray, hop: int = 64) -> np.ndarray:
    """In samples, after every hop."""
    state, table = excitation.new_state(), excitation.pulse_table()
    pulses, cues, found = np.zeros(hop, np.float32), np.zeros(excitation.CUES, np.float32), []
    for i in range(0, x.size // hop * hop, hop):
        excitation.excite(state, table, RATE, x[i : i + hop], pulses, cues)
        found.append(state[excitation.PERIOD])
    return np.array(found)


@pytest.mark.parametrize("pitch", [220.0, 466.0, 1050.0])
@pytest.mark.parametrize("begun", [1.0, 0.0])
def test_a_note_between_two_octaves_stays_in_the_one_that_it_began_in(pitch: float, begun: float) -> None:
    time = np.arange(int(2 * RATE)) / RATE
    # the share of the odd partial, as it is heard: at half a period the clarity is .86 to .90
    odd = np.where(time < 0.3, 0.3 * begun, 0.06 + 0.01 * np.sin(2 * np.pi * 5.0 * time))
    first, second = (np.sin(2 * np.pi * hz * time) * (1.0 + (hz / 1500.0) ** 2) for hz in (pitch, 2.0 * pitch))
    x = np.sqrt(odd) * first + np.sqrt(1.0 - odd) * second
    late = periods_of((0.1 * x).astype(np.float32))[int(0.2 * RATE / 64) :]
    assert late == pytest.approx(RATE / (pitch if begun else 2.0 * pitch), rel=0.03)


@pytest.mark.parametrize("pitch", [65.4, 82.4, 110.0])
@pytest.mark.parametrize("before", [0.0, 2.07])
def test_a_low_note_has_pulses_however_loud_its_second_partial(pitch: float, before: float) -> None:
    """Such as a cello's, which rises through zero twice a period; alone, and after a note an octave above."""
    time = np.arange(48000) / RATE
    x = sum(level * np.sin(2 * np.pi * pitch * k * time + k) for k, level in enumerate((0.15, 1.0, 0.5, 0.3), start=1))
    heard = np.concatenate([tone(before * pitch, 0.3), 0.1 * x]) if before else 0.1 * x
    pulses, _ = pulses_of(heard.astype(np.float32))
    late = pulses[-24000:]
    assert np.sqrt(np.mean(late**2)) == pytest.approx(np.sqrt(np.mean((0.1 * x) ** 2)), rel=0.2)
    assert harmonic_share(late, pitch, 30.0, 4000.0) > 0.9


@pytest.mark.parametrize(
    ("pitch", "turn", "phase"), [(220, 0.35, 0.75), (440, 0.35, 0.25), (680, 0.5, 0.75), (1050, 0.5, 0.75)]
)
def test_no_pulse_jumps_where_a_loud_second_partial_turns_for_a_moment(pitch: float, turn: float, phase: float) -> None:
    time = np.arange(int(2 * RATE)) / RATE
    turned = turn * np.sin(np.pi * np.minimum((time % 0.3) / 0.05, 1.0)) ** 2  # there and back within 50 ms
    first, second = (1.0 + (k * pitch / 1500.0) ** 2 for k in (1, 2))
    x = first * np.sin(2 * np.pi * pitch * time)
    x += 1.6 * second * np.sin(2 * np.pi * (2 * pitch * time + phase + turned))
    state, table, hop = excitation.new_state(), excitation.pulse_table(), 64
    pulses, cues, places = np.zeros(hop, np.float32), np.zeros(excitation.CUES, np.float32), []
    for i in range(0, x.size // hop * hop, hop):
        excitation.excite(state, table, RATE, (0.1 * x[i : i + hop]).astype(np.float32), pulses, cues)
        places += list(i + excitation.fired(state)[:, excitation.AT])
    late = np.array(places)[np.array(places) > 0.3 * RATE]
    assert np.diff(late) == pytest.approx(RATE / pitch, rel=0.05)


@pytest.mark.parametrize("pitch", [110.0, 262.0, 587.0])
def test_a_leap_by_an_octave_is_followed_at_once(pitch: float) -> None:
    low, high = tone(pitch, 0.5, 1.0), tone(2.0 * pitch, 0.5, 1.0)
    late = int(0.06 * RATE / 64)
    half = low.size // 64
    for before, after, wanted in ((low, high, 2.0 * pitch), (high, low, pitch)):
        found = periods_of(np.concatenate([before, after]))
        assert found[half + late :] == pytest.approx(RATE / wanted, rel=0.03)


@pytest.mark.parametrize("pitch", [110.0, 330.0, 880.0])
def test_noise_on_a_note_puts_little_between_the_partials_of_its_pulses(pitch: float) -> None:
    x = tone(pitch, 1.2)
    rng = np.random.default_rng(3)
    pulses, _ = pulses_of(x + (0.2 * np.std(x) * rng.standard_normal(x.size)).astype(np.float32))
    assert harmonic_share(pulses[pulses.size // 2 :], pitch, 2000.0, 8000.0) > 0.95


def test_pulses_follow_a_vibrato() -> None:
    time = np.arange(72000) / RATE
    turns = 300.0 * time + 300.0 * 0.02 / (2 * np.pi * 6.0) * np.sin(2 * np.pi * 6.0 * time)  # +-35 cents at 6 Hz
    pulses, _ = pulses_of((0.2 * np.sin(2 * np.pi * turns)).astype(np.float32))
    late = pulses[24000:]
    assert np.std(late) > 0.1  # the loop is not lost
    demodulated = late * np.exp(-2j * np.pi * turns[24000 : 24000 + late.size])  # first partial, against the input's
    drift = np.unwrap(np.angle(np.convolve(demodulated, np.hanning(480), "valid")))
    assert np.ptp(drift) < 2 * np.pi / 4


def test_pulses_have_the_level_of_the_input() -> None:
    x = tone(330.0)
    pulses, _ = pulses_of(x)
    quiet, _ = pulses_of(0.01 * x)
    half = slice(x.size // 2, pulses.size)
    assert 0.5 < np.sqrt(np.mean(pulses[half] ** 2) / np.mean(x[half] ** 2)) < 2.0
    assert np.abs(quiet[half] - 0.01 * pulses[half]).max() < 0.05 * np.abs(0.01 * pulses[half]).max()


def test_silence_noise_and_chords_excite_little() -> None:
    assert np.abs(pulses_of(np.zeros(9600, np.float32))[0]).max() == 0.0
    rng = np.random.default_rng(2)
    noise = (0.1 * rng.standard_normal(48000)).astype(np.float32)
    assert np.std(pulses_of(noise)[0]) < 0.3 * np.std(noise)
    chord = tone(220.0) + tone(277.2) + tone(339.3)
    alone = np.std(pulses_of(tone(220.0))[0][14400:]) / np.std(tone(220.0))
    together = np.std(pulses_of(chord)[0][14400:]) / np.std(chord)
    assert together < 0.6 * alone


def singles_of(x: np.ndarray) -> np.ndarray:
    """How far every hop of x counts as one note at a time."""
    state, table = excitation.new_state(), excitation.pulse_table()
    pulses, cues = np.zeros(64, np.float32), np.zeros(excitation.CUES, np.float32)
    found = []
    for i in range(0, x.size - 63, 64):
        excitation.excite(state, table, RATE, x[i : i + 64], pulses, cues)
        found.append((excitation.single(state), excitation.noise_level(state)))
    singles, noises = np.array(found).T
    assert np.array_equal(noises, np.maximum(singles, excitation.LEAST_NOISE))
    return singles


def hits(seconds: float) -> np.ndarray:
    """Eight drum-like bursts of noise a second."""
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.random.default_rng(5).standard_normal(time.size) * np.exp(-30.0 * (time % 0.125))).astype(
        np.float32
    )


TRIAD = tuple(220.0 * 2 ** (step / 12) for step in (0, 4, 7))
MELODY = np.concatenate([tone(pitch, 0.3, 1.5) for pitch in (220.0, 247.0, 262.0, 196.0, 440.0, 330.0, 294.0, 247.0)])


def test_chords_and_drums_close_the_pulses_within_a_second_and_lines_never_do() -> None:
    for pitches in (TRIAD, (110.0, *TRIAD), (*TRIAD, 220.0 * 2 ** (10 / 12))):
        chord = sum(tone(pitch, 2.0, 1.5) for pitch in pitches)
        assert singles_of(chord)[750:].max() == 0.0
        assert np.abs(pulses_of(chord)[0][48000:]).max() < 1e-6
    assert singles_of(hits(2.0))[750:].max() == 0.0
    assert singles_of(MELODY).min() == 1.0


def test_what_counts_as_one_note_at_a_time_depends_on_the_sound_and_not_on_its_level_or_the_rests() -> None:
    chord = sum(tone(pitch, 1.0, 1.5) for pitch in TRIAD)
    both = np.concatenate([MELODY, chord])
    assert np.array_equal(singles_of(both) > 0.5, singles_of(0.03 * both) > 0.5)
    rest = np.zeros(5 * 48000, np.float32)
    assert singles_of(np.concatenate([chord, rest]))[-1] < 0.05  # chords go on to be expected
    assert singles_of(np.concatenate([MELODY, rest]))[-1] == 1.0


def test_what_lies_between_lines_and_chords_stays_what_it_was() -> None:
    chord = sum(tone(pitch, 2.0, 1.5) for pitch in TRIAD)
    dyad = tone(220.0, 0.11, 1.5) + tone(220.0 * 2**0.5, 0.11, 1.5)
    between = np.concatenate([np.concatenate([dyad, tone(294.0, 0.19, 1.5)]) for _ in range(12)])
    assert singles_of(np.concatenate([MELODY, between])).min() == 1.0
    assert singles_of(np.concatenate([chord, between]))[chord.size // 64 :].max() == 0.0


def test_a_line_after_chords_is_soon_heard_as_one() -> None:
    chord = sum(tone(pitch, 2.0, 1.5) for pitch in TRIAD)
    found = singles_of(np.concatenate([chord, MELODY]))
    assert found[chord.size // 64] == 0.0
    assert found[(chord.size + 48000) // 64 :].min() == 1.0


def test_a_note_that_stops_leaves_no_pulses_behind() -> None:
    x = np.concatenate([tone(330.0), np.zeros(24000, np.float32)])
    pulses, _ = pulses_of(x)
    assert np.abs(pulses[-4800:]).max() < 1e-5


def test_blocks_do_not_matter_when_the_pitch_is_steady() -> None:
    x = tone(330.0)
    small, _ = pulses_of(x, 64)
    large, _ = pulses_of(x, 128)
    tail = slice(x.size // 2, min(small.size, large.size))
    assert np.corrcoef(small[tail], large[tail])[0, 1] > 0.99


def test_reset_replays_identically() -> None:
    state, table, cues = excitation.new_state(), excitation.pulse_table(), np.zeros(excitation.CUES, np.float32)
    x = tone(250.0, 0.1)
    first, second = np.zeros_like(x), np.zeros_like(x)
    excitation.excite(state, table, RATE, x, first, cues)
    excitation.reset(state)
    excitation.excite(state, table, RATE, x, second, cues)
    assert np.array_equal(first, second)


def test_breath_before_the_first_note_does_not_make_it_many() -> None:
    breath = (0.001 * np.random.default_rng(5).standard_normal(int(0.5 * RATE))).astype(np.float32)
    state, table = excitation.new_state(), excitation.pulse_table()
    pulses, cues = np.zeros(64, np.float32), np.zeros(excitation.CUES, np.float32)

    def hear(x: np.ndarray) -> float:
        for i in range(0, x.size // 64 * 64, 64):
            excitation.excite(state, table, RATE, x[i : i + 64], pulses, cues)
        return float(excitation.single(state))

    assert hear(breath) < 0.1, "noise alone is no note"
    assert hear(tone(330.0, 0.1)) > 0.9
