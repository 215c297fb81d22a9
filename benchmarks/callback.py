"""Do Python threads, garbage collection and a MIDI flood reach the audio callback? Under a real JACK server.

    python -m benchmarks.callback [--seconds 60] [--period 128] [--model NAME]

Four runs: the product and the same chain in a Python callback, each quiet and busy. Busy means a thread that computes all
the time, a collection every 10 ms, and 10 000 MIDI messages a second. A pass-through client runs beside each, so that
what the machine itself loses can be told from what we lose.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE
from typing import Any

from benchmarks.measure import record

RATE = 48_000


@contextmanager
def jack_server(period: int) -> Iterator[dict[str, str]]:
    """A server without hardware, in real time where that is allowed; yields the environment that finds it."""
    jackd = shutil.which("jackd")
    if jackd is None:
        sys.exit("jackd is not installed: apt-get install -y jackd2")
    name = f"rtstyle-bench-{os.getpid()}"
    environment = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    words = [jackd, "-n", name, "-R", "-d", "dummy", "-r", str(RATE), "-p", str(period)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(words, **quiet)  # type: ignore[call-overload]
    try:
        subprocess.run(["jack_wait", "-w", "-t", "10", "-s", name], env=environment, check=True, **quiet)  # type: ignore[call-overload]
        yield environment
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class ClientError(Exception):
    """A client of the benchmark ended with an error."""


def start(environment: dict[str, str], *words: str) -> "subprocess.Popen[str]":
    """Start one client."""
    command = [sys.executable, "-m", "benchmarks.jack_case", *words]
    return subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)


def go(clients: "list[subprocess.Popen[str]]") -> None:
    """Wait until all clients play, then let them begin to count at once."""
    for client in clients:
        assert client.stdin and client.stdout
        if client.stdout.readline() != "ready\n":
            finish(client)
    for client in clients:
        assert client.stdin
        client.stdin.write("go\n")
        client.stdin.flush()


def finish(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for a client and read its figures."""
    out, problems = process.communicate()
    if process.returncode:
        raise ClientError(f"{process.args} failed: {problems}")
    found: dict[str, Any] = json.loads(out)
    return found


def run(environment: dict[str, str], case: str, busy: bool, seconds: float, model: list[str]) -> dict[str, Any]:
    """One case beside a pass-through client."""
    clients = [
        start(environment, case, str(seconds), *model, *["--busy"] * busy),
        start(environment, "pass", str(seconds)),
        *[start(environment, "flood", str(seconds)) for _ in range(busy)],
    ]
    try:
        go(clients)
        figures, beside, *flood = [finish(client) for client in clients]
    finally:
        for client in clients:
            client.kill()
    figures["pass_through"] = beside
    if flood:
        figures["midi_sent"] = flood[0]["sent"] if flood[0]["targets"] else 0
    return figures


def main() -> None:
    """Run the four cases and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--period", type=int, default=128)
    parser.add_argument("--model")
    arguments = parser.parse_args()
    model = ["--model", arguments.model] if arguments.model else []
    found: dict[str, Any] = {}
    with jack_server(arguments.period) as environment:
        for case in ("native", "python"):
            for busy in (False, True):
                name = f"{case}_{'busy' if busy else 'quiet'}"
                found[name] = run(environment, case, busy, arguments.seconds, model)
    quiet, busy_ = found["native_quiet"], found["native_busy"]
    found["native_busy_p99_over_quiet"] = round(busy_["period_p99_us"] / quiet["period_p99_us"], 3)
    found["python_busy_p99_over_native_busy"] = round(found["python_busy"]["period_p99_us"] / busy_["period_p99_us"], 2)
    found["native_busy_lost_over_pass_through"] = busy_["lost"] - busy_["pass_through"]["lost"]
    record("callback", found, period=arguments.period, sample_rate=RATE, seconds=arguments.seconds,
           model=arguments.model or "first")  # fmt: skip


if __name__ == "__main__":
    main()
