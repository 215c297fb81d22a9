"""`rtstyle devices`: what `--input`, `--output` and `--midi` can name."""

import importlib.util
import os
from typing import Annotated, Any

from cyclopts import Parameter


def devices(*, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """List the audio devices, the JACK ports and the MIDI inputs.

    A device is chosen by its number or by any part of its name: `rtstyle live --input scarlett`.

    Parameters
    ----------
    json
        Print JSON on stdout.
    """
    from rtstyle.cli.output import emit_json

    found = {"audio": audio_devices(), "jack": jack_ports(), "midi": midi_inputs()}
    if json:
        emit_json(found)
        return
    print("Audio devices (--backend portaudio):")
    for entry in found["audio"]:
        print(f"  {entry['label']}")
    if not found["audio"]:
        print("  none")
    print("JACK ports (--backend jack):")
    for entry in found["jack"]:
        print(f"  {entry['name']} ({entry['direction']})")
    if not found["jack"]:
        print("  no server running, or no ports")
    print("MIDI inputs (--midi):")
    for entry in found["midi"]:
        print(f"  {entry['name']} ({entry['system']})")
    if not found["midi"]:
        print("  none")


def audio_devices() -> list[dict[str, Any]]:
    """PortAudio's devices, one entry each. `[control]`"""
    from rtstyle.backends.devices import list_devices
    from rtstyle.cli.output import native_stderr_hidden

    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    with native_stderr_hidden():
        listed = list_devices()
    return [
        {
            "number": device.number,
            "name": device.name,
            "host": device.host,
            "inputs": device.inputs,
            "outputs": device.outputs,
            "sample_rate": device.sample_rate,
            "cable": device.cable,
            "label": device.label,
        }
        for device in listed
    ]


def jack_ports() -> list[dict[str, Any]]:
    """The audio ports of a running JACK server; none without one. `[control]`

    A capture port is an input of ours: it gives sound. A playback port takes it.
    """
    from rtstyle.backends.libjack import listed
    from rtstyle.cli.output import native_stderr_hidden

    try:
        import jack
    except OSError:
        return []
    try:
        with native_stderr_hidden():
            client = jack.Client("rtstyle-devices", no_start_server=True)
    except jack.JackOpenError:
        return []
    try:  # a port has a name for as long as the client is open
        found = listed(jack, lambda: client.get_ports(is_audio=True))
        return [{"name": port.name, "direction": "input" if port.is_output else "output"} for port in found]
    finally:
        client.close()


def midi_inputs() -> list[dict[str, Any]]:
    """Every MIDI input with the system that shows it. `[control]`"""
    from rtstyle.cli.diagnosis import midi_systems

    if importlib.util.find_spec("rtmidi") is None:
        return []
    return [{"name": port, "system": system} for system, ports in midi_systems().items() for port in ports or []]
