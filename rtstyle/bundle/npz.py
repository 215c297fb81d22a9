"""Small .npz files from strangers: read with every size checked before anything is allocated, written reproducibly.

Only plain little-endian arrays in C order are understood, by a pattern over the header instead of an evaluated
literal, so no pickle, no object array and no archive that unpacks to more than it may can get in.
"""

import io
import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import BundleError

_MAGIC: Final = b"\x93NUMPY"
_HEADER: Final = re.compile(
    r"\{'descr': '([<>|][a-zA-Z?]\d{0,3})', 'fortran_order': (False|True), "
    r"'shape': \(((?:\d{1,12}, ?)*(?:\d{1,12})?)\), \}\s*"
)
_DTYPES: Final = {"<f4": np.float32, "<i8": np.int64}
#: What `zipfile` raises for the many ways in which an archive can be broken.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    TypeError,
    MemoryError,
)


def read_npz(data: bytes, file: str, names: tuple[str, ...], limit: int) -> dict[str, NDArray[Any]]:
    """Read exactly the arrays `names` from the bytes of a .npz. `[control]`

    data: the file's content; file: its name, for errors; limit: most bytes that one array may unpack to. Returns
    float32 or int64 arrays, finite. Raises BundleError for anything else that the file may hold.
    """
    contents: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            found = sorted(entry.filename for entry in entries)
            if found != sorted(f"{name}.npy" for name in names):
                listed = ", ".join(found[:8])
                raise BundleError(f"{file} holds [{listed}], but must hold exactly the arrays {', '.join(names)}.")
            for entry in entries:
                with archive.open(entry) as stream:
                    contents[entry.filename[:-4]] = stream.read(limit + 1)
    except _BROKEN as error:
        raise BundleError(f"{file} is not a readable .npz archive ({_reason(error)}); get the bundle again.") from error
    return {name: _read_array(contents[name], f"{file}: array '{name}'", limit) for name in names}


def write_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Bytes of a .npz with these arrays, the same bytes for the same arrays. `[control]`"""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content.getvalue())
    return buffer.getvalue()


def _read_array(content: bytes, what: str, limit: int) -> NDArray[Any]:
    if len(content) > limit:
        raise BundleError(f"{what} unpacks to more than {limit} bytes; a bundle's arrays are smaller.")
    if len(content) < 10 or content[:6] != _MAGIC or content[6:8] != b"\x01\x00":
        raise BundleError(f"{what} is not in the .npy format 1.0; write it with numpy.savez.")
    start = 10 + int.from_bytes(content[8:10], "little")
    match = _HEADER.fullmatch(content[10:start].decode("latin-1"))
    if match is None or len(content) < start:
        raise BundleError(f"{what} has an unreadable .npy header (only plain arrays are allowed, no pickles).")
    if match[1] not in _DTYPES:
        raise BundleError(f"{what} has type '{match[1]}', expected float32 or int64; convert it before saving.")
    if match[2] == "True":
        raise BundleError(f"{what} is in Fortran order, expected C order; convert it before saving.")
    shape = tuple(int(size) for size in match[3].replace(",", " ").split())
    dtype = np.dtype(_DTYPES[match[1]])
    if len(shape) > 4 or math.prod(shape) * dtype.itemsize != len(content) - start:
        raise BundleError(
            f"{what} declares shape {shape}, which does not fit its {len(content) - start} bytes of data."
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape).copy()
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise BundleError(f"{what} holds NaN or infinite values; only finite numbers are allowed.")
    return array


def _reason(error: Exception) -> str:
    return str(error).strip("'\".") or type(error).__name__
