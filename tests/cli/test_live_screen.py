"""The live screen says in words what the rig's state holds."""

from dataclasses import replace

import pytest

from rtstyle.backends.backend import DeviceLatency
from rtstyle.backends.player import PlayerState
from rtstyle.cli.live_screen import BAR, SHOWN, fallbacks, latency_line, meter, screen, status, values_line
from rtstyle.engine.engine import Faults, Levels, Meters
from rtstyle.engine.latency import Item, Latency
from rtstyle.params import PARAMETERS, defaults
from rtstyle.rig import Message, RigState

QUIET = Levels(peak=0.0, rms=0.0, hold=0.0, clipped=False)
LOUD = Levels(peak=1.0, rms=0.5, hold=1.0, clipped=True)
STATE = RigState(
    model="strings",
    kind="spectral",
    runtime="native",
    style="cello",
    styles=("violin", "cello"),
    values=defaults(),
    swapping=False,
    backend="jack",
    device="JACK client rtstyle",
    audio=PlayerState("running", "", 48_000, 128, "tight", "the model takes 20 % of a block", 3, 99, 0, False),
    latency=Latency(48_000, (Item("model", 64.0), Item("block adaptation", 0.0), Item("limiter", 16.0)), 80),
    device_latency=DeviceLatency(128, 256),
    total_ms=1000 * 464 / 48_000,
    meters=Meters((QUIET,), (LOUD,), 99, 99 * 128, 500.0, 400.0, 1.0),
    faults=Faults(0, 0, 0, 0, 0, 0, False, 0),
    load=0.234,
    midi=("JACK midi_in",),
    midi_problem="",
    recording="",
    recorded_seconds=0.0,
    recording_failure="",
)


def text(state: RigState) -> str:
    return "\n".join(screen(state, now=1_000.0))


def test_screen_shows_model_style_values_latency_device_and_health() -> None:
    shown = text(STATE)
    for words in (
        "strings  cello",
        "Mix 100 %",
        "Bypass off",
        "9.7 ms = device in 2.7 + model 1.3 + limiter 0.3 + device out 5.3",
        "JACK client rtstyle, 48000 Hz, 128 frames, driver tight (the model takes 20 % of a block)",
        "load 23 %, xruns 3, fallbacks 0",
        "JACK midi_in",
    ):
        assert words in shown
    assert "recording" not in shown


@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_values_fit_a_terminal_of_80_columns(end: str) -> None:
    extreme = {id: getattr(parameter, end) for id, parameter in PARAMETERS.items()}
    lines = [values_line(replace(STATE, values=extreme), ids) for ids in SHOWN]
    assert all(len(line) <= 80 for line in lines)
    assert set(lines) <= set(screen(replace(STATE, values=extreme), now=1_000.0))


def test_items_of_the_latency_add_up_to_the_total() -> None:
    words = latency_line(STATE).split("= ")[1].split(" + ")
    assert sum(float(part.rsplit(" ", 1)[1]) for part in words) == pytest.approx(STATE.total_ms, abs=0.2)


def test_unknown_device_latency_is_said_to_be_unknown() -> None:
    assert "does not tell" in latency_line(replace(STATE, device_latency=DeviceLatency(None, None)))


def test_lost_device_recording_and_faults_are_told() -> None:
    state = replace(
        STATE,
        audio=replace(STATE.audio, device="lost", reason="the JACK server has gone"),
        faults=Faults(2, 0, 5, 0, 0, 700, False, 0),
        recording="take.wav",
        recorded_seconds=12.34,
        messages=(Message(999.0, "a new sentence"), Message(1.0, "an old one")),
    )
    shown = text(state)
    assert "LOST: the JACK server has gone" in shown
    assert "fallbacks 7 (too late 2, not a number in 5)" in shown
    assert "take.wav, 12.3 s" in shown
    assert "a new sentence" in shown
    assert "an old one" not in shown
    assert fallbacks(state) == 7


def test_meter_grows_with_the_level_and_shows_clipping() -> None:
    def filled(rms: float) -> int:
        return meter("in", [Levels(rms, rms, 0.0, False)]).count("█")

    assert filled(0.0) == 0
    assert filled(1.0) == BAR
    assert filled(10 ** (-30 / 20)) == BAR // 2
    assert filled(5.0) == BAR
    assert "CLIP" in meter("out", [LOUD])
    assert "CLIP" not in meter("out", [QUIET])
    assert meter("out", [LOUD, QUIET]).count("dB") == 2


def test_status_is_one_line() -> None:
    line = status(STATE)
    assert "\n" not in line
    for words in ("strings cello", "mix 100 %", "running", "48000 Hz / 128", "9.7 ms", "xruns 3", "fallbacks 0"):
        assert words in line
