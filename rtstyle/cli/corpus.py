"""`rtstyle corpus`: training material from recordings and melodies."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rtstyle.cli.output import emit_json, table
from rtstyle.corpus.build import Plan
from rtstyle.corpus.build import build as build_corpus
from rtstyle.errors import FileError, ParameterError

app = App(name="corpus", help="Build training material from recordings and melodies.")

STAGES = {
    "archives": "unpacking",
    "fingerprints": "looking for copies",
    "phrases": "real phrases",
    "libraries": "measuring notes",
    "valid": "validation",
    "train": "training",
}


@app.command
def build(
    out: Path,
    *,
    recordings: Annotated[list[Path] | None, Parameter(negative="")] = None,
    melodies: Path | None = None,
    minutes: float = 60.0,
    players: int = 6,
    seed: int = 0,
    soloist: str = "",
    workers: int = 0,
    ray: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Build, or continue, a corpus of performances that several instruments play in unison.

    Every note of every player has the same pitch curve, timing and loudness, so that two players differ in timbre
    alone. Run it again with more minutes to extend a corpus; what is there is kept.

    Parameters
    ----------
    out
        Folder of the corpus; made when missing. An hour takes about 3 GB.
    recordings
        Folder with a manifest.csv, or with one folder per instrument: files named after a pitch (`violin/A4.wav`,
        `violin/mine/c#5-loud.flac`) are notes, other files are phrases, and all in `environment/` are sounds that stay
        as they are. Or an archive of such a folder (.zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz), which is unpacked into
        OUT/archives. May be given several times. Without it the soundfont FluidR3 plays alone.
    melodies
        Folder of MIDI tunes; without it all scores are generated.
    minutes
        Minutes of training performances, counted once whoever plays.
    players
        Players in each performance.
    seed
        Seed of everything that is drawn at random.
    soloist
        Library of notes, "instrument/name", that plays in every performance and in every register, beyond its own notes with
        the last of them transposed.
    workers
        Processes on this machine; 0: one per core.
    ray
        Address of a Ray cluster that does the work instead: "auto", or "local" for one of its own; its machines must
        see all folders under the same paths.
    json
        Print a summary as JSON on stdout.
    """
    if minutes <= 0.0:
        raise ParameterError(f"--minutes is {minutes}; give a positive number of minutes.")
    if players < 2:
        raise ParameterError(f"--players is {players}; give at least 2, since a pair needs a source and a target.")
    if workers < 0:
        raise ParameterError(f"--workers is {workers}; give the number of processes, or 0 for one per core.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {stage: progress.add_task(text, total=None, visible=False) for stage, text in STAGES.items()}

        def tick(stage: str, done: float, total: float) -> None:
            progress.update(tasks[stage], completed=done, total=total, visible=True)

        plan = Plan(minutes=minutes, players=players, seed=seed)
        build_corpus(out, recordings, melodies, plan, tick, soloist=soloist, workers=workers, ray=ray)
    show(out, json=json)


@app.command
def show(out: Path, *, json: Annotated[bool, Parameter(negative="")] = False) -> None:
    """List who plays how long in a corpus.

    Parameters
    ----------
    out
        Folder of the corpus.
    json
        Print JSON on stdout.
    """
    summary = summarise(out)
    if json:
        emit_json({"folder": str(out), "instruments": summary})
        return
    rows = [(e["split"], e["instrument"], e["performances"], e["minutes"], e["libraries"]) for e in summary]
    print(table(rows, head=("split", "instrument", "performances", "minutes", "libraries")))


def summarise(out: Path) -> list[dict[str, object]]:
    """Return one entry per split and instrument. Raises FileError when the folder holds no corpus. `[control]`"""
    from rtstyle.corpus.shards import read_rows

    seconds: dict[tuple[str, str], list[float]] = {}
    libraries: dict[tuple[str, str], set[str]] = {}
    for entry in read_rows(out / "performances"):
        for player in entry["players"]:
            key = (entry["split"], player["instrument"])
            seconds.setdefault(key, []).append(entry["samples"] / entry["sample_rate"])
            libraries.setdefault(key, set()).add(player["library"])
    if not seconds:
        raise FileError(f"There is no corpus in {out}; make one with `rtstyle corpus build {out}`.")
    return [
        {
            "split": split,
            "instrument": instrument,
            "performances": len(seconds[split, instrument]),
            "minutes": round(sum(seconds[split, instrument]) / 60.0, 2),
            "libraries": ", ".join(sorted(libraries[split, instrument])),
        }
        for split, instrument in sorted(seconds)
    ]
