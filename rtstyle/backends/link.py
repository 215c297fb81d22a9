"""What lies between a device's callback and the engine, seen from Python."""

import time
from dataclasses import dataclass

import numpy as np

from rtstyle.backends import callbacks as slot
from rtstyle.dsp import ring
from rtstyle.dsp.atomics import look, put
from rtstyle.dsp.delay import new_line
from rtstyle.engine.native import Native
from rtstyle.errors import DeviceError

MAX_FRAMES = 16_384  # above the largest period that JACK and PortAudio give
FADE_MS = 5.0
_TAP_SECONDS = 4


@dataclass(frozen=True)
class LinkCounters:
    """What the callbacks counted since the link was made."""

    callbacks: int
    frames: int
    position: int
    block_changes: int
    flagged: int
    failures: int
    held: bool
    lost_frames: int


class AudioLink:
    """Owns the table and the buffers that the compiled callbacks work on; `table` must outlive the device's stream.

    channels: of the engine. in_offset: the device's channel that the first engine channel hears. The backend says how
    many the device has: a mono engine feeds all outputs, and an engine channel that the device has not hears its last.
    """

    def __init__(self, *, channels: int, in_offset: int = 0) -> None:
        if channels < 1 or in_offset < 0 or channels + in_offset > slot.MAX_CHANNELS:
            raise DeviceError(
                f"{channels} channels from input {in_offset + 1} on: allowed are inputs 1 to {slot.MAX_CHANNELS}"
            )
        self.in_offset = in_offset
        self.table = np.zeros(slot.SLOTS, np.int64)
        self._scratch = np.zeros((2 * channels, MAX_FRAMES), np.float32)
        self._ports = np.zeros((2, slot.MAX_CHANNELS), np.int64)
        self._ring = np.zeros((1, 1), np.float32)
        self._ring_index = ring.new_index()
        self._keep: list[object] = []
        self._system = Native()
        for index, value in (
            (slot.CHANNELS, channels),
            (slot.SCRATCH_OUT, self._scratch.ctypes.data),
            (slot.SCRATCH_IN, self._scratch[channels:].ctypes.data),
            (slot.MAX_FRAMES, MAX_FRAMES),
            (slot.IN_PORTS, self._ports[0].ctypes.data),
            (slot.OUT_PORTS, self._ports[1].ctypes.data),
            (slot.SYSTEM, self._system.cells.ctypes.data),
            (slot.FADE_FRAMES, 1),
            (slot.HOLD, 1),
            (slot.HELD, 1),
        ):
            self.table[index] = value
        self.set_device_channels(channels + in_offset, channels)

    @property
    def address(self) -> int:
        """What a device gives to its callback as user data."""
        return int(self.table.ctypes.data)

    @property
    def channels(self) -> int:
        """Channels of the engine."""
        return int(self.table[slot.CHANNELS])

    def attach(
        self, function: int, table: np.ndarray, *, block: int, latency: int, sample_rate: int, keep: object = None
    ) -> None:
        """Give the callback an engine; it plays from `release` on. Only while held. `[control]`

        function: C pointer, see `native.call_engine`. block: the frames a call must have, 0 for any. latency: frames.
        keep: lives as long as this engine is attached.
        """
        if not self.held:
            raise DeviceError("the audio callback still plays the other engine: hold the link first")
        self._keep = [table, keep]
        self.table[slot.ENGINE] = function
        self.table[slot.ENGINE_TABLE] = table.ctypes.data
        self.table[slot.BLOCK] = block
        self.table[slot.LATENCY] = latency
        self.table[slot.FADE_FRAMES] = max(1, round(FADE_MS * sample_rate / 1000.0))

    def set_device_channels(self, inputs: int, outputs: int) -> None:
        """Say how many channels the device's buffers have; only while it does not run. `[control]`"""
        self.table[slot.IN_CHANNELS] = inputs
        self.table[slot.OUT_CHANNELS] = outputs
        self.table[slot.IN_OFFSET] = min(self.in_offset, inputs - 1)

    def set_ports(self, get_buffer: int, in_ports: list[int], out_ports: list[int]) -> None:
        """Name JACK's ports by address; only while its client is not active. `[control]`"""
        self.table[slot.PORT_BUFFER] = get_buffer
        self._ports[0, : len(in_ports)] = in_ports
        self._ports[1, : len(out_ports)] = out_ports
        self.set_device_channels(len(in_ports), len(out_ports))

    def hold(self, timeout: float = 1.0) -> bool:
        """Let the callback fade to the direct input and keep off the engine. `[control]`

        True when the engine is free. False when a callback has been inside it for all of `timeout`: it must not be
        touched. A device that calls no more counts as held.
        """
        ticket = look(self.table, slot.HOLD) | 1
        put(self.table, slot.HOLD, ticket)
        until = time.monotonic() + timeout
        seen, since = -1, time.monotonic()
        while time.monotonic() < until:
            if self.held:
                return True
            now = look(self.table, slot.CALLBACKS)
            if now != seen:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > 0.1 and not look(self.table, slot.BUSY):
                put(self.table, slot.HELD, ticket)  # a callback that comes after all sees both
                return True
            time.sleep(0.001)
        return False

    def release(self) -> None:
        """Let the callback fade back to the engine, once its delay line is full. `[control]`"""
        if self.held:
            self.table[slot.FADE] = 0
            self.table[slot.WAIT] = self.table[slot.LATENCY]
        ticket = look(self.table, slot.HOLD)
        put(self.table, slot.HOLD, ticket + ticket % 2)

    @property
    def held(self) -> bool:
        """Whether the callback keeps off the engine. `[any]`"""
        ticket = look(self.table, slot.HOLD)
        return bool(ticket % 2 and look(self.table, slot.HELD) == ticket)

    def set_patient(self, patient: bool) -> None:
        """While patient, time does not matter (freewheel): the recorder is waited for, so that no frame is lost. `[any]`"""
        self.table[slot.PATIENT] = int(patient)

    @property
    def changed_block(self) -> int:
        """Frames of the last callback where the engine was not prepared for it, else 0. `[any]`"""
        frames, block = int(self.table[slot.FRAMES]), int(self.table[slot.BLOCK])
        return frames if block and frames and frames != block else 0

    def counters(self) -> LinkCounters:
        """What happened so far. `[any]`"""
        table = self.table
        return LinkCounters(
            callbacks=int(table[slot.CALLBACKS]),
            frames=int(table[slot.FRAMES]),
            position=int(table[slot.POSITION]),
            block_changes=int(table[slot.BLOCK_CHANGES]),
            flagged=int(table[slot.FLAGGED]),
            failures=int(table[slot.FAILURES]),
            held=self.held,
            lost_frames=int(table[slot.TAP_LOST]),
        )

    def open_tap(self, sample_rate: int, *, with_dry: bool) -> int:
        """Start to copy what is played (and, below it, what came in) into a ring; returns its channels. `[control]`"""
        rows = self.channels * (2 if with_dry else 1)
        self._ring = new_line(rows, sample_rate * _TAP_SECONDS)
        self._ring_index = ring.new_index()
        self.table[slot.TAP_RING] = self._ring.ctypes.data
        self.table[slot.TAP_INDEX] = self._ring_index.ctypes.data
        self.table[slot.TAP_CAPACITY] = self._ring.shape[1]
        self.table[slot.TAP_LOST] = 0
        put(self.table, slot.TAP, rows)
        return rows

    def read_tap(self, audio: np.ndarray) -> int:
        """Take up to audio.shape[1] frames into float32 (rows, frames); returns how many there were. `[worker]`"""
        return int(ring.read(self._ring, self._ring_index, audio, audio.shape[1]))  # type: ignore[no-untyped-call]

    def close_tap(self) -> None:
        """Stop to copy; what is in the ring can still be read. `[control]`"""
        put(self.table, slot.TAP, 0)
        until = time.monotonic() + 0.5
        while look(self.table, slot.BUSY) and time.monotonic() < until:
            time.sleep(0.0005)
