"""Audio devices: what there is, which one a player means, and which ones are virtual cables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rtstyle.errors import DeviceError, MissingPartError

Direction = Literal["input", "output"]

OFFERED_RATES = (44_100, 48_000, 88_200, 96_000)

# How the names of virtual cables begin or what they contain; each with the words for a listing.
_CABLES = (
    (r"blackhole", "BlackHole"),
    (r"\bcable[- _]?([a-d]\b|in\b|input|output|out\b)|vb-?(audio|cable)", "VB-CABLE"),
    (r"voice ?meeter", "VoiceMeeter"),
    (r"loopback", "Loopback"),
    (r"soundflower", "Soundflower"),
    (r"virtual audio cable|\bline \d+ \(virtual", "Virtual Audio Cable"),
    (r"pipewire", "PipeWire"),
    (r"^jack\b|jack audio connection", "JACK"),
    (r"null output|null sink|\.monitor\b|monitor of", "PulseAudio monitor"),
    (r"aggregate", "Aggregate device"),
)


@dataclass(frozen=True)
class AudioDevice:
    """One device of one host API, as PortAudio numbers it."""

    number: int
    name: str
    host: str
    inputs: int
    outputs: int
    sample_rate: float
    is_default_input: bool = False
    is_default_output: bool = False

    @property
    def cable(self) -> str | None:
        """The product's name where this is a virtual cable, else None. `[any]`"""
        return virtual_cable(self.name) or virtual_cable(self.host)

    @property
    def label(self) -> str:
        """One line for a listing: number, name, host API, channels."""
        marks = [f"{self.inputs} in", f"{self.outputs} out", f"{self.sample_rate:.0f} Hz"]
        marks += ["default input"] * self.is_default_input + ["default output"] * self.is_default_output
        marks += [f"virtual cable: {self.cable}"] if self.cable else []
        return f"{self.number}: {self.name}, {self.host} ({', '.join(marks)})"


def virtual_cable(name: str) -> str | None:
    """The virtual cable that a device's (or host API's) name tells of, else None. `[any]`"""
    for pattern, product in _CABLES:
        if re.search(pattern, name, re.IGNORECASE):
            return product
    return None


def import_sounddevice() -> Any:
    """The sounddevice module, or `MissingPartError` with the line that installs PortAudio. `[control]`"""
    try:
        import sounddevice
    except OSError as error:  # raised where the shared library is not there
        raise MissingPartError(
            "the PortAudio library is not installed: on Debian and Ubuntu run `apt-get install -y libportaudio2`"
        ) from error
    return sounddevice


def list_devices() -> list[AudioDevice]:
    """Every device that PortAudio sees now, in its order. `[control]`

    PortAudio looks once, at its start: a device plugged in later is found by `refresh_devices`.
    """
    sounddevice = import_sounddevice()
    hosts = sounddevice.query_hostapis()
    default_input, default_output = _defaults(hosts)
    return [
        AudioDevice(
            number=number,
            name=str(entry["name"]),
            host=str(hosts[entry["hostapi"]]["name"]),
            inputs=int(entry["max_input_channels"]),
            outputs=int(entry["max_output_channels"]),
            sample_rate=float(entry["default_samplerate"]),
            is_default_input=number == default_input,
            is_default_output=number == default_output,
        )
        for number, entry in enumerate(sounddevice.query_devices())
    ]


def refresh_devices() -> list[AudioDevice]:
    """Let PortAudio look again, as after a device was plugged in; only while no stream is open. `[control]`"""
    sounddevice = import_sounddevice()
    sounddevice._terminate()
    sounddevice._initialize()
    return list_devices()


def pick_device(choice: str | int | None, direction: Direction, devices: Sequence[AudioDevice]) -> AudioDevice:
    """The device that a player means: a number, or a case-insensitive piece of name and host API. `[control]`

    `None` takes the default, or the only one. Pieces separated by blanks must all occur, in any order ("usb asio").
    An exact name wins over pieces. Raises `DeviceError` that lists what there is.
    """
    usable = [device for device in devices if (device.inputs if direction == "input" else device.outputs) > 0]
    if not usable:
        raise DeviceError(
            f"there is no audio {direction} device: connect an interface, or start a JACK or PipeWire server "
            "and choose --backend jack"
        )
    if choice is None:
        return _default_device(direction, usable)
    text = str(choice).strip()
    if text.isdigit():
        matches = [device for device in usable if device.number == int(text)]
    else:
        matches = [device for device in usable if device.name.lower() == text.lower()]
        if len(matches) != 1:
            words = text.lower().split()
            matches = [
                device for device in usable if all(word in f"{device.name} {device.host}".lower() for word in words)
            ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise DeviceError(
            f"{direction} device {text!r} fits {len(matches)} devices: give more of the name, or the number of one:\n"
            + _listing(matches)
        )
    raise DeviceError(f"there is no {direction} device {text!r}; these are there:\n" + _listing(usable))


def offered_rates(input_device: AudioDevice, output_device: AudioDevice, channels: int) -> list[int]:
    """Those of the usual sample rates that both devices take for 32-bit float. `[control]`"""
    sounddevice = import_sounddevice()
    rates = []
    for rate in OFFERED_RATES:
        try:
            sounddevice.check_input_settings(
                device=input_device.number,
                channels=min(channels, input_device.inputs),
                dtype="float32",
                samplerate=rate,
            )
            sounddevice.check_output_settings(
                device=output_device.number,
                channels=min(channels, output_device.outputs),
                dtype="float32",
                samplerate=rate,
            )
        except sounddevice.PortAudioError:
            continue
        rates.append(rate)
    return rates


def _defaults(hosts: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Default input and output of the first host API that has one: PortAudio's own may be an empty API's."""
    found = []
    for key in ("default_input_device", "default_output_device"):
        found.append(next((int(host[key]) for host in hosts if int(host[key]) >= 0), -1))
    return found[0], found[1]


def _default_device(direction: Direction, usable: Sequence[AudioDevice]) -> AudioDevice:
    for device in usable:
        if device.is_default_input if direction == "input" else device.is_default_output:
            return device
    return usable[0]


def _listing(devices: Sequence[AudioDevice]) -> str:
    return "\n".join(f"  {device.label}" for device in devices)
