"""What `rtstyle live` shows: a calm screen on a terminal, one line elsewhere; both from one snapshot of the rig."""

import time
from collections.abc import Sequence

from rtstyle.engine.engine import Levels
from rtstyle.params import PARAMETERS
from rtstyle.rig import RigState
from rtstyle.units import format_quantity, gain_to_db

BAR = 40
SHOWN = (
    ("mix", "style.amount", "dynamics", "bypass"),
    ("input.trim_db", "gate.threshold_db", "output.trim_db"),
)  # a line each
_FLOOR_DB = -60.0
_MESSAGES = 4
_MESSAGE_SECONDS = 30.0


def screen(state: RigState, now: float | None = None) -> list[str]:
    """The screen's lines, top to bottom. `[any]`"""
    now = time.time() if now is None else now
    lines = [f"{state.model}  {state.style}{'  (changing)' if state.swapping else ''}", ""]
    if state.meters is not None:
        lines += [meter("in ", state.meters.input), meter("out", state.meters.output)]
    lines += ["", *(values_line(state, ids) for ids in SHOWN), ""]
    lines += [latency_line(state), audio_line(state), health_line(state)]
    if state.midi or state.midi_problem:
        lines.append(
            f"MIDI      {', '.join(state.midi) or 'none'}{'; ' + state.midi_problem if state.midi_problem else ''}"
        )
    if state.recording:
        lines.append(f"recording {state.recording}, {state.recorded_seconds:.1f} s")
    recent = [message.text for message in state.messages if now - message.time < _MESSAGE_SECONDS]
    lines += ["", *recent[-_MESSAGES:]]
    return lines


def values_line(state: RigState, ids: Sequence[str]) -> str:
    """Parameters with their values, in a line that a terminal of 80 columns holds."""
    return "   ".join(f"{PARAMETERS[id].name} {PARAMETERS[id].format(state.values[id])}" for id in ids)


def status(state: RigState) -> str:
    """Everything that matters in one line. `[any]`"""
    faults = fallbacks(state)
    levels = ""
    if state.meters is not None:
        levels = f", in {loudest(state.meters.input)}, out {loudest(state.meters.output)}"
    return (
        f"{state.model} {state.style}, mix {format_quantity(state.values['mix'])}, {state.audio.device}, "
        f"{state.audio.sample_rate} Hz / {state.audio.block or 'any'}, latency {state.total_ms:.1f} ms{levels}, "
        f"load {100 * state.load:.0f} %, xruns {state.audio.xruns}, fallbacks {faults}"
    )


def meter(name: str, channels: Sequence[Levels]) -> str:
    """A bar per channel: RMS filled, peak marked, numbers behind."""
    bars = []
    for levels in channels:
        filled, mark = place(levels.rms), place(levels.hold)
        cells = ["█" if cell < filled else "·" for cell in range(BAR // len(channels))]
        scale = len(cells) / BAR
        cells = ["█" if cell < filled * scale else "·" for cell in range(len(cells))]
        if mark:
            cells[min(int(mark * scale), len(cells) - 1)] = "│"
        bars.append(f"{''.join(cells)} {decibels(levels.hold)}{' CLIP' if levels.clipped else ''}")
    return f"{name}  {'  '.join(bars)}"


def place(level: float) -> int:
    """Where a linear level lies on the bar, 0..BAR; -60 dB is its left end."""
    return round(BAR * min(max(1.0 - gain_to_db(level) / _FLOOR_DB, 0.0), 1.0)) if level > 0 else 0


def decibels(level: float) -> str:
    """A linear level for people."""
    return f"{gain_to_db(level):6.1f} dB" if level > 1e-5 else "  -inf dB"


def loudest(channels: Sequence[Levels]) -> str:
    """The highest held peak of all channels."""
    return decibels(max((levels.hold for levels in channels), default=0.0)).strip()


def latency_line(state: RigState) -> str:
    """The total and each part of it, in milliseconds."""
    latency = state.latency
    if latency is None:
        return "latency   not known yet"
    parts: list[tuple[str, float]] = []
    if state.device_latency.input is not None:
        parts.append(("device in", state.device_latency.input))
    parts += [(item.name, item.samples) for item in latency.items if item.samples]
    if state.device_latency.output is not None:
        parts.append(("device out", state.device_latency.output))
    rate = latency.sample_rate
    words = " + ".join(f"{name} {1000 * samples / rate:.1f}" for name, samples in parts)
    unknown = "" if state.device_latency.output is not None else " (and the device's own, which it does not tell)"
    return f"latency   {state.total_ms:.1f} ms = {words}{unknown}"


def audio_line(state: RigState) -> str:
    """Device, rate, block, driver and why."""
    audio = state.audio
    where = f"{state.device}, {audio.sample_rate} Hz, {audio.block or 'changing'} frames"
    if audio.device != "running":
        where = f"{audio.device.upper()}: {audio.reason}"
    return f"audio     {where}, driver {audio.driver} ({audio.driver_reason})"


def health_line(state: RigState) -> str:
    """Load, xruns and fallbacks to dry, with what they were."""
    words = f"health    load {100 * state.load:.0f} %, xruns {state.audio.xruns}, fallbacks {fallbacks(state)}"
    faults = state.faults
    if faults is None or not fallbacks(state):
        return words
    named = (
        ("too late", faults.late),
        ("model errors", faults.model_error),
        ("not a number in", faults.nonfinite_in),
        ("not a number out", faults.nonfinite_out),
        ("wet missing", faults.underflow),
    )
    return f"{words} ({', '.join(f'{name} {count}' for name, count in named if count)})"


def fallbacks(state: RigState) -> int:
    """How often the dry signal had to stand in."""
    faults = state.faults
    if faults is None:
        return 0
    return faults.late + faults.model_error + faults.nonfinite_in + faults.nonfinite_out + faults.underflow
