"""Bundles found and loaded: every file checked before anything of it is used."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle import paths
from rtstyle.bundle.captured import NO_TONE, load_captured
from rtstyle.bundle.content import Bundle, Golden
from rtstyle.bundle.contract import check_graph, check_recogniser
from rtstyle.bundle.manifest import (
    CONDITIONER,
    DECODER,
    DOCUMENT,
    ENCODER,
    GOLDEN,
    MANIFEST,
    MAX_FILE,
    OPTIONAL,
    RECOGNISER,
    REQUIRED,
    STYLES,
    Manifest,
    Style,
    narrowed_parameters,
    read_manifest,
    read_plain,
)
from rtstyle.bundle.npz import read_npz
from rtstyle.bundle.onnx_check import read_graph
from rtstyle.errors import BundleError, did_you_mean
from rtstyle.params import MAX_STYLES, parameter_table

LITTER: Final = (".DS_Store", "Thumbs.db", "desktop.ini")  # left in folders by file browsers; passed over
MAX_CHANNELS: Final = 1024
MAX_STATISTICS: Final = 1 << 20  # bytes of one array: 32 styles of 1024 channels take an eighth of it


def load_bundle(path: str | Path, *, verify: bool = True) -> Bundle:
    """Read and check the bundle in the folder `path`. `[control]`

    verify: also compare every file with its SHA-256; without it the structure alone is checked, which is faster. Raises
    BundleError with one reason, naming file, value, expectation and remedy.
    """
    folder = Path(path)
    manifest = read_manifest(folder, verify=verify)
    where = folder / MANIFEST
    _check_listing(folder, manifest)
    kept: dict[str, bytes] = {}
    for file, expected in manifest.files.items():
        if verify or file in (*REQUIRED, *OPTIONAL):
            data = read_plain(folder / file, MAX_FILE)
            found = hashlib.sha256(data).hexdigest() if verify else expected
            if found != expected:
                raise BundleError(
                    f"{folder / file} has SHA-256 {found[:12]}..., but {MANIFEST} says {expected[:12]}...: "
                    "it was changed or damaged; get the bundle again."
                )
            if file in (*REQUIRED, *OPTIONAL):
                kept[file] = data
    arrays = read_npz(
        kept[STYLES], str(folder / STYLES), ("mean", "std", "neutral_mean", "neutral_std"), MAX_STATISTICS
    )
    channels = _check_statistics(arrays, len(manifest.styles), str(folder / STYLES))
    check_graph(manifest, channels, read_graph(kept[ENCODER], str(folder / ENCODER)), folder / ENCODER, "encoder")
    check_graph(manifest, channels, read_graph(kept[DECODER], str(folder / DECODER)), folder / DECODER, "decoder")
    conditioner, recogniser = kept.get(CONDITIONER), kept.get(RECOGNISER)
    if (conditioner is None) != (manifest.condition == 0):
        raise BundleError(
            f"{where}: condition = {manifest.condition}, which a bundle has with {CONDITIONER} and not without it; "
            "export the bundle again."
        )
    if conditioner is not None:
        graph = read_graph(conditioner, str(folder / CONDITIONER))
        check_graph(manifest, channels, graph, folder / CONDITIONER, "conditioner")
    if recogniser is not None:
        check_recogniser(manifest, read_graph(recogniser, str(folder / RECOGNISER)), folder / RECOGNISER)
    golden = _read_golden(kept[GOLDEN], str(folder / GOLDEN), manifest) if GOLDEN in kept else None
    captured, sounds, notes = load_captured(manifest.name, manifest.files[ENCODER], channels, manifest.sample_rate)
    taken = {style.id for style in manifest.styles}
    free = MAX_STYLES - len(manifest.styles)
    fitting = [style for style in captured if style.id not in taken]
    notes += [
        f"The captured style '{style.id}' is hidden by the model's own." for style in captured if style.id in taken
    ]
    notes += [f"The captured style '{style.id}' is beyond the {MAX_STYLES}th." for style in fitting[free:]]
    fitting = fitting[:free]
    styles = (*manifest.styles, *(Style(style.id, style.name, "captured") for style in fitting))
    return Bundle(
        path=folder,
        manifest=manifest,
        styles=styles,
        mean=np.concatenate([arrays["mean"], *(style.statistics()[0][None] for style in fitting)]),
        std=np.concatenate([arrays["std"], *(style.statistics()[1][None] for style in fitting)]),
        tone=np.array([NO_TONE] * len(manifest.styles) + [style.tone for style in fitting], np.float32),
        neutral_mean=arrays["neutral_mean"],
        neutral_std=arrays["neutral_std"],
        encoder=kept[ENCODER],
        decoder=kept[DECODER],
        golden=golden,
        parameters=parameter_table(len(styles), narrowed_parameters(manifest, where)),
        notes=tuple(notes),
        conditioner=conditioner,
        recogniser=recogniser,
        sounds={style.id: sounds[style.id] for style in fitting if style.id in sounds},
    )


FAVOURITE = "orchestra-spectral"  # of those that ship: sooner, cheaper, and more often heard as its target


def find_bundles() -> dict[str, Path]:
    """Every folder with a bundle.toml below the model folders, by folder name, sorted; the first of a name counts.
    `[any]`"""
    found: dict[str, Path] = {}
    for place in paths.model_folders():
        for folder in sorted(place.iterdir()):
            if os.path.isfile(folder / MANIFEST):
                found.setdefault(folder.name, folder)
    return dict(sorted(found.items()))


def find_bundle(text: str) -> Path:
    """The folder of the bundle that `text` names: a name that `find_bundles` knows (any case), or a path. `[any]`

    Raises BundleError that lists near names.
    """
    found = find_bundles()
    by_case = {name.lower(): folder for name, folder in found.items()}
    if text.lower() in by_case:
        return by_case[text.lower()]
    if os.path.isfile(Path(text) / MANIFEST):
        return Path(text)
    raise BundleError(f"There is no model '{text}'; {did_you_mean(text.lower(), list(found))}")


def default_bundle() -> Path:
    """The folder of the model that plays where none is named: FAVOURITE, else the first by name. `[any]`

    Raises BundleError where there is none.
    """
    found = find_bundles()
    if not found:
        raise BundleError(
            "There is no model: install the wheel or the checkout again, which ship some, or name a bundle's folder with --model."
        )
    return found.get(FAVOURITE) or next(iter(found.values()))


def _check_listing(folder: Path, manifest: Manifest) -> None:
    """The folder holds exactly the files that bundle.toml lists, all of them of a known kind."""
    where = folder / MANIFEST
    for file in manifest.files:
        if file not in (*REQUIRED, *OPTIONAL) and not DOCUMENT.fullmatch(file):
            raise BundleError(
                f"{where} lists the file {file!r}; allowed are {', '.join((*REQUIRED, *OPTIONAL))} and plain "
                ".md, .ogg, .png and .json names without a folder."
            )
    for file in REQUIRED:
        if file not in manifest.files:
            raise BundleError(f"{where} lists no {file}, which every bundle needs; export the bundle again.")
    try:
        present = {entry.name for entry in os.scandir(folder)} - {MANIFEST, *LITTER}
    except OSError as error:
        raise BundleError(f"{folder} cannot be listed ({error.strerror}); get the bundle again.") from error
    for file in sorted(manifest.files.keys() - present):
        raise BundleError(f"{folder / file} is missing, but {MANIFEST} lists it; get the bundle again.")
    for file in sorted(present - manifest.files.keys()):
        raise BundleError(f"{folder / file} is not listed in {MANIFEST}; remove it or get the bundle again.")


def _check_statistics(arrays: Mapping[str, NDArray[Any]], styles: int, where: str) -> int:
    mean = arrays["mean"]
    if mean.ndim != 2 or not 1 <= mean.shape[1] <= MAX_CHANNELS:
        raise BundleError(
            f"{where}: 'mean' has shape {mean.shape}, expected ({styles}, C) with C in 1..{MAX_CHANNELS}."
        )
    channels = int(mean.shape[1])
    for name, shape in (
        ("mean", (styles, channels)),
        ("std", (styles, channels)),
        ("neutral_mean", (channels,)),
        ("neutral_std", (channels,)),
    ):
        array = arrays[name]
        if array.dtype != np.float32 or array.shape != shape:
            raise BundleError(
                f"{where}: '{name}' is {array.dtype} {array.shape}, expected float32 {shape}; export the bundle again."
            )
        if name.endswith("std") and (array < 0).any():
            raise BundleError(
                f"{where}: '{name}' holds {float(array.min()):g}, expected no negative value; export the bundle again."
            )
    return channels


def _read_golden(data: bytes, where: str, manifest: Manifest) -> Golden:
    arrays = read_npz(data, where, ("audio_in", "audio_out", "style", "amount"), MAX_FILE)
    audio_in, audio_out, style, amount = (arrays[name] for name in ("audio_in", "audio_out", "style", "amount"))
    if (
        audio_in.ndim != 1
        or audio_in.shape != audio_out.shape
        or audio_in.dtype != np.float32
        or audio_out.dtype != np.float32
    ):
        raise BundleError(
            f"{where}: audio has shapes {audio_in.shape} and {audio_out.shape}, expected two equal float32 (N,)."
        )
    if style.dtype != np.int64 or style.size != 1 or not 0 <= style.item() < len(manifest.styles):
        raise BundleError(
            f"{where}: style must be one number from 0 to {len(manifest.styles) - 1}; export the bundle again."
        )
    if amount.dtype != np.float32 or amount.size != 1 or not 0 <= amount.item() <= 1:
        raise BundleError(f"{where}: amount must be one float32 from 0 to 1; export the bundle again.")
    return Golden(audio_in, audio_out, int(style.item()), float(amount.item()))
