"""Hostile styles.npz and golden.npz behind right hashes: refused, with the reason, and no pickle is ever opened."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtstyle.bundle.load import MAX_STATISTICS
from rtstyle.bundle.npz import write_npz
from tests.bundle.harm import Corruption, overwrite, refusal, seal
from tests.fixtures_bundles import CHANNELS

MEAN = np.zeros((3, CHANNELS), np.float32)
ARRAYS = {
    "mean": MEAN,
    "std": MEAN + 1,
    "neutral_mean": np.zeros(CHANNELS, np.float32),
    "neutral_std": np.ones(CHANNELS, np.float32),
}
AUDIO = np.zeros(64, np.float32)
TEST = {"audio_in": AUDIO, "audio_out": AUDIO, "style": np.asarray([0]), "amount": np.ones(1, np.float32)}


def with_array(file: str, **changes: Any) -> Corruption:
    """Write the arrays of a good file with some of them changed; None leaves one out."""
    arrays = {**(ARRAYS if file == "styles.npz" else TEST), **changes}
    content = write_npz({key: value for key, value in arrays.items() if value is not None})
    return lambda folder: (folder / file).write_bytes(content)


def with_entry(name: str, content: bytes, kind: int = zipfile.ZIP_DEFLATED) -> Corruption:
    """Write styles.npz with the raw content of one entry replaced."""

    def apply(folder: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", kind) as archive:
            for key, array in ARRAYS.items():
                raw = io.BytesIO()
                np.save(raw, array)
                archive.writestr(f"{key}.npy", content if key == name else raw.getvalue())
        (folder / "styles.npz").write_bytes(buffer.getvalue())

    return apply


F4 = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n"


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    raw = header.encode("latin-1")
    return b"\x93NUMPY" + version + len(raw).to_bytes(2, "little") + raw + data


def pickled() -> bytes:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("a pickle was executed",))

    buffer = io.BytesIO()
    np.save(buffer, np.asarray([Harm()] * 12, dtype=object).reshape(3, 4), allow_pickle=True)
    return buffer.getvalue()


def bomb(folder: Path) -> None:
    with_entry("mean", npy(F4, b"\0" * (MAX_STATISTICS + 1)))(folder)


NPZ_HARMS: dict[str, Corruption] = {
    "nan mean": with_array("styles.npz", mean=MEAN + np.float32(np.nan)),
    "inf std": with_array("styles.npz", std=MEAN + np.float32(np.inf)),
    "negative std": with_array("styles.npz", std=MEAN - 1),
    "negative neutral std": with_array("styles.npz", neutral_std=-np.ones(CHANNELS, np.float32)),
    "double mean": with_array("styles.npz", mean=MEAN.astype(np.float64)),
    "integer mean": with_array("styles.npz", mean=MEAN.astype(np.int64)),
    "short integer mean": with_array("styles.npz", mean=MEAN.astype(np.int32)),
    "half mean": with_array("styles.npz", mean=MEAN.astype(np.float16)),
    "complex mean": with_array("styles.npz", mean=MEAN.astype(np.complex64)),
    "text mean": with_array("styles.npz", mean=np.full((3, CHANNELS), "abc")),
    "bool mean": with_array("styles.npz", mean=MEAN > 0),
    "other byte order": with_array("styles.npz", mean=MEAN.astype(">f4")),
    "column order": with_entry("mean", npy(F4.replace("False", "True"), b"\0" * 48)),
    "fewer styles": with_array("styles.npz", mean=MEAN[:2], std=MEAN[:2]),
    "more styles": with_array("styles.npz", mean=np.zeros((4, CHANNELS), np.float32)),
    "other channels": with_array("styles.npz", mean=np.zeros((3, 5), np.float32)),
    "all other channels": with_array(
        "styles.npz", mean=np.zeros((3, 5), np.float32), std=np.zeros((3, 5), np.float32),
        neutral_mean=np.zeros(5, np.float32), neutral_std=np.zeros(5, np.float32),
    ),
    "too many channels": with_array("styles.npz", mean=np.zeros((3, 1025), np.float32)),
    "no channels": with_array("styles.npz", mean=np.zeros((3, 0), np.float32)),
    "flat mean": with_array("styles.npz", mean=MEAN.ravel()),
    "deep mean": with_array("styles.npz", mean=MEAN.reshape(3, 1, 1, 1, CHANNELS)),
    "single mean": with_array("styles.npz", mean=np.float32(0)),
    "wrong neutral": with_array("styles.npz", neutral_mean=np.zeros((1, CHANNELS), np.float32)),
    "no std": with_array("styles.npz", std=None),
    "one more array": with_array("styles.npz", extra=MEAN),
    "empty archive": with_array("styles.npz", mean=None, std=None, neutral_mean=None, neutral_std=None),
    "pickle": with_entry("mean", pickled()),
    "no npy": with_entry("mean", b"hello"),
    "empty npy": with_entry("mean", b""),
    "npy 2.0": with_entry("mean", npy(F4, b"\0" * 48, b"\x02\x00")),
    "huge shape": with_entry("mean", npy(F4.replace("3", "999999999999"))),
    "negative shape": with_entry("mean", npy(F4.replace("3", "-3"), b"\0" * 48)),
    "short data": with_entry("mean", npy(F4, b"\0" * 47)),
    "code in header": with_entry("mean", npy(F4.replace("'<f4'", "__import__('os').system('x')"))),
    "header cut": with_entry("mean", npy("{'descr': '<f4'")),
    "header length lies": with_entry("mean", b"\x93NUMPY\x01\x00\xff\xff{"),
    "unpacks too large": bomb,
    "npz is text": overwrite("styles.npz", b"mean = 0"),
    "npz is empty": overwrite("styles.npz", b""),
    "npz is npy": overwrite("styles.npz", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }\n")),
    "npz is pickle": overwrite("styles.npz", pickle.dumps({"mean": [0.0]})),
    "golden lengths differ": with_array("golden.npz", audio_out=AUDIO[:-1]),
    "golden stereo": with_array("golden.npz", audio_in=AUDIO.reshape(2, 32), audio_out=AUDIO.reshape(2, 32)),
    "golden double": with_array("golden.npz", audio_in=AUDIO.astype(np.float64)),
    "golden nan": with_array("golden.npz", audio_out=AUDIO + np.float32(np.nan)),
    "golden unknown style": with_array("golden.npz", style=np.asarray([3])),
    "golden negative style": with_array("golden.npz", style=np.asarray([-1])),
    "golden float style": with_array("golden.npz", style=np.ones(1, np.float32)),
    "golden two styles": with_array("golden.npz", style=np.asarray([0, 1])),
    "golden amount": with_array("golden.npz", amount=np.full(1, 1.5, np.float32)),
    "golden integer amount": with_array("golden.npz", amount=np.asarray([1])),
}  # fmt: skip


@pytest.mark.parametrize("harm", NPZ_HARMS.values(), ids=NPZ_HARMS.keys())
def test_arrays_that_do_not_fit_are_refused_behind_right_hashes(folder: Path, harm: Corruption) -> None:
    harm(folder)
    seal(folder)
    assert "SHA-256" not in refusal(folder)


def test_an_archive_is_unpacked_no_further_than_its_arrays_may_be_long(folder: Path) -> None:
    bomb(folder)
    seal(folder)
    assert "unpacks to more than" in refusal(folder)
