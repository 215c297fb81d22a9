"""Bundles written: in a new folder beside the old one, checked by loading, exchanged by renaming."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import tomli_w
from numpy.typing import NDArray

from rtstyle.bundle.content import Bundle, Golden
from rtstyle.bundle.contract import declared_condition, declared_passes, declared_states
from rtstyle.bundle.load import load_bundle
from rtstyle.bundle.manifest import (
    CONDITIONER,
    DECODER,
    ENCODER,
    GOLDEN,
    MANIFEST,
    MAX_FILE,
    SCHEMA,
    STYLES,
    Adain,
    Frontend,
    ParameterRange,
    Pass,
    Style,
    manifest_digest,
    read_manifest,
    read_plain,
)
from rtstyle.bundle.npz import write_npz
from rtstyle.bundle.onnx_check import read_graph
from rtstyle.errors import BundleError


def write_bundle(
    folder: str | Path,
    *,
    name: str,
    kind: str,
    sample_rate: int,
    hop: int,
    latency: int,
    encoder: bytes,
    decoder: bytes,
    conditioner: bytes | None = None,
    styles: Sequence[Style],
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    neutral_mean: NDArray[np.float32],
    neutral_std: NDArray[np.float32],
    frontend: Frontend = Frontend(),  # noqa: B008 (frozen)
    adain: Adain = Adain(),  # noqa: B008 (frozen)
    turns: int = 1,
    stereo: str = "linked",
    passes: Sequence[Pass] | None = None,
    parameters: Sequence[ParameterRange] = (),
    golden: Golden | None = None,
    documents: Mapping[str, bytes] | None = None,
    description: str = "",
    licence: str = "",
    attribution: str = "",
    recipe: str = "",
    commit: str = "",
) -> Bundle:
    """Write a bundle in one step, replacing what was in `folder`, and return it loaded. `[control]`

    encoder, decoder: ONNX bytes; the states are read from their inputs `state_*`. passes: the pass-throughs; None
    derives them from the encoder's outputs, whose first axis must then be named "frames" or "<n>*frames". conditioner: ONNX
    bytes of what makes `condition` of `style` and `amount`, where the decoder takes that in their place. mean, std:
    float32 (S, C) in the order of `styles`; neutral_*: float32 (C,). Raises BundleError, and leaves `folder` as it
    was, if the result would not load.
    """
    graphs = {file: read_graph(data, file) for file, data in ((ENCODER, encoder), (DECODER, decoder))}
    arrays = {"mean": mean, "std": std, "neutral_mean": neutral_mean, "neutral_std": neutral_std}
    files = {
        ENCODER: encoder,
        DECODER: decoder,
        STYLES: write_npz({key: np.asarray(value, dtype=np.float32) for key, value in arrays.items()}),
        **(documents or {}),
    }
    if conditioner is not None:
        files[CONDITIONER] = conditioner
    if golden is not None:
        files[GOLDEN] = golden_bytes(golden)
    table = {
        "schema": SCHEMA,
        "name": name,
        "kind": kind,
        "sample_rate": int(sample_rate),
        "hop": int(hop),
        "latency": int(latency),
        "turns": int(turns),
        "stereo": stereo,
        "description": description,
        "licence": licence,
        "attribution": attribution,
        "recipe": recipe,
        "commit": commit,
        "frontend": msgspec.to_builtins(frontend),
        "adain": msgspec.to_builtins(adain),
        "styles": [msgspec.to_builtins(style) for style in styles],
        "parameters": [_without_none(msgspec.to_builtins(entry)) for entry in parameters],
        "passes": msgspec.to_builtins(declared_passes(graphs[ENCODER]) if passes is None else list(passes)),
        "states_encoder": declared_states(graphs[ENCODER]),
        "states_decoder": declared_states(graphs[DECODER]),
    }
    return _store(Path(folder), table, files)


def update_bundle(folder: str | Path, files: Mapping[str, bytes], *, remove: Sequence[str] = ()) -> Bundle:
    """Add, replace or remove files of a bundle (its golden.npz, card, sounds, pictures) in one step. `[control]`

    Raises BundleError, and leaves the bundle as it was, if the result would not load.
    """
    where = Path(folder)
    manifest = read_manifest(where)
    content = {
        file: read_plain(where / file, MAX_FILE) for file in manifest.files if file not in remove and file not in files
    }
    table = _without_none(msgspec.to_builtins(manifest))
    table["parameters"] = [_without_none(entry) for entry in table["parameters"]]
    return _store(where, table, {**content, **files})


def golden_bytes(golden: Golden) -> bytes:
    """The content of golden.npz. `[any]`"""
    return write_npz(
        {
            "audio_in": np.asarray(golden.audio_in, dtype=np.float32),
            "audio_out": np.asarray(golden.audio_out, dtype=np.float32),
            "style": np.asarray([golden.style], dtype=np.int64),
            "amount": np.asarray([golden.amount], dtype=np.float32),
        }
    )


def _store(folder: Path, table: dict[str, Any], files: Mapping[str, bytes]) -> Bundle:
    """Write into a new folder beside `folder`, check it by loading, then exchange the two by renaming."""
    conditioner = files.get(CONDITIONER)
    condition = 0 if conditioner is None else declared_condition(read_graph(conditioner, CONDITIONER))
    digests = {file: hashlib.sha256(data).hexdigest() for file, data in sorted(files.items())}
    table = {**table, "condition": condition, "files": digests}
    table["digest"] = manifest_digest(table)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            new, old = work / "new", work / "old"
            new.mkdir()
            for file, data in {**files, MANIFEST: tomli_w.dumps(table).encode()}.items():
                if Path(file).name != file:
                    raise BundleError(f"'{file}' is not a plain file name; a bundle has no folders inside.")
                (new / file).write_bytes(data)
            load_bundle(new)
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise BundleError(
            f"The bundle {folder} cannot be written ({error.strerror}); choose a writable folder."
        ) from error
    return load_bundle(folder, verify=False)


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}
