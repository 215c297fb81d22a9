"""A digital audio workstation of forty lines: it plays into rtstyle's ports and records what comes back."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

import jack
import numpy as np


class Daw:
    """Plays `audio` (channels, frames) once `play` is called, silence before and after; records as long as it plays.

    The loop through another client back to this one takes one period more: JACK cannot run a client twice a cycle.
    """

    def __init__(self, channels: int = 1, name: str = "daw") -> None:
        self.client = jack.Client(name, no_start_server=True)
        self.outputs = [self.client.outports.register(f"send_{number + 1}") for number in range(channels)]
        self.inputs = [self.client.inports.register(f"return_{number + 1}") for number in range(channels)]
        self.cue: tuple[int, Callable[[], None]] | None = None  # called in the cycle of that frame, before others run
        self._audio = np.zeros((channels, 0), np.float32)
        self._recording = np.zeros((channels, 0), np.float32)
        self._at = -1
        self._done = threading.Event()
        self.client.set_process_callback(self._process)
        self.client.activate()

    def connect(self, sends: list[str], returns: list[str]) -> None:
        """Send to the ports `sends`, record from the ports `returns`."""
        for port, other in zip(self.outputs, sends, strict=True):
            self.client.connect(port, other)
        for port, other in zip(self.inputs, returns, strict=True):
            self.client.connect(other, port)

    def play(
        self,
        audio: np.ndarray,
        tail: int = 0,
        *,
        freewheel: bool = True,
        ready: Callable[[], bool] = lambda: True,
        timeout: float = 60.0,
    ) -> np.ndarray:
        """Play all of `audio`, go on for `tail` frames, and return what came back from the first frame on.

        ready: asked until it says yes before the first frame, while the server freewheels already.
        """
        period = self.client.blocksize
        frames = -(-(audio.shape[1] + tail) // period) * period
        self._audio = np.zeros((len(audio), frames), np.float32)
        self._audio[:, : audio.shape[1]] = audio
        self._recording = np.zeros_like(self._audio)
        self._done.clear()
        if freewheel:
            self.client.set_freewheel(True)
        until = time.monotonic() + timeout
        while not ready() and time.monotonic() < until:
            time.sleep(0.002)
        self._at = 0
        ended = self._done.wait(timeout)
        if freewheel:
            self.client.set_freewheel(False)
        assert ended, f"only {self._at} of {frames} frames were played in {timeout} s"
        return self._recording

    def close(self) -> None:
        """Leave the server."""
        self.client.close()

    def __enter__(self) -> "Daw":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _process(self, frames: int) -> None:
        at = self._at
        if at < 0 or at + frames > self._audio.shape[1]:
            for port in self.outputs:
                port.get_array()[:] = 0.0
            return
        if self.cue is not None and at <= self.cue[0] < at + frames:
            self.cue[1]()
        for row, port in enumerate(self.outputs):
            port.get_array()[:] = self._audio[row, at : at + frames]
        for row, port in enumerate(self.inputs):
            self._recording[row, at : at + frames] = port.get_array()
        self._at = at + frames
        if self._at >= self._audio.shape[1]:
            self._at = -1
            self._done.set()
