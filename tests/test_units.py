"""Quantities: what is written is what is read, in the unit that is asked for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstyle.errors import ParameterError
from rtstyle.units import db_to_gain, format_quantity, gain_to_db, ms_to_samples, parse_quantity, samples_to_ms


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("50 %", "", 0.5),
        ("50%", "", 0.5),
        ("12,5 %", "", 0.125),
        ("0.25", "", 0.25),
        ("-6 dB", "dB", -6.0),
        ("\u22126dB", "dB", -6.0),
        ("+3", "dB", 3.0),
        ("10 ms", "ms", 10.0),
        ("0.01 s", "ms", 10.0),
        ("1.5 kHz", "Hz", 1500.0),
        ("  1e-3 ", "", 0.001),
        ("250 µs", "ms", 0.25),
    ],
)
def test_every_spelling_is_read_in_the_unit_asked_for(text: str, unit: str, value: float) -> None:
    assert parse_quantity(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", ""),
        ("loud", ""),
        ("1 2", ""),
        ("6 dB", ""),
        ("50 %", "dB"),
        ("1e999", ""),
        ("nan", ""),
        ("1 ms", "Hz"),
        ("3 mm", "ms"),
    ],
)
def test_what_is_no_quantity_of_the_unit_is_refused_with_an_example(text: str, unit: str) -> None:
    with pytest.raises(ParameterError, match="write for example"):
        parse_quantity(text, unit)


@given(st.floats(-120, 40))
def test_decibels_and_gains_are_inverse(db: float) -> None:
    assert gain_to_db(db_to_gain(db)) == pytest.approx(db, abs=1e-9)


def test_no_gain_is_minus_infinity() -> None:
    assert gain_to_db(0.0) == -math.inf


@given(st.integers(0, 10_000_000), st.sampled_from([44100, 48000, 88200, 96000]))
def test_samples_survive_the_way_through_milliseconds(samples: int, sample_rate: int) -> None:
    assert ms_to_samples(samples_to_ms(samples, sample_rate), sample_rate) == samples


@given(st.floats(-24, 24).map(lambda value: round(value, 1)))
def test_a_formatted_level_is_read_back(value: float) -> None:
    assert parse_quantity(format_quantity(value, "dB"), "dB") == pytest.approx(value)


@given(st.integers(0, 100))
def test_a_formatted_share_is_read_back(percent: int) -> None:
    assert parse_quantity(format_quantity(percent / 100)) == pytest.approx(percent / 100)
