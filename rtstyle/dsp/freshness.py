"""When kept machine code is too old: as soon as any source that went into it has changed.

numba keeps a kernel's machine code beside its source and uses it again while that one file is unchanged. But a kernel
contains the code and the constants of all that it calls: after an update, code for a memory layout that is no more
would run. Here the stamp of a kernel covers its file and every file of this package that it imports, directly or not.
"""

import functools
import hashlib
import re
from pathlib import Path
from typing import Any, Final

import numba
from numba.core import caching

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_IMPORT: Final = re.compile(
    r"^[ \t]*(?:from[ \t]+(rtstyle[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+(rtstyle[\w.]*))",
    re.MULTILINE,
)


@functools.cache
def _read(path: Path) -> tuple[bytes, frozenset[Path]]:
    """Digest of a source file, and the files of this package that it imports."""
    content = path.read_bytes()
    found: set[Path] = set()
    for source, names, module in _IMPORT.findall(content.decode(errors="replace")):
        parent = source or module
        found.update(_files(parent))
        for name in re.findall(r"[A-Za-z_]\w*", names):
            found.update(_files(f"{parent}.{name}"))
    return hashlib.sha256(content).digest(), frozenset(found)


def _files(module: str) -> list[Path]:
    """The file of a module of this package; none for a name that is not a module."""
    place = _PACKAGE.parent.joinpath(*module.split("."))
    return [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]


@functools.cache
def stamp(path: Path) -> bytes:
    """Digest of a source file and of all of this package that it imports, directly or not. `[control]`"""
    seen: set[Path] = set()
    waiting = {path}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= _read(file)[1] - seen
    digest = hashlib.sha256()
    for file in sorted(seen):
        digest.update(_read(file)[0])
    return digest.digest()


class _Fresh:
    """Replaces the stamp of numba's locators, which say where machine code is kept."""

    _py_file: str

    def get_source_stamp(self) -> bytes:
        return stamp(Path(self._py_file).resolve())


class Chosen(_Fresh, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """In the folder that NUMBA_CACHE_DIR names."""


class Beside(_Fresh, caching.InTreeCacheLocator):  # type: ignore[misc]
    """Beside the source."""


class Users(_Fresh, caching.UserWideCacheLocator):  # type: ignore[misc]
    """In the user's cache, where the source's folder cannot be written."""


def install() -> None:
    """Make numba ask for this stamp for every function that this process compiles with `cache=True`. `[control]`"""
    own = [f"{__name__}.{locator.__name__}" for locator in (Chosen, Beside, Users)]
    config: Any = numba.config
    config.CACHE_LOCATOR_CLASSES = ",".join([*own, "IPythonCacheLocator", "ZipCacheLocator"])
