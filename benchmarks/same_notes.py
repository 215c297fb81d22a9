"""What the judge would say of the instruments themselves, if they played the notes that it hears from the models.

    python -m benchmarks.same_notes --corpus CORPUS --recordings FOLDER

The lines of `rtstyle evaluate` are taken down note by note, and every library of a target plays them, as low and as high as they
go: notes beyond its own are read faster or slower. A line of a cello's open strings is no flute's to anyone who knows one, and
what the judge says of real flutes on their own notes is no measure for it; this is. And where a line's own instrument is asked
for, another player's spectrum is another one: how far, two of its libraries tell, which play the line in turn.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import record
from benchmarks.registers import measured_libraries
from rtstyle.corpus.library import Library
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.performance import perform
from rtstyle.corpus.render import render
from rtstyle.corpus.score import Event
from rtstyle.corpus.sections import NAME, find_sections
from rtstyle.lab.evaluate import content, fidelity, inputs
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.clips import INSTRUMENTS, find_clips
from rtstyle.lab.evaluate.judge import load_judge
from rtstyle.lab.evaluate.notes import find_notes
from rtstyle.lab.evaluate.report import WITHIN
from rtstyle.lab.evaluate.score import Plan, in_range

LEAST = 0.7  # share under which a direction has failed
APART = ("log_spectral_db", "worst_drift_db")  # of two players of one instrument


def take_down(line: inputs.Input) -> list[Event]:
    """The notes of a line as a score, from 0 s on."""
    notes = find_notes(line.audio)
    return [
        Event((first - notes[0][0]) / SAMPLE_RATE, (last - first) / SAMPLE_RATE, midi) for first, last, midi in notes
    ]


def play(player: Library, score: list[Event], number: int) -> NDArray[np.float32]:
    """What a library makes of a score, as loud as every line; `number` draws what a score leaves open."""
    rng = np.random.default_rng([Plan.seed, number])
    return inputs.level(render(perform(score, rng), player, rng)[0])


def main() -> None:
    """Let every library play every line of another instrument, judge, and record one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: every line is played once")
    parser.add_argument("--corpus", type=Path, help="folder that `rtstyle corpus build` made")
    parser.add_argument("--recordings", type=Path, help="folder of recordings that training never saw")
    arguments = parser.parse_args()
    if arguments.corpus is None or arguments.recordings is None:
        print("same_notes: nothing done; it needs --corpus and --recordings.")
        return
    judge, plan = load_judge(), Plan()
    clips = inputs.with_soundfont(find_clips(arguments.recordings), INSTRUMENTS)
    lines = inputs.choose_inputs(clips, INSTRUMENTS, plan.clips, plan.seconds, plan.seed)
    libraries = measured_libraries(arguments.corpus)
    players = [*libraries, *(one for one in find_sections(libraries) if one.instrument in INSTRUMENTS)]
    between: dict[str, list[float]] = {name: [] for name in APART}
    heard: dict[str, list[tuple[str, bool, float]]] = {player.key: [] for player in players}

    for number, line in enumerate(lines):
        score, f0 = take_down(line), content.measure(line.audio, SAMPLE_RATE).f0
        if not score:
            print(f"{line.name}: no note of it can be told from the next; left out.", flush=True)
            continue
        others = [player for player in players if player.instrument != line.instrument]
        for player in others:
            within = in_range(f0, player.instrument) >= WITHIN
            share = judge(play(player, score, number), SAMPLE_RATE).share(player.instrument)
            heard[player.key].append((line.instrument, within, share))
        section = next(one for one in players if one.key == f"{line.instrument}/{NAME}")
        parts = {note.file for note in section.notes}
        for player in libraries:
            if player.instrument == line.instrument and not parts & {note.file for note in player.notes}:
                apart = fidelity.distances(play(player, score, number), play(section, score, number), SAMPLE_RATE)
                for name in APART:
                    between[name].append(apart[name])
        print(line.name, {one.key: round(heard[one.key][-1][2], 2) for one in others if one.name == NAME}, flush=True)
    shares = {key: round(float(np.mean([share for *_, share in rows])), 3) for key, rows in heard.items()}
    best = [
        max((key for key in shares if key.split("/")[0] == target), key=lambda key: shares[key])
        for target in INSTRUMENTS
    ]
    figures: dict[str, object] = {"players": shares, "best of each": best}
    figures["two of one instrument"] = {name: figure(values).as_dict() for name, values in between.items()}
    for who, chosen in (("sections", [f"{target}/{NAME}" for target in INSTRUMENTS]), ("best", best)):
        usable = [row for key in chosen if judge.verdict_usable(key.split("/")[0]) for row in heard[key]]
        directions = {
            f"{source} to {key.split('/')[0]}": [share for one, _, share in heard[key] if one == source]
            for key in chosen
            for source in INSTRUMENTS
            if source != key.split("/")[0]
        }
        figures[who] = {
            "judged target": figure(share for *_, share in usable).as_dict(),
            "within its range": figure(share for _, within, share in usable if within).as_dict(),
            "directions": {name: round(float(np.mean(values)), 2) for name, values in directions.items()},
            "failed": sum(float(np.mean(values)) < LEAST for values in directions.values()),
        }
    record("same_notes", figures, lines=len(lines), line_seconds=plan.seconds)


if __name__ == "__main__":
    main()
