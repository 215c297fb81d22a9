"""What every live backend offers to the rig."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from rtstyle.backends.link import AudioLink


class BackendState(StrEnum):
    """Where a backend is: a `lost` one has no device any more and is to be closed, and opened again when it is back."""

    CLOSED = "closed"
    OPEN = "open"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True)
class AudioFormat:
    """What the device runs at. block is 0 while unknown: it is then seen in the first callback."""

    sample_rate: int
    block: int
    in_channels: int
    out_channels: int


@dataclass(frozen=True)
class DeviceLatency:
    """Delay outside this program in frames, as the device reports it; None where it does not know."""

    input: int | None
    output: int | None


class Backend(Protocol):
    """One audio connection: `open` finds the device, `start` lets it call the link, `close` never blocks for long.

    All of it is `[control]`. Changes that the device makes by itself (block, loss) are seen by `poll`; `notify`, where
    the rig sets it, is called from any thread as soon as there is something to poll.
    """

    kind: str
    notify: Callable[[], None] | None

    @property
    def state(self) -> BackendState: ...

    @property
    def label(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def format(self) -> AudioFormat: ...

    @property
    def link(self) -> AudioLink: ...

    @property
    def xruns(self) -> int: ...

    @property
    def freewheeling(self) -> bool: ...

    def open(self) -> AudioFormat: ...

    def start(self) -> None: ...

    def set_latency(self, frames: int) -> None: ...

    def device_latency(self) -> DeviceLatency: ...

    def poll(self) -> BackendState: ...

    def close(self) -> None: ...
