"""Styles captured from ten seconds, beside the same notes in a sampler and the trained styles: timbre, and the player's tune.

    python -m benchmarks.captured --recordings FOLDER [--model orchestra-spectral] [--only tuba organ]

The ten seconds are those of `rtstyle evaluate`, of every trained instrument and of one of each family outside, from
recordings that training left out where there are any. One clip of each other instrument is played in the style captured from
them, as the model chooses (what it leans on, or the recording's own periods) and with `--like none`, the recording alone. What
a sampler makes of the notes of the ten seconds, which knows what is played before it is heard, is judged on the same lines. And
what a block of 128 takes with the recording and without it, in turns, processor time.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.measure import interleave, record
from benchmarks.same_notes import play, take_down
from rtstyle.bundle import find_bundle, load_bundle
from rtstyle.bundle.captured import NONE
from rtstyle.corpus.library import make_library
from rtstyle.lab.evaluate import captures, content, inputs
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.bundle_run import BLOCK, FILE_BLOCK, BundleRun
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, find_clips
from rtstyle.lab.evaluate.judge import Judge, Verdict, load_judge
from rtstyle.lab.evaluate.judge_material import FAMILIES
from rtstyle.lab.evaluate.notes import cut_notes

SECONDS, SEED = 5.0, 0
ALONE, NOTES = "the recording alone", "their notes, by the sampler"
ROWS = ("EQ match", captures.STYLE, ALONE, NOTES, captures.TRAINED, captures.EXAMPLE)
KEPT = ("pitch_accuracy", "onset_f1", "loudness_r")

Lines = list[tuple[inputs.Input, Verdict]]


def play_notes(example: inputs.Input, heard: Lines, judge: Judge) -> list[captures.Heard]:
    """The lines of all other instruments, played on the notes of the ten seconds; silence where these are too few.

    A line of which no note can be told from the next is left out.
    """
    sampler = make_library("captured", example.name, "", "", cut_notes(example.audio))
    target, table = FAMILIES[example.instrument], []
    for number, (line, verdict) in enumerate(heard):
        if line.instrument != example.instrument and (score := take_down(line)):
            played = np.zeros_like(line.audio) if sampler is None else play(sampler, score, number)
            said = judge(played, RATE)
            figures = said.share(target, verdict.audible), said.probability(target, verdict.audible)
            table.append(captures.Heard(example.instrument, target, NOTES, line.name, *figures))
    return table


def cost(run: BundleRun, line: inputs.Input) -> dict[str, float]:
    """Median share of a block that the chain takes with the recordings of a bundle's styles, and without them, on one line."""
    runs = {"recording": BundleRun(run.bundle), "without": BundleRun(replace(run.bundle, sounds={}))}
    blocks = line.audio[: line.audio.size // BLOCK * BLOCK].reshape(-1, BLOCK)
    places = dict.fromkeys(runs, 0)

    def job(name: str) -> None:
        runs[name].engine.process(blocks[places[name] % len(blocks)])
        places[name] += 1

    taken = interleave({name: lambda name=name: job(name) for name in runs}, 6.0, clock=time.thread_time)
    for one in runs.values():
        one.close()
    return {name: round(float(np.median(times)) * RATE / BLOCK, 4) for name, times in taken.items()}


def main() -> None:
    """Capture every ten seconds, judge, and record one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: every clip is played once")
    parser.add_argument("--recordings", type=Path, help="folder of recordings that training never saw")
    parser.add_argument("--model", default="orchestra-spectral", help="what captures")
    parser.add_argument("--only", nargs="*", help="instruments; all when not given")
    arguments = parser.parse_args()
    if arguments.recordings is None:
        print("captured: nothing done; it needs --recordings.")
        return
    judge, run = load_judge(), BundleRun(load_bundle(find_bundle(arguments.model)), block=FILE_BLOCK)
    clips = inputs.with_soundfont(find_clips(arguments.recordings), INSTRUMENTS)
    heard = [(one, judge(one.audio, RATE)) for one in inputs.choose_inputs(clips, INSTRUMENTS, 1, SECONDS, SEED)]
    own = {one.name: content.measure(one.audio, RATE) for one, _ in heard}
    examples = captures.choose_examples(clips, INSTRUMENTS, judge, SEED)
    if arguments.only:
        examples = [one for one in examples if one.instrument in arguments.only]
    kept: dict[str, list[float]] = {name: [] for name in KEPT}

    table, taken = [], {}
    for example in examples:
        said = captures.convert([example], heard, run.captured, judge)
        alone = run.captured(example.audio, like=NONE)
        target = said[0].target
        for one, verdict in heard:
            if one.instrument != example.instrument:
                played = alone(one.audio, captures.CAPTURED, 1.0)
                agreement = content.compare(own[one.name], content.measure(played, RATE))
                for name in KEPT:
                    kept[name].append(agreement[name])
                heard_as = judge(played, RATE)
                figures = heard_as.share(target, verdict.audible), heard_as.probability(target, verdict.audible)
                said.append(captures.Heard(example.instrument, target, ALONE, one.name, *figures))
        if alone.bundle.sounds:
            taken = cost(alone, next(one for one, _ in heard if not one.chords))
        alone.close()
        said += play_notes(example, heard, judge)
        if target in INSTRUMENTS:
            said += captures.play_styles([example.instrument], heard, run, judge)
        told = {row: captures.mean(said, row, example.instrument, "share").mean for row in ROWS}
        print(example.instrument, {row: round(value, 2) for row, value in told.items()}, flush=True)
        table += said
    unusable = [name for name in INSTRUMENTS if not judge.verdict_usable(name)]
    fair = [
        one.instrument
        for one in examples
        if one.instrument not in unusable
        and captures.mean(table, captures.EXAMPLE, one.instrument, "share").mean >= captures.RECOGNISED
    ]
    figures = {
        one.instrument: {
            row: captures.mean(table, row, one.instrument, "share").as_dict()
            for row in ROWS
            if (one.instrument, row) in {(heard.instrument, heard.row) for heard in table}
        }
        for one in examples
    }
    for where, names in (
        ("inside", [name for name in fair if name in INSTRUMENTS]),
        ("outside", [name for name in fair if name not in INSTRUMENTS]),
    ):
        shares = {row: captures.against_example(table, dict.fromkeys(names, row), "share") for row in ROWS[:-1]}
        figures[where] = {row: round(share, 3) for row, share in shares.items() if np.isfinite(share)}
    figures["kept"] = {
        name: figure(value for value in values if np.isfinite(value)).as_dict() for name, values in kept.items()
    }
    figures["median_share_of_block"] = taken
    record("captured", figures, model=arguments.model, clips=len(heard), clip_seconds=SECONDS)


if __name__ == "__main__":
    main()
