"""A real JACK server without hardware, one per test process, under a name that no other server uses.

Use it as a fixture (`from tests.jack_server import jack_server`) or by hand:

    with JackServer(period=128) as server:
        ...                      # every JACK client of this process and its children finds it by JACK_DEFAULT_SERVER
        server.kill()            # dies like a crash
        server.start()           # and comes back
"""

import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

INSTALL = "apt-get install -y --no-install-recommends jackd2 libportaudio2"
_numbers = itertools.count()


class JackServer:
    """One `jackd -d dummy` process with a server name of its own; `start` works again after `stop` or `kill`."""

    def __init__(self, *, rate: int = 48_000, period: int = 128, channels: int = 2) -> None:
        self.name = f"rtstyle-test-{os.getpid()}-{next(_numbers)}"
        self.rate = rate
        self.period = period
        self.channels = channels
        self._process: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str | None] = {}
        self._killed = False

    def start(self) -> "JackServer":
        """Start the server, real-time where that is allowed, and return once it accepts clients."""
        jackd = shutil.which("jackd")
        if jackd is None:
            pytest.fail(f"jackd is not installed: {INSTALL}")
        self._set_environment()
        for attempt in range(3):
            if attempt == 1:
                free_registry(jackd)
            # -R asks for real time, which not every machine grants; jackd's -r is "no real time"
            if self._launch(jackd, "-r" if attempt == 2 else "-R"):
                return self
            self.kill()
        pytest.fail(f"jackd did not start: try `{jackd} -n test -d dummy` by hand, and {INSTALL}")

    def stop(self) -> None:
        """End the server in good order and forget the environment variables that pointed at it."""
        jackd = shutil.which("jackd")
        if not self.alive and self._killed and jackd is not None:
            self._launch(
                jackd, "-r"
            )  # a killed server keeps its place in JACK's registry until one of its name ends well
        self._end(signal.SIGTERM)
        self._killed = False
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._environment = {}

    def kill(self) -> None:
        """End the server as a crash would; clients are not told but by their broken connection."""
        self._killed = True
        self._end(signal.SIGKILL)

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> "JackServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _set_environment(self) -> None:
        for name, value in (("JACK_DEFAULT_SERVER", self.name), ("JACK_NO_START_SERVER", "1")):
            self._environment.setdefault(name, os.environ.get(name))
            os.environ[name] = value

    def _launch(self, jackd: str, scheduling: str) -> bool:
        self._process = subprocess.Popen(
            [
                jackd, "-n", self.name, scheduling, "-d", "dummy", "-r", str(self.rate), "-p", str(self.period),
                "-C", str(self.channels), "-P", str(self.channels),
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self._answers()

    def _answers(self) -> bool:
        socket = f"/dev/shm/jack_{self.name}_{os.getuid()}_0"  # where jackd2 listens: there before it accepts
        until = time.monotonic() + 5.0
        while time.monotonic() < until and self.alive:
            if os.path.exists(socket):
                listing = subprocess.run(["jack_lsp", "-s", self.name], capture_output=True, text=True, check=False)
                if "system:" in listing.stdout:
                    return True
            time.sleep(0.01)
        return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(3.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(3.0)


def free_registry(jackd: str) -> None:
    """Free the places of servers that died: JACK has eight, and a killed server keeps its own until one of its name ends."""
    registry = Path("/dev/shm/jack-shm-registry")
    content = registry.read_bytes()[:8192] if registry.exists() else b""
    for found in re.finditer(rb"(.{4})jack-\d+:([^:\0]+):\0", content, re.DOTALL):
        number = int.from_bytes(found[1], "little")
        if number and not Path(f"/proc/{number}").exists():
            name = found[2].decode()
            heir = subprocess.Popen(
                [jackd, "-n", name, "-r", "-d", "dummy"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            time.sleep(0.5)
            heir.terminate()
            heir.wait(5.0)


@pytest.fixture
def jack_server() -> Iterator[JackServer]:
    """A server at 48 kHz, 128 frames a period, two channels each way; gone after the test."""
    with JackServer() as server:
        yield server
