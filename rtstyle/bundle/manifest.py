"""What bundle.toml says: its schema as types, and the checks that types cannot say."""

import hashlib
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from rtstyle.bundle.captured import ID_PATTERN
from rtstyle.errors import BundleError, did_you_mean
from rtstyle.params import MAX_STYLES, PARAMETERS, Parameter

SCHEMA: Final = 1
MANIFEST: Final = "bundle.toml"
ENCODER, DECODER, STYLES, GOLDEN = "encoder.onnx", "decoder.onnx", "styles.npz", "golden.npz"
CONDITIONER: Final = "conditioner.onnx"
RECOGNISER: Final = "recogniser.onnx"
REQUIRED: Final = (ENCODER, DECODER, STYLES)
OPTIONAL: Final = (GOLDEN, CONDITIONER, RECOGNISER)
PATCH: Final = (96, 64)  # frames and bands that a recogniser looks at, as `rtstyle.dsp.mel` cuts them
#: Documents that a bundle may carry beside its required files; they are shown, never run.
DOCUMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.(md|ogg|png|json)")
MAX_FILE: Final = 64 << 20
MAX_MANIFEST: Final = 1 << 18
MAX_STATE: Final = 1 << 22  # elements
MAX_TURNS: Final = 2  # a third one was tried: it takes more of the player than it gives of the style

_KINDS = Literal["spectral", "latent"]
_STEREO = Literal["linked", "per_channel"]
_SOURCES = Literal["trained", "captured"]
_WINDOWS = Literal["asymmetric"]
_ANALYSES = Literal["stft", "constant-q"]
_CHOICES: Final = {
    "kind": _KINDS, "stereo": _STEREO, "source": _SOURCES, "window": _WINDOWS, "analysis": _ANALYSES,
}  # fmt: skip
_WORDS: Final = {key: " or ".join(get_args(words)) for key, words in _CHOICES.items()}
_Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
_Label = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
_Size = Annotated[int, msgspec.Meta(ge=1, le=MAX_STATE)]
_Text = Annotated[str, msgspec.Meta(max_length=20_000)]
_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class State(_Strict, frozen=True):
    """One state of a graph: float32 input `state_<name>` and output `next_<name>` of the same shape; zeros at reset."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]{0,63}$")]
    shape: Annotated[tuple[_Size, ...], msgspec.Meta(min_length=1, max_length=6)]


class Pass(_Strict, frozen=True):
    """A pass-through from encoder to decoder under one name: float32 (per_hop T, width)."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.]{0,63}$")]
    per_hop: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    width: Annotated[int, msgspec.Meta(ge=1, le=65_536)]


class Style(_Strict, frozen=True):
    """One style of a bundle. source: "trained" with the model, or "captured" from a user's recording."""

    id: Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
    name: _Label
    source: _SOURCES = "trained"


class Frontend(_Strict, frozen=True):
    """Constants of the host's side of the model.

    sources: rows of [input, pulses, noise], and of a latent model [pitch]. Spectral: n_fft, bands B of the gains, window,
    analysis (which bands describe the input, see `dsp.description`), and features F = described bands + cues, the width of the
    encoder's input. A latent model has only sources.
    """

    sources: Annotated[int, msgspec.Meta(ge=1, le=8)] = 3
    n_fft: Annotated[int, msgspec.Meta(ge=0, le=16_384)] = 0
    bands: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    features: Annotated[int, msgspec.Meta(ge=0, le=8192)] = 0
    window: _WINDOWS = "asymmetric"
    analysis: _ANALYSES = "stft"


class Adain(_Strict, frozen=True):
    """Running statistics of the latent: weight of the neutral prior, and length of the memory, in seconds of active
    sound."""

    prior_seconds: _Seconds = 1.0
    memory_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0


class ParameterRange(_Strict, frozen=True):
    """A parameter of `rtstyle.params` whose range or default this bundle narrows; what is left out stays as it is."""

    id: str
    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None
    smoothing_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] | None = None


class Manifest(_Strict, frozen=True):
    """bundle.toml. latency: samples at the model's rate from its input to its output, without any block adaptation.

    turns: how often the model plays: first its input, then what it has just played, from a memory of its own each time; the
    latency is that of all turns.
    stereo: "linked" (one mono model on the sum, its change applied to both) or "per_channel".
    files: SHA-256 by file name; digest: SHA-256 of all else that bundle.toml says, see `manifest_digest`.
    """

    schema: int
    name: _Identifier
    kind: _KINDS
    sample_rate: Annotated[int, msgspec.Meta(ge=8000, le=192_000)]
    hop: Annotated[int, msgspec.Meta(ge=16, le=4096)]
    latency: Annotated[int, msgspec.Meta(ge=0, le=65_536)]
    styles: Annotated[tuple[Style, ...], msgspec.Meta(min_length=1, max_length=MAX_STYLES)]
    files: dict[str, _Hash]
    digest: _Hash
    frontend: Frontend = Frontend()
    adain: Adain = Adain()
    turns: Annotated[int, msgspec.Meta(ge=1, le=MAX_TURNS)] = 1
    stereo: _STEREO = "linked"
    states_encoder: tuple[State, ...] = ()
    states_decoder: tuple[State, ...] = ()
    passes: tuple[Pass, ...] = ()
    condition: Annotated[int, msgspec.Meta(ge=0, le=65_536)] = 0  # width of what the conditioner makes, 0 without one
    parameters: tuple[ParameterRange, ...] = ()
    description: _Text = ""
    licence: _Text = ""
    attribution: _Text = ""
    recipe: _Text = ""
    commit: _Text = ""


def manifest_digest(table: Mapping[str, Any]) -> str:
    """SHA-256 over the values of a parsed bundle.toml but its own `digest`: layout and comments do not count.
    `[any]`"""
    rest = {key: value for key, value in table.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()


def read_manifest(folder: Path, *, verify: bool = True) -> Manifest:
    """Read bundle.toml alone: checked against schema and digest, not against the files. `[control]` Raises
    BundleError."""
    where = folder / MANIFEST
    if not os.path.isdir(folder):  # unlike Path.is_dir it never raises
        raise BundleError(f"{folder} is not a folder; name a bundle (`rtstyle models list`) or the folder of one.")
    if not os.path.isfile(where):
        raise BundleError(f"{folder} holds no {MANIFEST}, so it is no bundle; see `rtstyle models list`.")
    try:
        raw = tomllib.loads(read_plain(where, MAX_MANIFEST).decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BundleError(f"{where} is not readable as TOML ({error}); get the bundle again.") from error
    schema = raw.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        newer = isinstance(schema, int) and schema > SCHEMA
        remedy = "update rtstyle" if newer else "export the bundle again"
        raise BundleError(
            f"{where}: schema = {_shown(schema)}, this version of rtstyle reads schema {SCHEMA}; {remedy}."
        )
    try:
        manifest = msgspec.convert(raw, Manifest)
    except msgspec.ValidationError as error:
        raise BundleError(f"{where}: {_explain(str(error), raw)}; export the bundle again.") from error
    _check(manifest, where)
    digest = manifest_digest(raw)
    if verify and manifest.digest != digest:
        raise BundleError(
            f"{where}: digest = {manifest.digest[:12]}..., but its content has {digest[:12]}...: it was changed or "
            "damaged; get the bundle again."
        )
    return manifest


def _check(manifest: Manifest, where: Path) -> None:
    """What the schema's types cannot say."""
    front = manifest.frontend
    if manifest.kind == "spectral":
        n_fft, four_hops = front.n_fft, 4 * manifest.hop
        if n_fft < 32 or n_fft & (n_fft - 1) or four_hops > n_fft:
            raise BundleError(
                f"{where}: frontend.n_fft = {n_fft} must be a power of two that holds 4 hops ({four_hops}); export the "
                "bundle again."
            )
        short = front.analysis == "stft" and front.features < front.bands
        if not 2 <= front.bands <= front.n_fft // 2 + 1 or short:
            raise BundleError(
                f"{where}: frontend.bands = {front.bands} must lie in 2..{n_fft // 2 + 1} and frontend.features = "
                f"{front.features} must be at least that; export the bundle again."
            )
    for what, names in (
        ("styles", [style.id for style in manifest.styles]),
        ("states_encoder", [state.name for state in manifest.states_encoder]),
        ("states_decoder", [state.name for state in manifest.states_decoder]),
        ("passes", [entry.name for entry in manifest.passes]),
        ("parameters", [entry.id for entry in manifest.parameters]),
    ):
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            raise BundleError(
                f"{where}: {what} has '{double}' twice; every name may appear once. Export the bundle again."
            )
    for state in (*manifest.states_encoder, *manifest.states_decoder):
        if math.prod(state.shape) > MAX_STATE:
            raise BundleError(
                f"{where}: state '{state.name}' of shape {state.shape} has more than {MAX_STATE} elements."
            )
    reserved = {"latent", "styled", "style", "amount", "condition", "features", "audio", "gains"}
    for entry in manifest.passes:
        if entry.name in reserved or entry.name.startswith(("state_", "next_")):
            raise BundleError(f"{where}: pass-through '{entry.name}' has a name with a meaning of its own; rename it.")
    narrowed_parameters(manifest, where)


def narrowed_parameters(manifest: Manifest, where: Path) -> list[Parameter]:
    """The parameters that the bundle narrows, merged with the general table. `[control]` Raises BundleError."""
    entries = []
    for entry in manifest.parameters:
        known = PARAMETERS.get(entry.id)
        if known is None or known.kind != "continuous":
            allowed = [id for id, parameter in PARAMETERS.items() if parameter.kind == "continuous"]
            raise BundleError(f"{where}: parameter '{entry.id}' cannot be narrowed; {did_you_mean(entry.id, allowed)}")
        minimum = known.minimum if entry.minimum is None else entry.minimum
        maximum = known.maximum if entry.maximum is None else entry.maximum
        default = known.default if entry.default is None else entry.default
        if not known.minimum <= minimum <= default <= maximum <= known.maximum:
            raise BundleError(
                f"{where}: parameter '{entry.id}' has minimum {minimum:g}, default {default:g}, maximum {maximum:g}; "
                f"they must be in this order and lie in {known.minimum:g}..{known.maximum:g}."
            )
        smoothing_ms = known.smoothing_ms if entry.smoothing_ms is None else entry.smoothing_ms
        entries.append(replace(known, minimum=minimum, maximum=maximum, default=default, smoothing_ms=smoothing_ms))
    return entries


def read_plain(file: Path, limit: int) -> bytes:
    """Content of a plain file inside a bundle; never follows a link, never waits on a pipe. `[control]` Raises
    BundleError."""
    try:
        information = file.lstat()
        if not stat.S_ISREG(information.st_mode):
            raise BundleError(f"{file} is not a plain file; a bundle holds no links, folders or devices.")
        if information.st_size > limit:
            raise BundleError(f"{file} has {information.st_size} bytes, allowed are {limit}; get the bundle again.")
        with open(file, "rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise BundleError(f"{file} cannot be read ({error.strerror}); get the bundle again.") from error
    if len(data) > limit:
        raise BundleError(f"{file} has more than {limit} bytes, allowed are {limit}; get the bundle again.")
    return data


def _explain(message: str, raw: dict[str, Any]) -> str:
    """msgspec's message with the key and the value in question in front of it."""
    match = re.search(r" - at `\$\.?(.*)`$", message)
    if match is None or not match[1]:
        return message
    value: Any = raw
    for step in re.findall(r"[^.\[\]]+", match[1]):
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return message.replace(" - at `$.", " in `")
    expected = message[: match.start()]
    if expected.startswith("Invalid enum value"):
        expected = f"Expected {_WORDS.get(match[1].split('.')[-1], 'another word')}"
    return f"{match[1]} = {_shown(value)}: {expected}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
