"""The controller map: which control of which channel moves which parameter, and how; kept as one TOML file.

schema = 1
channel = 0                 # 0: every channel, else 1..16; a binding may name its own
takeover = "pickup"         # jump | pickup | scale, see rtstyle.control.takeover
programs = true             # a program change recalls a preset
panic = [120, 123]          # controllers that mean panic: all sound off, all notes off

[[bindings]]
control = "cc 1"            # cc | cc14 | nrpn | rpn | note | bend | pressure
parameter = "mix"
minimum = 0.2               # in the parameter's unit; also maximum, curve, invert, toggle, channel, takeover
"""

import os
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import msgspec
import tomli_w

from rtstyle import paths
from rtstyle.control.controls import FIRST_MODE_MESSAGE, KINDS, Control, parse_control
from rtstyle.control.takeover import Takeover
from rtstyle.errors import FileError, ParameterError
from rtstyle.params import Parameter, parameter

SCHEMA: Final = 1


class Binding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One control moves one parameter.

    channel 0 and takeover None: as the map says. minimum, maximum: ends of the control's travel in the parameter's
    unit, None: the parameter's own. invert: travel runs from maximum to minimum. toggle: each press (passing the middle
    upwards) goes to the other end, for pedals that send 127 down and 0 up.
    """

    control: str
    parameter: str
    channel: int = 0
    minimum: float | None = None
    maximum: float | None = None
    curve: Literal["linear", "log"] | None = None
    invert: bool = False
    toggle: bool = False
    takeover: Takeover | None = None

    def read_control(self) -> Control:
        """The control, parsed. `[any]` Raises ParameterError for one that does not exist."""
        return parse_control(self.control)

    def shape(self, entry: Parameter) -> Parameter:
        """`entry` with this binding's range and curve in place of its own, kept within the entry's range. `[any]`"""
        low = entry.minimum if self.minimum is None else entry.clamp(self.minimum)
        high = entry.maximum if self.maximum is None else entry.clamp(self.maximum)
        curve = self.curve or entry.curve
        return replace(entry, minimum=low, maximum=max(high, low), curve="linear" if low <= 0 else curve)

    def to_place(self, position: float, shaped: Parameter) -> float:
        """Place 0..1 in the range of `shaped` for the control's `position`; choices have as many places. `[any]`"""
        place = 1.0 - position if self.invert else position
        return place if shaped.kind == "continuous" else shaped.to_normalised(shaped.from_normalised(place))

    def check(self) -> None:
        """Raise ParameterError naming the first value that cannot be. `[any]`"""
        self.read_control()
        entry = parameter(self.parameter)
        if not 0 <= self.channel <= 16:
            raise ParameterError(
                f"Channel {self.channel} of {self.control} does not exist; give 1..16, or 0 for every channel."
            )
        for value in (self.minimum, self.maximum):
            if value is not None:
                entry.check(value)
        low = entry.minimum if self.minimum is None else self.minimum
        high = entry.maximum if self.maximum is None else self.maximum
        if low >= high:
            raise ParameterError(
                f"{self.control} -> {self.parameter}: minimum {low:g} is not below maximum {high:g}; "
                "to turn the direction round give invert = true."
            )
        if self.curve == "log" and low <= 0:
            raise ParameterError(
                f"{self.control} -> {self.parameter}: a log curve cannot begin at {low:g}; give a minimum above 0."
            )


DEFAULT_BINDINGS: Final = (
    Binding("cc 1", "mix"),
    Binding("cc 74", "style.amount"),
    Binding("cc 75", "dynamics"),
    Binding("cc 70", "style.target"),
)


class ControllerMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All bindings, and what holds for each of them unless it says otherwise."""

    schema: int = SCHEMA
    channel: int = 0
    takeover: Takeover = "pickup"
    programs: bool = True
    panic: tuple[int, ...] = (120, 123)
    bindings: tuple[Binding, ...] = DEFAULT_BINDINGS

    def hears(self, channel: int, binding: Binding | None = None) -> bool:
        """Whether a message on `channel` counts, for `binding` or for the map's own messages. `[any]`"""
        wanted = (binding.channel if binding else 0) or self.channel
        return wanted in (0, channel)

    def learned(self, binding: Binding) -> "ControllerMap":
        """A map with `binding`; it replaces those of its parameter, and those of its control on its channel. `[any]`

        Raises ParameterError for a binding that cannot be.
        """
        binding.check()
        control = binding.read_control()

        def stays(other: Binding) -> bool:
            overlaps = 0 in (other.channel, binding.channel) or other.channel == binding.channel
            return other.parameter != binding.parameter and not (overlaps and other.read_control().shares(control))

        return msgspec.structs.replace(self, bindings=(*filter(stays, self.bindings), binding))

    def unlearned(self, name: str) -> "ControllerMap":
        """A map without the bindings of the parameter or control called `name`. `[any]`

        Raises ParameterError naming what is bound where there is none.
        """

        word = name.strip().lower()
        control = parse_control(word) if word.split(" ")[0] in KINDS else None
        kept = tuple(
            binding for binding in self.bindings if binding.parameter != word and binding.read_control() != control
        )
        if len(kept) == len(self.bindings):
            bound = ", ".join(f"{binding.parameter} ({binding.control})" for binding in self.bindings) or "nothing"
            raise ParameterError(f"'{name}' is bound to nothing; bound are: {bound}.")
        return msgspec.structs.replace(self, bindings=kept)

    def jumping(self) -> "ControllerMap":
        """The same map where every control takes its parameter over at once. `[any]`"""
        bindings = tuple(msgspec.structs.replace(binding, takeover=None) for binding in self.bindings)
        return msgspec.structs.replace(self, takeover="jump", bindings=bindings)

    def check(self) -> None:
        """Raise ParameterError naming the first value that cannot be. `[any]`"""
        if self.schema != SCHEMA:
            raise ParameterError(f"schema {self.schema} is not known, this version reads {SCHEMA}; update rtstyle.")
        if not 0 <= self.channel <= 16:
            raise ParameterError(f"channel {self.channel} does not exist; give 1..16, or 0 for every channel.")
        for number in self.panic:
            if not 0 <= number <= 127:
                raise ParameterError(
                    f"panic controller {number} does not exist; give 0..127, best {FIRST_MODE_MESSAGE}..127."
                )
        for binding in self.bindings:
            binding.check()


def load_map(path: Path | None = None) -> ControllerMap:
    """Read the map at `path` (None: the user's); the default map where there is no file. `[control]`

    Raises FileError naming file, key and remedy; unknown keys are errors.
    """
    path = path or paths.midi_map()
    try:
        controllers = msgspec.toml.decode(path.read_bytes(), type=ControllerMap)
        controllers.check()
    except FileNotFoundError:
        return ControllerMap()
    except OSError as error:
        raise FileError(f"Cannot read the controller map {path}: {error.strerror}.") from error
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError, ParameterError) as error:
        raise FileError(f"Controller map {path}: {error} Mend it, or delete it to have the default map.") from error
    return controllers


def save_map(controllers: ControllerMap, path: Path | None = None) -> Path:
    """Write the map to `path` (None: the user's) whole or not at all, and return where it lies. `[control]`

    Raises FileError where that place cannot be written, ParameterError for a map that `load_map` would refuse.
    """
    path = path or paths.midi_map()
    controllers.check()
    text = tomli_w.dumps(msgspec.to_builtins(controllers))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".midi-", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise FileError(f"Cannot write the controller map {path}: {error.strerror}.") from error
    return path
