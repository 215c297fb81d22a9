"""JACK's MIDI ports, held by a process of their own; `rtstyle.control.jack_child` says why."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from rtstyle.control.controls import ControlReader
from rtstyle.control.messages import Decoder
from rtstyle.control.systems import VIRTUAL_PORT, Portion, jack_socket

SCRIPT: Final = Path(__file__).with_name("jack_child.py")
FIRST_REPORT_S: Final = 10.0
END_S: Final = 1.0  # a client that leaves while the server freewheels may never come back from it
PIECE: Final = 1 << 16


class JackPorts:
    """The virtual port `midi_in`, and the source called `wanted` whenever it is there.

    Ends when the server ends or begins anew: then make another one.
    """

    def __init__(self, client: str, wanted: str | None = None, *, virtual: bool = True) -> None:
        settings = {
            "client": client, "virtual": VIRTUAL_PORT if virtual else None, "wanted": wanted, "socket": jack_socket(),
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the JACK library's remarks on servers that are not there
            start_new_session=True,  # Ctrl-C is for the main process, which ends this one
        )
        assert self._process.stdout is not None
        self._file = self._process.stdout.fileno()
        os.set_blocking(self._file, False)
        self._rest = b""
        self._reported = False
        self._readers: dict[str, tuple[Decoder, ControlReader]] = {}
        self.open: tuple[str, ...] = ()
        self.present: tuple[str, ...] = ()
        self.ended = False
        self._portions: list[Portion] = []
        while not self._reported and not self.ended and select.select([self._file], [], [], FIRST_REPORT_S)[0]:
            self._read()

    @property
    def waits(self) -> int:
        """A file that can be read when there is something to `take`."""
        return self._file

    def take(self) -> list[Portion]:
        """What came since the last call."""
        self._read()
        portions, self._portions = self._portions, []
        return portions

    def look(self) -> None:
        """Nothing to do: the process looks by itself."""

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _read(self) -> None:
        """Take in what the process has written."""
        while True:
            try:
                piece = os.read(self._file, PIECE)
            except BlockingIOError:
                return
            if not piece:
                self.ended = True
                return
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                self._understand(json.loads(line))

    def _understand(self, line: dict[str, Any]) -> None:
        if "open" in line:
            self.open, self.present = tuple(line["open"]), tuple(line["present"])
            self._reported = True
        else:
            name = line["from"]
            decoder, reader = self._readers.setdefault(name, (Decoder(), ControlReader()))
            self._portions.append(Portion(name, decoder.feed(bytes.fromhex(line["data"])), reader))


def list_jack_sources(client: str) -> list[str]:
    """Names of the sources at the server, in its order; none without a server."""
    ports = JackPorts(client, virtual=False)
    ports.close()
    return list(ports.present)
