"""Whose recordings a corpus was made of, for the cards of what is trained on it."""

from collections import defaultdict
from pathlib import Path

from rtstyle.corpus.shards import read_rows
from rtstyle.errors import FileError


def sources_of(corpus: Path) -> dict[tuple[str, str], set[str]]:
    """What was trained on: (attribution, licence) -> names of instruments. `[control]` corpus: its folder."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for folder in ("performances", "phrases"):
        for entry in read_rows(corpus / folder):
            if entry["split"] == "train":
                for one in entry.get("players", [entry]):
                    found[one["attribution"], one["licence"]].add(one["instrument"])
    if not found:
        raise FileError(f"{corpus} holds no training material; give the corpus that the bundle was trained on.")
    return found


def attribution_text(corpus: Path) -> str:
    """One line for each recording or library that was trained on. `[control]`"""
    lines = [f"{who} ({licence}): {', '.join(sorted(names))}" for (who, licence), names in sources_of(corpus).items()]
    return "\n".join(sorted(lines))
