"""Presets: a whole set-up by name, one TOML file each, recalled by name or by MIDI program number.

schema = 1
name = "Warm cello"
program = 3                  # optional, 0..127: what a program change recalls
model = "strings"            # optional: without it a preset applies to whichever model plays

[values]                     # plain values under the ids of `rtstyle.params`; what is left out stays as it is
"style.target" = "cello"     # styles by id, so that a preset survives a model that was retrained with more of them
"style.amount" = 0.8
bypass = false
"""

import os
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import tomli_w

from rtstyle import paths
from rtstyle.errors import FileError, ParameterError, did_you_mean
from rtstyle.params import PARAMETERS, parameter

SCHEMA: Final = 1
MAX_BYTES: Final = 1 << 16

_Value = float | bool | str


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One preset. values: by parameter id; a style's id for choices, true or false for switches, else a number."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    values: dict[str, _Value] = {}  # msgspec copies it for every preset
    program: Annotated[int, msgspec.Meta(ge=0, le=127)] | None = None
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=80)] | None = None
    schema: int = SCHEMA

    def state(self, styles: Sequence[str]) -> dict[str, float]:
        """The values as the engine takes them, with styles as indices into `styles` (ids). `[any]`

        Raises ParameterError for a style that is not among them.
        """
        numbers: dict[str, float] = {}
        for id, value in self.values.items():
            if isinstance(value, str):
                if value not in styles:
                    known = did_you_mean(value, list(styles))
                    raise ParameterError(f"Preset '{self.name}' wants the style '{value}' as {id}; {known}")
                numbers[id] = float(styles.index(value))
            else:
                numbers[id] = float(value)
        return numbers


def preset_from_state(
    name: str,
    state: Mapping[str, float],
    styles: Sequence[str],
    *,
    model: str | None = None,
    program: int | None = None,
) -> Preset:
    """Make a preset of what is playing: `state` by parameter id, `styles` the ids that its choices index. `[any]`

    Raises ParameterError for an unknown parameter, a value out of range or a program number outside of 0..127.
    """
    values: dict[str, _Value] = {}
    for id, value in state.items():
        known = parameter(id)
        known.check(value)
        if known.kind == "choice":
            values[id] = styles[min(round(value), len(styles) - 1)]
        else:
            values[id] = bool(value) if known.kind == "switch" else float(value)
    preset = Preset(name=name, values=values, program=program, model=model)
    _check(preset, "The preset", ParameterError)
    return preset


def save_preset(preset: Preset, *, replace: bool = False) -> Path:
    """Write a preset into the presets' folder in one step and return its file. `[control]`

    Raises FileError if there is one of this name and `replace` is not set, if another one has its program number, or
    if it cannot be written; ParameterError if it holds anything that could not be loaded again.
    """
    _check(preset, "The preset", ParameterError)
    file = _file(preset.name)
    if file.exists() and not replace:
        raise FileError(f"There is a preset '{file.stem}' already ({file}); choose another name or replace it.")
    others, _ = list_presets()
    for other in others:
        if preset.program is not None and other.program == preset.program and _file(other.name) != file:
            raise FileError(f"Program {preset.program} belongs to the preset '{other.name}'; choose another number.")
    content = {
        key: value for key, value in msgspec.to_builtins(preset).items() if value is not None and key != "values"
    }
    table = {"schema": content.pop("schema"), **content, "values": dict(preset.values)}
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(tomli_w.dumps(table).encode())
        os.replace(temporary, file)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise FileError(
            f"The preset cannot be saved as {file} ({error.strerror}); make the folder writable."
        ) from error
    return file


def load_preset(name: str) -> Preset:
    """Read the preset called `name` (any case) or that file. `[control]`

    Raises FileError that lists near names, or says what is wrong with the file.
    """
    file = Path(name) if name.endswith(".toml") else _file(name)
    if not file.is_file():
        raise FileError(
            f"There is no preset '{name}'; {did_you_mean(name, [entry.name for entry in list_presets()[0]])}"
        )
    return _read(file)


def list_presets() -> tuple[list[Preset], list[str]]:
    """All presets, by program number and then by name; and one note per file that is not usable. `[control]`

    A bad file is noted, not raised: it must not keep the others from being recalled on stage.
    """
    found: list[Preset] = []
    notes: list[str] = []
    folder = paths.presets()
    for file in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
        try:
            found.append(_read(file))
        except FileError as error:
            notes.append(str(error))
    return sorted(found, key=lambda entry: (128 if entry.program is None else entry.program, entry.name)), notes


def presets_by_program() -> dict[int, Preset]:
    """What each program change recalls; the first by name where files were edited to share a number. `[control]`"""
    programs: dict[int, Preset] = {}
    for entry in list_presets()[0]:
        if entry.program is not None:
            programs.setdefault(entry.program, entry)
    return programs


def delete_preset(name: str) -> None:
    """Delete the preset called `name`. `[control]` Raises FileError if there is none."""
    file = _file(name)
    try:
        file.unlink()
    except FileNotFoundError as error:
        known = did_you_mean(name, [entry.name for entry in list_presets()[0]])
        raise FileError(f"There is no preset '{name}'; {known}") from error
    except OSError as error:
        raise FileError(f"The preset {file} cannot be deleted ({error.strerror}); make the folder writable.") from error


def _file(name: str) -> Path:
    return paths.presets() / f"{paths.file_stem(name)}.toml"


def _read(file: Path) -> Preset:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise FileError(f"{file} is larger than {MAX_BYTES} bytes, which no preset is; delete it.")
        raw = tomllib.loads(file.read_bytes().decode("utf-8"))
        if isinstance(raw.get("values"), dict):
            raw["values"] = dict(_flattened(raw["values"], ""))
        preset = msgspec.convert(raw, Preset)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, msgspec.ValidationError) as error:
        raise FileError(f"{file} is not a preset: {error}. Correct or delete it.") from error
    _check(preset, str(file), FileError)
    return preset


def _flattened(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    """TOML reads an unquoted `style.amount = 1` as a table in a table: both spellings mean the same here."""
    entries: list[tuple[str, Any]] = []
    for key, value in table.items():
        entries += _flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return entries


def _check(preset: Preset, what: str, kind: type[FileError] | type[ParameterError]) -> None:
    if preset.schema != SCHEMA:
        raise kind(f"{what} has schema {preset.schema}, this version of rtstyle reads {SCHEMA}; update rtstyle.")
    if not 1 <= len(preset.name) <= 80:
        raise kind(f"{what} has the name '{preset.name}'; give one of 1 to 80 characters.")
    if preset.program is not None and not 0 <= preset.program <= 127:
        raise kind(f"{what} has program {preset.program}; give a number from 0 to 127, or none.")
    for id, value in preset.values.items():
        known = PARAMETERS.get(id)
        if known is None:
            raise kind(f"{what}: parameter '{id}' does not exist; {did_you_mean(id, list(PARAMETERS))}")
        wanted = {"choice": str, "switch": bool, "continuous": float}[known.kind]
        if not isinstance(value, wanted) and not (wanted is float and type(value) is int):
            words = {str: "a style's id in quotes", bool: "true or false", float: known.describe_range()}[wanted]
            raise kind(f"{what}: {id} = {value!r} is of a wrong type; give {words}.")
        if not isinstance(value, str):
            try:
                known.check(float(value))
            except ParameterError as error:
                raise kind(f"{what}: {error}") from error
