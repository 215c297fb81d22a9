"""The result of an evaluation: entries, their means with intervals, JSON and a page of Markdown."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rtstyle.lab.evaluate import captures
from rtstyle.lab.evaluate.bootstrap import Figure, figure

ROWS = ("copy-content", "copy-style", "EQ match", "noise decoy", "shallow net", "amount 0", "amount 0.25", "amount 0.5",
        "amount 0.75", "amount 1")  # fmt: skip
# column -> (figure, digits): what the Markdown tables show
TIMBRE = {
    "judged target": "judge_share",
    "probability": "judge_probability",
    "second ear": "second_ear",
    "1 - cos MFCC": "mfcc_distance",
}
CONTENT = {
    "pitch < 50 cents": "pitch_accuracy",
    "cents": "cents",
    "voicing F1": "voicing_f1",
    "onset F1": "onset_f1",
    "loudness r": "loudness_r",
    "loudness dB": "loudness_mae_db",
    "chroma": "chroma",
}
CHORDAL = {
    "onset F1": "onset_f1",
    "chroma": "chroma",
    "loudness r": "loudness_r",
    "between partials dB": "between_partials_db",
}
WITHIN = 0.8  # of a tune's voiced frames
PURITY = {"harmonic 0.1-2 kHz": "harmonic_share_low", "harmonic 2-10 kHz": "harmonic_share_high", "haze dB": "haze_db"}


@dataclass(frozen=True)
class Entry:
    """One output: its row, direction, clip and figures."""

    row: str
    source: str
    target: str
    clip: str
    figures: dict[str, float]


@dataclass
class Report:
    """Everything measured.

    same: same-instrument conversions. own: to the style captured from the input itself. neutral: amount 0 against the input.
    chordal: inputs of several notes at a time, or of none. captured: by styles captured from ten seconds.
    """

    entries: list[Entry] = field(default_factory=list)
    frechet: list[dict[str, Any]] = field(default_factory=list)
    same: list[dict[str, Any]] = field(default_factory=list)
    own: list[dict[str, Any]] = field(default_factory=list)
    neutral: list[dict[str, Any]] = field(default_factory=list)
    sweeps: list[dict[str, Any]] = field(default_factory=list)
    chordal: list[dict[str, Any]] = field(default_factory=list)
    captured: list[captures.Heard] = field(default_factory=list)
    quiet: dict[str, float] = field(default_factory=dict)
    switching: dict[str, float] = field(default_factory=dict)
    judge: dict[str, dict[str, Any]] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    played_seconds: float = 0.0

    def mean(
        self,
        name: str,
        row: str,
        *,
        source: str | None = None,
        target: str | None = None,
        same: bool = False,
        in_range: float = 0.0,
    ) -> Figure:
        """Mean and interval over clips of one figure in one row. Cross-style directions, or with `same` the others.

        A clip counts once: its directions are averaged first, since they are no independent draws. Over all targets, the
        judge's figures leave out those on which its verdict is unusable, as long as any is usable. in_range: the least
        share of an input's tune that lies where the target has notes.
        """
        usable = {name for name, entry in self.judge.items() if entry["usable"]}
        judged = usable if usable and target is None and name.startswith("judge_") else None
        clips: dict[str, list[float]] = {}
        for entry in self.entries:
            wanted = entry.row == row and (entry.source == entry.target) == same
            if not wanted or (source and entry.source != source) or (target and entry.target != target):
                continue
            if judged is not None and entry.target not in judged:
                continue
            if in_range and not entry.figures.get("in_range", 0.0) >= in_range:
                continue
            value = entry.figures.get(name, float("nan"))
            if value == value:
                clips.setdefault(entry.clip, []).append(value)
        return figure(sum(values) / len(values) for values in clips.values())

    def frechet_mean(self, row: str, target: str | None = None) -> tuple[Figure, Figure]:
        """Frechet distance of a row, and its floor, averaged over targets (or of one)."""
        found = [entry for entry in self.frechet if entry["row"] == row and target in (None, entry["target"])]
        return figure(entry["frechet"] for entry in found), figure(entry["frechet_floor"] for entry in found)

    @property
    def rows(self) -> list[str]:
        """The rows present, in the table's order."""
        present = {entry.row for entry in self.entries}
        return [row for row in ROWS if row in present] + sorted(present - set(ROWS))

    @property
    def sources(self) -> list[str]:
        """Source instruments in the order in which they were played."""
        return list(dict.fromkeys(entry.source for entry in self.entries))

    @property
    def targets(self) -> list[str]:
        """Targets in the order of the judge's table."""
        return list(self.judge) or list(dict.fromkeys(entry.target for entry in self.entries))

    @property
    def unusable(self) -> list[str]:
        """Targets of which the judge's verdict is not used."""
        return [name for name, entry in self.judge.items() if not entry["usable"]]

    def as_dict(self) -> dict[str, Any]:
        """JSON form: summary by row and by direction, then every entry. Stable keys; no NaN."""
        names = [*TIMBRE.values(), *CONTENT.values(), *PURITY.values(), "pitch_accuracy_voiced", "level_db"]

        def summary(target: str | None) -> dict[str, dict[str, Any]]:
            return {row: {name: self.mean(name, row, target=target).as_dict() for name in names} for row in self.rows}

        def direction(row: str, source: str, target: str) -> dict[str, Any]:
            found = {
                name: self.mean(name, row, source=source, target=target, same=source == target).as_dict()
                for name in ("judge_share", "judge_probability", "pitch_accuracy")
            }
            return {"row": row, "source": source, "target": target, **found}

        directions = [direction(r, s, t) for r in self.rows for s in self.sources for t in self.targets]
        document = {
            "summary": summary(None), "by_target": {target: summary(target) for target in self.targets},
            "directions": [one for one in directions if one["judge_share"]["clips"]],
            "frechet": self.frechet, "same_instrument": self.same, "own_style": self.own, "amount_0": self.neutral,
            "sweeps": self.sweeps, "several_notes": self.chordal,
            "captured": {
                "summary": captures.summary(self.captured, self.unusable), "heard": [asdict(one) for one in self.captured],
            } if self.captured else None,
            "quiet": self.quiet, "switching": self.switching, "judge": self.judge, "cost": self.cost,
            "notes": self.notes, "seconds": self.seconds, "played_seconds": self.played_seconds,
            "entries": [entry.__dict__ for entry in self.entries],
        }  # fmt: skip
        return _plain(document)

    def markdown(self, title: str) -> str:
        """The tables of a model card."""
        unusable = self.unusable
        lines = [
            f"# {title}", "",
            f"{self.played_seconds:g} s of recordings that the model never saw, {len(self.sources)} sources, "
            f"{len(self.targets)} targets. Means over clips, bootstrap 95 % intervals; source and target differ.", "",
            "The judge's accuracy on held-out real recordings: "
            + ", ".join(f"{n} {_number(e['accuracy'])}" for n, e in self.judge.items())
            + (f". **Below 95 %, so its verdict is not used: {', '.join(unusable)}.**" if unusable else "."), "",
            *self._table("Timbre", TIMBRE, frechet=True), *self._table("Content", CONTENT),
            *self._table("Purity", PURITY), *self._by_target(), *self._second_ear(), *self._matrix(), *self._chordal(),
            *captures.lines(self.captured, unusable), *self._fidelity(),
            *[f"- {note}" for note in self.notes],
        ]  # fmt: skip
        return "\n".join(lines) + "\n"

    def _table(self, title: str, columns: dict[str, str], *, frechet: bool = False) -> list[str]:
        heads = [*columns, *(["Frechet (floor)"] if frechet else [])]
        lines = [f"## {title}", "", "| row | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
        for row in self.rows:
            cells = [
                self.mean(name, row).text(1 if name in ("cents", "haze_db", "loudness_mae_db") else 2)
                for name in columns.values()
            ]
            if frechet:
                found, floor = self.frechet_mean(row)
                cells.append(f"{found.text(1)} ({floor.mean:.1f})" if found.clips else "-")
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
        return [*lines, ""]

    def _by_target(self) -> list[str]:
        heads = [
            "copy-content", "EQ match", "amount 1", "amount 1, tunes within its range", "pitch < 50 cents",
            "same instrument judged itself",
        ]  # fmt: skip
        lines = ["## Judged target, by target", "", "| target | " + " | ".join(heads) + " |", "| --- |" + " --- |" * 6]
        for name in (*self.targets, None):
            rows = ("copy-content", "EQ match", "amount 1")
            figures = [self.mean("judge_share", row, target=name) for row in rows]
            figures.append(self.mean("judge_share", "amount 1", target=name, in_range=WITHIN))
            figures.append(self.mean("pitch_accuracy", "amount 1", target=name))
            figures.append(self.mean("judge_share", "amount 1", target=name, same=True))
            mark = "" if name is None or self.judge.get(name, {}).get("usable") else " (verdict unusable)"
            lines.append(f"| {name or 'all usable'}{mark} | " + " | ".join(one.text() for one in figures) + " |")
        within = f"Within its range: {100 * WITHIN:.0f} % of the tune where players of the target are heard at all."
        return [*lines, "", within, ""]

    def _second_ear(self) -> list[str]:
        """By target, beside what the same network says of real recordings; none for the instruments that it cannot name."""
        rows = ("copy-content", "EQ match", "amount 1", "copy-style")
        found = {name: [self.mean("second_ear", row, target=name) for row in rows] for name in self.targets}
        known = {name: figures for name, figures in found.items() if any(one.clips for one in figures)}
        if not known:
            return []
        lines = [
            "## Second ear, by target", "",
            "Probability of the target's tag by a network that others trained on 16 000 songs: it knows no recording and "
            "no model of ours, and means something beside what it says of the real target alone.", "",
            "| target | copy-content | EQ match | amount 1 | real target |", "| --- |" + " --- |" * 4,
        ]  # fmt: skip
        lines += [f"| {name} | " + " | ".join(one.text() for one in figures) + " |" for name, figures in known.items()]
        return [*lines, ""]

    def _matrix(self) -> list[str]:
        lines = ["## Judged target at amount 1, source (row) to target (column)", "", "| | " + " | ".join(self.targets)
        + " |", "| --- |" + " --- |" * len(self.targets)]  # fmt: skip
        for source in self.sources:
            found = [
                self.mean("judge_share", "amount 1", source=source, target=t, same=source == t) for t in self.targets
            ]
            lines.append(f"| {source} | " + " | ".join(f"{f.mean:.2f}" if f.clips else "-" for f in found) + " |")
        return [*lines, ""]

    def _chordal(self) -> list[str]:
        if not self.chordal:
            return []
        sources = dict.fromkeys(entry["source"] for entry in self.chordal)
        lines = [
            f"## Several notes at a time, or none: {', '.join(sources)}", "",
            "| source, row | " + " | ".join(CHORDAL) + " |", "| --- |" + " --- |" * len(CHORDAL),
        ]  # fmt: skip
        for source in sources:
            for row in ("copy-content", "EQ match", "amount 1"):
                cells = []
                for name in CHORDAL.values():
                    values = [e[name] for e in self.chordal if (e["source"], e["row"]) == (source, row)]
                    cells.append(figure(values).text(1 if name.endswith("_db") else 2))
                lines.append(f"| {source}, {row} | " + " | ".join(cells) + " |")
        return [*lines, ""]

    def _fidelity(self) -> list[str]:
        lines = ["## Fidelity, control, cost", ""]
        for name, entries in (
            ("amount 0 against the input", self.neutral),
            ("an instrument to the style of another one of its kind", self.same),
            ("an instrument to the style captured from itself", self.own),
        ):
            if entries:
                drift = figure(e["worst_drift_db"] for e in entries).text(1)
                distance, log = (figure(e[k] for e in entries).text() for k in ("mr_stft", "log_spectral_db"))
                lines.append(f"- {name}: MR-STFT {distance}, log-spectral {log} dB, worst drift at 2-10 kHz {drift} dB")
        if self.quiet:
            silence, hiss = self.quiet["silence_out_db"], self.quiet["hiss_out_db"]
            lines.append(f"- silence in: {silence:.0f} dBFS out; hiss of -60 dBFS in: {hiss:.0f} dBFS out")
        if self.sweeps:
            rising = figure(e["monotonic"] for e in self.sweeps).text()
            lines.append(f"- amount: share of directions whose score never falls by more than 0.02: {rising}")
        if self.switching:
            clicks, switches, worst = (self.switching[k] for k in ("clicks", "switches", "worst_ratio"))
            lines.append(f"- switching every second: {clicks:.0f} clicks in {switches:.0f} switches, "
                         f"largest jump {worst:.2f} of the limit")  # fmt: skip
        lines += [f"- {name}: {json.dumps(value)}" for name, value in self.cost.items()]
        return [*lines, ""]

    def write(self, folder: Path, title: str) -> None:
        """Write evaluation.json and evaluation.md into `folder`. `[control]`"""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "evaluation.json").write_text(json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8")
        (folder / "evaluation.md").write_text(self.markdown(title), encoding="utf-8")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.0f} %"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return None if value != value else round(value, 5)
    return value
