"""Weights of musicnn's networks, from its wheel to one small file per network.

    pip download --no-deps musicnn==0.1.0
    python -m rtstyle.lab.ear.weights musicnn-0.1.0-py3-none-any.whl

The wheel holds TensorFlow checkpoints: a data file of tensors back to back, and an index that is a table of LevelDB (blocks
of prefix-compressed keys) whose values are protocol buffers with shape, offset and size. This reads just that much.
"""

import argparse
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtstyle.errors import FileError

HERE = Path(__file__).parent
NETWORKS = {
    "MTT_musicnn": "tagging",
    "MSD_vgg": "training",
}  # trained on MagnaTagATune, and on the Million Song Dataset
_FLOAT = 1  # DT_FLOAT
_FOOTER = 48


def load_weights(use: str) -> dict[str, Tensor]:
    """Tensors by TensorFlow's names, float32: of the network for "tagging" or for "training"."""
    with np.load(HERE / f"{use}.npz", allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}


def read_checkpoint(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """All float tensors of a TensorFlow checkpoint in one shard. Raises FileError where it is none."""
    try:
        at = 0
        for _ in range(2):  # the handle of the meta index
            _, at = _varint(index[-_FOOTER:], at)
        found: dict[str, NDArray[np.float32]] = {}
        for _, handle in _entries(index, *_handle(index[-_FOOTER:], at)):
            for name, value in _entries(index, *_handle(handle, 0)):
                entry = dict(_fields(value))
                if entry.get(1) == _FLOAT and name:
                    shape = [dict(_fields(size)).get(1, 0) for number, size in _fields(entry[2]) if number == 2]
                    floats = np.frombuffer(data, "<f4", entry[5] // 4, entry.get(4, 0))
                    found[name.decode()] = floats.reshape(shape)
    except (IndexError, KeyError, ValueError, struct.error) as problem:
        raise FileError(f"this is no TensorFlow checkpoint in one shard: {problem}") from problem
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _handle(data: bytes, at: int) -> tuple[int, int]:
    offset, at = _varint(data, at)
    return offset, _varint(data, at)[0]


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block; each key repeats so many bytes of the one before."""
    if table[offset + size]:
        raise ValueError("its index is compressed")
    block = table[offset : offset + size]
    end = size - 4 - 4 * int(struct.unpack("<I", block[-4:])[0])
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protocol buffer's fields."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
        else:
            length, at = (4, at) if tag & 7 == 5 else _varint(message, at)
            yield tag >> 3, message[at : at + length]
            at += length


def main() -> None:
    """Write the weights of both networks beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    with zipfile.ZipFile(parser.parse_args().wheel) as wheel:
        for name, use in NETWORKS.items():
            files = (f"musicnn/{name}/.index", f"musicnn/{name}/.data-00000-of-00001")
            found = read_checkpoint(*(wheel.read(file) for file in files))
            kept = {key: value.astype(np.float16) for key, value in found.items() if "/" in key and "Adam" not in key}
            np.savez_compressed(HERE / f"{use}.npz", **kept)


if __name__ == "__main__":
    main()
