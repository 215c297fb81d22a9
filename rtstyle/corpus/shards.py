"""The corpus on disk: shards of items that lie end to end, and of each shard a manifest in Parquet.

    OUT/performances/SPLIT-00000012.audio.npy   int16, flat: the players of every performance one after another, at 48 kHz
    OUT/performances/SPLIT-00000012.f0.npy      float32, flat: Hz at every 256th sample, 0 in rests
    OUT/performances/SPLIT-00000012.parquet     a row for each performance: where it lies, who plays, what tune, licences
    OUT/phrases/...                             the same of real phrases, without f0
    OUT/notes/*.npz                             cache of measured notes
    OUT/archives/...                            recordings of the archives that were given

A manifest is written after its arrays and appears whole or not at all: a shard that has one is complete, and nothing else
says how far a build got. Full scale is 32767.
"""

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import FileError, MissingPartError

FULL_SCALE = 32767.0
DRAFT = ".part"

try:
    import pyarrow as pa
    import pyarrow.parquet as parquet
except ImportError as error:  # pragma: no cover
    raise MissingPartError("A corpus needs pyarrow; install it with: pip install 'rtstyle[lab]'") from error

_SOURCE = (
    ("instrument", pa.string()),
    ("library", pa.string()),
    ("licence", pa.string()),
    ("attribution", pa.string()),
)
_PLAYER = pa.struct([*_SOURCE, ("decaying", pa.bool_()), ("files", pa.list_(pa.string()))])
_PLACE = (("id", pa.string()), ("split", pa.string()), ("offset", pa.int64()), ("samples", pa.int64()))
SCHEMAS = {
    "performances": pa.schema(
        [
            *_PLACE,
            ("f0_offset", pa.int64()),
            ("sample_rate", pa.int32()),
            ("title", pa.string()),
            ("notes", pa.int32()),
            ("seen", pa.bool_()),
            ("players", pa.list_(_PLAYER)),
        ]
    ),
    "phrases": pa.schema([*_PLACE, *_SOURCE, ("file", pa.string())]),
}


def pcm16(audio: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return float audio as int16; full scale clips. `[any]`"""
    return np.round(np.clip(audio, -1.0, 1.0) * FULL_SCALE).astype(np.int16)


def shard_name(split: str, number: int) -> str:
    """Name of a shard, by which shards sort. `[any]`"""
    return f"{split}-{number:08d}"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that appears under its name whole or not at all, whoever else is writing it. `[control]`"""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{socket.gethostname()}-{os.getpid()}{DRAFT}")
    with draft.open("wb") as file:
        yield file
    draft.replace(path)


def cache_file(folder: Path, name: str, origin: str) -> Path:
    """Where something that is made from `origin` is kept: anything else about it, and it is another file. `[any]`"""
    return folder / f"{name}--{hashlib.sha256(origin.encode()).hexdigest()[:12]}.npz"


def write_shard(folder: Path, name: str, rows: list[dict[str, Any]], **arrays: NDArray[Any]) -> None:
    """Write a shard into OUT/performances or OUT/phrases, its manifest last. `[control]`"""
    for key, array in arrays.items():
        with whole_file(folder / f"{name}.{key}.npy") as file:
            np.save(file, array)
    with whole_file(folder / f"{name}.parquet") as file:
        parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[folder.name]), file)


def finished(folder: Path, split: str = "") -> list[str]:
    """Names of the complete shards of a folder, of one split or of all, sorted. `[control]`"""
    return sorted(path.stem for path in folder.glob(f"{split}*.parquet"))


def read_shard(folder: Path, name: str, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """Rows of one shard. `[control]` Raises FileError for a manifest that cannot be read."""
    path = folder / f"{name}.parquet"
    try:
        return list(parquet.read_table(path, columns=columns).to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"{path} cannot be read ({error}); delete it and build again.") from error


def read_rows(folder: Path, split: str = "") -> Iterator[dict[str, Any]]:
    """Rows of every complete shard, one shard in memory at a time; none when the folder is not there. `[control]`"""
    for name in finished(folder, split):
        yield from read_shard(folder, name)


def open_array(folder: Path, name: str, key: str) -> NDArray[Any]:
    """An array of a shard, mapped into memory. `[control]`"""
    return np.asanyarray(np.load(folder / f"{name}.{key}.npy", mmap_mode="r"))
