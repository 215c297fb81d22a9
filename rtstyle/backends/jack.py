"""A JACK client with ports of its own, played by a compiled process callback."""

import threading
from collections.abc import Callable
from typing import Any

from rtstyle.backends.backend import AudioFormat, BackendState, DeviceLatency
from rtstyle.backends.devices import Direction
from rtstyle.backends.jack_callback import jack_callback
from rtstyle.backends.jack_ports import NOTHING, JackPort, pair_ports, pick_ports
from rtstyle.backends.libjack import CAPTURE, PLAYBACK, LibJack, listed
from rtstyle.backends.link import AudioLink
from rtstyle.errors import DeviceError

_CLOSE_SECONDS = 2.0


class JackBackend:
    """Client `name` with ports in_1.. and out_1.., as many as the link has channels. `[control]`

    input, output: what to connect to, see `pick_ports`; "none" leaves the ports free. JACK's own threads only call
    compiled code, and Python for rare things: a new period, freewheel, latencies, xruns, the server's end.

    The delay given by `set_latency` is reported as port latency. After the server has died `state` is LOST: `close`,
    then `open` and `start` again when a server is back; connections that were there before are made again.
    """

    kind = "jack"

    def __init__(
        self,
        link: AudioLink,
        *,
        name: str = "rtstyle",
        input: str | int | None = None,
        output: str | int | None = None,
    ) -> None:
        self._link = link
        self._name = name
        self._choices: dict[Direction, str | int | None] = {"input": input, "output": output}
        self.notify: Callable[[], None] | None = None
        self._library: LibJack | None = None
        self._guard = threading.RLock()  # whoever asks the client something keeps it from being closed meanwhile
        self._client: Any = None
        self._keep: list[Any] = []
        self._state = BackendState.CLOSED
        self._reason = ""
        self._label = name
        self._latency = 0
        self._xruns = 0
        self._freewheeling = False
        self._block = 0
        self._format = AudioFormat(0, 0, 0, 0)
        self._connections: list[tuple[str, str]] | None = None

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
        """The client's name as the server gave it. `[any]`"""
        return f"JACK client {self._label}"

    @property
    def format(self) -> AudioFormat:
        """What the server runs at now. `[any]`"""
        return AudioFormat(
            self._format.sample_rate,
            self._block or self._format.block,
            self._format.in_channels,
            self._format.out_channels,
        )

    @property
    def link(self) -> AudioLink:
        """What the callback works on. `[any]`"""
        return self._link

    @property
    def xruns(self) -> int:
        """Periods that the server reported as late, since this object was made. `[any]`"""
        return self._xruns

    @property
    def freewheeling(self) -> bool:
        """Whether the server runs as fast as it can, without a clock. `[any]`"""
        return self._freewheeling

    def open(self) -> AudioFormat:
        """Connect to the server and make the ports. Raises `DeviceError` where no server answers."""
        library = self._library or LibJack()
        self._library = library
        try:
            client = library.module.Client(self._name, no_start_server=True)
        except library.module.JackOpenError as error:
            raise DeviceError(
                "no JACK server answers: start one, for example `jackd -d alsa -r 48000 -p 128` "
                "(`jackd -d dummy` without a sound card), or choose --backend portaudio"
            ) from error
        self._client = client
        self._label = client.name
        self._reason = ""
        self._freewheeling = False
        channels = self._link.channels
        inputs = [client.inports.register(f"in_{number + 1}") for number in range(channels)]
        outputs = [client.outports.register(f"out_{number + 1}") for number in range(channels)]
        self._block = client.blocksize
        self._format = AudioFormat(client.samplerate, client.blocksize, channels, channels)
        self._link.set_ports(
            library.address("jack_port_get_buffer"),
            [library.pointer(port) for port in inputs],
            [library.pointer(port) for port in outputs],
        )
        library.set_process_callback(client, int(jack_callback.address), self._link.address)
        client.set_blocksize_callback(self._on_block)
        client.set_xrun_callback(self._on_xrun)
        client.set_freewheel_callback(self._on_freewheel)
        client.set_shutdown_callback(self._on_shutdown)
        self._keep = [library.set_latency_callback(client, self._on_latency)]
        self._state = BackendState.OPEN
        return self._format

    def start(self) -> None:
        """Let the server call, and connect the ports. Raises `DeviceError` for a connection that cannot be meant."""
        client = self._open_client()
        wanted = self._wanted_connections()
        try:
            client.activate()
        except self._jack().module.JackError as error:
            raise DeviceError(f"the JACK server did not take {self._label} in: {error}") from error
        self._state = BackendState.RUNNING
        for source, target in wanted:
            try:
                client.connect(source, target)
            except self._jack().module.JackError:
                continue  # gone in the meantime; the player connects what is there now
        self.set_latency(self._latency)

    def set_latency(self, frames: int) -> None:
        """Report `frames` as the delay between our input and output ports."""
        self._latency = frames
        if self._client is not None and self._state is BackendState.RUNNING:
            self._jack().recompute_latencies(self._client)

    def device_latency(self) -> DeviceLatency:
        """Delay of what our ports are connected to, as JACK knows it."""
        with self._guard:
            if self._client is None or self._state is BackendState.LOST:
                return DeviceLatency(None, None)
            library = self._jack()
            return DeviceLatency(
                max((library.latency(port, CAPTURE)[1] for port in self._client.inports), default=0),
                max((library.latency(port, PLAYBACK)[1] for port in self._client.outports), default=0),
            )

    def port_latency(self) -> tuple[int, int]:
        """What our first ports report now: capture latency of out_1, playback latency of in_1; frames."""
        with self._guard:
            library, client = self._jack(), self._open_client()
            return library.latency(client.outports[0], CAPTURE)[1], library.latency(client.inports[0], PLAYBACK)[1]

    def connections(self) -> list[tuple[str, str]]:
        """The connections of our ports, (from, to)."""
        with self._guard:
            client = self._client
            if client is None or self._state is not BackendState.RUNNING:
                return self._connections or []
            return listed(self._jack().module, lambda: _connections(client))

    def poll(self) -> BackendState:
        """Remember the connections, for the case that the server dies."""
        if self._state is BackendState.RUNNING:
            found = self.connections()
            if self._state is BackendState.RUNNING:  # an answer from a server that has just died is no answer
                self._connections = found
        return self._state

    def close(self) -> None:
        """Leave the server; returns within two seconds whatever the server does."""
        with self._guard:
            client, self._client = self._client, None
            self._state = BackendState.CLOSED
            self._block = 0
        if client is None:
            return
        # A daemon thread: should the library ever hang, the program still ends.
        closing = threading.Thread(target=client.close, name="jack-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)
        if not closing.is_alive():
            self._keep = []

    def _wanted_connections(self) -> list[tuple[str, str]]:
        return listed(self._jack().module, self._choose_connections)

    def _choose_connections(self) -> list[tuple[str, str]]:
        client = self._open_client()
        if self._connections is not None:  # the ones before the server died
            there = {port.name for port in client.get_ports(is_audio=True)}
            return [pair for pair in self._connections if pair[0] in there and pair[1] in there]
        wanted: list[tuple[str, str]] = []
        sides: tuple[tuple[Direction, Any], ...] = (("input", client.inports), ("output", client.outports))
        for direction, ours in sides:
            choice = self._choices[direction]
            if isinstance(choice, str) and choice.lower() == NOTHING:
                continue
            listening = direction == "input"
            physical = {port.name for port in client.get_ports(is_audio=True, is_physical=True)}
            others = [
                JackPort(port.name, port.name in physical)
                for port in client.get_ports(is_audio=True, is_output=listening, is_input=not listening)
                if not client.owns(port)
            ]
            theirs = pick_ports(choice, direction, others)
            wanted += pair_ports([port.name for port in ours], theirs, direction)
        return wanted

    def _on_block(self, frames: int) -> None:
        self._block = frames
        self._changed()

    def _on_xrun(self, _delayed_us: float) -> None:
        self._xruns += 1

    def _on_freewheel(self, starting: bool) -> None:
        self._freewheeling = starting
        self._changed()

    def _on_shutdown(self, _status: object, reason: str) -> None:
        self._state = BackendState.LOST
        self._reason = f"the JACK server has gone ({reason})"
        self._changed()

    def _on_latency(self, mode: int) -> None:
        client, library = self._client, self._library
        if client is None or library is None:
            return
        # What lies before our inputs is `latency` further away at our outputs, and the other way round.
        near, far = (client.inports, client.outports) if mode == CAPTURE else (client.outports, client.inports)
        ranges = [library.latency(port, mode) for port in near]
        minimum = min(low for low, _ in ranges) + self._latency
        maximum = max(high for _, high in ranges) + self._latency
        for port in far:
            library.set_latency(port, mode, minimum, maximum)

    def _changed(self) -> None:
        if self.notify is not None:
            self.notify()

    def _open_client(self) -> Any:
        if self._client is None:
            raise DeviceError("the JACK client is not open")
        return self._client

    def _jack(self) -> LibJack:
        if self._library is None:
            raise DeviceError("the JACK client is not open")
        return self._library


def _connections(client: Any) -> list[tuple[str, str]]:
    found = [(other.name, port.name) for port in client.inports for other in client.get_all_connections(port)]
    return found + [(port.name, other.name) for port in client.outports for other in client.get_all_connections(port)]
