"""A PortAudio stream on any system, played by a compiled callback."""

import atexit
import ctypes
import ctypes.util
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from rtstyle.backends.backend import AudioFormat, BackendState, DeviceLatency
from rtstyle.backends.devices import (
    AudioDevice,
    import_sounddevice,
    list_devices,
    offered_rates,
    pick_device,
    refresh_devices,
)
from rtstyle.backends.link import AudioLink
from rtstyle.backends.portaudio_callback import portaudio_callback
from rtstyle.errors import DeviceError

_CLOSE_SECONDS = 1.5
_SILENT_SECONDS = 1.5  # no callback for so long: the device has gone, whatever the stream says

# Streams whose closing hangs for ever: their callbacks' memory must stay.
_abandoned: list[Any] = []


class PortAudioBackend:
    """A duplex stream with a block that PortAudio chooses (any other adds a whole block of delay). `[control]`

    input, output: device by number or piece of name. sample_rate: None takes the device's own. A device that stops
    calling is LOST, even where PortAudio does not tell; `close` leaves a stream that hangs behind (a dead JACK server
    makes stop, abort and close hang for ever), and `open` finds the device again when it is back.
    """

    kind = "portaudio"

    def __init__(
        self,
        link: AudioLink,
        *,
        input: str | int | None = None,
        output: str | int | None = None,
        sample_rate: int | None = None,
        block: int | None = None,
        name: str = "rtstyle",
    ) -> None:
        self._link = link
        self._name = name
        self._choices = (input, output)
        self._sample_rate = sample_rate
        self._block_hint = block
        self.notify: Callable[[], None] | None = None
        self._sounddevice: Any = None
        self._stream: Any = None
        self._state = BackendState.CLOSED
        self._reason = ""
        self._label = "PortAudio"
        self._host = ""
        self._format = AudioFormat(0, 0, 0, 0)
        self._calls = 0
        self._seen = 0.0
        self._opened_before = False

    @property
    def state(self) -> BackendState:
        """Where this backend is. `[any]`"""
        return self._state

    @property
    def reason(self) -> str:
        """Why the device is lost, in words. `[any]`"""
        return self._reason

    @property
    def label(self) -> str:
        """The devices' names. `[any]`"""
        return self._label

    @property
    def format(self) -> AudioFormat:
        """What the stream runs at; the block is the one that was last seen. `[any]`"""
        frames = self._link.counters().frames
        known = self._format
        return AudioFormat(known.sample_rate, frames or known.block, known.in_channels, known.out_channels)

    @property
    def link(self) -> AudioLink:
        """What the callback works on. `[any]`"""
        return self._link

    @property
    def xruns(self) -> int:
        """Callbacks that PortAudio flagged. `[any]`"""
        return self._link.counters().flagged

    @property
    def freewheeling(self) -> bool:
        """Never: a sound card has a clock. `[any]`"""
        return False

    def open(self) -> AudioFormat:
        """Find the devices and open the stream. Raises `DeviceError` that says what the devices offer."""
        _name_client(self._name)
        self._sounddevice = sounddevice = import_sounddevice()
        devices = refresh_devices() if self._opened_before and not _abandoned else list_devices()
        if self._opened_before and _abandoned:
            raise DeviceError(
                "the audio system of the lost device does not answer any more: quit rtstyle and start it again; "
                "with a JACK server --backend jack reconnects by itself"
            )
        source = pick_device(self._choices[0], "input", devices)
        target = pick_device(self._choices[1], "output", devices)
        rate = self._sample_rate or round(target.sample_rate)
        in_channels = min(source.inputs, self._link.channels + self._link.in_offset)
        out_channels = min(target.outputs, max(2, self._link.channels))
        self._link.set_device_channels(in_channels, out_channels)
        try:
            self._stream = sounddevice._StreamBase(
                "duplex",
                samplerate=rate,
                blocksize=0,
                device=(source.number, target.number),
                channels=(in_channels, out_channels),
                dtype="float32",
                latency=self._block_hint / rate if self._block_hint else "low",
                dither_off=True,
                callback=sounddevice._ffi.cast("PaStreamCallback*", int(portaudio_callback.address)),
                userdata=sounddevice._ffi.cast("void*", self._link.address),
            )
        except sounddevice.PortAudioError as error:
            raise DeviceError(self._refusal(source, target, rate, error)) from error
        self._opened_before = True
        self._host = source.host
        self._label = source.name if source.number == target.number else f"{source.name} -> {target.name}"
        self._format = AudioFormat(round(self._stream.samplerate), 0, in_channels, out_channels)
        self._state = BackendState.OPEN
        self._reason = ""
        return self._format

    def start(self) -> None:
        """Let the device call. Raises `DeviceError` where it refuses."""
        if self._stream is None:
            raise DeviceError("the audio stream is not open")
        try:
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(f"{self._label} does not start: {error}") from error
        self._state = BackendState.RUNNING
        self._calls = -1
        self._seen = time.monotonic()

    def set_latency(self, frames: int) -> None:
        """PortAudio has no way to report it: nothing to do."""

    def device_latency(self) -> DeviceLatency:
        """What the host API says, in frames; JACK's through PortAudio is known to be wrong and counts as not known."""
        stream = self._stream
        if stream is None or self._state is BackendState.LOST or "JACK" in self._host:
            return DeviceLatency(None, None)
        rate = self._format.sample_rate
        before, after = stream.latency
        return DeviceLatency(round(before * rate), round(after * rate))

    def poll(self) -> BackendState:
        """Notice a dead device: the stream is not active, or has not called for a while."""
        if self._state is not BackendState.RUNNING:
            return self._state
        calls = self._link.counters().callbacks
        now = time.monotonic()
        if calls != self._calls:
            self._calls, self._seen = calls, now
        if not self._stream.active:
            self._lose("its stream has ended")
        elif now - self._seen > _SILENT_SECONDS:
            self._lose(f"it has not asked for audio for {_SILENT_SECONDS} s")
        return self._state

    def close(self) -> None:
        """End the stream; one that hangs is left behind after a moment and keeps its memory."""
        stream, self._stream = self._stream, None
        lost = self._state is BackendState.LOST
        self._state = BackendState.CLOSED
        if stream is None:
            return
        closing = threading.Thread(target=_end, args=(stream, lost), name="portaudio-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        if closing.is_alive():
            _abandoned.append((stream, self._link))
            # At the program's end sounddevice would wait for PortAudio, and PortAudio for the hanging stream.
            atexit.unregister(self._sounddevice._exit_handler)

    def _lose(self, why: str) -> None:
        self._state = BackendState.LOST
        self._reason = f"{self._label} has gone: {why}"
        if self.notify is not None:
            self.notify()

    def _refusal(self, source: AudioDevice, target: AudioDevice, rate: int, error: Exception) -> str:
        rates = offered_rates(source, target, self._link.channels)
        if rate not in rates:
            offer = (
                ", ".join(str(rate) for rate in rates) or "none of the usual ones in common: choose one device for both"
            )
            return f"{source.name} -> {target.name} does not take {rate} Hz; it takes {offer} (--rate)"
        return (
            f"{source.name} -> {target.name} cannot be opened at {rate} Hz ({error}): close programs that use it, "
            "or choose another with --input and --output (see `rtstyle devices`)"
        )


def _end(stream: Any, lost: bool) -> None:
    if lost:
        stream.abort(ignore_errors=True)
    else:
        stream.stop(ignore_errors=True)
    stream.close(ignore_errors=True)


def _name_client(name: str) -> None:
    """Name the client that PortAudio becomes on a JACK server; only before sounddevice is imported, only on Linux."""
    if "sounddevice" in sys.modules or not sys.platform.startswith("linux"):
        return
    path = ctypes.util.find_library("portaudio")
    if path is None:
        return
    library = ctypes.CDLL(path)
    if hasattr(library, "PaJack_SetClientName"):
        text = ctypes.create_string_buffer(name.encode())
        _kept_names.append(text)
        library.PaJack_SetClientName(text)


_kept_names: list[Any] = []  # PortAudio keeps the pointer
