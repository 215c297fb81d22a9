"""The process that holds JACK's MIDI ports for `rtstyle.control.jack_ports`. Run as a script; knows rtmidi and no rtstyle.

Why a process: python-rtmidi keeps the interpreter locked while it talks to the server, and the server waits for every
client to hear its news. A client in the same process that hears them in Python, as an audio client does, then waits for
the interpreter, and all three for ever. Its callback, in turn, would run Python inside the server's cycle, where any
other Python thread makes every client late: at period 128 beside a busy thread, 343 xruns and 45 % of the messages lost
in 4 s, against 9 xruns and 0.1 % when the ports are asked by a thread, as here.

Argument: one JSON object, see `run`. Output, one JSON object a line:
    {"open": [names], "present": [names]}   ports open here, sources on the server; first, and after every change
    {"from": name, "data": hexadecimal}     what a port received, whole messages
Ends when its input is closed, or the server has gone or begun anew.
"""

import json
import os
import select
import sys
import time

import rtmidi

ACTIVE_S = 0.001  # how often ports are asked while messages come ..
IDLE_S = 0.002  # .. and while none come
ACTIVE_FOR_S = 1.0
LOOK_AGAIN_S = 1.0
QUEUE = 16384  # messages that wait while this process is held up: 1.6 s of a flood of 10 000 a second


def run(client: str, virtual: str | None, wanted: str | None, socket: str | None) -> None:
    """Serve until the end.

    client: name at the server. virtual: name of the virtual port, or None. wanted: a source to be connected whenever it
    is there, or None. socket: the file at which the server listens; None: not known, then its end is not noticed.
    """
    began = identity(socket)
    look = open_client(client)
    ports = {}
    if virtual:
        look.open_virtual_port(virtual)
        ports[virtual] = look
    told = None
    last_message = look_at = -LOOK_AGAIN_S
    while identity(socket) == began:
        now = time.monotonic()
        if now >= look_at:
            look_at = now + LOOK_AGAIN_S
            present = look.get_ports()
            if wanted is not None and wanted in ports and wanted not in present:
                ports.pop(wanted).delete()
            elif wanted is not None and wanted in present and wanted not in ports:
                ports[wanted] = open_client(client)
                ports[wanted].open_port(present.index(wanted), "midi_in")
            if told != (list(ports), present):
                told = (list(ports), present)
                say({"open": told[0], "present": present})
        for name, port in ports.items():
            data = bytearray()
            while (received := port.get_message()) is not None:
                data += bytes(received[0])
            if data:
                last_message = now
                say({"from": name, "data": data.hex()})
        pause = ACTIVE_S if now - last_message < ACTIVE_FOR_S else IDLE_S
        if select.select([sys.stdin], [], [], pause)[0]:
            break
    for port in {look, *ports.values()}:
        port.delete()


def open_client(name: str) -> rtmidi.MidiIn:
    """A client at the server that has no port yet."""
    return rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=name, queue_size_limit=QUEUE)


def identity(socket: str | None) -> int | None:
    """What changes when the server begins anew: a client of a server that died learns nothing by itself."""
    if socket is None:
        return 0
    try:
        return os.stat(socket).st_ino
    except FileNotFoundError:
        return None


def say(line: dict[str, object]) -> None:
    """Write one line to who started this."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        run(**json.loads(sys.argv[1]))
    except (BrokenPipeError, rtmidi.RtMidiError):
        os._exit(1)  # nobody listens, or the server went away: who started this looks again by itself
