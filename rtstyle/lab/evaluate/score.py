"""The whole table for one render function: every row, every column, every direction.

`evaluate_render` takes any callable `render(audio, style, amount) -> audio` with mono float32 at 48 kHz, the output
lined up with the input; a network in training can be scored as well as a bundle that plays.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import FileError, ParameterError
from rtstyle.lab.evaluate import baselines, captures, content, control, fidelity, inputs, spectrum, timbre
from rtstyle.lab.evaluate.bundle_run import CAPTURED
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RANGES, RATE, Clip, find_clips
from rtstyle.lab.evaluate.inputs import Input
from rtstyle.lab.evaluate.judge import Judge, Verdict, load_judge
from rtstyle.lab.evaluate.report import Entry, Report
from rtstyle.lab.evaluate.second_ear import tag_probability

Audio = NDArray[np.float32]
Render = Callable[[Audio, str, float], Audio]
Switching = Callable[[Audio, tuple[str, ...], float], tuple[Audio, list[int]]]


@dataclass(frozen=True)
class Plan:
    """How much is played: clips per source, seconds per clip, amounts, which sources and targets, seed.

    sweep: clips per source on which the amounts between 0 and 1 are judged. decoys: whether copy-style and the noise
    decoy are also scored for content. captures: whether styles are captured and scored too. shallow: also run the slow
    reference.
    """

    clips: int = 3
    seconds: float = 6.0
    amounts: tuple[float, ...] = (0.25, 0.5, 0.75)
    sweep: int = 1
    sources: tuple[str, ...] = INSTRUMENTS
    targets: tuple[str, ...] = INSTRUMENTS
    decoys: bool = True
    captures: bool = True
    shallow: bool = False
    seed: int = 0


QUICK = Plan(
    clips=1, seconds=4.0, amounts=(0.5,), decoys=False, captures=False,
    sources=("violin", "flute", "cello", "saxophone", "voice"),
)  # fmt: skip


def in_range(f0: Audio, target: str) -> float:
    """Share of the voiced frames of an input, f0 in Hz with NaN for the others, that lie where the target has notes."""
    pitch = 69.0 + 12.0 * np.log2(f0[np.isfinite(f0)] / 440.0)
    low, high = RANGES.get(target, (0.0, 128.0))
    return float(np.mean((pitch > low - 0.5) & (pitch < high + 0.5))) if pitch.size else float("nan")


@dataclass
class _Heard:
    """One input with everything that is measured on it once."""

    input: Input
    verdict: Verdict
    content: content.Content


class Evaluation:
    """One run of the table. Use `evaluate_render`."""

    def __init__(self, render: Render, plan: Plan, judge: Judge) -> None:
        self.render, self.plan, self.judge = render, plan, judge
        self.rng = np.random.default_rng(plan.seed)
        self.report = Report()
        self.verdicts: dict[tuple[str, str, bool], list[Verdict]] = {}
        self.pictures: dict[tuple[str, str], list[tuple[str, Audio]]] = {}
        self.pictured_chords: dict[tuple[str, str], bool] = {}

    def listen(self, row: str, heard: _Heard, target: str, output: Audio, *, tune: bool) -> None:
        """Add one entry: the output of `row` for one input and target. tune: also track pitch, onsets and loudness."""
        source = heard.input.instrument
        if not np.isfinite(output).all():
            raise ParameterError(
                f"{row}: the render of {heard.input.name} to {target} holds NaN; repair the model first."
            )
        verdict = self.judge(output, RATE)
        figures = timbre.measure(output, RATE, target, verdict, heard.verdict.audible, self.references[target])
        figures["second_ear"] = tag_probability(output, RATE, target)
        figures["in_range"] = in_range(heard.content.f0, target)
        if tune:
            figures |= self.content_of(heard, content.measure(output, RATE))
            figures |= fidelity.harmonicity(output, RATE, heard.content.f0)
        self.verdicts.setdefault((row, target, source == target), []).append(verdict)
        self.report.entries.append(Entry(row, source, target, heard.input.name, figures))

    def content_of(self, heard: _Heard, output: content.Content) -> dict[str, float]:
        """How much of the tune is left; of pitch nothing can be said where the input has several at a time."""
        figures = content.compare(heard.content, output)
        if heard.input.chords:
            figures |= dict.fromkeys(("pitch_accuracy", "pitch_accuracy_voiced", "cents"), float("nan"))
        return figures

    def prepare(self, chosen: list[Input], targets: dict[str, list[Input]]) -> None:
        """Measure inputs and references once."""
        self.heard = []
        for one in chosen:
            self.heard.append(_Heard(one, self.judge(one.audio, RATE), content.measure(one.audio, RATE)))
        self.real = {name: [one.audio for one in found] for name, found in targets.items()}
        self.space, self.references = timbre.build_references(self.real, RATE, self.judge)

    def baseline_rows(self, heard: _Heard, target: str, first: bool) -> None:
        """copy-content, EQ match, and on the first clip of a source copy-style, noise decoy and shallow net."""
        audio, power = heard.input.audio, self.references[target].power
        self.listen("copy-content", heard, target, audio, tune=False)
        own = self.content_of(heard, heard.content) | fidelity.harmonicity(audio, RATE, heard.content.f0)
        self.report.entries[-1].figures.update(own)
        self.listen("EQ match", heard, target, baselines.equalise(audio, RATE, power), tune=first)
        if not first:
            return
        other = [one for one in self.real[target] if one is not audio]
        tune = self.plan.decoys
        self.listen("copy-style", heard, target, baselines.copy_style(audio.size, other, self.rng), tune=tune)
        self.listen("noise decoy", heard, target, baselines.noise_decoy(audio, RATE, power, self.rng), tune=tune)
        if self.plan.shallow:
            from rtstyle.lab.evaluate import shallow

            style = baselines.copy_style(audio.size, other, self.rng)
            self.listen("shallow net", heard, target, shallow.transfer(audio, style, RATE), tune=True)

    def model_rows(self, heard: _Heard, target: str, number: int) -> None:
        """Amount 1 always, the amounts between on the first `sweep` clips of a source, with the order of their
        scores.
        """
        audio = heard.input.audio
        output = self.render(audio, target, 1.0)
        self.listen("amount 1", heard, target, output, tune=True)
        source = heard.input.instrument
        if source == target:
            self.report.same.append(
                {"instrument": target, "clip": heard.input.name, **fidelity.distances(audio, output, RATE)}
            )
        pair, chords = (source, target), heard.input.chords
        if pair not in self.pictures or (self.pictured_chords[pair] and not chords):  # a single line shows more
            self.pictures[pair] = [("input", audio), ("output at amount 1", output)]
            self.pictured_chords[pair] = chords
        if number >= self.plan.sweep or source == target:
            return
        scores = [heard.verdict.probability(target)]
        for amount in self.plan.amounts:
            self.listen(f"amount {amount:g}", heard, target, self.render(audio, target, amount), tune=False)
            scores.append(self.report.entries[-1].figures["judge_probability"])
        last = self.judge(output, RATE).probability(target, heard.verdict.audible)
        self.report.sweeps.append({"source": source, "target": target, **control.monotonic([*scores, last])})

    def neutral_row(self, heard: _Heard, targets: Sequence[str]) -> None:
        """Amount 0 against the input, rendered once: at 0 it must not matter which style is chosen."""
        audio = heard.input.audio
        others = [name for name in targets if name != heard.input.instrument]
        output = self.render(audio, (others or targets)[0], 0.0)
        for number, target in enumerate(others):
            self.listen("amount 0", heard, target, output, tune=number == 0)
        self.report.neutral.append(
            {"instrument": heard.input.instrument, "clip": heard.input.name, **fidelity.distances(audio, output, RATE)}
        )

    def quiet(self, targets: Sequence[str]) -> None:
        """Silence and hiss at -60 dBFS in -> level out, the worst target."""
        hiss = (self.rng.standard_normal(2 * RATE) * 1e-3).astype(np.float32)
        silence = [spectrum.level_db(self.render(np.zeros(RATE, np.float32), t, 1.0)) for t in targets]
        hissing = [spectrum.level_db(self.render(hiss, t, 1.0)[RATE:]) for t in targets]
        self.report.quiet = {"silence_out_db": max(silence), "hiss_in_db": -60.0, "hiss_out_db": max(hissing)}

    def chordal(self, chosen: list[Input], targets: Sequence[str]) -> None:
        """Several notes at a time or none: onsets and chords must stay, and nothing may come between the partials."""
        for one in chosen:
            own = content.measure(one.audio, RATE)
            partials = fidelity.find_partials(one.audio, RATE)
            for target in targets:
                rows = {
                    "copy-content": one.audio,
                    "EQ match": baselines.equalise(one.audio, RATE, self.references[target].power),
                    "amount 1": self.render(one.audio, target, 1.0),
                }
                for row, output in rows.items():
                    kept = content.compare(own, content.measure(output, RATE))
                    figures = {name: kept[name] for name in ("onset_f1", "chroma", "loudness_r")}
                    figures["between_partials_db"] = fidelity.between_partials_db(output, RATE, partials)
                    if one.instrument in inputs.PERCUSSIVE:
                        figures |= dict.fromkeys(("chroma", "between_partials_db"), float("nan"))
                    entry = {"row": row, "source": one.instrument, "target": target, "clip": one.name, **figures}
                    self.report.chordal.append(entry)

    def switches(self, switching: Switching, targets: tuple[str, ...]) -> None:
        """Change the style every second over the first input that is long enough."""
        one = max((heard.input for heard in self.heard), key=lambda i: i.audio.size)
        switched, places = switching(one.audio, targets, 1.0)
        steady = [self.render(one.audio, target, 1.0) for target in targets]
        self.report.switching = control.switch_clicks(switched, steady, places, RATE)

    def captured(
        self, capturing: captures.Capturing, clips: list[Clip], targets: Sequence[str], styles: Sequence[str]
    ) -> None:
        """Styles captured from ten seconds, on the first clip of each source; those of the trained styles are known. And from
        every input itself, which it ought to come out of as it went in.
        """
        first = {heard.input.instrument: heard for heard in reversed(self.heard)}.values()
        heard = [(one.input, one.verdict) for one in first]
        examples = captures.choose_examples(clips, targets, self.judge, self.plan.seed)
        table = captures.convert(examples, heard, capturing, self.judge, styles)
        others = [style for style in styles if style in captures.FAMILIES and style not in INSTRUMENTS]
        table += captures.play_styles(others, heard, self.render, self.judge)
        names, captured = {one.name for one, _ in heard}, {one.instrument for one in examples}
        for entry in self.report.entries:
            if entry.row == "amount 1" and entry.clip in names and entry.target in captured - {entry.source}:
                figures = entry.figures["judge_share"], entry.figures["judge_probability"]
                table.append(captures.Heard(entry.target, entry.target, captures.TRAINED, entry.clip, *figures))
        self.report.captured = table
        for one in self.heard:
            with closing(capturing(one.input.audio, "")) as player:
                drift = fidelity.distances(one.input.audio, player(one.input.audio, CAPTURED, 1.0), RATE)
            self.report.own.append({"instrument": one.input.instrument, "clip": one.input.name, **drift})

    def finish(self, targets: Iterable[str]) -> None:
        """Frechet distances need whole rows: compute them per row and target, cross-style only."""
        for (row, target, same), verdicts in self.verdicts.items():
            if not same and len(verdicts) > 1:
                figures = timbre.frechet_row(verdicts, self.space, self.references[target])
                self.report.frechet.append({"row": row, "target": target, **figures})
        for name in targets:
            held = self.judge.record.get("held_out", {}).get(name, {})
            self.report.judge[name] = {"accuracy": held.get("accuracy"), "usable": self.judge.verdict_usable(name)}


def evaluate_render(
    render: Render,
    styles: Sequence[str],
    recordings: Path | list[Clip],
    *,
    plan: Plan | None = None,
    judge: Judge | None = None,
    switching: Switching | None = None,
    capturing: captures.Capturing | None = None,
    tick: Callable[[int, int, str], None] = lambda done, total, text: None,
) -> tuple[Report, dict[tuple[str, str], list[tuple[str, Audio]]]]:
    """Score a render function over all directions source -> style. `[control]`

    render(audio, style, amount): mono float32 at 48 kHz, output lined up with the input. styles: what it can be asked
    for; those that are not instruments of the judge are named in `report.notes`. capturing: plays a style captured from
    a recording. recordings: a folder or clips of it.
    Returns the report and per (source, target) the panels of a picture. Raises FileError without fitting recordings.
    """
    plan = plan or Plan()
    started = time.monotonic()
    clips = recordings if isinstance(recordings, list) else find_clips(Path(recordings))
    wanted = tuple(name for name in plan.targets if name in styles)
    clips = inputs.with_soundfont(clips, tuple(dict.fromkeys((*plan.sources, *wanted))))
    chosen = inputs.choose_inputs(clips, plan.sources, plan.clips, plan.seconds, plan.seed)
    real = inputs.choose_targets(clips, wanted, plan.seconds, plan.seed)
    targets = tuple(real)
    if not chosen or not targets:
        raise FileError(
            f"The recordings hold nothing to judge from {', '.join(plan.sources)} to {', '.join(styles)}; "
            f"bring folders named after at least one of {', '.join(INSTRUMENTS)}."
        )
    run = Evaluation(render, plan, judge or load_judge())
    steps = len(chosen) * len(targets)
    tick(0, steps, "the recordings themselves")
    run.prepare(chosen, real)
    numbers: dict[str, int] = {}
    done = 0
    for heard in run.heard:
        number = numbers.get(heard.input.instrument, 0)
        numbers[heard.input.instrument] = number + 1
        for target in targets:
            tick(done, steps, f"{heard.input.instrument} to {target}")
            done += 1
            if heard.input.instrument != target:
                run.baseline_rows(heard, target, number == 0)
            run.model_rows(heard, target, number)
        run.neutral_row(heard, targets)
    run.chordal(inputs.choose_chordal(clips, plan.seconds), targets)
    run.quiet(targets)
    if switching is not None:
        run.switches(switching, targets)
    if capturing is not None and plan.captures:
        tick(steps, steps, "styles captured from ten seconds")
        run.captured(capturing, clips, targets, styles)
    run.finish(targets)
    for (_, target), panels in run.pictures.items():
        panels.append(("a real recording of the target", run.real[target][0]))
    left_out = [name for name in styles if name not in targets]
    if left_out:
        run.report.notes.append(f"Not judged, for want of real recordings or of a judge: {', '.join(left_out)}.")
    seen = sorted({one.instrument for one in (*chosen, *(r for found in real.values() for r in found)) if one.seen})
    if seen:
        run.report.notes.append(f"Only recordings that training may have used were at hand for {', '.join(seen)}.")
    chords = sorted(one.name for one in chosen if one.chords)
    if chords:
        run.report.notes.append(f"Pitch is not judged where the input has several at a time: {', '.join(chords)}.")
    run.report.seconds = round(time.monotonic() - started, 1)
    run.report.played_seconds = round(sum(one.audio.size for one in chosen) / RATE, 1)
    return run.report, run.pictures
