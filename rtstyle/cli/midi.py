"""`rtstyle midi`: list the ports, watch what arrives, and say which knob moves what."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from queue import SimpleQueue

    from rtstyle.control.events import ParameterEvent
    from rtstyle.control.mapping import Binding
    from rtstyle.control.messages import Message
    from rtstyle.control.ports import MidiInput

app = App(name="midi", help="List, watch and map MIDI controllers.")

Json = Annotated[bool, Parameter(negative="", help="Print JSON on stdout.")]
Port = Annotated[
    str | None, Parameter(help="Number or piece of the name of a port; without it all hardware, and a virtual port.")
]
MapFile = Annotated[Path | None, Parameter(name="--map", help="The controller map, a TOML file; without it your own.")]


@app.default
@app.command(name="list")
def list_midi(*, json: Json = False) -> None:
    """List the MIDI ports that `--midi` and `--port` can name."""
    from rtstyle.cli.output import emit_json, table
    from rtstyle.control.ports import list_ports
    from rtstyle.control.systems import usable_systems

    ports = list_ports()
    if json:
        found = [{"number": port.number, "name": port.name, "system": port.system} for port in ports]
        emit_json({"systems": list(usable_systems()), "ports": found})
    elif ports:
        print(table([(port.number, port.name, port.system) for port in ports], ("", "port", "system")))
    else:
        systems = ", ".join(usable_systems())
        print(f"No MIDI port. {f'Working: {systems}.' if systems else 'Plug a controller in, or start JACK.'}")


@app.command
def monitor(
    *,
    port: Port = None,
    map_file: MapFile = None,
    seconds: float | None = None,
    count: int | None = None,
    json: Json = False,
) -> None:
    """Show every message as it arrives, and what it means to rtstyle.

    Parameters
    ----------
    seconds
        End after so long; without it at Ctrl-C.
    count
        End after so many messages.
    json
        Print one JSON object a line: {"port", "message"} for what arrived, {"event"} for what it means.
    """
    from queue import SimpleQueue

    from rtstyle.control.mapping import load_map
    from rtstyle.control.ports import MidiInput
    from rtstyle.control.surface import Surface

    arrived: SimpleQueue[tuple[str, Message] | ParameterEvent] = SimpleQueue()
    # A monitor knows no rig whose values a knob could wait for: it shows every knob as taken over.
    surface = Surface(arrived.put, load_map(map_file).jumping())
    with MidiInput(surface, port, listen=lambda name, message: arrived.put((name, message))) as opened:
        _say_ports(opened)
        show = _print_lines if json else _print_words
        show(_until(arrived, seconds, count))


@app.command
def learn(
    parameter: str,
    *,
    port: Port = None,
    control: str | None = None,
    channel: int = 0,
    minimum: str | None = None,
    maximum: str | None = None,
    curve: Literal["linear", "log"] | None = None,
    invert: Annotated[bool, Parameter(negative="")] = False,
    toggle: Annotated[bool, Parameter(negative="")] = False,
    takeover: Literal["jump", "pickup", "scale"] | None = None,
    seconds: float = 30.0,
    map_file: MapFile = None,
    json: Json = False,
) -> None:
    """Bind the control that you move next to a parameter: `rtstyle midi learn mix`.

    Parameters
    ----------
    parameter
        What the control shall move, as in `rtstyle midi map`.
    control
        Bind this one without waiting: "cc 21", "cc14 1", "nrpn 300", "note 36", "bend", "pressure".
    channel
        Its channel 1..16, 0 for every channel.
    minimum
        The parameter at the beginning of the control's travel, like "20 %" or "-12 dB".
    maximum
        The parameter at the end of the travel.
    curve
        How the travel covers the range.
    invert
        Turn the direction round.
    toggle
        Every press switches over, for pedals that send 127 down and 0 up.
    takeover
        What a knob does that does not stand where its parameter stands.
    seconds
        How long to wait for a move.
    """
    import msgspec

    from rtstyle import params
    from rtstyle.cli.output import emit_json
    from rtstyle.control.mapping import Binding, load_map, save_map

    entry = params.parameter(parameter)
    controllers = load_map(map_file)
    shape = {
        "minimum": None if minimum is None else entry.parse(minimum),
        "maximum": None if maximum is None else entry.parse(maximum),
        "curve": curve,
        "invert": invert,
        "toggle": toggle,
        "takeover": takeover,
    }
    msgspec.structs.replace(Binding(control or "cc 0", entry.id, channel), **shape).check()
    found = Binding(control, entry.id, channel) if control else _wait_for_move(entry.id, port, seconds)
    found = msgspec.structs.replace(found, control=str(found.read_control()), **shape)
    path = save_map(controllers.learned(found), map_file)
    if json:
        emit_json(_facts(found))
    else:
        print(f"{found.control} on {_channel(found.channel)} moves {entry.id} ({entry.name}). Kept in {path}.")


@app.command
def unlearn(name: str, *, map_file: MapFile = None) -> None:
    """Forget what moves a parameter, or what a control moves.

    Parameters
    ----------
    name
        A parameter like `mix`, or a control like "cc 74".
    """
    from rtstyle.control.mapping import load_map, save_map

    path = save_map(load_map(map_file).unlearned(name), map_file)
    print(f"{name} is bound to nothing now. Kept in {path}.")


@app.command(name="map")
def show_map(*, map_file: MapFile = None, json: Json = False) -> None:
    """Show which control moves which parameter, and the parameters that none moves."""
    from rtstyle import paths
    from rtstyle.cli.output import emit_json, table
    from rtstyle.control.mapping import load_map
    from rtstyle.params import PARAMETERS

    controllers = load_map(map_file)
    path = map_file or paths.midi_map()
    if json:
        emit_json(
            {
                "path": str(path),
                "channel": controllers.channel,
                "takeover": controllers.takeover,
                "programs": controllers.programs,
                "panic": controllers.panic,
                "bindings": [_facts(binding) for binding in controllers.bindings],
            }
        )
        return
    rows: list[tuple[object, ...]] = []
    for entry in PARAMETERS.values():
        bound = [binding for binding in controllers.bindings if binding.parameter == entry.id]
        for binding in bound:
            shaped = binding.shape(entry)
            ends = [entry.format(shaped.minimum), entry.format(shaped.maximum)]
            span = " .. ".join(reversed(ends) if binding.invert else ends)
            how = "toggle" if binding.toggle else binding.takeover or controllers.takeover
            rows.append((entry.id, binding.control, _channel(binding.channel or controllers.channel), span, how))
        if not bound:
            rows.append((entry.id, "-", "", "", ""))
    print(table(rows, ("parameter", "control", "channel", "range", "takeover")))
    print(f"\nProgram changes {'recall presets' if controllers.programs else 'do nothing'}.", end=" ")
    print(f"Panic: {', '.join(f'cc {number}' for number in controllers.panic) or 'no controller'}.")
    print(f"{path}{'' if path.is_file() else ' does not exist yet: these are the defaults'}.")


def _wait_for_move(id: str, port: str | None, seconds: float) -> "Binding":
    """The binding that the next move makes. Raises DeviceError when none comes in time."""
    from queue import Empty, SimpleQueue

    from rtstyle.control.mapping import ControllerMap
    from rtstyle.control.ports import MidiInput
    from rtstyle.control.surface import Surface
    from rtstyle.errors import DeviceError

    learned: SimpleQueue[Binding] = SimpleQueue()
    surface = Surface(lambda event: None, ControllerMap(bindings=()))
    surface.learn(id, done=learned.put)
    with MidiInput(surface, port) as opened:
        _say_ports(opened)
        print(f"Move the control for {id} now ..", file=sys.stderr, flush=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                return learned.get(timeout=0.1)
            except Empty:
                continue
        heard = opened.received
    raise DeviceError(
        f"No control was moved in {seconds:g} s ({heard} messages arrived): turn a knob through a good part of its "
        "travel; `rtstyle midi monitor` shows what arrives."
    )


def _until(
    arrived: "SimpleQueue[Any]", seconds: float | None, count: int | None
) -> "Iterator[tuple[str, Message] | ParameterEvent]":
    """What arrives until the time is over or `count` messages and their events have come."""
    from queue import Empty

    end = None if seconds is None else time.monotonic() + seconds
    left = count
    while True:
        try:
            item = arrived.get(timeout=0.1)
        except Empty:
            # The last message's events came with it: when nothing waits any more they have been shown.
            if (end is not None and time.monotonic() >= end) or left == 0:
                return
            continue
        if isinstance(item, tuple) and left is not None:
            if left == 0:
                return
            left -= 1
        yield item
        if end is not None and time.monotonic() >= end:
            return


def _print_lines(items: "Iterator[tuple[str, Message] | ParameterEvent]") -> None:
    import json

    import msgspec

    for item in items:
        if isinstance(item, tuple):
            line = {"port": item[0], "message": msgspec.to_builtins(item[1])}
        else:
            line = {"event": msgspec.to_builtins(item)}
        print(json.dumps(line), flush=True)


def _print_words(items: "Iterator[tuple[str, Message] | ParameterEvent]") -> None:
    from rich.console import Console
    from rich.text import Text

    from rtstyle.control.events import RecallPreset, SetParameter
    from rtstyle.control.messages import describe
    from rtstyle.params import PARAMETERS

    console = Console(highlight=False)
    for item in items:
        if isinstance(item, tuple):
            console.print(Text.assemble((f"{item[0]:<20} ", "dim"), describe(item[1])))
        elif isinstance(item, SetParameter):
            value = PARAMETERS[item.id].format(item.value)
            console.print(Text.assemble(" " * 21, (f"{item.id} = {value}", "green")))
        else:
            words = f"preset of program {item.program}" if isinstance(item, RecallPreset) else "panic"
            console.print(Text.assemble(" " * 21, (words, "bold yellow")))


def _say_ports(opened: "MidiInput") -> None:
    """Tell on stderr what is listened to."""
    listening = ", ".join(opened.ports) or "nothing yet: plug a controller in, or start JACK"
    print(f"Listening to {listening}.", file=sys.stderr, flush=True)


def _channel(channel: int) -> str:
    return f"channel {channel}" if channel else "every channel"


def _facts(binding: "Binding") -> dict[str, Any]:
    """All fields of a binding, those at their defaults too."""
    return {name: getattr(binding, name) for name in binding.__struct_fields__}
