"""Styles captured from a recording: kept beside the bundle in the user's folder, a TOML file each, and an .npz where the
recording itself is played.

They never lie inside the bundle, whose files are fixed by their hashes and may be read-only. A captured style holds
channel statistics of ONE encoder, so it names that encoder's hash and is passed over when the bundle has been replaced.
"""

import hashlib
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import tomli_w
from numpy.typing import NDArray

from rtstyle import paths
from rtstyle.bundle.npz import read_npz, write_npz
from rtstyle.errors import BundleError, did_you_mean
from rtstyle.params import TONE_BANDS

SCHEMA: Final = 1
ID_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,47}$"
NONE: Final = "none"  # in the place of a trained style, where a recording is like none of them
_MAX_BYTES: Final = 1 << 20
MAX_SOUND_SECONDS: Final = 30.0  # of a recording that is kept
_MAX_SOUND_BYTES: Final = 1 << 24  # of its file, or unpacked

NO_TONE: Final = (0.0,) * TONE_BANDS
LOUDEST_DB: Final = 40.0  # of a filter's gain in a file: far beyond what is ever measured

_Tone = Annotated[
    tuple[Annotated[float, msgspec.Meta(ge=-LOUDEST_DB, le=LOUDEST_DB)], ...],
    msgspec.Meta(min_length=TONE_BANDS, max_length=TONE_BANDS),
]
_Statistics = Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=1024)]


class CapturedStyle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One captured style: who made it, from what, and the statistics of the encoder's channels."""

    id: Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    encoder: str  # SHA-256 of the encoder.onnx that made it
    recording: str  # file name of the recording, without its folder
    seconds: Annotated[float, msgspec.Meta(gt=0)]  # of active sound that the statistics come from
    mean: _Statistics
    std: _Statistics
    tone: _Tone = NO_TONE  # gains in dB of peaking filters half an octave apart, from 125 Hz up
    like: str = NONE  # id of the trained style that it leans on
    likelihood: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0  # of that; 1 where the user said so
    sound: str = ""  # SHA-256 of the .npz beside it: the recording whose periods are played; none if empty
    schema: int = SCHEMA

    def statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """mean and std, float32 (C,) each. `[any]`"""
        return np.asarray(self.mean, dtype=np.float32), np.asarray(self.std, dtype=np.float32)


def save_captured(
    model: str, style: CapturedStyle, sound: NDArray[np.float32] | None = None, sample_rate: int = 48_000
) -> CapturedStyle:
    """Write one style for the bundle named `model`, replacing one of the same id in one step. `[control]`

    sound: the recording whose periods are played, mono float32 at `sample_rate` Hz, if any, of which the first
    MAX_SOUND_SECONDS are kept. Returns the style as it was written, with the hash of its sound. Raises BundleError where it
    cannot be written.
    """
    folder = paths.user_styles(model)
    kept = b""
    if sound is not None:
        first = np.asarray(sound[: round(MAX_SOUND_SECONDS * sample_rate)], np.float32)
        kept = write_npz({"sound": first, "sample_rate": np.array([sample_rate])})
    style = msgspec.structs.replace(style, sound=hashlib.sha256(kept).hexdigest() if kept else "")
    table = msgspec.to_builtins(style)
    try:
        msgspec.convert(table, CapturedStyle)
    except msgspec.ValidationError as error:
        raise BundleError(f"The style '{style.name}' cannot be saved: {error}; give another name.") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if kept:
            _replace(_sound_file(folder, style), kept)
        _replace(folder / f"{style.id}.toml", tomli_w.dumps(table).encode())
        _forget_sounds(folder, style.id, _sound_file(folder, style))
    except OSError as error:
        raise BundleError(
            f"The style cannot be saved in {folder} ({error.strerror}); make it writable or set RTSTYLE_HOME."
        ) from error
    return style


def _sound_file(folder: Path, style: CapturedStyle) -> Path:
    """Where a style's recording lies: under a name of its own, so that the style is the old one until its TOML is written."""
    return folder / f"{style.id}.{style.sound[:16]}.npz"


def _forget_sounds(folder: Path, id: str, but: Path | None = None) -> None:
    for file in folder.glob(f"{id}.*.npz"):
        if file != but:
            file.unlink(missing_ok=True)


def _replace(file: Path, content: bytes) -> None:
    """Write a file in one step: it is the old one or the new one at any moment."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    os.replace(temporary, file)


def load_captured(
    model: str, encoder: str, channels: int, sample_rate: int
) -> tuple[list[CapturedStyle], dict[str, NDArray[np.float32]], list[str]]:
    """Read the styles captured for a bundle, by id; their sounds; and one note per file that had to be passed over.
    `[control]`

    model: the bundle's name; encoder: SHA-256 of its encoder.onnx; channels: C. The sounds are mono float32 at `sample_rate`
    Hz, by the style's id. A bad file is noted, not raised: it must not keep the bundle from playing.
    """
    styles: list[CapturedStyle] = []
    sounds: dict[str, NDArray[np.float32]] = {}
    notes: list[str] = []
    folder = paths.user_styles(model)
    for file in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
        try:
            style = _read(file, encoder, channels)
            if style.sound:
                sounds[style.id] = _read_sound(_sound_file(folder, style), style.sound, sample_rate)
            styles.append(style)
        except BundleError as error:
            notes.append(str(error))
    return styles, sounds, notes


def _read_sound(file: Path, expected: str, sample_rate: int) -> NDArray[np.float32]:
    """A style's recording, if it is the one that was kept."""
    remedy = "capture the style again"
    try:
        if file.stat().st_size > _MAX_SOUND_BYTES:
            raise BundleError(f"{file} is larger than {_MAX_SOUND_BYTES} bytes, which no kept recording is; {remedy}.")
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file} cannot be read ({error.strerror}); {remedy}.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BundleError(f"{file} has SHA-256 {found[:12]}..., expected {expected[:12]}...: it was changed; {remedy}.")
    arrays = read_npz(content, str(file), ("sound", "sample_rate"), _MAX_SOUND_BYTES)
    sound, rate = arrays["sound"], arrays["sample_rate"]
    if sound.dtype != np.float32 or sound.ndim != 1 or rate.tolist() != [sample_rate]:
        raise BundleError(
            f"{file} holds {sound.dtype} {sound.shape} at {rate.tolist()} Hz, expected float32 (N,) at [{sample_rate}]; {remedy}."
        )
    return sound


def _read(file: Path, encoder: str, channels: int) -> CapturedStyle:
    remedy = "capture it again or delete the file"
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise BundleError(f"{file} is larger than {_MAX_BYTES} bytes, which no captured style is; {remedy}.")
        style = msgspec.convert(tomllib.loads(file.read_bytes().decode("utf-8")), CapturedStyle)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, msgspec.ValidationError) as error:
        raise BundleError(f"{file} is not a captured style ({error}); {remedy}.") from error
    if style.schema != SCHEMA or style.id != file.stem:
        raise BundleError(
            f"{file} has schema {style.schema} and id '{style.id}', expected {SCHEMA} and '{file.stem}'; {remedy}."
        )
    if style.encoder != encoder:
        raise BundleError(f"{file} was captured with another version of this model; {remedy}.")
    mean, std = style.statistics()
    if mean.shape != (channels,) or std.shape != (channels,) or not np.isfinite([mean, std]).all() or (std < 0).any():
        raise BundleError(
            f"{file} holds {mean.size} and {std.size} values, expected {channels} finite ones each; {remedy}."
        )
    return style


def delete_captured(model: str, id: str) -> None:
    """Delete a style captured for the bundle named `model`. `[control]` Raises BundleError if there is none."""
    folder = paths.user_styles(model)
    known = sorted(file.stem for file in folder.glob("*.toml")) if folder.is_dir() else []
    if id not in known:
        raise BundleError(f"No style '{id}' was captured for '{model}'; {did_you_mean(id, known)}")
    try:
        (folder / f"{id}.toml").unlink()
        _forget_sounds(folder, id)
    except OSError as error:
        raise BundleError(
            f"{folder / id}.toml cannot be deleted ({error.strerror}); make its folder writable."
        ) from error
