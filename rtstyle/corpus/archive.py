"""Archives as sources of a corpus: unpacked once, whole or not at all, and read like any folder from then on.

    OUT/archives/<name>-<hash>/          of one archive the recordings and manifests, nothing else
    OUT/archives/<name>-<hash>.draft/    one that is being unpacked, or was when a build was killed

The hash is of the archive's name, size and time: another archive, another folder. Files are copied out one by one to where
their name says; links, devices and rights of an archive are never looked at.
"""

import hashlib
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO

from rtstyle.corpus.recordings import ENVIRONMENT, MANIFEST, SUFFIXES, Recording, read_recordings
from rtstyle.errors import FileError

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
FOLDER, DRAFT = "archives", ".draft"
MOST_BYTES = 200 * 10**9  # of recordings in one archive
PIECE = 1 << 20
BLOCK = 512  # of a tar file, which ends with two of zeros

Tick = Callable[[int, int], None]  # files done, total
# What the standard library raises on damaged or unknown data; a zip's bad header is a ValueError, an unknown method of
# compression a NotImplementedError.
BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)


@dataclass(frozen=True)
class Member:
    """A file of an archive that is taken: where it goes below the folder, and its bytes unpacked."""

    place: Path
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def find_roots(paths: Sequence[Path], out: Path, tick: Tick = lambda done, total: None) -> tuple[Path, ...]:
    """The folders that hold the recordings of `paths`, folders and archives, which are unpacked below `out`. `[control]`

    Each is there once. Raises FileError for a path that is missing or neither, before anything is unpacked, and what
    `unpack` raises. tick: told of every file of an archive that is unpacked.
    """
    paths = list(dict.fromkeys(path.resolve() for path in paths))
    for path in paths:
        if not path.exists():
            raise FileError(f"There is no folder or archive of recordings at {path}; give one that exists.")
        if not path.is_dir() and not _ending(path):
            raise FileError(f"{path} is no folder and no archive; give a folder or a file {', '.join(ENDINGS)}.")
    for draft in (out / FOLDER).glob(f"*{DRAFT}"):  # of a build that was killed
        shutil.rmtree(draft)
    return tuple(dict.fromkeys(path if path.is_dir() else unpack(path, out / FOLDER, tick) for path in paths))


def read_roots(roots: Sequence[Path], out: Path) -> list[Recording]:
    """The recordings of all these folders, each file once. `[control]`

    What is unpacked below `out` is not found again through a folder around `out`. Of two sources, recordings of one
    instrument and library are one library. Raises FileError for an unusable folder.
    """
    unpacked, found = out / FOLDER, dict[Path, Recording]()
    for root in roots:
        for one in read_recordings(root):
            if unpacked in root.parents or unpacked not in one.path.parents:
                found.setdefault(one.path, one)
    return list(found.values())


def unpack(path: Path, folder: Path, tick: Tick = lambda done, total: None) -> Path:
    """Unpack the recordings of an archive into a folder below `folder`, unless they are there; returns that. `[control]`

    It is the archive's only folder where everything lies in one. Raises FileError, and leaves nothing, for an archive
    that is broken, encrypted, too large, that reaches outside its folder, or holds nothing that could be used.
    """
    about = path.stat()
    mark = hashlib.sha256(f"{path.name} {about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:12]
    whole = folder / f"{path.name[: -len(_ending(path))]}-{mark}"
    if not whole.is_dir():
        draft = whole.with_name(f"{whole.name}{DRAFT}")
        try:
            draft.mkdir(parents=True)
            _fill(draft, path, tick)
            _check(draft, path)
            draft.rename(whole)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return _root(whole)


def _ending(path: Path) -> str:
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")


def _fill(draft: Path, path: Path, tick: Tick) -> None:
    try:
        with _opened(path) as members:
            needed, room = sum(member.size for member in members), min(MOST_BYTES, shutil.disk_usage(draft).free)
            if needed > room:
                raise FileError(
                    f"{path} holds {needed / 1e9:.1f} GB of recordings, and {draft.parent} takes {room / 1e9:.1f} GB of "
                    "an archive; free some space, build into another folder, or give a smaller archive."
                )
            for done, member in enumerate(members, 1):
                target = draft / member.place
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, PIECE)
                tick(done, len(members))
    except BROKEN as error:
        raise _broken(path, error) from error
    except OSError as error:
        if error.errno is None:  # gzip and bz2 say so of their data
            raise _broken(path, error) from error
        raise FileError(f"Cannot unpack {path} into {draft.parent}: {error}; see to that or give a folder.") from error


def _broken(path: Path, error: Exception) -> FileError:
    why = (str(error) or type(error).__name__).splitlines()[0].rstrip(":")  # tarfile goes on with every format it tried
    return FileError(f"{path} is no whole archive ({why}); fetch or pack it again, as {', '.join(ENDINGS)}.")


@contextmanager
def _opened(path: Path) -> Iterator[list[Member]]:
    """The files of an archive that are taken, in its order, as long as it is open."""
    if _ending(path) == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield list(_zip_members(path, archive))
    else:
        with tarfile.open(path) as archive:
            yield list(_tar_members(path, archive))
            _check_end(archive)  # last: what is compressed is read forwards only


def _zip_members(path: Path, archive: zipfile.ZipFile) -> Iterator[Member]:
    for one in archive.infolist():
        kind = stat.S_IFMT(one.external_attr >> 16)  # as Unix has it; 0 from elsewhere
        if one.is_dir() or kind not in (0, stat.S_IFREG):
            continue
        place = _place(path, one.filename)
        if place is None:
            continue
        if one.flag_bits & 1:
            raise FileError(f"{path} is encrypted; unpack it with its password and give the folder.")
        yield Member(place, one.file_size, partial(archive.open, one))


def _tar_members(path: Path, archive: tarfile.TarFile) -> Iterator[Member]:
    for one in archive:
        place = _place(path, one.name) if one.isreg() else None
        if place is not None:
            yield Member(place, one.size, partial(_tar_file, archive, one))


def _tar_file(archive: tarfile.TarFile, one: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(one)
    if file is None:
        raise tarfile.ReadError(f"{one.name} is no file")
    return file


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise ReadError where the list of files stops before the end: tarfile takes a damaged header for the end."""
    stream = archive.fileobj
    if stream is None:
        return
    stream.seek(archive.offset)
    if stream.read(BLOCK) != bytes(BLOCK):
        raise tarfile.ReadError("its end is missing")
    while stream.read(PIECE):  # so that the checksum of what is compressed is looked at
        pass


def _place(path: Path, name: str) -> Path | None:
    """Where a file of an archive goes, None for one that is not taken. Raises FileError for a place outside."""
    place = PureWindowsPath(_utf8(name))  # knows both kinds of slash, and drives
    if place.drive or place.root or ".." in place.parts:
        raise FileError(
            f"{path} holds {name!r}, which lies outside its folder, so nothing is unpacked; pack it again from within "
            "the folder of recordings."
        )
    if "__MACOSX" in place.parts or place.name.startswith("._"):  # what macOS adds: no sound, whatever its name
        return None
    return Path(*place.parts) if place.suffix.lower() in SUFFIXES or place.name == MANIFEST else None


def _utf8(name: str) -> str:
    """The name as text that can be written; tar files do not say which code theirs is in."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("latin-1")
    return name


def _root(folder: Path) -> Path:
    """What to read as a folder of recordings: the only folder in it, unless that is itself the one of an instrument."""
    inside = list(folder.iterdir())
    if len(inside) != 1 or not inside[0].is_dir() or inside[0].name.lower() == ENVIRONMENT:
        return folder
    names = [path.name for path in inside[0].iterdir() if path.is_file()]
    return inside[0] if MANIFEST in names or not names else folder


def _check(draft: Path, path: Path) -> None:
    """Raise FileError, which names the archive, where no recordings can be read or not all that its manifest lists."""
    root = _root(draft)
    try:
        found = read_recordings(root)
    except FileError as error:
        raise FileError(str(error).replace(str(root), str(path))) from error
    for one in found:
        if root.resolve() not in one.path.resolve().parents or not one.path.is_file():
            listed = str(one.path).removeprefix(f"{root}/")
            raise FileError(
                f"The manifest of {path} lists {listed}, which is no recording in it; pack it together with its files "
                f"({', '.join(SUFFIXES)})."
            )
