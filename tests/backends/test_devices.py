"""A device is what a player means by a number or a piece of its name; anything else lists what there is."""

import pytest

from rtstyle.backends.devices import AudioDevice, pick_device, virtual_cable
from rtstyle.errors import DeviceError

DEVICES = [
    AudioDevice(0, "MacBook Pro Microphone", "Core Audio", 1, 0, 48_000.0, is_default_input=True),
    AudioDevice(1, "MacBook Pro Speakers", "Core Audio", 0, 2, 48_000.0, is_default_output=True),
    AudioDevice(2, "Scarlett 2i2 USB", "Core Audio", 2, 2, 48_000.0),
    AudioDevice(3, "Scarlett 18i20 USB", "Core Audio", 18, 20, 96_000.0),
    AudioDevice(4, "BlackHole 2ch", "Core Audio", 2, 2, 44_100.0),
    AudioDevice(5, "Scarlett", "ASIO", 2, 2, 44_100.0),
]


@pytest.mark.parametrize(
    ("choice", "number"),
    [("2", 2), (4, 4), ("blackhole", 4), ("2I2", 2), ("usb 18i20", 3), ("asio", 5), ("scarlett", 5), (None, 0)],
)
def test_number_piece_of_name_or_default_picks_the_input(choice: str | int | None, number: int) -> None:
    assert pick_device(choice, "input", DEVICES).number == number


def test_default_output_is_its_own() -> None:
    assert pick_device(None, "output", DEVICES).number == 1


def test_first_usable_device_stands_in_for_a_missing_default() -> None:
    assert pick_device(None, "output", DEVICES[2:]).number == 2


def test_ambiguous_name_lists_the_ones_it_fits_and_no_others() -> None:
    with pytest.raises(DeviceError, match="fits 2 devices") as caught:
        pick_device("Scarlett U", "input", DEVICES)
    assert "2: Scarlett 2i2" in str(caught.value)
    assert "3: Scarlett 18i20" in str(caught.value)
    assert "BlackHole" not in str(caught.value)


@pytest.mark.parametrize(
    ("choice", "direction"), [("focusrite", "input"), ("17", "output"), ("microphone", "output"), ("0", "output")]
)
def test_unknown_device_or_one_of_the_wrong_direction_lists_all_usable_ones(choice: str, direction: str) -> None:
    with pytest.raises(DeviceError, match="these are there") as caught:
        pick_device(choice, direction, DEVICES)  # type: ignore[arg-type]
    assert "BlackHole 2ch" in str(caught.value)
    assert ("Microphone" in str(caught.value)) == (direction == "input")


def test_machine_without_devices_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match=r"no audio output device.*JACK"):
        pick_device(None, "output", [DEVICES[0]])


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("BlackHole 16ch", "BlackHole"),
        ("CABLE Output (VB-Audio Virtual Cable)", "VB-CABLE"),
        ("CABLE-A Input", "VB-CABLE"),
        ("VoiceMeeter Aux Input", "VoiceMeeter"),
        ("Voicemeeter Out B1", "VoiceMeeter"),
        ("Loopback Audio", "Loopback"),
        ("Loopback: PCM (hw:2,0)", "Loopback"),
        ("pipewire", "PipeWire"),
        ("JACK Audio Connection Kit", "JACK"),
        ("Monitor of Null Output", "PulseAudio monitor"),
        ("Scarlett 2i2 USB", None),
        ("HDA Intel PCH: ALC257 Analog (hw:0,0)", None),
        ("Realtek Headphone Jack", None),
        ("Built-in Microphone", None),
    ],
)
def test_virtual_cables_are_known_by_name(name: str, product: str | None) -> None:
    assert virtual_cable(name) == product
