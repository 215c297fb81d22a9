"""The parameter table: ranges, controllers' travel, text, and the convex style weights."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstyle.errors import ParameterError
from rtstyle.params import (
    MAX_STYLES,
    PADS,
    PARAMETERS,
    Parameter,
    defaults,
    parameter,
    parameter_table,
    style_weights,
)

LOG = Parameter("tone", "Tone", 20.0, 20_000.0, 440.0, curve="log", unit="Hz")
EVERY = [*PARAMETERS.values(), LOG]


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.id)
@given(position=st.floats(0, 1))
def test_a_controllers_travel_covers_the_range_and_returns(entry: Parameter, position: float) -> None:
    value = entry.from_normalised(position)
    assert entry.check(value) == value
    assert entry.from_normalised(entry.to_normalised(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.id)
def test_the_ends_of_the_travel_are_the_ends_of_the_range(entry: Parameter) -> None:
    assert entry.from_normalised(0.0) == pytest.approx(entry.minimum)
    assert entry.from_normalised(1.0) == pytest.approx(entry.maximum)
    assert entry.from_normalised(math.nan) == entry.minimum


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.id)
def test_a_default_is_a_value_of_its_own_parameter(entry: Parameter) -> None:
    assert entry.check(entry.default) == entry.default
    assert entry.clamp(math.nan) == entry.default
    assert entry.minimum <= entry.maximum
    assert entry.smoothing_ms >= 5.0, "shorter ramps click"


@pytest.mark.parametrize("entry", list(PARAMETERS.values()), ids=lambda entry: entry.id)
def test_a_formatted_value_is_parsed_back(entry: Parameter) -> None:
    styles = [f"style-{i}" for i in range(MAX_STYLES)]
    for position in (0.0, 0.5, 1.0):
        value = entry.from_normalised(position)
        assert entry.parse(entry.format(value, styles), styles) == pytest.approx(value, abs=0.05)


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.id)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e6, -1e6])
def test_values_out_of_range_are_refused_and_clamped(entry: Parameter, value: float) -> None:
    with pytest.raises(ParameterError, match=entry.id):
        entry.check(value)
    assert entry.minimum <= entry.clamp(value) <= entry.maximum


def test_there_is_nothing_between_two_choices() -> None:
    with pytest.raises(ParameterError, match="whole number"):
        PARAMETERS["style.target"].check(1.5)


@pytest.mark.parametrize("n_styles", [0, MAX_STYLES + 1])
def test_a_bundle_without_styles_or_with_too_many_is_a_mistake_of_the_caller(n_styles: int) -> None:
    with pytest.raises(ValueError, match="n_styles"):
        parameter_table(n_styles)
    with pytest.raises(ValueError, match="n_styles"):
        style_weights({}, n_styles)


def test_every_choice_has_an_equal_part_of_the_travel() -> None:
    target = parameter_table(5)["style.target"]
    counts = np.bincount([int(target.from_normalised(i / 999)) for i in range(1000)])
    assert counts.tolist() == [200, 200, 200, 200, 200]


def test_a_choice_is_parsed_by_name_in_any_case_or_by_index() -> None:
    target = parameter_table(3)["style.target"]
    assert target.parse("Cello", ["violin", "cello", "flute"]) == 1.0
    assert target.parse("2", ["violin", "cello", "flute"]) == 2.0
    with pytest.raises(ParameterError, match="did you mean cello"):
        target.parse("celo", ["violin", "cello", "flute"])
    with pytest.raises(ParameterError, match="0 to 2"):
        target.parse("3", ["violin", "cello", "flute"])


def test_an_unknown_id_names_near_ones() -> None:
    with pytest.raises(ParameterError, match=r"style\.amount"):
        parameter("style.amout")


def test_a_bundles_table_ends_at_its_last_style_and_takes_its_ranges() -> None:
    gate = PARAMETERS["gate.threshold_db"]
    own = Parameter(gate.id, gate.name, -90, -40, -50, unit="dB")
    table = parameter_table(2, [own])
    assert table["gate.threshold_db"] is own
    assert {table[id].maximum for id in PADS} == {1}
    assert all(entry.check(entry.default) == entry.default for entry in table.values())
    with pytest.raises(ParameterError):
        parameter_table(2, [Parameter("unheard.of", "?", 0, 1, 0)])


def test_the_default_state_plays_the_first_style_alone() -> None:
    for n_styles in range(1, MAX_STYLES + 1):
        weights = style_weights(defaults(), n_styles)
        assert weights[0] == 1.0 and weights.sum() == 1.0


_index = st.integers(0, MAX_STYLES - 1).map(float)
_share = st.floats(0, 1)


@given(_index, _index, _index, _index, _share, _share, st.integers(1, MAX_STYLES))
def test_style_weights_are_convex(a: float, b: float, c: float, d: float, x: float, y: float, n_styles: int) -> None:
    state = dict(zip((*PADS, "style.x", "style.y"), (a, b, c, d, x, y), strict=True))
    weights = style_weights(state, n_styles)
    assert weights.dtype == np.float32 and weights.shape == (MAX_STYLES,)
    assert weights.min() >= 0.0
    assert weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert not weights[n_styles:].any()


@pytest.mark.parametrize(("x", "y", "pad"), [(0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 3)])
def test_each_corner_is_one_pad_alone(x: float, y: float, pad: int) -> None:
    state = {
        "style.target": 4.0,
        "style.pad_2": 5.0,
        "style.pad_3": 6.0,
        "style.pad_4": 7.0,
        "style.x": x,
        "style.y": y,
    }
    assert style_weights(state, 8).tolist() == [float(i == 4 + pad) for i in range(MAX_STYLES)]


def test_the_middle_is_an_equal_mix_and_the_weights_move_without_steps() -> None:
    state = {"style.x": 0.5, "style.y": 0.5}
    assert style_weights(state, 4)[:4].tolist() == [0.25] * 4
    path = [style_weights({"style.x": i / 200, "style.y": 1 - i / 200}, 4) for i in range(201)]
    assert np.abs(np.diff(path, axis=0)).max() <= 2 / 200 + 1e-6, "no faster than x and y together"


def test_poisoned_values_fall_back_to_the_defaults() -> None:
    state = dict.fromkeys((*PADS, "style.x", "style.y"), math.nan)
    assert style_weights(state, 4).tolist() == style_weights({}, 4).tolist()


def test_what_is_no_number_is_told_with_the_parameter_and_its_range() -> None:
    with pytest.raises(ParameterError, match=r"^dynamics: 'loud' is not a number; .* a value from 0 to 1\.$"):
        PARAMETERS["dynamics"].parse("loud")
