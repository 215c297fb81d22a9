"""Styles captured from ten seconds, beside the trained ones: of instruments that the styles know, and of others.

A trained style comes from all that a corpus holds of its instrument, and the decoder was trained to play it. A captured one
is the statistics of ten seconds, and what it leans on. Of instruments outside the styles it tells whether the decoder plays
what nobody taught it; of those inside, what ten seconds of another player are worth. Where the model has a style of the very
instrument, the capture is also made as if it had none.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rtstyle.lab.evaluate import baselines, spectrum
from rtstyle.lab.evaluate.bootstrap import Figure, figure
from rtstyle.lab.evaluate.bundle_run import CAPTURED
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, Clip
from rtstyle.lab.evaluate.inputs import Input, choose_example
from rtstyle.lab.evaluate.judge import Judge, Verdict
from rtstyle.lab.evaluate.judge_material import FAMILIES

Audio = NDArray[np.float32]
SECONDS = 10.0
OUTSIDE = ("piano", "plucked", "low-brass", "double-reed", "organ")  # families with a pitch
EXAMPLE, TRAINED, STYLE, WITHHELD = "the ten seconds", "trained style", "captured style", "captured, its style withheld"
ROWS = ("copy-content", "EQ match", TRAINED, STYLE, WITHHELD, EXAMPLE)
MEASURES = ("share", "probability")
RECOGNISED = 0.5  # share of the ten seconds: below, the judge cannot say who meets them


class Player(Protocol):
    """Renders with the one style CAPTURED; `closing` ends it. leans: the trained style that it leans on."""

    leans: str

    def __call__(self, audio: Audio, style: str, amount: float) -> Audio: ...
    def close(self) -> None: ...


Render = Callable[[Audio, str, float], Audio]
Capturing = Callable[[Audio, str], Player]  # from a mono recording at 48 kHz, as if one trained style were not there


@dataclass(frozen=True)
class Heard:
    """What the judge says of one clip: the instrument of the style, the class that it counts as, row, clip, figures, and what
    the captured style leans on.
    """

    instrument: str
    target: str
    row: str
    clip: str
    share: float
    probability: float
    leans: str = ""


def choose_examples(clips: list[Clip], styles: Collection[str], judge: Judge, seed: int) -> list[Input]:
    """Ten seconds of each style that is an instrument, and of one instrument of every family outside. `[control]`

    Of a family those count that the judge takes for it, if any, and of these the first that training left out, if any; a
    family of which nobody has ten seconds is left out.
    """
    found = []
    for family in (*(name for name in INSTRUMENTS if name in styles), *OUTSIDE):
        members = [name for name, own in FAMILIES.items() if own == family]
        examples = [one for name in members if (one := choose_example(clips, name, SECONDS, seed))]
        unknown = {one.name: judge(one.audio, RATE).share(family) < RECOGNISED for one in examples}
        found += sorted(examples, key=lambda one: (unknown[one.name], one.seen))[:1]
    return found


def convert(
    examples: Iterable[Input],
    heard: Sequence[tuple[Input, Verdict]],
    capturing: Capturing,
    judge: Judge,
    styles: Collection[str] = (),
) -> list[Heard]:
    """Convert clips of all other instruments to the style captured from every example, and judge them. `[control]`

    styles: those of which the capture is made a second time, as if the model had them not.
    """
    table = []
    for example in examples:
        instrument, power = example.instrument, spectrum.average(example.audio)
        target = FAMILIES[instrument]
        own = judge(example.audio, RATE)
        said = [(EXAMPLE, example.name, own, own.audible, "")]
        others = [(one, verdict) for one, verdict in heard if one.instrument != instrument]
        for one, verdict in others:
            equalised = judge(baselines.equalise(one.audio, RATE, power), RATE)
            said.append(("copy-content", one.name, verdict, verdict.audible, ""))
            said.append(("EQ match", one.name, equalised, verdict.audible, ""))
        for row, without in ((STYLE, ""), (WITHHELD, instrument)):
            if without and without not in styles:
                continue
            with closing(capturing(example.audio, without)) as player:
                for one, verdict in others:
                    played = judge(player(one.audio, CAPTURED, 1.0), RATE)
                    said.append((row, one.name, played, verdict.audible, player.leans))
        for row, clip, verdict, active, leans in said:
            share, probability = verdict.share(target, active), verdict.probability(target, active)
            table.append(Heard(instrument, target, row, clip, share, probability, leans))
    return table


def play_styles(
    styles: Iterable[str], heard: Sequence[tuple[Input, Verdict]], render: Render, judge: Judge
) -> list[Heard]:
    """Convert clips of other instruments to trained styles, and judge them by family. `[control]`"""
    table = []
    for style in styles:
        target = FAMILIES[style]
        for one, verdict in heard:
            if one.instrument != style:
                played = judge(render(one.audio, style, 1.0), RATE)
                figures = played.share(target, verdict.audible), played.probability(target, verdict.audible)
                table.append(Heard(style, target, TRAINED, one.name, *figures))
    return table


def mean(table: list[Heard], row: str, instrument: str, name: str) -> Figure:
    """Mean and interval over clips of "share" or "probability" in one row of one instrument."""
    return figure(getattr(one, name) for one in table if (one.row, one.instrument) == (row, instrument))


def against_example(table: list[Heard], rows: Mapping[str, str], name: str) -> float:
    """Mean over instruments, each in its row, against what the judge says of their ten seconds; NaN without instruments."""
    reached, real = (
        sum(mean(table, r, i, name).mean for i, r in each)
        for each in (rows.items(), dict.fromkeys(rows, EXAMPLE).items())
    )
    return reached / real if real else float("nan")


def summary(table: list[Heard], unusable: Collection[str]) -> dict[str, float]:
    """Captured styles of the judge's instruments (inside) and of others (outside), against their ten seconds, as shares of
    what the trained styles of the former reach; "withheld": outside, as if the model had no style of the very instrument.
    Left out are instruments of which the judge's verdict is unusable or that it does not recognise in the ten seconds.
    """
    instruments = list(dict.fromkeys(one.instrument for one in table))
    fair = [i for i in instruments if i not in unusable and mean(table, EXAMPLE, i, "share").mean >= RECOGNISED]
    inside = [i for i in fair if i in INSTRUMENTS]
    outside = [i for i in fair if i not in INSTRUMENTS]
    strict = {i: WITHHELD if mean(table, WITHHELD, i, "share").clips else STYLE for i in outside}
    found = {}
    for name in MEASURES:
        trained = against_example(table, dict.fromkeys(inside, TRAINED), name)
        found[f"{name}_trained"] = trained
        for key, rows in (
            ("captured_inside", dict.fromkeys(inside, STYLE)),
            ("captured_outside", dict.fromkeys(outside, STYLE)),
            ("withheld_outside", strict),
            ("eq_inside", dict.fromkeys(inside, "EQ match")),
            ("eq_outside", dict.fromkeys(outside, "EQ match")),
        ):
            reached = found[f"{name}_{key}"] = against_example(table, rows, name)
            found[f"{name}_ratio_{key}"] = reached / trained if trained else float("nan")
    return found


def lines(table: list[Heard], unusable: Collection[str]) -> list[str]:
    """The table of a model card."""
    if not table:
        return []
    heads = ("instrument (judged as)", *ROWS, "leans on")
    text = [
        "## Captured from ten seconds", "",
        "Share of seconds judged the class / the judge's mean probability of it, one clip of each other instrument at amount "
        "1; the equaliser is matched to the same ten seconds: a line of single notes over several pitches, chords or few pitches "
        "only where nothing else is recorded. A style of which there are no ten seconds stands here alone. Leans on: also with "
        "its own style withheld. The judge's accuracy is known for the seven instruments above alone.", "",
        "| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads),
    ]  # fmt: skip
    for instrument, target in dict.fromkeys((one.instrument, one.target) for one in table):
        cells = []
        for row in ROWS:
            share, probability = (mean(table, row, instrument, name) for name in MEASURES)
            shown = share.text() if share.clips > 1 else f"{share.mean:.2f}"
            cells.append(f"{shown} / {probability.mean:.2f}" if share.clips else "-")
        leans = dict.fromkeys(one.leans for one in table if one.instrument == instrument and one.leans)
        cells.append(", ".join(leans) or "-")
        mark = " (verdict unusable)" if instrument in unusable else ""
        text.append(f"| {instrument} ({target}){mark} | " + " | ".join(cells) + " |")
    found = summary(table, unusable)
    text += [
        "",
        "Against the ten seconds, where the judge knows them for what they are (share / probability): trained styles of the "
        f"seven {_pair(found, 'trained')}; captured ones of the seven {_pair(found, 'captured_inside')}, which is "
        f"{_pair(found, 'ratio_captured_inside')} of the trained ones; of others {_pair(found, 'captured_outside')} "
        f"(EQ match {_pair(found, 'eq_outside')}), which is {_pair(found, 'ratio_captured_outside')}, and with a style of the "
        f"very instrument withheld {_pair(found, 'withheld_outside')}, which is **{_pair(found, 'ratio_withheld_outside')}**.",
    ]  # fmt: skip
    return [*text, ""]


def _pair(found: dict[str, float], key: str) -> str:
    values = [found[f"{name}_{key}"] for name in MEASURES]
    return " / ".join(f"{value:.2f}" if value == value else "-" for value in values)
