"""Whose sound is it, how high and how low? Every library of the judge's instruments, played in eight registers.

    python -m benchmarks.registers --corpus CORPUS [--lines 6]

Lines of six seconds over a fifth, generated and articulated as in the corpus, led by nobody, far beyond a library's own notes
too: those are read faster or slower. What `corpus/sections.py` is chosen by. A register's figure is the judge's share of
seconds for the instrument; CORPUS is read for its measured notes alone.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.measure import record
from rtstyle.corpus.library import Library, load_notes, make_library
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.performance import perform
from rtstyle.corpus.render import render
from rtstyle.corpus.score import Event, articulate, study
from rtstyle.corpus.sections import find_sections
from rtstyle.lab.evaluate.clips import INSTRUMENTS
from rtstyle.lab.evaluate.judge import load_judge

LOWEST = (36, 43, 50, 57, 64, 71, 78, 85)  # MIDI pitch of each register
SPAN = 7  # semitones
SECONDS = 6.0


def measured_libraries(corpus: Path) -> list[Library]:
    """The libraries whose measured notes lie in a corpus; their files are named INSTRUMENT--LIBRARY--HASH."""
    found = []
    for path in sorted((corpus / "notes").glob("*.npz")):
        instrument, name, _ = path.stem.split("--")
        library = make_library(instrument, name, "", "", load_notes(path)) if instrument in INSTRUMENTS else None
        found += [library] if library is not None else []
    return found


def line(library: Library, lowest: int, number: int) -> np.ndarray:
    """A line in the register above `lowest`, the same notes for every library."""
    rng = np.random.default_rng([lowest, number])
    events = articulate(study(rng, SECONDS), rng)
    first = min(event.midi for event in events)
    moved = [Event(e.time, e.duration, lowest + (e.midi - first) % SPAN, e.accent_db, e.slurred) for e in events]
    return render(perform(moved, rng), library, rng)[0]


def main() -> None:
    """Judge every library and section in every register, and record the table in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: every line is played once")
    parser.add_argument("--corpus", type=Path, help="folder that `rtstyle corpus build` made")
    parser.add_argument("--lines", type=int, default=6, help="in each register")
    arguments = parser.parse_args()
    if arguments.corpus is None:
        print("registers: nothing done; it needs --corpus.")
        return
    judge, table = load_judge(), {}
    libraries = measured_libraries(arguments.corpus)
    for library in [*libraries, *find_sections(libraries)]:
        shares = {}
        for lowest in LOWEST:
            heard = [judge(line(library, lowest, n), SAMPLE_RATE) for n in range(arguments.lines)]
            shares[str(lowest)] = round(float(np.mean([one.share(library.instrument) for one in heard])), 2)
        table[library.key] = shares
        own = f"{library.pitches.min():.0f}..{library.pitches.max():.0f}"
        print(f"{library.key:28s} {own:9s} " + " ".join(f"{k}:{v:.2f}" for k, v in shares.items()), flush=True)
    record("registers", table, lines=arguments.lines, line_seconds=SECONDS)


if __name__ == "__main__":
    main()
