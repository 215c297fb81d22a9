"""Messages to moves: scaling, 14-bit pairs, parameter numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstyle.control.controls import KINDS, Control, ControlReader, Move, parse_control, travel
from rtstyle.control.messages import ChannelPressure, ControlChange, Message, Note, PitchBend, ProgramChange, System
from rtstyle.errors import ParameterError


def read(*messages: Message) -> list[Move]:
    reader = ControlReader()
    return [move for message in messages for move in reader.read(message)]


def controllers(channel: int, *pairs: tuple[int, int]) -> list[ControlChange]:
    return [ControlChange(channel, number, value) for number, value in pairs]


@pytest.mark.parametrize("full", [127, 16383])
def test_travel_rises_evenly_and_has_its_ends_and_middle_exactly(full: int) -> None:
    places = np.array([travel(value, full) for value in range(full + 1)])
    assert (places[0], places[(full + 1) // 2], places[-1]) == (0.0, 0.5, 1.0)
    steps = np.diff(places)
    assert steps.min() > 0.99 / (full + 1)
    assert steps.max() < 1.01 / (full - 1)


def test_a_plain_controller_moves_itself_alone() -> None:
    assert read(ControlChange(3, 74, 127)) == [Move(Control("cc", 74), 3, 1.0)]


@given(st.integers(0, 31), st.lists(st.integers(0, 16383), min_size=1, max_size=10))
def test_a_pair_reaches_each_of_its_16384_places(number: int, values: list[int]) -> None:
    if number == 6:
        number = 7
    reader = ControlReader()
    for value in values:
        reader.read(ControlChange(1, number, value >> 7))
        moves = reader.read(ControlChange(1, number + 32, value & 127))
        assert moves[-1] == Move(Control("cc14", number), 1, travel(value, 16383))


def test_a_pair_without_fine_part_still_reaches_the_end() -> None:
    assert read(ControlChange(1, 1, 127))[-1] == Move(Control("cc14", 1), 1, 1.0)


def test_a_coarse_part_sets_the_fine_part_to_zero() -> None:
    moves = read(*controllers(1, (1, 64), (33, 100), (1, 65)))
    assert moves[-1] == Move(Control("cc14", 1), 1, travel(65 << 7, 16383))


def test_a_fine_part_alone_is_a_controller_of_its_own() -> None:
    assert read(ControlChange(1, 33, 64)) == [Move(Control("cc", 33), 1, 0.5)]


@pytest.mark.parametrize(("kind", "coarse", "fine"), [("nrpn", 99, 98), ("rpn", 101, 100)])
@given(st.integers(0, 16382), st.integers(0, 16383))
def test_a_parameter_number_moves_with_all_14_bits(kind: str, coarse: int, fine: int, number: int, value: int) -> None:
    moves = read(
        *controllers(2, (coarse, number >> 7), (fine, number & 127), (6, value >> 7), (38, value & 127)),
    )
    assert moves[-1] == Move(Control(kind, number), 2, travel(value, 16383))  # type: ignore[arg-type]
    assert {move.control.kind for move in moves} == {kind}


def test_parameter_numbers_of_channels_are_apart() -> None:
    moves = read(
        *controllers(1, (99, 0), (98, 5)), *controllers(2, (99, 0), (98, 9)), *controllers(1, (6, 0)),
        *controllers(2, (6, 127)),
    )  # fmt: skip
    assert moves == [Move(Control("nrpn", 5), 1, 0.0), Move(Control("nrpn", 9), 2, 1.0)]


def test_data_entry_after_the_null_number_is_a_plain_controller() -> None:
    moves = read(*controllers(1, (99, 0), (98, 5), (101, 127), (100, 127), (6, 64)))
    assert moves[0] == Move(Control("cc", 6), 1, 0.5)


def test_increments_move_by_one_step_and_stop_at_the_ends() -> None:
    moves = read(*controllers(1, (99, 0), (98, 5), (6, 0), (97, 0), (96, 0), (96, 0)))
    assert [round(move.position * 16384) for move in moves] == [0, 0, 1, 2]


def test_bend_pressure_and_keys_are_controls_too() -> None:
    assert read(PitchBend(4, 8192), ChannelPressure(5, 127), Note(6, 60, 127, True), Note(6, 60, 40, False)) == [
        Move(Control("bend"), 4, 0.5),
        Move(Control("pressure"), 5, 1.0),
        Move(Control("note", 60), 6, 1.0),
        Move(Control("note", 60), 6, 0.0),
    ]


def test_programs_modes_and_system_messages_move_nothing() -> None:
    assert read(ProgramChange(1, 3), ControlChange(1, 120, 0), ControlChange(1, 127, 0), System("clock")) == []


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 16382))
def test_a_control_is_read_as_it_is_written(kind: str, number: int) -> None:
    largest = KINDS[kind]  # type: ignore[index]
    control = Control(kind, 0 if largest is None else number % (largest + 1))  # type: ignore[arg-type]
    if control.kind == "cc" and 96 <= control.number <= 101:
        control = Control("cc", 95)
    assert parse_control(str(control)) == control


def test_a_parameter_number_may_be_written_in_halves() -> None:
    assert parse_control("NRPN 2:44") == Control("nrpn", 300)


@pytest.mark.parametrize(
    "text",
    ["", "cc", "cc x", "cc -1", "cc 120", "cc 99", "cc14 32", "cc 1:2", "nrpn 16384", "nrpn 1:200", "bend 3", "knob 1"],
)
def test_what_is_no_control_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ParameterError, match="give"):
        parse_control(text)
