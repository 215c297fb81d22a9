"""Building the corpus: measured libraries -> performances and phrases in shards; resumable, one command."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtstyle.corpus import score, soundfont
from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.ensemble import Cast, cast, draw, seat_leader
from rtstyle.corpus.library import Library, recorded_libraries, soundfont_libraries
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.performance import perform
from rtstyle.corpus.recordings import Recording, read_recordings
from rtstyle.corpus.render import apply_db, follow, render
from rtstyle.corpus.shards import append_line, pcm16, read_lines, repair, save_array
from rtstyle.errors import FileError, MissingPartError, RtstyleError

VALID_MINUTES = 3.0
TUNE_SHARE = 0.5  # of the performances play a tune, the others a generated study
VALID_TUNES = 10  # every tenth tune is kept for validation
Tick = Callable[[str, float, float], None]  # stage, done, total


@dataclass(frozen=True)
class Plan:
    """What to build: minutes of train performances, players in each, and the seed of everything that is drawn."""

    minutes: float = 60.0
    players: int = 6
    seconds: float = 10.0
    seed: int = 0


def find_tunes(folder: Path | None) -> dict[str, list[Path]]:
    """Return the MIDI files of a folder by split; every VALID_TUNES-th one is for validation. `[control]`"""
    paths = sorted(folder.rglob("*.mid")) if folder else []
    if folder and not paths:
        raise FileError(f"{folder} holds no .mid file; give a folder of MIDI melodies or leave the option out.")
    tunes: dict[str, list[Path]] = {"train": [], "valid": []}
    for k, path in enumerate(paths):
        tunes["valid" if k % VALID_TUNES == 0 else "train"].append(path)
    return tunes


def compose(rng: np.random.Generator, tunes: list[Path], seconds: float) -> tuple[list[score.Event], str]:
    """Return (events, name) of a tune's window or of a study, with articulation. `[control]`"""
    if tunes and rng.random() < TUNE_SHARE:
        path = tunes[int(rng.integers(len(tunes)))]
        tune = score.read_tune(path)
        if len(tune) > 4:
            events = score.window(tune, rng, seconds)
            if len(events) > 2 and max(e.midi for e in events) - min(e.midi for e in events) <= 24.0:
                return score.articulate(events, rng), path.stem
    return score.articulate(score.study(rng, seconds), rng), "study"


def build_performance(out: Path, name: str, seed: list[int], members: Cast, tunes: list[Path], plan: Plan) -> float:
    """Render one performance into the shards and return its seconds. `[control]`"""
    rng = np.random.default_rng(seed)
    drawn = None
    for _ in range(50):
        events, title = compose(rng, tunes, rng.uniform(0.8, 1.2) * plan.seconds)
        if len(events) < 2:
            continue
        drawn = draw(members, events, plan.players, rng)
        if drawn is not None:
            break
    if drawn is None:
        raise RtstyleError(
            f"No two of the {len(members.libraries)} libraries share a register; add recordings or the soundfont."
        )
    moved, libraries = drawn
    performance = perform(moved, rng)
    libraries = seat_leader(libraries, rng)
    audio = np.zeros((len(libraries), performance.samples), dtype=np.float32)
    players = []
    for k, library in enumerate(libraries):
        raw, files = render(performance, library, rng, leads=k == 0)
        boost = 9.0 if library.decaying and not libraries[0].decaying else 15.0
        audio[k] = follow(raw, audio[0], boost) if k else apply_db(raw, performance.dynamics_db)
        players.append(describe(library, files))
    wanted = 10.0 ** (rng.uniform(-24.0, -16.0) / 20.0)
    gain = wanted / float(np.sqrt(np.mean(audio[0] ** 2) + 1e-12))
    gain = min(gain, 0.97 / float(np.abs(audio).max() + 1e-9))
    save_array(out / "audio" / f"{name}.npy", pcm16(audio * np.float32(gain)))
    save_array(out / "f0" / f"{name}.npy", performance.f0)
    entry: dict[str, Any] = {"id": name, "split": members.split, "players": players, "samples": performance.samples}
    entry |= {"title": title, "notes": len(performance.events), "sample_rate": SAMPLE_RATE, "seen": members.seen}
    append_line(out / "performances.jsonl", entry)
    return performance.samples / SAMPLE_RATE


def describe(library: Library, files: list[str]) -> dict[str, Any]:
    """Return a player's entry in the manifest. `[any]`"""
    return {
        "instrument": library.instrument,
        "library": library.name,
        "decaying": library.decaying,
        "licence": library.licence,
        "attribution": library.attribution,
        "files": files,
    }


def build_phrases(out: Path, recordings: list[Recording], tick: Tick) -> None:
    """Store the phrases and mixes among the recordings; of four or more from one source the last is for validation."""
    groups: dict[tuple[str, str], list[Recording]] = defaultdict(list)
    for recording in recordings:
        if recording.kind in ("phrase", "mix"):
            groups[recording.instrument, recording.library].append(recording)
    listed = {entry["id"] for entry in read_lines(out / "phrases.jsonl")}
    total = sum(len(group) for group in groups.values())
    done = 0
    for (instrument, library), group in sorted(groups.items()):
        for k, recording in enumerate(group):
            done += 1
            digest = hashlib.sha256(str(recording.path.name).encode()).hexdigest()[:8]
            name = f"{instrument}-{library}-{k:03d}-{digest}"
            if name in listed:
                continue
            audio = read_mono(recording.path)
            save_array(out / "phrases" / f"{name}.npy", pcm16(audio))
            entry = {
                "id": name,
                "split": "valid" if len(group) >= 4 and k == len(group) - 1 else "train",
                "instrument": instrument,
                "source": library,
                "file": f"{recording.path.parent.name}/{recording.path.name}",
                "licence": recording.licence,
                "attribution": recording.attribution,
                "samples": len(audio),
            }
            append_line(out / "phrases.jsonl", entry)
            tick("phrases", done, total)


def gather(out: Path, recordings: list[Recording], tick: Tick) -> list[Library]:
    """Return all libraries: the recordings' and, where it is installed, the soundfont's. `[control]`"""
    count = len({(r.instrument, r.library) for r in recordings if r.kind == "note"})
    done = 0

    def note(_: str) -> None:
        nonlocal done
        done += 1
        tick("libraries", done, count + len(soundfont.PROGRAMS))

    libraries = recorded_libraries(recordings, out / "notes", note)
    font = soundfont.find_font()
    if font is not None:
        libraries += soundfont_libraries(font, out / "notes", note)
    if len(libraries) < 2:
        raise MissingPartError(
            "A corpus needs at least two libraries of notes: give a folder of recordings, or install the soundfont: "
            "apt-get install fluidsynth fluid-soundfont-gm"
        )
    return libraries


def build(
    out: Path,
    recordings: Path | None = None,
    melodies: Path | None = None,
    plan: Plan | None = None,
    tick: Tick = lambda stage, done, total: None,
) -> None:
    """Build or continue the corpus in `out`: phrases, then valid, then train performances. `[control]`

    Performance number k depends on the seed, on k and on the material alone, so a build that was interrupted, or is
    asked for more minutes, continues where it stopped. Raises RtstyleError subclasses for unusable folders.
    """
    plan = plan or Plan()
    out.mkdir(parents=True, exist_ok=True)
    listed = read_recordings(recordings) if recordings else []
    repair(out / "performances.jsonl")
    repair(out / "phrases.jsonl")
    build_phrases(out, listed, tick)
    train, valid = cast(gather(out, listed, tick))
    tunes = find_tunes(melodies)
    entries = read_lines(out / "performances.jsonl")
    for members, minutes in ((valid, min(VALID_MINUTES, plan.minutes)), (train, plan.minutes)):
        ready = {e["id"]: e["samples"] / SAMPLE_RATE for e in entries if e["split"] == members.split}
        seconds, k = 0.0, 0
        while seconds < 60.0 * minutes:
            name = f"{members.split}-{k:05d}"
            seed = [plan.seed, 0 if members.split == "train" else 1, k]
            if name in ready:
                seconds += ready[name]
            else:
                seconds += build_performance(out, name, seed, members, tunes[members.split], plan)
            k += 1
            tick(members.split, min(seconds / 60.0, minutes), minutes)
