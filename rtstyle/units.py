"""Quantities with units: decibels, shares, times and frequencies, read from text and written for people."""

import math
import re
from typing import Final

from rtstyle.errors import ParameterError

#: Unit as a user may write it (lower case) -> the unit that the program keeps and the factor to it.
UNITS: Final[dict[str, tuple[str, float]]] = {
    "": ("", 1.0),
    "%": ("", 0.01),
    "percent": ("", 0.01),
    "db": ("dB", 1.0),
    "dbfs": ("dB", 1.0),
    "us": ("ms", 1e-3),
    "ms": ("ms", 1.0),
    "s": ("ms", 1e3),
    "hz": ("Hz", 1.0),
    "khz": ("Hz", 1e3),
}

_QUANTITY: Final = re.compile(r"\s*([+\-−]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+\-]?\d+)?)\s*([a-zµ%]*)\s*", re.IGNORECASE)


def db_to_gain(db: float) -> float:
    """Linear gain of a level in decibels: 10 ^ (db / 20). `[any]`"""
    return float(10.0 ** (db / 20.0))


def gain_to_db(gain: float) -> float:
    """Level in decibels of a linear gain; -inf for 0. `[any]`"""
    return 20.0 * math.log10(gain) if gain > 0.0 else -math.inf


def ms_to_samples(ms: float, sample_rate: float) -> int:
    """Nearest whole number of samples in `ms` milliseconds at `sample_rate` Hz. `[any]`"""
    return round(ms * sample_rate / 1000.0)


def samples_to_ms(samples: float, sample_rate: float) -> float:
    """Milliseconds that `samples` last at `sample_rate` Hz. `[any]`"""
    return 1000.0 * samples / sample_rate


def parse_quantity(text: str, unit: str = "") -> float:
    """Read "50 %", "-6 dB", "0.25", "10 ms", "1.5 kHz" as a number in `unit` ("", "dB", "ms" or "Hz"). `[any]`

    A number without a unit is taken to be in `unit`; a decimal comma is a decimal point. Raises ParameterError for
    anything else, and for a unit that is not a form of `unit`.
    """
    match = _QUANTITY.fullmatch(text)
    written = match[2].lower().replace("µ", "u") if match else ""
    if match is None or written not in UNITS:
        raise ParameterError(f"'{text}' is not a number; write for example {_example(unit)}.")
    kept, factor = UNITS[written]
    if written and kept != unit:
        raise ParameterError(
            f"'{text}' is in '{match[2]}', but {_wanted(unit)} is needed here; write for example {_example(unit)}."
        )
    value = float(match[1].replace(",", ".").replace("−", "-")) * factor
    if not math.isfinite(value):
        raise ParameterError(f"'{text}' is too large a number; write for example {_example(unit)}.")
    return value


def format_quantity(value: float, unit: str = "") -> str:
    """Write a value for people: shares as percent, decibels with sign, the rest with its unit. `[any]`"""
    if unit == "":
        return f"{100.0 * value:.4g} %"
    if unit == "dB":
        return f"{value:+.1f} dB" if value else "0.0 dB"
    return f"{value:.4g} {unit}".strip()


def _wanted(unit: str) -> str:
    return f"a value in {unit}" if unit else "a plain number or a percentage"


def _example(unit: str) -> str:
    return {"": "0.5 or 50 %", "dB": "-6 dB", "ms": "10 ms", "Hz": "440 Hz"}.get(unit, f"1 {unit}")
