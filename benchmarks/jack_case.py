"""One JACK client of the callback benchmark, in a process of its own: `python -m benchmarks.jack_case CASE SECONDS [--busy]`.

CASE `native` is the product, `python` the same chain called from a Python callback, `pass` a compiled callback without a
chain, `flood` a sender of 10 000 MIDI messages a second, `noise` a sender of sound. Prints one JSON object: statistics of
the callbacks' entry times and durations on the system's monotonic clock.
"""

import argparse
import gc
import json
import os
import sys
import threading
import time
from typing import Any

import numpy as np
from numba import carray, cfunc, types

from rtstyle.backends.jack import JackBackend
from rtstyle.backends.jack_callback import jack_callback
from rtstyle.backends.link import AudioLink
from rtstyle.dsp.pointers import call_3, int64_at
from rtstyle.engine import cells
from rtstyle.engine.native import Native, now_ns
from rtstyle.rig import Rig, Setup

# Slots of the timing table (int64): the callback that is timed, its user pointer, room, count, address of the times, clock.
INNER, USER, ROOM, COUNT, TIMES, CLOCK = range(6)
CELLS = cells.NATIVE_SIZE
SCRATCH = cells.AUDIO_TIME
MESSAGES_PER_SECOND = 10_000


@cfunc(types.int32(types.uint32, types.CPointer(types.int64)), nopython=True)
def timed_callback(frames, user):
    """Call another process callback and note when it began and ended."""
    table = carray(user, (6,))
    clock = carray(int64_at(table[CLOCK]), (CELLS,))
    start = now_ns(clock, SCRATCH)
    result = call_3(table[INNER], int(frames), table[USER], 0)
    end = now_ns(clock, SCRATCH)
    count = table[COUNT]
    if count < table[ROOM]:
        times = carray(int64_at(table[TIMES]), (table[ROOM], 2))
        times[count, 0] = start
        times[count, 1] = end
        table[COUNT] = count + 1
    return result


def wait_for_go() -> None:
    """Say that this client plays, and wait until all others do."""
    print("ready", flush=True)
    sys.stdin.readline()


class Stopwatch:
    """The timing table and its memory."""

    def __init__(self, seconds: float) -> None:
        room = int(seconds * 4000) + 1000
        self.times = np.zeros((room, 2), np.int64)
        self.table = np.zeros(6, np.int64)
        self._native = Native()
        self.table[[ROOM, TIMES, CLOCK]] = room, self.times.ctypes.data, self._native.cells.ctypes.data

    def put_before(self, backend: JackBackend) -> None:
        """Time a backend's callback; between its `open` and its `start`."""
        self.table[INNER], self.table[USER] = jack_callback.address, backend.link.address
        library = backend._library
        assert library is not None
        library.set_process_callback(backend._client, timed_callback.address, self.table.ctypes.data)

    def begin(self) -> None:
        """Forget what was noted so far."""
        self.table[COUNT] = 0

    def note(self, start: int, end: int) -> None:
        """Note one call of a Python callback."""
        count = int(self.table[COUNT])
        if count < self.table[ROOM]:
            self.times[count] = start, end
            self.table[COUNT] = count + 1

    def figures(self, seconds: float, period_s: float) -> dict[str, Any]:
        """Statistics without the first half second."""
        times = self.times[: self.table[COUNT]]
        times = times[times[:, 0] > times[0, 0] + 500_000_000]
        gaps, bodies = np.diff(times[:, 0]) / 1000.0, (times[:, 1] - times[:, 0]) / 1000.0
        expected = (times[-1, 0] - times[0, 0]) / 1e9 / period_s
        found: dict[str, Any] = {"callbacks": len(times), "lost": max(0, round(expected) + 1 - len(times))}
        for name, values in (("period", gaps), ("body", bodies)):
            for label, percentile in (("median", 50), ("p99", 99), ("p999", 99.9), ("max", 100)):
                found[f"{name}_{label}_us"] = round(float(np.percentile(values, percentile)), 1)
        return found


def load_the_interpreter(ending: threading.Event) -> None:
    """Keep Python busy: a thread that computes, another that collects garbage every 10 ms over many containers."""
    containers = [[number] for number in range(200_000)]

    def compute() -> None:
        while not ending.is_set():
            sum(number * number for number in range(10_000))

    def collect() -> None:
        while not ending.is_set():
            gc.collect()
            ending.wait(0.010)
        containers.clear()

    for work in (compute, collect):
        threading.Thread(target=work, daemon=True).start()


def run_native(model: str | None, seconds: float, busy: bool, python: bool) -> dict[str, Any]:
    """The product; with `python`, its engine called from a Python callback of the JACK-Client package instead."""
    watch, ending = Stopwatch(seconds), threading.Event()
    setup = Setup(model=model, backend="jack", driver="tight", midi=None if busy else "none")
    with Rig(setup) as rig:
        rig.open()
        backend = rig.player.backend
        assert isinstance(backend, JackBackend)
        period = backend.format.block / backend.format.sample_rate
        if python:
            backend._client.set_process_callback(python_callback(rig, backend, watch))
        else:
            watch.put_before(backend)
        rig.start()
        wait_for_go()
        if busy:
            load_the_interpreter(ending)
        watch.begin()
        time.sleep(seconds)
        ending.set()
        faults = rig.engine.faults()
        fallbacks = faults.late + faults.underflow + faults.model_error + faults.nonfinite_out
        found = {**watch.figures(seconds, period), "xruns": backend.xruns, "fallbacks": fallbacks}
        if python:
            # A client leaves the server with the GIL held, for which this callback waits, and the server for it: no way out.
            json.dump(found, sys.stdout)
            sys.stdout.flush()
            os._exit(0)
    return found


def python_callback(rig: Rig, backend: JackBackend, watch: Stopwatch) -> Any:
    """The chain in a Python callback, as a program without compiled callbacks would have it."""
    inputs, outputs = backend._client.inports, backend._client.outports

    def process(frames: int) -> None:
        start = time.monotonic_ns()
        outputs[0].get_array()[:] = rig.engine.process(inputs[0].get_array())
        watch.note(start, time.monotonic_ns())

    return process


def run_pass(seconds: float) -> dict[str, Any]:
    """A compiled callback that copies its input."""
    watch = Stopwatch(seconds)
    backend = JackBackend(AudioLink(channels=1), name="pass")
    found = backend.open()
    watch.put_before(backend)
    backend.start()
    wait_for_go()
    watch.begin()
    time.sleep(seconds)
    xruns = backend.xruns
    backend.close()
    return {**watch.figures(seconds, found.block / found.sample_rate), "xruns": xruns}


def run_flood(seconds: float) -> dict[str, Any]:
    """Send controllers to every MIDI input of a client named rtstyle."""
    import jack

    client = jack.Client("flood", no_start_server=True)
    port = client.midi_outports.register("out")
    per_period = max(1, round(MESSAGES_PER_SECOND * client.blocksize / client.samplerate))
    sent = 0

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def process(frames: int) -> None:
        nonlocal sent
        port.clear_buffer()
        for number in range(per_period):
            sent += 1
            port.write_midi_event(number * frames // per_period, (0xB0, 74, sent // 7 % 128))

    with client:
        wait_for_go()
        targets = [target for target in client.get_ports(is_midi=True, is_input=True) if "rtstyle" in target.name]
        for target in targets:
            client.connect(port, target)
        sent = 0
        time.sleep(seconds)
    return {"sent": sent, "targets": len(targets)}


def run_noise(seconds: float) -> dict[str, Any]:
    """Play bursts of noise into the client named rtstyle, as soon as it is there."""
    import jack

    client = jack.Client("noise", no_start_server=True)
    port = client.outports.register("out")
    generator = np.random.default_rng(0)
    burst = generator.normal(0.0, 0.1, 1 << 16).astype(np.float32)
    position = 0

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def process(frames: int) -> None:
        nonlocal position
        place = position % (len(burst) - frames)
        level = float(position // client.samplerate % 4 < 3)  # three seconds of noise, one of silence
        port.get_array()[:] = level * burst[place : place + frames]
        position += frames

    with client:
        wait_for_go()
        targets = client.get_ports("rtstyle:in_1")
        for target in targets:
            client.connect(port, target)
        time.sleep(seconds)
    return {"targets": len(targets)}


def main() -> None:
    """Run one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=("native", "python", "pass", "flood", "noise"))
    parser.add_argument("seconds", type=float)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    if arguments.case == "pass":
        found = run_pass(arguments.seconds)
    elif arguments.case == "noise":
        found = run_noise(arguments.seconds)
    elif arguments.case == "flood":
        found = run_flood(arguments.seconds)
    else:
        found = run_native(arguments.model, arguments.seconds, arguments.busy, arguments.case == "python")
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
