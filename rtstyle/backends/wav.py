"""A WAV file that is valid after every write, whatever ends the program."""

import errno
import struct
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtstyle.errors import FileError

# RIFF | size | WAVE || JUNK or ds64, 28 bytes || fmt, 18 bytes: float || fact, 4 bytes || data | size
_HEADER = "<4sI4s 4sI28s 4sIHHIIHHH 4sII 4sI"
_HEADER_BYTES = struct.calcsize(_HEADER)
_LIMIT = 0xFFFF_FFFF
_IEEE_FLOAT = 3


class WavWriter:
    """Writes 32-bit float WAV; the header on the disk is brought up to date by every `write`. `[worker]`

    After a crash, a full disk or a SIGKILL the file holds all frames of the writes that had ended. Files above 4 GiB
    become RF64 (EBU Tech 3306): the room for it is kept in a JUNK chunk.

    Raises `FileError` where the file cannot be created, and where the disk is full: the file is valid by then.
    """

    def __init__(self, path: str | Path, sample_rate: int, channels: int) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self.channels = channels
        self.frames = 0
        try:
            self._file: BinaryIO | None = open(self.path, "wb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise FileError(
                f"cannot write {self.path}: {error.strerror}; choose a file in a folder that exists and is yours"
            ) from error
        self._store(b"")

    @property
    def seconds(self) -> float:
        """Length of what is on the disk. `[any]`"""
        return self.frames / self.sample_rate

    @property
    def closed(self) -> bool:
        """Whether the file has ended: by `close` or by a full disk. `[any]`"""
        return self._file is None

    def write(self, audio: np.ndarray) -> None:
        """Append float32 audio, shape (channels, frames) or, when mono, (frames,)."""
        if self._file is None:
            raise FileError(f"{self.path} is closed: open another file to record on")
        block = audio.reshape(1, -1) if audio.ndim == 1 else audio
        if block.shape[0] != self.channels:
            raise FileError(f"{self.path} has {self.channels} channels, not {block.shape[0]}")
        self._store(np.ascontiguousarray(block.T, dtype="<f4").tobytes())

    def close(self) -> None:
        """End the file; harmless when it has ended already."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a network folder that went away: what it took, it has
                file.close()

    def _store(self, data: bytes) -> None:
        file = self._file
        if file is None:
            return
        frame_bytes = 4 * self.channels
        file.seek(_HEADER_BYTES + self.frames * frame_bytes)
        written, failure = _write_all(file, data)
        self.frames += written // frame_bytes
        file.seek(0)
        _, header_failure = _write_all(file, self._header())  # in place: needs no new room on the disk
        failure = failure or header_failure
        if failure is not None:
            self.close()
            full = failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise FileError(
                f"recording stopped: {self.path} took no more data ({failure.strerror}); it is valid and holds "
                f"{self.seconds:.1f} s; {'free some room' if full else 'check the disk'} and start another recording"
            ) from failure

    def _header(self) -> bytes:
        frame_bytes = 4 * self.channels
        data_bytes = self.frames * frame_bytes
        riff_bytes = _HEADER_BYTES - 8 + data_bytes
        large = riff_bytes > _LIMIT
        sizes = struct.pack("<QQQI", riff_bytes, data_bytes, self.frames, 0) if large else bytes(28)
        return struct.pack(
            _HEADER,
            *(b"RF64" if large else b"RIFF", _LIMIT if large else riff_bytes, b"WAVE"),
            *(b"ds64" if large else b"JUNK", 28, sizes),
            *(b"fmt ", 18, _IEEE_FLOAT, self.channels, self.sample_rate),
            *(self.sample_rate * frame_bytes, frame_bytes, 32),
            0,
            *(b"fact", 4, min(self.frames, _LIMIT)),
            *(b"data", _LIMIT if large else data_bytes),
        )


def _write_all(file: BinaryIO, data: bytes) -> tuple[int, OSError | None]:
    """How many bytes went in, and what stopped the rest."""
    view = memoryview(data)
    written = 0
    while written < len(view):
        try:
            written += file.write(view[written:])
        except OSError as error:
            return written, error
    return written, None
