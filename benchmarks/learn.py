"""A model that learnt ten seconds, beside the style captured from them and the trained ones.

    python -m benchmarks.learn --recordings FOLDER [--model orchestra-spectral] [--minutes 3] [--only tuba organ]

The ten seconds are those of `rtstyle evaluate`, of every trained instrument and of one of each family outside, from
recordings that training left out where there are any. One clip of each other instrument is played with each of them. Of
ten seconds without enough single notes nothing can be learnt; the captured style counts then. What learning is towards, the
notes of the ten seconds played by the sampler, is judged on the same lines.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.measure import record
from benchmarks.same_notes import play, take_down
from rtstyle.bundle import find_bundle, load_bundle
from rtstyle.corpus.library import make_library
from rtstyle.corpus.note import measure
from rtstyle.errors import FileError
from rtstyle.lab.evaluate import captures, content, inputs
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.bundle_run import FILE_BLOCK, BundleRun
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, find_clips
from rtstyle.lab.evaluate.judge import Judge, Verdict, load_judge
from rtstyle.lab.evaluate.judge_material import FAMILIES
from rtstyle.lab.learn import INSTRUMENT, cut_notes, learn

SECONDS, SEED = 5.0, 0
LEARNT, NOTES = "learnt from them", "their notes, by the sampler"
ROWS = ("EQ match", "captured style", LEARNT, NOTES, captures.TRAINED, captures.EXAMPLE)
KEPT = ("pitch_accuracy", "onset_f1", "loudness_r")


def play_notes(example: inputs.Input, heard: list[tuple[inputs.Input, Verdict]], judge: Judge) -> list[captures.Heard]:
    """The lines of all other instruments, played on the notes of the ten seconds; silence where these are too few.

    A line of which no note can be told from the next is left out.
    """
    notes = [note for midi, part in cut_notes(example.audio) if (note := measure(part, midi, ""))]
    sampler = make_library(INSTRUMENT, example.name, "", "", notes)
    target, table = FAMILIES[example.instrument], []
    for number, (line, _) in enumerate(heard):
        if line.instrument != example.instrument and (score := take_down(line)):
            played = np.zeros_like(line.audio) if sampler is None else play(sampler, score, number)
            said = judge(played, RATE)
            figures = said.share(target), said.probability(target)
            table.append(captures.Heard(example.instrument, target, NOTES, line.name, *figures))
    return table


def main() -> None:
    """Learn every ten seconds, judge, and record one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: every clip is played once")
    parser.add_argument("--recordings", type=Path, help="folder of recordings that training never saw")
    parser.add_argument("--model", default="orchestra-spectral", help="what learning begins with")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training for each ten seconds")
    parser.add_argument("--only", nargs="*", help="instruments; all when not given")
    arguments = parser.parse_args()
    if arguments.recordings is None:
        print("learn: nothing done; it needs --recordings.")
        return
    bundle, judge = load_bundle(find_bundle(arguments.model)), load_judge()
    clips = inputs.with_soundfont(find_clips(arguments.recordings), INSTRUMENTS)
    heard = [(one, judge(one.audio, RATE)) for one in inputs.choose_inputs(clips, INSTRUMENTS, 1, SECONDS, SEED)]
    own = {one.audio.tobytes(): content.measure(one.audio, RATE) for one, _ in heard}
    examples = captures.choose_examples(clips, INSTRUMENTS, judge, SEED)
    if arguments.only:
        examples = [one for one in examples if one.instrument in arguments.only]
    kept: dict[str, list[float]] = {name: [] for name in KEPT}
    run, table = BundleRun(bundle, block=FILE_BLOCK), []

    class Learnt(BundleRun):
        """A model that learnt a recording; what it does to the tune is kept."""

        def __init__(self, recording: captures.Audio, without: str = "") -> None:
            file = Path(os.environ["RTSTYLE_HOME"]) / "ten seconds.wav"
            soundfile.write(file, recording, RATE, subtype="FLOAT")
            super().__init__(learn(bundle, file, "learnt", minutes=arguments.minutes), block=FILE_BLOCK)

        def __call__(self, audio: captures.Audio, style: str, amount: float) -> captures.Audio:
            played = super().__call__(audio, self.styles[0], amount)
            agreement = content.compare(own[audio.tobytes()], content.measure(played, RATE))
            for name in KEPT:
                kept[name].append(agreement[name])
            return played

    with tempfile.TemporaryDirectory() as home:
        os.environ["RTSTYLE_HOME"] = home
        for example in examples:
            said = captures.convert([example], heard, run.captured, judge)
            try:
                taught = captures.convert([example], heard, Learnt, judge)
            except FileError as problem:  # no single notes in it: all that a user has is the captured style
                print(f"{example.instrument}: {problem}", flush=True)
                taught = said
            said += [replace(one, row=LEARNT) for one in taught if one.row == "captured style"]
            said += play_notes(example, heard, judge)
            target = said[0].target
            for one, verdict in heard:
                if target in INSTRUMENTS and one.instrument != example.instrument:
                    verdict_on = judge(run(one.audio, target, 1.0), RATE)
                    figures = (
                        verdict_on.share(target, verdict.audible),
                        verdict_on.probability(target, verdict.audible),
                    )
                    said.append(captures.Heard(example.instrument, target, captures.TRAINED, one.name, *figures))
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
    record("learn", figures, model=arguments.model, minutes=arguments.minutes, clips=len(heard), clip_seconds=SECONDS)


if __name__ == "__main__":
    main()
