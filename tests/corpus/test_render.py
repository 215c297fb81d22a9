"""Players of one performance: same pitch, same loudness, other timbre; and who may play with whom."""

import numpy as np
import pytest

from rtstyle.corpus import ensemble, score
from rtstyle.corpus.library import Library, make_library
from rtstyle.corpus.note import Note, loudness_db, measure
from rtstyle.corpus.performance import Performance, perform
from rtstyle.corpus.pitch import lowest, track
from rtstyle.corpus.render import apply_db, follow, render
from tests.corpus.tones import RATE, cents, tone


def library(instrument: str, name: str, roll_off: float, pitches: range, **options: float) -> Library:
    notes: list[Note] = []
    for k, midi in enumerate(pitches):
        sound = tone(midi, roll_off=roll_off, seed=k, rate_hz=4.5 + 0.3 * k, **options)
        note = measure(sound, float(midi), f"{name}{k}")
        assert note is not None
        notes.append(note)
    made = make_library(instrument, name, "CC0-1.0", "made here", notes)
    assert made is not None
    return made


@pytest.fixture(scope="module")
def bright() -> Library:
    return library("violin", "bright", 0.85, range(57, 76, 3))


@pytest.fixture(scope="module")
def dark() -> Library:
    return library("flute", "dark", 0.3, range(58, 77, 3), vibrato_cents=40.0)


@pytest.fixture(scope="module")
def plucked() -> Library:
    return library("harp", "plucked", 0.5, range(57, 76, 3), vibrato_cents=0.0, decay_db=-18.0)


def piece(seed: int) -> Performance:
    rng = np.random.default_rng(seed)
    line = [score.Event(0.6 * k, 0.6, 62.0 + p) for k, p in enumerate([0, 4, 7, 5, 2, 2, 9])]
    return perform(score.articulate(line, rng), rng)


def sustained(performance: Performance) -> np.ndarray:
    """Frames whose pitch has been moving by less than a semitone for 50 ms on both sides."""
    f0 = performance.f0
    held = np.zeros(len(f0), bool)
    for k in range(10, len(f0) - 10):
        around = f0[k - 10 : k + 11]
        held[k] = around.min() > 0 and around.max() / around.min() < 1.05
    return held


@pytest.mark.parametrize("seed", range(4))
def test_two_players_agree_in_pitch_and_loudness(bright: Library, dark: Library, seed: int) -> None:
    performance = piece(seed)
    rng = np.random.default_rng(seed)
    x = apply_db(render(performance, bright, rng)[0], performance.dynamics_db)
    y = follow(render(performance, dark, rng, leads=False)[0], x)
    assert len(x) == len(y) == performance.samples
    held = sustained(performance)
    for event in performance.events:
        frames = held & (np.abs(np.arange(len(held)) * 256 / RATE - event.time - 0.3) < 0.25)
        if frames.sum() < 5:
            continue
        hz = float(np.median(performance.f0[frames]))
        a, b = (track(z, hz, RATE)[0][: len(held)][frames] for z in (x, y))
        assert np.median(np.abs(cents(a, b))) < 4.0
        assert np.median(np.abs(cents(a, performance.f0[frames]))) < 4.0
    floor = -60.0
    a, b = (np.maximum(loudness_db(z, 2400), floor) for z in (x, y))
    assert np.corrcoef(a, b)[0, 1] > 0.97
    loud = a > a.max() - 20.0
    assert np.median(np.abs(a[loud] - b[loud])) < 0.7


def test_fast_detached_notes_do_not_run_into_each_other(bright: Library, dark: Library) -> None:
    line = [score.Event(0.16 * k, 0.16, 61.0 + p) for k, p in enumerate([0, 6, 2, 9, 4, 11, 0, 0, 7, 1])]
    performance = perform(line, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    leader = render(performance, bright, rng)[0]
    partner = follow(render(performance, dark, rng, leads=False)[0], leader)
    for event in performance.events:
        for x in (leader, partner):
            middle = round((event.time + 0.1) * RATE)
            period = RATE / float(performance.f0[middle // 256])
            noise = lowest(x.astype(np.float64), middle, int(period / 1.05), int(period * 1.05) + 1, 960)[1]
            assert noise < 0.1


def test_players_differ_in_timbre(bright: Library, dark: Library) -> None:
    performance = piece(0)
    rng = np.random.default_rng(0)
    x = render(performance, bright, rng)[0]
    y = follow(render(performance, dark, rng, leads=False)[0], x)
    spectra = [np.abs(np.fft.rfft(z)) ** 2 for z in (x, y)]
    f = np.fft.rfftfreq(len(x), 1 / RATE)
    share = [s[f > 1500].sum() / s.sum() for s in spectra]
    assert share[0] > 4 * share[1]


def test_following_does_not_lift_silence_or_noise(bright: Library) -> None:
    performance = piece(1)
    rng = np.random.default_rng(1)
    leader = render(performance, bright, rng)[0]
    hiss = (1e-4 * np.random.default_rng(2).standard_normal(len(leader))).astype(np.float32)
    partner = leader.copy()
    partner[len(partner) // 2 :] = 0.0
    led = follow(partner + hiss, leader)
    late = led[len(led) // 2 + 2400 :]
    assert 20 * np.log10(np.sqrt(np.mean(late**2))) < -75.0


def test_a_plucked_library_is_never_looped(plucked: Library) -> None:
    assert plucked.decaying
    line = [score.Event(0.0, 3.0, 64.0)]
    rng = np.random.default_rng(0)
    x = render(perform(line, rng), plucked, rng)[0]
    level = loudness_db(x)
    assert level[round(0.4 * RATE / 256)] - level[round(2.5 * RATE / 256)] > 40.0


def test_a_plucked_partner_of_a_long_note_is_not_blown_up(bright: Library) -> None:
    short = library("harp", "short", 0.5, range(57, 76, 3), vibrato_cents=0.0, decay_db=-70.0)
    performance = perform([score.Event(0.0, 3.0, 64.0)], np.random.default_rng(0))
    rng = np.random.default_rng(0)
    leader = render(performance, bright, rng)[0]
    partner = follow(render(performance, short, rng, leads=False)[0], leader, 9.0)
    assert np.abs(partner).max() < 4.0 * np.abs(leader).max()
    assert loudness_db(partner).max() > loudness_db(leader).max() - 6.0


def test_only_libraries_that_reach_every_note_are_drawn(bright: Library, dark: Library, plucked: Library) -> None:
    low = library("cello", "low", 0.6, range(36, 50, 3))
    members = ensemble.Cast("train", (bright, dark, plucked, low))
    line = [score.Event(0.5 * k, 0.5, 60.0 + p) for k, p in enumerate([0, 5, 10])]
    drawn = 0
    for seed in range(40):
        result = ensemble.draw(members, line, 3, np.random.default_rng(seed))
        if result is None:
            continue
        drawn += 1
        events, chosen = result
        assert 2 <= len(chosen) <= 3
        assert len({lib.key for lib in chosen}) == len(chosen)
        for lib in chosen:
            for event in events:
                assert np.abs(lib.pitches - event.midi).min() <= 3.0
    assert drawn > 20


def test_held_out_libraries_play_in_validation_alone(bright: Library, dark: Library) -> None:
    def named(instrument: str, name: str) -> Library:
        return Library(instrument, name, "", "", bright.notes, False, bright.pitches, bright.levels)

    kept = [named("violin", "mtg"), named("flute", "vsco2"), named("cello", "mtg"), named("clarinet", "vsco2")]
    free = [named("violin", "vsco2"), named("flute", "ixox"), named("cello", "own"), named("clarinet", "fluidr3")]
    train, valid = ensemble.cast(kept + free)
    assert {lib.key for lib in train.libraries} == {lib.key for lib in free}
    assert {lib.key for lib in valid.libraries} == {lib.key for lib in kept}
    assert not valid.seen
    alone = [named("violin", "mtg"), named("voice", "fluidr3-ooh"), named("flute", "vsco2")]
    train, valid = ensemble.cast(alone)
    assert len(train.libraries) == len(valid.libraries) == 3
    assert valid.seen


def test_the_leader_is_often_one_who_decays(bright: Library, dark: Library, plucked: Library) -> None:
    leaders = [ensemble.seat_leader([bright, dark, plucked], np.random.default_rng(k))[0].key for k in range(200)]
    assert 0.5 < leaders.count(plucked.key) / 200 < 0.8  # one of three
