"""`rtstyle render`: a file through the chain, as live, but as fast as it goes."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtstyle.backends.file import FileSink, FileSource
    from rtstyle.bundle import Bundle
    from rtstyle.cli.offline import OfflineChain
    from rtstyle.control.midifile import TimedEvent


def render(
    source: Path,
    target: Path,
    /,
    *,
    model: str | None = None,
    style: str | None = None,
    mix: str | None = None,
    amount: str | None = None,
    dynamics: str | None = None,
    block: int = 4096,
    midi: Path | None = None,
    device: str = "cpu",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Render a file through a style; the output lines up with the input, sample by sample, and is as long.

    The same compiled chain plays that plays live, gate and limiter included.

    Parameters
    ----------
    source
        WAV, FLAC, Ogg, AIFF, MP3 or any other format that libsndfile reads; any sample rate.
    target
        File to write: .wav, .flac, .ogg, .opus, .mp3 or .aiff.
    model
        Name of a model or folder of a bundle (see `rtstyle models`); orchestra-spectral otherwise.
    style
        Id or name of a style; the model's first one otherwise.
    mix
        Dry to wet, 0 to 1 or in percent; wet otherwise.
    amount
        From the instrument's own timbre to the style's, 0 to 1 or in percent.
    dynamics
        How far the loudness follows the player's, from 0, the style's own, to 1.
    block
        Samples per step; the sound does not depend on it.
    midi
        Standard MIDI File whose controllers move the parameters, as they would live.
    device
        cpu or cuda.
    json
        Print what was done as JSON.
    """
    from rtstyle.backends.file import FileSource
    from rtstyle.cli.offline import pick_bundle
    from rtstyle.cli.output import emit_json
    from rtstyle.errors import FileError, ParameterError

    if not 1 <= block <= 16_384:
        raise ParameterError(f"--block {block} is out of range; give 1 to 16384 samples.")
    if device not in ("cpu", "cuda"):
        raise ParameterError(f"--device {device} does not exist; give cpu or cuda.")
    if target.exists() and source.exists() and target.samefile(source):
        raise FileError(f"{target} is the input itself; give another name to write to.")
    bundle = pick_bundle(model)
    values = settings(bundle, style=style, mix=mix, amount=amount, dynamics=dynamics)
    started = time.perf_counter()
    with FileSource(source) as file:
        report = _play(bundle, values, file, target, block=block, midi=midi, device=device)
    elapsed = time.perf_counter() - started
    seconds = report["frames"] / report["sample_rate"]
    report = {
        "input": str(source),
        "output": str(target),
        "model": bundle.name,
        "style": bundle.styles[int(values.get("style.target", 0))].id,
        **report,
        "seconds": seconds,
        "elapsed_s": round(elapsed, 3),
        "times_real_time": round(seconds / elapsed, 2),
    }
    if json:
        emit_json(report)
    else:
        print(f"{target}: {bundle.name}, {report['style']}, {seconds:.1f} s in {elapsed:.1f} s")
        if report["faults"]:
            print(f"The model failed {report['faults']} times; there the output is the dry sound.")


def settings(
    bundle: "Bundle",
    *,
    style: str | None = None,
    mix: str | None = None,
    amount: str | None = None,
    dynamics: str | None = None,
) -> dict[str, float]:
    """Parameter values for what the command line says. Raises ParameterError and BundleError with what is allowed."""
    values: dict[str, float] = {}
    if style is not None:
        values["style.target"] = float(bundle.style_index(style))
    for id, text in (("mix", mix), ("style.amount", amount), ("dynamics", dynamics)):
        if text is not None:
            values[id] = bundle.parameters[id].parse(text)
    return values


def _play(
    bundle: "Bundle",
    values: dict[str, float],
    source: "FileSource",
    target: Path,
    *,
    block: int,
    midi: Path | None,
    device: str,
) -> dict[str, Any]:
    """Render and return the figures. A rate that no device has is resampled around the chain."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from rtstyle.backends.file import FileSink, play_file
    from rtstyle.cli.offline import OfflineChain
    from rtstyle.engine.engine import RATES
    from rtstyle.presets import presets_by_program

    slow = not RATES[0] <= source.sample_rate <= RATES[1]
    rate = bundle.sample_rate if slow else source.sample_rate
    events = _events(midi, rate, bundle) if midi is not None else []
    presets = presets_by_program() if midi is not None else {}
    chain = OfflineChain(
        bundle, sample_rate=rate, channels=source.channels, values=values, device=device, presets=presets
    )
    bar = Progress(
        TextColumn("rendering"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    try:
        with FileSink(target, source.sample_rate, source.channels) as sink, bar:
            if slow:
                frames = _play_slow(chain, source, sink, block, events)
            else:
                task = bar.add_task("", total=source.frames)
                frames = play_file(
                    chain.player(events),
                    source,
                    sink,
                    block=block,
                    latency=chain.latency.total,
                    progress=lambda done: bar.update(task, completed=done),
                )
        faults = chain.engine.faults()
        return {
            "sample_rate": source.sample_rate,
            "channels": source.channels,
            "frames": frames,
            "latency_samples": chain.latency.total,
            "backend": chain.backend,
            "faults": faults.model_error + faults.nonfinite_out,
        }
    finally:
        chain.close()


def _play_slow(
    chain: "OfflineChain", source: "FileSource", sink: "FileSink", block: int, events: "Sequence[TimedEvent]"
) -> int:
    """Render a file whose rate no device has: resample, play, resample back."""
    import numpy as np
    import soxr

    audio = np.concatenate([np.zeros((source.channels, 0), np.float32), *source.blocks(block)], axis=1)
    fast = soxr.resample(audio.T, source.sample_rate, chain.sample_rate).T
    played = chain.render(np.ascontiguousarray(fast), block, events)
    back = soxr.resample(played.T, chain.sample_rate, source.sample_rate).T
    out = np.zeros_like(audio)
    frames = min(out.shape[1], back.shape[1])
    out[:, :frames] = back[:, :frames]
    sink.write(out)
    return int(out.shape[1])


def _events(path: Path, sample_rate: int, bundle: "Bundle") -> "list[TimedEvent]":
    from rtstyle.control.mapping import load_map
    from rtstyle.control.midifile import read_midi_file

    return read_midi_file(path, sample_rate=sample_rate, controllers=load_map(), table=bundle.parameters)
