"""What the PortAudio tests run in a process of its own: PortAudio looks for a JACK server only once, at its start.

Plays a delay engine on the device that stdin's first line names, answers each further line ("poll", "close", "open",
"quit") with one line of JSON on stdout.
"""

import json
import sys

from rtstyle.backends.link import AudioLink
from rtstyle.backends.portaudio import PortAudioBackend
from rtstyle.errors import DeviceError
from tests.backends.delay_engine import DelayEngine


def answer(**values: object) -> None:
    print(json.dumps(values), flush=True)


def main() -> None:
    engine = DelayEngine(channels=2, delay=33, gain=0.5)
    link = AudioLink(channels=2)
    link.attach(engine.function, engine.table, block=0, latency=33, sample_rate=48_000, keep=engine)
    device, rate = sys.stdin.readline().split()
    backend = PortAudioBackend(link, input=device, output=device, sample_rate=int(rate))
    try:
        backend.open()
    except DeviceError as error:
        answer(error=str(error))
        return
    link.release()
    backend.start()
    answer(label=backend.label, rate=backend.format.sample_rate)
    for line in sys.stdin:
        command = line.strip()
        if command == "poll":
            state = backend.poll()
            counters = link.counters()
            answer(state=state, reason=backend.reason, frames=counters.frames, position=counters.position)
        elif command == "close":
            backend.close()
            answer(state=backend.state)
        elif command == "open":
            try:
                backend.open()
            except DeviceError as error:
                answer(error=str(error))
        elif command == "quit":
            backend.close()
            answer(state=backend.state)
            return


if __name__ == "__main__":
    main()
