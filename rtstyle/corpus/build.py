"""Building the corpus: measured libraries -> performances and phrases in shards; resumable, one command.

Every step is a list of jobs, each of which reads files, writes files of its own and may be done twice: a library's notes
are measured, a source's phrases read, a shard of performances rendered. `farm.spread` says who does them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus import score, soundfont
from rtstyle.corpus.archive import find_roots, read_roots
from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.duplicates import list_copies, prints_jobs, take_prints, without_copies
from rtstyle.corpus.ensemble import Cast, cast, draw, seat_leader
from rtstyle.corpus.farm import spread
from rtstyle.corpus.library import Library, Source, find_sources, load_libraries, measure_source
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.performance import perform
from rtstyle.corpus.recordings import Recording, by_source
from rtstyle.corpus.render import apply_db, follow, render
from rtstyle.corpus.sections import find_sections, section_of
from rtstyle.corpus.shards import DRAFT, finished, pcm16, read_shard, shard_name, write_shard
from rtstyle.errors import FileError, MissingPartError, RtstyleError

SHARD = 16  # performances
VALID_MINUTES = 3.0
TUNE_SHARE = 0.5  # of the performances play a tune, the others a generated study
VALID_TUNES = 10  # every tenth tune is kept for validation
PERFORMANCES, PHRASES = "performances", "phrases"
Samples = NDArray[np.float32]
Tick = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True)
class Plan:
    """What to build: minutes of train performances, players in each, mean seconds of one, and the seed of all draws."""

    minutes: float = 60.0
    players: int = 6
    seconds: float = 10.0
    seed: int = 0

    def count(self, split: str) -> int:
        """Performances of a split."""
        minutes = min(VALID_MINUTES, self.minutes) if split == "valid" else self.minutes
        return math.ceil(60.0 * minutes / self.seconds)


@dataclass(frozen=True)
class Material:
    """What a corpus in `out` is made from: folders of recordings and of MIDI tunes, and a soundfont.

    soloist: key of a library that plays in every performance and in every register, "" for none.
    """

    out: Path
    recordings: tuple[Path, ...]
    melodies: Path | None
    font: Path | None
    soloist: str = ""

    def listed(self) -> list[Recording]:
        """The recordings, without the copies that were found among them. `[control]`"""
        return without_copies(read_roots(self.recordings, self.out), self.out)

    def sources(self) -> list[Source]:
        """The libraries that can be measured from it. `[control]`"""
        return find_sources(self.listed(), self.font, self.out / "notes")


@dataclass(frozen=True)
class ShardJob:
    """One shard of performances, `count` of them: all that a worker has to know."""

    material: Material
    plan: Plan
    split: str
    number: int
    count: int


@dataclass(frozen=True)
class PhrasesJob:
    """The phrases and mixes of one instrument from one source."""

    out: Path
    recordings: tuple[Recording, ...]

    @property
    def name(self) -> str:
        return f"{self.recordings[0].instrument}-{self.recordings[0].library}"


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


def perform_one(members: Cast, tunes: list[Path], plan: Plan, number: int) -> tuple[dict[str, Any], Samples, Samples]:
    """Render performance `number` of a split: its row of the manifest, audio (players, samples) and pitch. `[control]`

    It depends on the plan's seed, the number and the material alone.
    """
    rng = np.random.default_rng([plan.seed, 0 if members.split == "train" else 1, number])
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
    row: dict[str, Any] = {"id": f"{members.split}-{number:08d}", "split": members.split, "players": players}
    row |= {"samples": performance.samples, "sample_rate": SAMPLE_RATE, "seen": members.seen}
    row |= {"title": title, "notes": len(performance.events)}
    return row, audio * np.float32(gain), performance.f0


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


def join(arrays: list[NDArray[Any]]) -> tuple[NDArray[Any], list[int]]:
    """All arrays end to end, flat, and where each begins. `[any]`"""
    ends = np.cumsum([array.size for array in arrays]).tolist()
    return np.concatenate([array.ravel() for array in arrays]), [0, *ends[:-1]]


@lru_cache(maxsize=1)
def read_material(material: Material) -> dict[str, tuple[Cast, list[Path]]]:
    """Cast and tunes of each split, read once in each process. `[control]`"""
    libraries = load_libraries(material.sources())
    if len(libraries) < 2:
        raise MissingPartError(
            "A corpus needs at least two libraries of notes: give a folder of recordings, or install the soundfont: "
            "apt-get install fluidsynth fluid-soundfont-gm"
        )
    libraries += find_sections(libraries, material.soloist)
    tunes = find_tunes(material.melodies)
    soloist = section_of(material.soloist)
    return {members.split: (members, tunes[members.split]) for members in cast(libraries, soloist)}


def build_shard(job: ShardJob) -> float:
    """Render a shard of performances; returns their seconds. `[control]`"""
    members, tunes = read_material(job.material)[job.split]
    first = SHARD * job.number
    made = [perform_one(members, tunes, job.plan, first + k) for k in range(job.count)]
    audio, offsets = join([pcm16(sound) for _, sound, _ in made])
    f0, f0_offsets = join([pitch for _, _, pitch in made])
    rows = [
        {**row, "offset": offset, "f0_offset": f0_offset}
        for (row, _, _), offset, f0_offset in zip(made, offsets, f0_offsets, strict=True)
    ]
    write_shard(job.material.out / PERFORMANCES, shard_name(job.split, job.number), rows, audio=audio, f0=f0)
    return float(sum(row["samples"] for row in rows)) / SAMPLE_RATE


def build_phrases(job: PhrasesJob) -> int:
    """Store the phrases and mixes of one source; of four or more the last is for validation. Returns how many."""
    group = job.recordings
    audio, offsets = join([pcm16(read_mono(one.path)) for one in group])
    lengths = np.diff([*offsets, audio.size])
    rows = [
        {
            "id": f"{job.name}-{k:03d}",
            "split": "valid" if len(group) >= 4 and k == len(group) - 1 else "train",
            "instrument": one.instrument,
            "library": one.library,
            "file": f"{one.path.parent.name}/{one.path.name}",
            "licence": one.licence,
            "attribution": one.attribution,
            "samples": int(lengths[k]),
            "offset": offsets[k],
        }
        for k, one in enumerate(group)
    ]
    write_shard(job.out / PHRASES, job.name, rows, audio=audio)
    return len(rows)


def phrases_to_do(out: Path, recordings: list[Recording]) -> list[PhrasesJob]:
    """The sources whose phrases are not there yet, or not all. `[control]`"""
    jobs = [PhrasesJob(out, group) for group in by_source(r for r in recordings if r.kind in ("phrase", "mix"))]
    there = set(finished(out / PHRASES))
    return [job for job in jobs if job.name not in there or _rows(out / PHRASES, job.name) != len(job.recordings)]


def drop_short_shard(material: Material, plan: Plan, split: str) -> None:
    """Take the last shard of a shorter plan out of the finished ones, before any after it is made. `[control]`"""
    folder = material.out / PERFORMANCES
    for name in finished(folder, split)[-1:]:
        first = SHARD * int(name.rsplit("-", 1)[1])
        if _rows(folder, name) < min(SHARD, plan.count(split) - first):
            (folder / f"{name}.parquet").unlink()


def shards_to_do(material: Material, plan: Plan, split: str) -> Iterator[ShardJob]:
    """The shards of a split that are not there yet. `[control]`

    Only the names of what is there are held: a plan of millions of performances never is.
    """
    there, count = set(finished(material.out / PERFORMANCES, split)), plan.count(split)
    for number in range(math.ceil(count / SHARD)):
        if shard_name(split, number) not in there:
            yield ShardJob(material, plan, split, number, min(SHARD, count - SHARD * number))


def _rows(folder: Path, name: str) -> int:
    return len(read_shard(folder, name, ["id"]))


def build(
    out: Path,
    recordings: Path | Sequence[Path] | None = None,
    melodies: Path | None = None,
    plan: Plan | None = None,
    tick: Tick = lambda stage, done, total: None,
    *,
    soloist: str = "",
    workers: int = 1,
    ray: str | None = None,
) -> None:
    """Build or continue the corpus in `out`: phrases and libraries, then valid and train performances. `[control]`

    What is there stays: a build that was interrupted, or is asked for more minutes, continues where it stopped.
    recordings: folders and archives; the latter are unpacked into `out`. soloist: see Material. workers, ray: as in
    `farm.spread`; every worker must see the folders under the same paths. Raises RtstyleError subclasses for unusable folders
    and archives.
    """
    plan = plan or Plan()
    out, melodies = out.resolve(), melodies and melodies.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for draft in out.glob(f"*/*{DRAFT}"):  # of a build that was killed
        draft.unlink()
    find_tunes(melodies)  # which says what is wrong with the folder before the long part
    given = [recordings] if isinstance(recordings, Path) else recordings or ()
    roots = find_roots(given, out, lambda done, total: tick("archives", done, total))
    material = Material(out, roots, melodies, soundfont.find_font(), soloist)
    prints = prints_jobs(read_roots(roots, out), out / "fingerprints")
    fresh = [job for job in prints if not job.cache.is_file()]
    for done, _ in enumerate(spread(take_prints, fresh, workers=workers, ray=ray), 1):
        tick("fingerprints", done, len(fresh))
    list_copies(prints, out)
    phrases = phrases_to_do(out, material.listed())
    for done, _ in enumerate(spread(build_phrases, phrases, workers=workers, ray=ray), 1):
        tick("phrases", done, len(phrases))
    sources = [source for source in material.sources() if not source.cache.is_file()]
    for done, _ in enumerate(spread(measure_source, sources, workers=workers, ray=ray), 1):
        tick("libraries", done, len(sources))
    read_material.cache_clear()
    for split in ("valid", "train"):
        drop_short_shard(material, plan, split)
        count = plan.count(split)
        ready = count - sum(job.count for job in shards_to_do(material, plan, split))
        tick(split, ready, count)
        for job, _ in spread(build_shard, shards_to_do(material, plan, split), workers=workers, ray=ray):
            ready += job.count
            tick(split, ready, count)
