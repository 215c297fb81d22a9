"""An audio connection that a test turns by hand."""

from collections.abc import Callable

import numpy as np

from rtstyle.backends.backend import AudioFormat, BackendState, DeviceLatency
from rtstyle.backends.link import AudioLink
from rtstyle.errors import DeviceError
from tests.backends.device import call


class HandBackend:
    """Calls the link whenever `play` is called; `lose` and `there` make the device go and come back.

    It has no clock, so it freewheels: a busy machine cannot make a model late.
    """

    kind = "hand"

    def __init__(self, link: AudioLink, *, rate: int = 48_000, block: int = 128, told_block: bool = True) -> None:
        self.link = link
        self.rate, self.block, self.told_block = rate, block, told_block
        self.notify: Callable[[], None] | None = None
        self.state = BackendState.CLOSED
        self.reason = ""
        self.label = "hand"
        self.xruns = 0
        self.freewheeling = True
        self.there = True
        self.reported: list[int] = []
        self.calls: list[str] = []

    @property
    def format(self) -> AudioFormat:
        seen = self.link.counters().frames
        return AudioFormat(self.rate, self.block if self.told_block else seen, self.link.channels, self.link.channels)

    def open(self) -> AudioFormat:
        self.calls.append("open")
        if not self.there:
            raise DeviceError("the hand is in the pocket")
        self.link.set_device_channels(self.link.channels, self.link.channels)
        self.state = BackendState.OPEN
        return self.format

    def start(self) -> None:
        self.calls.append("start")
        self.state = BackendState.RUNNING
        if not self.told_block:
            self.play(np.zeros((self.link.channels, 4 * self.block), np.float32))

    def set_latency(self, frames: int) -> None:
        self.reported.append(frames)

    def device_latency(self) -> DeviceLatency:
        return DeviceLatency(None, None)

    def poll(self) -> BackendState:
        return self.state

    def close(self) -> None:
        self.calls.append("close")
        self.state = BackendState.CLOSED

    def play(self, audio: np.ndarray, block: int | None = None) -> np.ndarray:
        """What the device's loudspeaker gives for `audio` (channels, frames)."""
        size = block or self.block
        parts = [call(self.link, audio[:, at : at + size], len(audio)) for at in range(0, audio.shape[1], size)]
        return np.concatenate(parts, axis=1)

    def lose(self, reason: str) -> None:
        self.there = False
        self.state, self.reason = BackendState.LOST, reason
        if self.notify is not None:
            self.notify()
