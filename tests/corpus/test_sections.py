"""Sections: one voice in every register, each pitch by one library."""

import numpy as np
import pytest

from rtstyle.corpus import ensemble, score, sections
from rtstyle.corpus.library import Library, make_library
from rtstyle.corpus.note import measure
from rtstyle.corpus.performance import perform
from rtstyle.corpus.pitch import find_hz
from rtstyle.corpus.render import render
from rtstyle.corpus.sections import find_sections
from rtstyle.errors import ParameterError
from tests.corpus.tones import RATE, tone


def library(instrument: str, name: str, pitches: range) -> Library:
    notes = [measure(tone(p, seed=p), float(p), f"{name}/{p}") for p in pitches]
    made = make_library(instrument, name, f"licence of {name}", f"by {name}", [n for n in notes if n is not None])
    assert made is not None
    return made


@pytest.fixture(scope="module")
def saxophones() -> list[Library]:
    return [library("saxophone", "mtg-barf", range(44, 66, 4)), library("saxophone", "mtg-sopf", range(50, 80, 4))]


def test_every_pitch_is_one_librarys(saxophones: list[Library]) -> None:
    (section,) = find_sections(saxophones)
    low, high = saxophones
    cut = sections.PARTS["saxophone"][0][1]
    assert {n.file for n in section.notes if n.midi < cut} == {n.file for n in low.notes if n.midi < cut}
    assert {n.file for n in section.notes if n.midi > cut} == {n.file for n in high.notes if n.midi > cut}
    assert section.pitches.tolist() == sorted(n.midi for n in section.notes)
    assert all(word in section.attribution + section.licence for one in saxophones for word in (one.name, one.licence))


def test_a_section_without_one_of_its_parts_is_none(saxophones: list[Library]) -> None:
    assert not find_sections(saxophones[:1])


def test_a_section_plays_where_its_libraries_do_not(saxophones: list[Library]) -> None:
    (section,) = find_sections(saxophones)
    far = np.array([section.pitches.min() - 20.0, section.pitches.max() + 8.0])
    assert section.covers(far)
    assert not section.covers(far - 20.0)
    assert not section.covers(far + 10.0)
    assert not any(one.covers(far) for one in saxophones)


def test_far_notes_are_in_tune_and_in_time(saxophones: list[Library]) -> None:
    (section,) = find_sections(saxophones)
    pitch = float(section.pitches.min()) - 12.0
    performance = perform([score.Event(0.5, 1.5, pitch)], np.random.default_rng(3))
    out, _ = render(performance, section, np.random.default_rng(3))
    onset = round(performance.events[0].time * RATE)
    assert np.abs(out[: onset - 6240]).max() < 1e-3  # it does not begin long before the score, however slow its attack
    assert np.abs(out[onset : onset + 24000]).max() > 0.05
    hz = find_hz(out, RATE, np.arange(onset + 12000, onset + 48000, 6000))
    wanted = float(np.median(performance.f0[performance.f0 > 0]))
    assert hz is not None and abs(1200 * np.log2(hz / wanted)) < 50.0


def test_a_section_plays_a_pitch_with_the_same_note_each_time(saxophones: list[Library]) -> None:
    (section,) = find_sections(saxophones)
    rng = np.random.default_rng(0)
    for pitch in (30.0, 47.9, 56.6, 64.2):
        played = {section.near(pitch, 0.3, rng).file for _ in range(20)}
        assert len(played) == 1
    assert len({saxophones[0].near(46.0, 0.5, rng).file for _ in range(40)}) == 2  # as near to one as to the other


def test_a_section_is_drawn_as_often_as_the_other_libraries_of_its_instrument(saxophones: list[Library]) -> None:
    members = [*saxophones, *find_sections(saxophones)]
    assert ensemble.weights(members).tolist() == [0.25, 0.25, 0.5]


def test_a_section_of_another_instrument_plays_more_often_than_its_libraries(saxophones: list[Library]) -> None:
    (main,) = find_sections(saxophones)
    tuba = library("tuba", "vsco2", range(30, 60, 6))
    (section,) = find_sections([tuba])
    plain, low, high = ensemble.weights([tuba, section, main])
    assert plain < low < high
    assert (low / plain, high / plain) == pytest.approx((ensemble.SECTION_WEIGHT, ensemble.MAIN_WEIGHT))


def test_a_soloist_is_a_section_and_plays_in_every_performance_and_register(saxophones: list[Library]) -> None:
    pipes = [library("pipe", f"pipe{k}", range(low, low + 20, 4)) for k, low in enumerate((36, 54, 72))]
    members = [*saxophones, *pipes]
    members += find_sections(members, "pipe/pipe1")
    train, _ = ensemble.cast(members, "pipe/section")
    assert train.soloist is not None and train.soloist.notes == pipes[1].notes
    rng, heard = np.random.default_rng(5), []
    for _ in range(30):
        drawn = ensemble.draw(train, [score.Event(0.0, 0.5, 60.0), score.Event(0.5, 0.5, 64.0)], 3, rng)
        assert drawn is not None and train.soloist in drawn[1]
        heard.append(drawn[0][0].midi)
    assert min(heard) < pipes[1].pitches.min() - 6.0 and max(heard) > pipes[1].pitches.max()


def test_an_unknown_soloist_is_one_clear_error(saxophones: list[Library]) -> None:
    with pytest.raises(ParameterError, match=r"no library pipe/mine .* saxophone/mtg-barf, saxophone/mtg-sopf"):
        find_sections(saxophones, "pipe/mine")
