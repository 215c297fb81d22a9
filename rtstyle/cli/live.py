"""`rtstyle live`: play through a style until Ctrl-C."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators

INTERRUPTED = 130
_REFRESH_SECONDS = 0.1
_STATUS_SECONDS = 10.0


def live(
    *,
    model: str | None = None,
    style: str | None = None,
    mix: str | None = None,
    amount: str | None = None,
    dynamics: str | None = None,
    backend: Literal["auto", "jack", "portaudio"] = "auto",
    input: str | None = None,
    output: str | None = None,
    input_channel: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=16))] = 1,
    channels: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=2))] = 1,
    rate: Annotated[int | None, Parameter(validator=validators.Number(gte=8000, lte=192_000))] = None,
    block: Annotated[int | None, Parameter(validator=validators.Number(gte=1, lte=16_384))] = None,
    driver: Literal["auto", "tight", "safe"] = "auto",
    midi: str | None = None,
    preset: str | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    seconds: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    record: Path | None = None,
    record_dry: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Play an instrument through a style, live, until Ctrl-C.

    Parameters
    ----------
    model
        A bundle's name or folder; orchestra-spectral where none is named.
    style
        The style's id or name.
    mix
        Dry to wet, 0 to 1 or 0 % to 100 %.
    amount
        How far to go from the input's own timbre to the style's, 0 to 1.
    dynamics
        How far the loudness follows the player's, from 0, the style's own, to 1.
    backend
        JACK where a server runs, else PortAudio, unless named.
    input
        What to listen to: a device's number or a piece of its name, or JACK ports; "none" leaves JACK ports free.
    output
        Where to play; as for the input.
    input_channel
        The device's input, from 1, that is heard first (a guitar in the second socket: 2).
    channels
        1 for mono, 2 for stereo.
    rate
        Sample rate of the device; its own where none is named. A JACK server has one already.
    block
        Frames per callback to ask the device for. A JACK server has a number already.
    driver
        tight runs the model in the callback, safe in a worker; auto measures which this machine needs.
    midi
        A MIDI input's number or a piece of its name; "none" for no MIDI.
    preset
        Begin with this preset.
    device
        Where the model runs.
    seconds
        End after this time.
    record
        Record what is played into this WAV file, which must not exist yet.
    record_dry
        Record what comes in as well, in the file's next channels.
    json
        Print the final state as JSON on stdout, status on stderr.
    """
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    with _ended_by_signals() as ended:  # from here on: importing swallows interrupts, too
        from rtstyle.params import PARAMETERS
        from rtstyle.rig import Rig, Setup

        setup = Setup(
            model=model,
            style=style,
            mix=None if mix is None else PARAMETERS["mix"].parse(mix),
            amount=None if amount is None else PARAMETERS["style.amount"].parse(amount),
            dynamics=None if dynamics is None else PARAMETERS["dynamics"].parse(dynamics),
            backend=backend,
            input=input,
            output=output,
            input_channel=input_channel,
            channels=channels,
            rate=rate,
            block=block,
            driver=driver,
            midi=midi,
            preset=preset,
            device=device,
        )
        screen = sys.stdout.isatty() and not json
        lines = sys.stderr if json else sys.stdout
        with Rig(setup, tell=None if screen else lambda text: print(text, file=lines, flush=True)) as rig:
            try:
                rig.open()
                if record is not None:
                    rig.record(record, with_dry=record_dry)
                rig.start()
                _show(rig, seconds, screen, lines, ended)
                code = 0
            except KeyboardInterrupt:
                code = INTERRUPTED
            with _interrupts_ignored():
                final = rig.state().as_dict() if json and rig.engine.sample_rate else None
                kept = rig.stop_recording()
                rig.close()
        if final is not None:
            from rtstyle.cli.output import emit_json

            emit_json(final)
        if kept is not None:
            print(f"recorded {kept}", file=lines)
        return code


def _show(rig: Any, seconds: float | None, screen: bool, lines: Any, ended: threading.Event) -> None:
    """Show the rig until the time is over or Ctrl-C."""
    until = None if seconds is None else time.monotonic() + seconds
    if screen:
        _show_screen(rig, until, ended)
        return
    from rtstyle.cli.live_screen import audio_line, latency_line, status

    state = rig.state()
    for line in (f"{state.model} {state.style}; Ctrl-C ends", audio_line(state), latency_line(state)):
        print(line, file=lines, flush=True)
    said = time.monotonic()
    for now in _ticks(until, ended):
        if now - said >= _STATUS_SECONDS:
            said = now
            print(status(rig.state()), file=lines, flush=True)
    print(status(rig.state()), file=lines, flush=True)


def _show_screen(rig: Any, until: float | None, ended: threading.Event) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from rtstyle.cli.live_screen import screen

    def picture() -> Text:
        return Text("\n".join([*screen(rig.state()), "", "Ctrl-C ends"]))

    with Live(picture(), console=Console(), auto_refresh=False, transient=False) as shown:
        for _ in _ticks(until, ended):
            shown.update(picture(), refresh=True)


def _ticks(until: float | None, ended: threading.Event) -> Iterator[float]:
    """The time, every tenth of a second, until it is `until`. Raises KeyboardInterrupt once it has `ended`."""
    now = time.monotonic()
    while until is None or now < until:
        if ended.wait(_REFRESH_SECONDS if until is None else min(_REFRESH_SECONDS, until - now)):
            raise KeyboardInterrupt
        now = time.monotonic()
        yield now


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM end the show: the recording is finished, the device let go. Yields what they set.

    They raise KeyboardInterrupt, too; but where one arrives while an audio library calls back, nobody hears of it.
    """
    ended = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield ended
        return

    def end(_number: int, _frame: object) -> None:
        ended.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A second Ctrl-C does not break off what ends in a moment anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
