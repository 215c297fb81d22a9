"""Audio files as a device: blocks in, blocks out, through the same engine as live."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import soundfile

from rtstyle.backends.wav import WavWriter
from rtstyle.errors import FileError

#: Suffix of a file that can be written -> libsndfile's format and subtype; WAV is written by `WavWriter`.
WRITTEN: Final = {
    ".wav": ("WAV", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".aiff": ("AIFF", "FLOAT"),
}

Process = Callable[[np.ndarray], np.ndarray]


class FileSource:
    """An audio file to play from: any format that libsndfile reads. `[control]`

    Raises `FileError` that says whether the file is missing or not understood.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileError(f"there is no file {self.path}: check the name")
        try:
            self._file: Any = soundfile.SoundFile(self.path)
        except soundfile.LibsndfileError as error:
            known = ", ".join(sorted(soundfile.available_formats()))
            raise FileError(f"{self.path} cannot be read as audio ({error}); these formats can: {known}") from error
        self.sample_rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.frames = int(self._file.frames)

    def blocks(self, frames: int) -> Iterator[np.ndarray]:
        """The whole file, float32 (channels, <= frames) at a time."""
        self._file.seek(0)
        # soundfile seeks after every read, and a seek in an MP3 empties the decoder's memory: it is read at once
        # (libsndfile 1.2.2: a tone of 0.354 RMS came back as 0.114 in blocks of 1000).
        at_once = self._file.format == "MP3"
        try:
            for read in self._file.blocks(self.frames if at_once else frames, dtype="float32", always_2d=True):
                for start in range(0, len(read), frames):
                    yield np.ascontiguousarray(read[start : start + frames].T)
        except soundfile.LibsndfileError as error:
            raise FileError(f"{self.path} is damaged ({error}): get the file again") from error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> "FileSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FileSink:
    """An audio file to write, its format by the name's suffix; valid however the writing ends. `[control]`

    Raises `FileError` for a suffix that is not in `WRITTEN`, a folder that does not take it and a full disk.
    """

    def __init__(self, path: str | Path, sample_rate: int, channels: int) -> None:
        self.path = Path(path)
        suffix = self.path.suffix.lower()
        if suffix not in WRITTEN:
            raise FileError(f"{self.path}: '{suffix}' is no format to write; choose one of {', '.join(WRITTEN)}")
        self.channels = channels
        self._file: Any
        if suffix == ".wav":
            self._file = WavWriter(self.path, sample_rate, channels)
            return
        kind, subtype = WRITTEN[suffix]
        try:
            self._file = soundfile.SoundFile(
                self.path, "w", samplerate=sample_rate, channels=channels, format=kind, subtype=subtype
            )
        except soundfile.LibsndfileError as error:
            raise FileError(
                f"cannot write {self.path} at {sample_rate} Hz ({error}); choose a folder that is yours, or a .wav"
            ) from error

    def write(self, audio: np.ndarray) -> None:
        """Append float32 (channels, frames)."""
        if isinstance(self._file, WavWriter):
            self._file.write(audio)
            return
        try:
            self._file.write(np.ascontiguousarray(audio.T, np.float32))
        except soundfile.LibsndfileError as error:
            self.close()
            raise FileError(f"writing stopped: {self.path} took no more data ({error}); free some room") from error

    def close(self) -> None:
        """End the file."""
        with suppress(soundfile.LibsndfileError):  # a full disk was told by `write`
            self._file.close()

    def __enter__(self) -> "FileSink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def play_file(
    process: Process,
    source: FileSource,
    sink: FileSink,
    *,
    block: int,
    latency: int,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Play all of `source` through `process` into `sink`, so that both line up; returns the frames written. `[control]`

    process: (channels, n) in, as many back, n == block always: the last block and what drains the delay are silence.
    latency: frames that `process` delays by; they are cut off. channels: those of the sink; a mono file feeds all,
    what a file has beyond is left out. progress: called with the frames written so far.
    """
    waiting, written, length = latency, 0, 0
    silence = np.zeros((sink.channels, block), np.float32)

    def put(x: np.ndarray, most: int) -> None:
        nonlocal waiting, written
        y = process(x)
        dropped = min(waiting, block)
        waiting -= dropped
        y = y[:, dropped : dropped + most - written]
        if y.shape[1]:
            sink.write(y)
            written += y.shape[1]
            if progress is not None:
                progress(written)

    for part in source.blocks(block):
        length += part.shape[1]
        x = silence.copy()
        rows = np.minimum(np.arange(sink.channels), part.shape[0] - 1)
        x[:, : part.shape[1]] = part[rows]
        put(x, length)
    while written < length:
        put(silence, length)
    return written
