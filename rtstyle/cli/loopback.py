"""Delay measured with sound: a burst of noise goes out and is looked for in what comes in."""

import threading
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import DeviceError

BURST: Final = 2048  # samples of noise
LISTEN_SECONDS: Final = 1.0
LEVEL: Final = 0.25
CLEAR: Final = 8.0  # how far the correlation's peak must stand out, over its usual size


def burst(seed: int = 0) -> NDArray[np.float32]:
    """The noise that is sent: float32[BURST], the same every time. `[any]`"""
    return np.random.default_rng(seed).uniform(-LEVEL, LEVEL, BURST).astype(np.float32)


def find_delay(sent: NDArray[np.float32], heard: NDArray[np.float32]) -> int | None:
    """Samples by which `sent` comes late in `heard`; None where it is not there. `[any]`

    The peak of the cross-correlation: exact to the sample for any gain and polarity, and in noise.
    """
    length = 1 << int(np.ceil(np.log2(len(sent) + len(heard))))
    spectrum = np.fft.rfft(heard, length) * np.conj(np.fft.rfft(sent, length))
    correlation = np.abs(np.fft.irfft(spectrum, length)[: len(heard)])
    peak = int(np.argmax(correlation))
    usual = float(np.median(correlation)) + 1e-9
    return peak if correlation[peak] > CLEAR * usual else None


class JackProbe:
    """A JACK client with one output and one input, to connect around whatever is to be measured. `[control]`

    Raises DeviceError where no server answers.
    """

    def __init__(self) -> None:
        import jack

        from rtstyle.cli.output import native_stderr_hidden

        try:
            with native_stderr_hidden():
                self._client: Any = jack.Client("rtstyle-probe", no_start_server=True)
        except jack.JackOpenError as error:
            raise DeviceError("no JACK server answers: start one, or measure with --backend portaudio") from error
        self.sample_rate = int(self._client.samplerate)
        self.period = int(self._client.blocksize)
        self._out = self._client.outports.register("out")
        self._in = self._client.inports.register("in")
        self._sent = burst()
        self._heard = np.zeros(int(LISTEN_SECONDS * self.sample_rate), np.float32)
        self._position = len(self._heard)
        self._done = threading.Event()
        self._client.set_process_callback(self._process)
        self._client.activate()

    def measure(self, targets: Sequence[str], sources: Sequence[str]) -> int | None:
        """Send the burst to `targets`, listen to `sources`, return the delay in samples or None where nothing came.

        Names of ports; "self" is the probe's own. The delay holds one period for the way through the server's graph.
        """
        made = [(self._out.name, self._in.name if name == "self" else name) for name in targets]
        made += [(name, self._in.name) for name in sources if name != "self"]
        for source, target in made:
            self._client.connect(source, target)
        try:
            self._done.clear()
            self._position = -self.sample_rate // 10  # let the connections settle
            if not self._done.wait(LISTEN_SECONDS + 5.0):
                raise DeviceError("the JACK server does not call: is it stopped?")
            return find_delay(self._sent, self._heard)
        finally:
            for source, target in made:
                self._client.disconnect(source, target)

    def hardware(self) -> tuple[list[str], list[str]]:
        """The first physical playback port and the first capture port, or nothing where there is no hardware."""
        playback = self._client.get_ports(is_audio=True, is_physical=True, is_input=True)
        capture = self._client.get_ports(is_audio=True, is_physical=True, is_output=True)
        return [port.name for port in playback[:1]], [port.name for port in capture[:1]]

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate()
        self._client.close()

    def _process(self, frames: int) -> None:
        # The server may hand out one memory for a port and the port that it is connected to: listen before speaking.
        came = self._in.get_array().copy()
        out = self._out.get_array()
        out[:] = 0.0
        start, stop = self._position, self._position + frames
        if start >= len(self._heard):
            return
        if stop > 0:
            low, high = max(start, 0), min(stop, len(self._heard))
            self._heard[low:high] = came[low - start : high - start]
            sent = self._sent[low:high]
            out[low - start : low - start + len(sent)] = sent
        self._position = stop
        if stop >= len(self._heard):
            self._done.set()


def measure_device(input: int | None, output: int | None, sample_rate: int) -> int | None:
    """Delay in samples of a cable from the output to the input of PortAudio devices, None where nothing comes back.

    `[control]` Includes what PortAudio and the system buffer at their lowest setting. Raises DeviceError.
    """
    from rtstyle.backends.devices import import_sounddevice

    sounddevice = import_sounddevice()
    sent = burst()
    played = np.zeros((int(LISTEN_SECONDS * sample_rate), 1), np.float32)
    played[: len(sent), 0] = sent
    try:
        heard = sounddevice.playrec(
            played, samplerate=sample_rate, channels=1, device=(input, output), latency="low", blocking=True
        )
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"the devices cannot play and record at {sample_rate} Hz: {error}") from error
    return find_delay(sent, np.ascontiguousarray(heard[:, 0]))
