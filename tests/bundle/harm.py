"""A good bundle to be harmed, and what its refusal must look like."""

import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from rtstyle.bundle import load_bundle
from rtstyle.bundle.manifest import manifest_digest
from rtstyle.errors import BundleError

FILES = ("encoder.onnx", "decoder.onnx", "styles.npz", "golden.npz", "card.md")
Corruption = Callable[[Path], object]


def read(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "bundle.toml").read_text())


def seal(folder: Path, table: dict[str, Any] | None = None) -> None:
    """Put every hash right, as one would who means harm."""
    table = read(folder) if table is None else table
    for file in table["files"] if isinstance(table.get("files"), dict) else ():
        place = folder / file
        if not Path(file).is_absolute() and place.is_file():
            table["files"][file] = hashlib.sha256(place.read_bytes()).hexdigest()
    table["digest"] = manifest_digest(table)
    (folder / "bundle.toml").write_text(tomli_w.dumps(table))


def refusal(folder: Path, *, verify: bool = True) -> str:
    """The one error that loading gives."""
    with pytest.raises(BundleError) as caught:
        load_bundle(folder, verify=verify)
    text = str(caught.value)
    assert str(folder) in text, "the error names the file"
    assert "\n" not in text and text.endswith((".", "?")) and len(text) < 700
    return text


def overwrite(file: str, content: bytes) -> Corruption:
    return lambda folder: (folder / file).write_bytes(content)
