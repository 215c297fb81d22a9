"""`rtstyle play`: live where there is an audio device, else the packaged performance through every model and style."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from rtstyle.bundle import Bundle

PICTURED = 8  # panels in the spectrogram, the performance among them


def play(
    *,
    model: str | None = None,
    folder: Path = Path("play"),
    files: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Go live on the audio device that is there; without one, play the packaged performance into files.

    The files are FOLDER/<model>/<style>.wav for every model and style, FOLDER/before.wav, and FOLDER/spectrogram.png
    with the sound before and after. Then the latency of every model is listed.

    Parameters
    ----------
    model
        One model alone.
    folder
        Where the files go.
    files
        Write files even where there is an audio device.
    json
        Print what was done as JSON, on stdout.
    """
    if not files and has_audio():
        from rtstyle.cli.live import live

        return live(model=model, json=json) or 0
    return play_files(model, folder, json=json)


def has_audio() -> bool:
    """Whether something to play on is there: a JACK server, or a PortAudio device for each direction. `[control]`"""
    from rtstyle.cli.diagnosis import check_jack, check_portaudio

    if any(finding.details.get("server") for finding in check_jack()):
        return True
    return all(finding.state == "ok" for finding in check_portaudio())


def play_files(model: str | None, folder: Path, *, json: bool = False) -> int:
    """Render the performance through the models into `folder`. `[control]`

    Exit code 1 when a bundle cannot be read; the others are played all the same.
    """
    import numpy as np
    import soundfile

    from rtstyle.backends.file import FileSink
    from rtstyle.bundle import find_bundle, find_bundles
    from rtstyle.cli.latency import describe, latency_report
    from rtstyle.cli.output import emit_json
    from rtstyle.cli.spectrogram import write_spectrograms
    from rtstyle.errors import BundleError, FileError
    from rtstyle.performance import PERFORMANCE

    def say(text: str) -> None:
        if not json:
            print(text, flush=True)

    audio, rate = soundfile.read(PERFORMANCE, dtype="float32", always_2d=True)
    audio = np.ascontiguousarray(audio.T)
    seconds = audio.shape[1] / rate
    say(f"No audio device: playing {seconds:.0f} s of flute into {folder}{'/' if folder.name else ''}")
    folders = list(find_bundles().values()) if model is None else [find_bundle(model)]
    if not folders:
        raise BundleError("There is no model to play: install the wheel or the checkout again, which ship some.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"The folder {folder} cannot be made: {error.strerror or error}.") from error
    with FileSink(folder / "before.wav", rate, 1) as sink:
        sink.write(audio)
    panels: list[tuple[str, NDArray[np.float32]]] = [("before: flute", audio[0])]
    played: list[dict[str, Any]] = []
    reports: list[dict[str, Any]] = []
    failed = 0
    for place in folders:
        bundle = _load(place, say)
        if bundle is None:
            failed += 1
            continue
        for entry, sound in _play_styles(bundle, audio, rate, folder):
            played.append(entry)
            panels.append((f"after: {entry['model']}, {entry['style']}", sound))
            say(f"  {entry['file']}  ({entry['times_real_time']:.0f} x real time)")
        reports.append(latency_report(bundle, rate=48_000, block=128, driver="tight"))
    picture = folder / "spectrogram.png"
    write_spectrograms(picture, _spread(panels), rate)
    say(f"  {picture}\n")
    for report in reports:
        say(describe(report) + "\n")
    if json:
        emit_json({"files": played, "spectrogram": str(picture), "latency": reports})
    return int(failed > 0)


def _play_styles(
    bundle: "Bundle", audio: "NDArray[np.float32]", rate: int, folder: Path
) -> "Iterator[tuple[dict[str, Any], NDArray[np.float32]]]":
    """Render every style of one bundle, one after the other."""
    from rtstyle.backends.file import FileSink
    from rtstyle.cli.offline import OfflineChain

    (folder / bundle.name).mkdir(exist_ok=True)
    chain = OfflineChain(bundle, sample_rate=rate)
    try:
        for number, style in enumerate(bundle.styles):
            started = time.perf_counter()
            chain.set({"style.target": float(number)})
            sound = chain.render(audio)
            elapsed = time.perf_counter() - started
            file = folder / bundle.name / f"{style.id}.wav"
            with FileSink(file, rate, 1) as sink:
                sink.write(sound)
            speed = audio.shape[1] / rate / elapsed
            entry = {"file": str(file), "model": bundle.name, "style": style.id, "times_real_time": round(speed, 1)}
            yield entry, sound[0]
    finally:
        chain.close()


def _load(place: Path, say: Any) -> "Bundle | None":
    from rtstyle.bundle import load_bundle
    from rtstyle.errors import BundleError

    try:
        return load_bundle(place)
    except BundleError as error:
        say(f"  {place.name}: {error}")
        return None


def _spread(panels: "list[tuple[str, NDArray[np.float32]]]") -> "list[tuple[str, NDArray[np.float32]]]":
    """The first panel and, of the others, as many as are drawn, evenly chosen."""
    first, rest = panels[:1], panels[1:]
    count = min(len(rest), PICTURED - 1)
    return first + [rest[index * len(rest) // count] for index in range(count)]
