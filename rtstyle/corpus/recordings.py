"""What recordings a folder holds: a `manifest.csv`, or simply one folder per instrument."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rtstyle.errors import FileError

MANIFEST = "manifest.csv"
ENVIRONMENT = "environment"  # real sounds that no player plays: kept as they are, like phrases
SUFFIXES = (".wav", ".flac", ".ogg", ".aif", ".aiff", ".mp3")
PITCH_NAME = re.compile(r"(?:^|[-_ ])([A-Ga-g])([#bs]?)(-?\d)(?=$|[-_ .])")
PITCH_CLASS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}

# Playing techniques that are another sound than the instrument's name promises: (instrument, pattern in the
# library or file name) -> the instrument to file it under, "" to leave it out. Ensembles have no single pitch.
ARTICULATIONS = (
    ("cello", re.compile("pizz"), "pizzicato"),
    ("cello", re.compile("stac"), ""),
    ("flute", re.compile("-(det|per|two)-"), ""),
    ("voice", re.compile("(fe)?malevoices-"), ""),
    ("drums", re.compile(""), ""),
)
# Libraries that hold several players or vowels: the part of the file name that tells them apart.
PLAYERS = re.compile("((?:fe)?malevoice-(?:aa|oo))")


@dataclass(frozen=True)
class Recording:
    """One file: `kind` is note, phrase or mix; `midi` the labelled pitch of a note; `library` who recorded it.

    A manifest may also say `environment`, which becomes a phrase of the instrument of that name.
    """

    path: Path
    instrument: str
    library: str
    kind: str
    midi: float | None
    licence: str
    attribution: str


def pitch_in(name: str) -> float | None:
    """Return the MIDI pitch written in a file name, `A4`, `c#3` or `Bb2` between dashes or blanks, or None. `[any]`"""
    match = PITCH_NAME.search(name)
    if match is None:
        return None
    letter, sign, octave = match.groups()
    return float(12 * (int(octave) + 1) + PITCH_CLASS[letter.lower()] + {"#": 1, "s": 1, "b": -1, "": 0}[sign])


def read_manifest(path: Path) -> list[Recording]:
    """Read a manifest.csv with the columns path, instrument, kind [, midi, source, licence, attribution].

    Raises FileError where it lacks a column or cannot be understood.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(_read_rows(path, csv.DictReader(file)))
    except (ValueError, csv.Error) as error:
        raise FileError(
            f"{path} cannot be read ({error}); give UTF-8 text, all columns, and a number for midi."
        ) from error


def _read_rows(path: Path, rows: "csv.DictReader[str]") -> Iterator[Recording]:
    missing = {"path", "instrument", "kind"} - set(rows.fieldnames or ())
    if missing:
        raise FileError(f"{path} lacks the column(s) {sorted(missing)}; a manifest needs path, instrument, kind.")
    for row in rows:
        if None in (row["path"], row["instrument"], row["kind"]):
            raise ValueError(f"line {rows.line_num} is too short")
        yield Recording(
            path=path.parent / row["path"],
            instrument=row["instrument"],
            library=row.get("source") or "own",
            kind=row["kind"],
            midi=float(row["midi"]) if row.get("midi") else None,
            licence=row.get("licence") or "",
            attribution=row.get("attribution") or "",
        )


def read_folder(folder: Path) -> list[Recording]:
    """List `folder/<instrument>/[<library>/]<file>`; a file that is named after a pitch is a note, others phrases."""
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.suffix.lower() not in SUFFIXES or len(parts) < 2:
            continue
        midi = pitch_in(path.stem)
        library = parts[1] if len(parts) > 2 else "own"
        kind = "phrase" if midi is None else "note"
        found.append(Recording(path, parts[0].lower(), library, kind, midi, "", ""))
    return found


def arrange(recording: Recording) -> Recording | None:
    """File a recording under the instrument and library it really is, or None when it cannot be played as notes."""
    if ENVIRONMENT in (recording.kind, recording.instrument.lower()):  # never a note, whatever its name
        return replace(recording, instrument=ENVIRONMENT, kind="phrase", midi=None)
    if recording.kind != "note":
        return recording
    instrument, library = recording.instrument, recording.library
    for name, pattern, other in ARTICULATIONS:
        if instrument == name and (pattern.search(library) or pattern.search(recording.path.stem)):
            if not other:
                return None
            instrument = other
            break
    player = PLAYERS.search(recording.path.stem)
    if player:
        library = f"{library}-{player.group(1).replace('voice', '')}"
    return Recording(
        recording.path,
        instrument,
        library,
        recording.kind,
        recording.midi,
        recording.licence,
        recording.attribution,
    )


def by_source(recordings: Iterable[Recording]) -> list[tuple[Recording, ...]]:
    """Group recordings by instrument and library, sorted by these. `[any]`"""
    groups: dict[tuple[str, str], list[Recording]] = defaultdict(list)
    for one in recordings:
        groups[one.instrument, one.library].append(one)
    return [tuple(group) for _, group in sorted(groups.items())]


def read_recordings(folder: Path) -> list[Recording]:
    """Return every usable recording of `folder`. `[control]`

    Raises FileError when the folder is missing or holds nothing that could be used.
    """
    if not folder.is_dir():
        raise FileError(f"There is no folder of recordings at {folder}; give one that exists.")
    manifest = folder / MANIFEST
    listed = read_manifest(manifest) if manifest.is_file() else read_folder(folder)
    kept = [r for r in map(arrange, listed) if r is not None]
    if not kept:
        raise FileError(
            f"{folder} holds no usable recordings; expected a manifest.csv (path, instrument, kind) or one folder per "
            f"instrument with {', '.join(SUFFIXES)} files."
        )
    return kept
