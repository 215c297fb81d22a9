"""Takeover: no mode but `jump` ever leaps, and each ends up moving with the knob."""

from hypothesis import given
from hypothesis import strategies as st

from rtstyle.control.takeover import STEP, TOGETHER, take_over

places = st.floats(0, 1)
sweeps = st.lists(places, min_size=1, max_size=30)
SLACK = STEP + 2 * TOGETHER


def follow(mode: str, knob: list[float], start: float, *, discrete: bool = False) -> list[float]:
    """The parameter's places as the knob moves through `knob`."""
    current, previous, places = start, None, []
    for position in knob:
        new = take_over(mode, previous, position, current, discrete=discrete)  # type: ignore[arg-type]
        current = current if new is None else new
        previous = position
        places.append(current)
    return places


@given(sweeps, places)
def test_jump_is_always_where_the_knob_is(knob: list[float], start: float) -> None:
    assert follow("jump", knob, start) == knob


@given(sweeps, places)
def test_pickup_never_leaps_further_than_the_knob_moves(knob: list[float], start: float) -> None:
    track = [start, *follow("pickup", knob, start)]
    for index in range(1, len(knob)):
        assert abs(track[index + 1] - track[index]) <= abs(knob[index] - knob[index - 1]) + SLACK
    assert abs(track[1] - track[0]) <= SLACK


@given(sweeps, places)
def test_pickup_waits_for_the_knob_to_pass_and_then_moves_with_it(knob: list[float], start: float) -> None:
    track = follow("pickup", knob, start)
    taken = False
    for index, (position, place) in enumerate(zip(knob, track, strict=True)):
        before = knob[index - 1] if index else position
        passed = min(before, position) <= start <= max(before, position)
        taken = taken or passed or abs(position - start) <= STEP
        if taken:
            assert place == position
        elif not min(before, position) - SLACK <= start <= max(before, position) + SLACK:
            assert place == start


def test_pickup_lets_go_when_something_else_moves_the_parameter() -> None:
    assert take_over("pickup", 0.5, 0.51, 0.5) == 0.51
    assert take_over("pickup", 0.5, 0.51, 0.9) is None


def test_the_smallest_step_of_a_knob_is_followed_at_every_place() -> None:
    knob = [value / 128 if value <= 64 else 0.5 + (value - 64) / 126 for value in range(128)]
    assert follow("pickup", knob, 0.0) == knob
    assert follow("pickup", knob[::-1], 1.0) == knob[::-1]


@given(sweeps, places)
def test_scale_stays_in_range_and_moves_only_where_the_knob_moves(knob: list[float], start: float) -> None:
    track = [start, *follow("scale", knob, start)]
    for index in range(1, len(knob)):
        move, turned = track[index + 1] - track[index], knob[index] - knob[index - 1]
        assert 0.0 <= track[index + 1] <= 1.0
        assert abs(move) <= TOGETHER or move * turned >= 0.0  # TOGETHER: where they meet, the place snaps to the knob's


@given(places, places, st.sampled_from([0.0, 1.0]))
def test_scale_meets_the_knob_at_the_ends_of_its_travel(knob: float, start: float, end: float) -> None:
    assert abs(follow("scale", [knob, end], start)[-1] - end) < 1e-9 or knob == end


@given(st.floats(0.01, 1), places, places)
def test_scale_moves_with_the_knob_once_they_are_together(knob: float, there: float, start: float) -> None:
    assert follow("scale", [knob, 0.0, there], start)[-1] == there


@given(sweeps, places)
def test_scale_never_leaps_at_the_first_move(knob: list[float], start: float) -> None:
    assert abs(follow("scale", knob, start)[0] - start) <= TOGETHER


@given(st.lists(st.integers(0, 7), min_size=1, max_size=20), st.integers(0, 7), st.sampled_from(["pickup", "scale"]))
def test_choices_are_picked_up_when_the_knob_meets_or_passes_them(knob: list[int], start: int, mode: str) -> None:
    track = [round(place * 7) for place in follow(mode, [index / 7 for index in knob], start / 7, discrete=True)]
    current = start
    for index, choice in enumerate(knob):
        before = knob[index - 1] if index else choice
        if min(before, choice) <= current <= max(before, choice):
            current = choice
        assert track[index] == current
