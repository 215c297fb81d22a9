"""The one table of parameters: command line, MIDI, OSC, presets, panel and pages derive from it.

An id never changes once released: presets and controller maps keep it. Values are plain numbers in the parameter's
unit; controllers speak normalised values 0..1, which `to_normalised` and `from_normalised` map over the range.

The style that sounds is a convex mix of four pads at the corners of a square, so that the plain choice of one style is
the corner (0, 0) of the same rule and needs no mode of its own:

    y = 1   style.pad_3 ----- style.pad_4
               |      (x, y)      |
    y = 0   style.target ---- style.pad_2
            x = 0               x = 1
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import ParameterError, did_you_mean
from rtstyle.units import format_quantity, parse_quantity

MAX_STYLES: Final = 32
TONE_BANDS: Final = 15  # half octaves from 125 Hz up in which a style may be louder or softer
PADS: Final = ("style.target", "style.pad_2", "style.pad_3", "style.pad_4")

_ON: Final = ("on", "yes", "true", "1")
_OFF: Final = ("off", "no", "false", "0")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One control of the chain.

    kind: "continuous", "choice" (index of a style) or "switch" (0 or 1). curve: how a controller's travel 0..1 covers
    the range: "linear", or "log" (equal ratios; the range must be positive). unit: "" (a share 0..1), "dB", "ms" or
    "Hz". smoothing_ms: length of the ramp on the audio side towards a new value.
    """

    id: str
    name: str
    minimum: float
    maximum: float
    default: float
    curve: Literal["linear", "log"] = "linear"
    unit: str = ""
    smoothing_ms: float = 20.0
    kind: Literal["continuous", "choice", "switch"] = "continuous"
    help: str = ""

    def check(self, value: float) -> float:
        """Return `value` if it is one of this parameter's, a whole number for choices and switches. `[any]`

        Raises ParameterError naming the range otherwise, also for NaN.
        """
        if not self.minimum <= value <= self.maximum:
            raise ParameterError(f"{self.id} = {value:g} is out of range; give {self.describe_range()}.")
        if self.kind != "continuous" and value != round(value):
            raise ParameterError(f"{self.id} = {value:g} is not a whole number; give {self.describe_range()}.")
        return float(value)

    def clamp(self, value: float) -> float:
        """Return the nearest value of this parameter; the default for NaN. `[any]`"""
        if math.isnan(value):
            return self.default
        value = min(max(value, self.minimum), self.maximum)
        return value if self.kind == "continuous" else float(round(value))

    def to_normalised(self, value: float) -> float:
        """Place of `value` in the controller's travel, 0..1; values out of range are clamped. `[any]`"""
        value = self.clamp(value)
        if self.maximum == self.minimum:
            return 0.0
        if self.curve == "log":
            return math.log(value / self.minimum) / math.log(self.maximum / self.minimum)
        return (value - self.minimum) / (self.maximum - self.minimum)

    def from_normalised(self, position: float) -> float:
        """Value at `position` 0..1 of a controller's travel; clamped. `[any]`

        Every choice has an equal part of the travel.
        """
        position = 0.0 if math.isnan(position) else min(max(position, 0.0), 1.0)
        if self.kind != "continuous":
            count = round(self.maximum - self.minimum) + 1
            return self.minimum + min(math.floor(position * count), count - 1)
        if self.curve == "log":
            return self.clamp(self.minimum * (self.maximum / self.minimum) ** position)
        return self.clamp(self.minimum + position * (self.maximum - self.minimum))

    def parse(self, text: str, choices: Sequence[str] = ()) -> float:
        """Read a user's text: "50 %", "-6 dB", "on", or for a choice one of `choices` (any case) or its index. `[any]`

        Raises ParameterError naming what is allowed.
        """
        word = text.strip().lower()
        if self.kind == "switch":
            if word in _ON or word in _OFF:
                return 1.0 if word in _ON else 0.0
            raise ParameterError(f"{self.id} = '{text}' is not a switch position; give on or off.")
        if self.kind == "choice":
            names = [choice.lower() for choice in choices]
            if word in names:
                return float(names.index(word))
            if not word.isdecimal():
                raise ParameterError(f"{self.id} = '{text}' is unknown; {did_you_mean(word, names)}")
        try:
            value = parse_quantity(text, self.unit)
        except ParameterError as error:
            raise ParameterError(f"{self.id}: {error} It takes {self.describe_range()}.") from None
        return self.check(value)

    def format(self, value: float, choices: Sequence[str] = ()) -> str:
        """Write a value for people; a choice by its name where `choices` has one. `[any]`"""
        if self.kind == "switch":
            return "on" if value >= 0.5 else "off"
        if self.kind == "choice":
            index = round(value)
            return choices[index] if 0 <= index < len(choices) else str(index)
        return format_quantity(value, self.unit)

    def describe_range(self) -> str:
        """The allowed values in words, for errors and help. `[any]`"""
        if self.kind == "switch":
            return "on or off"
        if self.kind == "choice":
            return f"a whole number from {self.minimum:g} to {self.maximum:g}"
        return f"a value from {self.minimum:g} to {self.maximum:g}{' ' + self.unit if self.unit else ''}"


def _style(number: int, id: str, name: str, help: str) -> Parameter:
    return Parameter(id, name, 0, MAX_STYLES - 1, number, smoothing_ms=60.0, kind="choice", help=help)


PARAMETERS: Final[Mapping[str, Parameter]] = {
    parameter.id: parameter
    for parameter in (
        _style(0, "style.target", "Style", "The style that is played; the pad at x = 0, y = 0."),
        Parameter("style.amount", "Amount", 0, 1, 1, help="How far to go from the input's timbre to the style's."),
        Parameter("style.x", "Morph x", 0, 1, 0, help="Place between the pads, from left to right."),
        Parameter("style.y", "Morph y", 0, 1, 0, help="Place between the pads, from bottom to top."),
        _style(1, "style.pad_2", "Pad 2", "The style at x = 1, y = 0."),
        _style(2, "style.pad_3", "Pad 3", "The style at x = 0, y = 1."),
        _style(3, "style.pad_4", "Pad 4", "The style at x = 1, y = 1."),
        Parameter("mix", "Mix", 0, 1, 1, help="Dry at 0, wet at 1; both are aligned in time."),
        Parameter(
            "dynamics", "Dynamics", 0, 1, 0.6,
            help="How far the loudness follows the player's: the style's own at 0, as played at 1.",
        ),
        Parameter("input.trim_db", "Input trim", -24, 24, 0, unit="dB", help="Gain before the model."),
        Parameter(
            "gate.threshold_db", "Gate threshold", -96, 0, -66, unit="dB",
            help="Below this level the gate closes; at -96 dB it is always open.",
        ),
        Parameter("output.trim_db", "Output trim", -24, 24, 0, unit="dB", help="Gain between mix and limiter."),
        Parameter(
            "output.ceiling_db", "Output ceiling", -24, 0, -0.5, unit="dB",
            help="The limiter lets no sample pass above it.",
        ),
        Parameter(
            "bypass", "Bypass", 0, 1, 0, smoothing_ms=10.0, kind="switch",
            help="On: the dry input, delayed like the wet.",
        ),
    )
}  # fmt: skip


def parameter(id: str, table: Mapping[str, Parameter] = PARAMETERS) -> Parameter:
    """Look a parameter up by its id. `[any]` Raises ParameterError that lists near matches."""
    found = table.get(id)
    if found is None:
        raise ParameterError(f"Parameter '{id}' does not exist; {did_you_mean(id, list(table))}")
    return found


def parameter_table(n_styles: int, overrides: Iterable[Parameter] = ()) -> dict[str, Parameter]:
    """The table for one bundle: choices end at its last style, `overrides` replace entries. `[any]`

    Raises ParameterError for an override whose id is not in PARAMETERS, and ValueError unless 1 <= n_styles <=
    MAX_STYLES.
    """
    if not 1 <= n_styles <= MAX_STYLES:
        raise ValueError(f"n_styles {n_styles} must lie in 1..{MAX_STYLES}")
    table = dict(PARAMETERS)
    for override in overrides:
        parameter(override.id)
        table[override.id] = override
    for id in PADS:
        table[id] = replace(table[id], maximum=n_styles - 1, default=min(table[id].default, n_styles - 1))
    return table


def defaults(table: Mapping[str, Parameter] = PARAMETERS) -> dict[str, float]:
    """A new state: every parameter at its default. `[any]`"""
    return {id: entry.default for id, entry in table.items()}


def pad_weights(x: float, y: float) -> tuple[float, float, float, float]:
    """Bilinear convex weights of the four PADS at (x, y) in the unit square, clamped to it; they sum to 1. `[any]`"""
    x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    return (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y


def style_weights(state: Mapping[str, float], n_styles: int) -> NDArray[np.float32]:
    """Convex weights of the styles for the pads and the place in `state`. `[any]`

    state: values by id; a missing one counts as its default. Returns float32[MAX_STYLES]: non-negative, sums to 1,
    zero from n_styles on. A pad beyond the last style counts as the last. Raises ValueError unless 1 <= n_styles <=
    MAX_STYLES.
    """
    if not 1 <= n_styles <= MAX_STYLES:
        raise ValueError(f"n_styles {n_styles} must lie in 1..{MAX_STYLES}")
    place = [PARAMETERS[id].clamp(state.get(id, PARAMETERS[id].default)) for id in ("style.x", "style.y")]
    weights = np.zeros(MAX_STYLES, dtype=np.float64)
    for id, weight in zip(PADS, pad_weights(*place), strict=True):
        style = PARAMETERS[id].clamp(state.get(id, PARAMETERS[id].default))
        weights[min(int(style), n_styles - 1)] += weight
    return weights.astype(np.float32)
