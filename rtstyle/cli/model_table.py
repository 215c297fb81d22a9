"""models/README.md: a table made from the bundles that lie beside it."""

import os
import tempfile
from pathlib import Path
from typing import Final

from rtstyle.bundle import Bundle, load_bundle
from rtstyle.bundle.manifest import MANIFEST
from rtstyle.errors import FileError
from rtstyle.units import samples_to_ms

_HEAD: Final = """# Models

Bundles ready to play, a folder each. This page is made from them by `rtstyle models readme`; do not edit it.

"""
_TAIL: Final = """
Latency is what the model itself adds; `rtstyle latency` shows the whole way. A model's page says what it was trained
on and how well it does, with the baselines beside it. `rtstyle models verify` checks every file against its hash and
plays each model's self-test. `rtstyle models capture MODEL RECORDING --name STYLE` adds a style of your own.
"""


def table_text(folder: Path) -> str:
    """The page for the bundles in `folder`. `[control]` Raises BundleError for a bundle that cannot be read."""
    bundles = [load_bundle(place) for place in sorted(folder.iterdir()) if os.path.isfile(place / MANIFEST)]
    if not bundles:
        return _HEAD + "There are none here yet.\n"
    rows = [
        ("model", "kind", "latency", "styles", "stereo", "size", "listen"),
        ("---",) * 7,
        *(_row(bundle) for bundle in bundles),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    about = [
        f"- **{bundle.name}**: {_line(bundle.manifest.description)}"
        for bundle in bundles
        if bundle.manifest.description
    ]
    licences = [
        f"- **{bundle.name}**: {_line(bundle.manifest.licence)}" for bundle in bundles if bundle.manifest.licence
    ]
    parts = [_HEAD, "\n".join(lines), "\n"]
    if about:
        parts += ["\n", "\n".join(about), "\n"]
    if licences:
        parts += ["\nLicences:\n\n", "\n".join(licences), "\n"]
    return "".join([*parts, _TAIL])


def write_table(folder: Path) -> Path:
    """Write README.md into `folder` in one step and return it. `[control]`

    Raises FileError where it cannot be written, and BundleError for a bundle that cannot be read.
    """
    if not folder.is_dir():
        raise FileError(f"{folder} is not a folder; give the folder that holds the bundles (--folder).")
    file = folder / "README.md"
    text = table_text(folder)
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, file)
    except OSError as error:
        raise FileError(f"{file} cannot be written ({error.strerror}); choose a writable folder.") from error
    return file


def _row(bundle: Bundle) -> tuple[str, ...]:
    name = bundle.path.name
    files = bundle.manifest.files
    latency = f"{samples_to_ms(bundle.latency, bundle.sample_rate):.2f} ms"
    styles = ", ".join(style.id for style in bundle.styles if style.source == "trained")
    size = sum((bundle.path / file).stat().st_size for file in files) / 1e6
    sounds = [f"[{word}]({name}/{word}.ogg)" for word in ("before", "after") if f"{word}.ogg" in files]
    drawn = (("picture", "spectrogram.png"), ("pairs", "pairs.png"))
    pictures = [f"[{word}]({name}/{file})" for word, file in drawn if file in files]
    page = f"[{name}]({name}/card.md)" if "card.md" in files else f"[{name}]({name}/)"
    return (
        page,
        bundle.kind,
        latency,
        styles,
        bundle.stereo.replace("_", " "),
        f"{size:.1f} MB",
        " ".join(sounds + pictures),
    )


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
