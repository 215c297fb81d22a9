"""The places where rtstyle keeps things; nothing else in the project builds such a path.

Everything of the user's lies in one folder, the system's place for user data or, where it is set, `RTSTYLE_HOME`:

    models/<name>/          bundles that the user added
    styles/<model>/*.toml   styles captured for a model, see `rtstyle models capture`
    presets/*.toml          one preset per file
    midi.toml               the controller map
    recordings/             what was recorded live without a file name
"""

import os
import re
import unicodedata
from pathlib import Path

import platformdirs

from rtstyle.errors import FileError

PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """The user's folder; it need not exist yet. `[any]`"""
    chosen = os.environ.get("RTSTYLE_HOME")
    return (
        Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_data_dir("rtstyle", appauthor=False))
    )


def model_folders() -> tuple[Path, ...]:
    """Folders that hold bundles, in order of precedence: the user's, the checkout's, the installed package's. `[any]`

    Only those that exist. The user's come first, so that a rebuilt bundle replaces the shipped one of the same name.
    """
    checkout = PACKAGE.parent / "models"
    shipped = [checkout] if (PACKAGE.parent / "pyproject.toml").is_file() else []
    return tuple(folder for folder in (user_models(), *shipped, PACKAGE / "_models") if folder.is_dir())


def user_models() -> Path:
    """Where the user's own bundles lie, a folder each. `[any]`"""
    return home() / "models"


def user_styles(model: str) -> Path:
    """Where the styles captured for the bundle named `model` lie. `[any]`"""
    return home() / "styles" / model


def presets() -> Path:
    """Where presets lie. `[any]`"""
    return home() / "presets"


def midi_map() -> Path:
    """The file with the learnt controllers. `[any]`"""
    return home() / "midi.toml"


def recordings() -> Path:
    """Where live recordings go that were given no file name. `[any]`"""
    return home() / "recordings"


def file_stem(title: str) -> str:
    """File name (without ending) for a title that a user gave: lower case a-z, 0-9, words joined by '-'. `[any]`

    Accents are dropped. Raises FileError for a title that leaves nothing.
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-")
    if not stem:
        raise FileError(f"'{title}' has no letter a-z or digit to make a file name of; give another name.")
    return stem
