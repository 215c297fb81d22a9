"""Styles captured from ten seconds, beside the trained ones: of instruments that the styles know, and of others.

A trained style comes from all that a corpus holds of its instrument, and the decoder was trained to play it. A captured one
is the statistics of ten seconds alone. Of instruments outside the styles it tells whether the decoder plays what nobody
taught it; of those inside, what ten seconds of another player are worth.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
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
EXAMPLE, TRAINED = "the ten seconds", "trained style"
ROWS = ("copy-content", "EQ match", TRAINED, "captured style", EXAMPLE)
MEASURES = ("share", "probability")
RECOGNISED = 0.5  # share of the ten seconds: below, the judge cannot say who meets them


class Player(Protocol):
    """Renders with the one style CAPTURED; `closing` ends it."""

    def __call__(self, audio: Audio, style: str, amount: float) -> Audio: ...
    def close(self) -> None: ...


Capturing = Callable[[Audio], Player]  # from a mono recording at 48 kHz


@dataclass(frozen=True)
class Heard:
    """What the judge says of one clip: the instrument of the style, the class that it counts as, row, clip, figures."""

    instrument: str
    target: str
    row: str
    clip: str
    share: float
    probability: float


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
    examples: Iterable[Input], heard: Sequence[tuple[Input, Verdict]], capturing: Capturing, judge: Judge
) -> list[Heard]:
    """Convert clips of all other instruments to the style captured from every example, and judge them. `[control]`"""
    table = []
    for example in examples:
        instrument, power = example.instrument, spectrum.average(example.audio)
        target = FAMILIES[instrument]
        own = judge(example.audio, RATE)
        said = [(EXAMPLE, example.name, own, own.audible)]
        with closing(capturing(example.audio)) as player:
            for one, verdict in heard:
                if one.instrument == instrument:
                    continue
                equalised = baselines.equalise(one.audio, RATE, power)
                said += [
                    ("copy-content", one.name, verdict, verdict.audible),
                    ("EQ match", one.name, judge(equalised, RATE), verdict.audible),
                    ("captured style", one.name, judge(player(one.audio, CAPTURED, 1.0), RATE), verdict.audible),
                ]
        for row, clip, verdict, active in said:
            share, probability = verdict.share(target, active), verdict.probability(target, active)
            table.append(Heard(instrument, target, row, clip, share, probability))
    return table


def mean(table: list[Heard], row: str, instrument: str, name: str) -> Figure:
    """Mean and interval over clips of "share" or "probability" in one row of one instrument."""
    return figure(getattr(one, name) for one in table if (one.row, one.instrument) == (row, instrument))


def against_example(table: list[Heard], row: str, instruments: Collection[str], name: str) -> float:
    """Mean of a row over instruments, against what the judge says of their ten seconds; NaN without instruments."""
    reached, real = (sum(mean(table, r, i, name).mean for i in instruments) for r in (row, EXAMPLE))
    return reached / real if real else float("nan")


def summary(table: list[Heard], unusable: Collection[str]) -> dict[str, float]:
    """Captured styles outside and inside the trained ones, against their ten seconds, as shares of what the trained ones
    reach. Left out are instruments of which the judge's verdict is unusable or that it does not recognise in the ten seconds.
    """
    instruments = list(dict.fromkeys(one.instrument for one in table))
    fair = [i for i in instruments if i not in unusable and mean(table, EXAMPLE, i, "share").mean >= RECOGNISED]
    inside = [i for i in fair if i in INSTRUMENTS]
    outside = [i for i in fair if i not in INSTRUMENTS]
    found = {}
    for name in MEASURES:
        trained = against_example(table, TRAINED, inside, name)
        found[f"{name}_trained"] = trained
        for where, chosen in (("outside", outside), ("inside", inside)):
            for row in ("captured style", "EQ match"):
                key = f"{name}_{row.split()[0].lower()}_{where}"
                found[key] = against_example(table, row, chosen, name)
            captured = found[f"{name}_captured_{where}"]
            found[f"{name}_ratio_{where}"] = captured / trained if trained else float("nan")
    return found


def lines(table: list[Heard], unusable: Collection[str]) -> list[str]:
    """The table of a model card."""
    if not table:
        return []
    heads = ("instrument (judged as)", *ROWS)
    text = [
        "## Captured from ten seconds", "",
        "Share of seconds judged the class / the judge's mean probability of it, one clip of each other instrument at amount "
        "1; the equaliser is matched to the same ten seconds. The judge's accuracy is known for the trained instruments "
        "alone.", "",
        "| " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(ROWS),
    ]  # fmt: skip
    for instrument, target in dict.fromkeys((one.instrument, one.target) for one in table):
        cells = []
        for row in ROWS:
            share, probability = (mean(table, row, instrument, name) for name in MEASURES)
            shown = share.text() if share.clips > 1 else f"{share.mean:.2f}"
            cells.append(f"{shown} / {probability.mean:.2f}" if share.clips else "-")
        mark = " (verdict unusable)" if instrument in unusable else ""
        text.append(f"| {instrument} ({target}){mark} | " + " | ".join(cells) + " |")
    found = summary(table, unusable)
    text += [
        "",
        "Against the ten seconds, where the judge knows them for what they are (share / probability): trained styles "
        f"{_pair(found, 'trained')}; captured inside {_pair(found, 'captured_inside')}, which is "
        f"{_pair(found, 'ratio_inside')} of the trained ones; captured outside {_pair(found, 'captured_outside')} "
        f"(EQ match {_pair(found, 'eq_outside')}), which is **{_pair(found, 'ratio_outside')}** of the trained ones.",
    ]  # fmt: skip
    return [*text, ""]


def _pair(found: dict[str, float], key: str) -> str:
    values = [found[f"{name}_{key}"] for name in MEASURES]
    return " / ".join(f"{value:.2f}" if value == value else "-" for value in values)
