"""Records what a link plays, from a ring that the audio callback fills."""

import threading
from pathlib import Path

import numpy as np

from rtstyle.backends.link import AudioLink
from rtstyle.backends.wav import WavWriter
from rtstyle.errors import FileError

_PERIOD_SECONDS = 0.05
_BLOCK = 8_192


class Recorder:
    """Writes what the link plays into a WAV file from a thread of its own; the audio never waits for it. `[control]`

    with_dry: the input's channels follow those of the output, so that a take can be played through again later.
    A disk that is full, or gone, ends the recording: the file is valid up to there, `failure` says what happened,
    and the music goes on. Raises `FileError` where the file cannot be created.
    """

    def __init__(self, link: AudioLink, path: str | Path, sample_rate: int, *, with_dry: bool = False) -> None:
        self._link = link
        self.sample_rate = sample_rate
        self._writer = WavWriter(path, sample_rate, link.channels * (2 if with_dry else 1))
        self._failure = ""
        self._stop = threading.Event()
        rows = link.open_tap(sample_rate, with_dry=with_dry)
        self._block = np.zeros((rows, _BLOCK), np.float32)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """The file. `[any]`"""
        return self._writer.path

    @property
    def seconds(self) -> float:
        """How much is in the file. `[any]`"""
        return self._writer.seconds

    @property
    def failure(self) -> str:
        """Why the recording has ended by itself; empty while all is well. `[any]`"""
        return self._failure

    @property
    def lost_frames(self) -> int:
        """Frames that found the ring full because the disk was slow for seconds. `[any]`"""
        return self._link.counters().lost_frames

    @property
    def recording(self) -> bool:
        """Whether frames still go into the file. `[any]`"""
        return not self._stop.is_set() and not self._failure

    def close(self) -> None:
        """Write what is in the ring and end the file."""
        if self._stop.is_set():
            return
        self._link.close_tap()
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            while not self._stop.wait(_PERIOD_SECONDS):
                self._drain()
            self._drain()
        except FileError as error:
            self._failure = str(error)
            self._link.close_tap()
        finally:
            self._writer.close()

    def _drain(self) -> None:
        while True:
            frames = self._link.read_tap(self._block)
            if frames == 0:
                return
            self._writer.write(self._block[:, :frames])
