"""Who plays a performance: the split of libraries into train and valid, the register, and the draw of the players."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from rtstyle.corpus import sections
from rtstyle.corpus.library import Library
from rtstyle.corpus.score import Event

# Held out for validation: (instrument, start of the library's name). What is not listed belongs to train.
HELD_OUT = (
    ("violin", "mtg"),
    ("flute", "vsco2"),
    ("trumpet", "vsco2"),
    ("cello", "mtg"),
    ("saxophone", "weresax"),
    ("clarinet", "vsco2"),
    ("voice", "fluidr3"),
    ("piano", "vsco2"),
    ("guitar", "karo-green"),
    ("harp", "vsco2"),
    ("vibraphone", "fluidr3"),
)
MAIN = frozenset(("violin", "flute", "cello", "trumpet", "clarinet", "saxophone", "voice"))
MAIN_WEIGHT, STRUCK_WEIGHT = 6.0, 0.7  # against 1 for any other sustained instrument
SECTION_WEIGHT = 3.0  # of the section of an instrument that is not among the main ones


@dataclass(frozen=True)
class Cast:
    """The players that may appear in one split. `seen` marks a valid split that had to use train's libraries.

    soloist: one of them that plays in every performance, None for none.
    """

    split: str
    libraries: tuple[Library, ...]
    seen: bool = False
    soloist: Library | None = None


def held_out(library: Library) -> bool:
    """Tell whether a library is kept for validation. `[any]`"""
    return any(library.instrument == name and library.name.startswith(start) for name, start in HELD_OUT)


def cast(libraries: list[Library], soloist: str = "") -> tuple[Cast, Cast]:
    """Return the (train, valid) casts; of either the library with the key `soloist` is the soloist, if it is there. `[any]`

    An instrument whose libraries are all held out (a corpus from the soundfont alone) plays in both splits; the
    valid split is then told apart by its tunes only, and marked `seen`.
    """
    trained = {library.instrument for library in libraries if not held_out(library)}
    train = tuple(lib for lib in libraries if not held_out(lib) or lib.instrument not in trained)
    valid = tuple(lib for lib in libraries if held_out(lib) and lib.instrument in trained)
    seen = len({library.instrument for library in valid}) < 3
    first, second = (
        Cast(split, players, known, next((player for player in players if player.key == soloist), None))
        for split, players, known in (("train", train, False), ("valid", train if seen else valid, seen))
    )
    return first, second


def weights(libraries: list[Library]) -> np.ndarray:
    """Return drawing probabilities: by instrument first; its libraries share that, and a section has as much again, or
    SECTION_WEIGHT. `[any]`
    """
    share = {}
    for library in libraries:
        rare = STRUCK_WEIGHT if library.decaying else 1.0
        share[library.instrument] = MAIN_WEIGHT if library.instrument in MAIN else rare
    plain = Counter(library.instrument for library in libraries if library.name != sections.NAME)
    p = np.array(
        [
            max(share[lib.instrument], SECTION_WEIGHT)
            if lib.name == sections.NAME
            else share[lib.instrument] / max(1, plain[lib.instrument])
            for lib in libraries
        ]
    )
    return np.asarray(p / p.sum())


def transpose(events: list[Event], semitones: float) -> list[Event]:
    """Return the events moved by `semitones`. `[any]`"""
    return [Event(e.time, e.duration, e.midi + semitones, e.accent_db, e.slurred) for e in events]


def draw(
    members: Cast, events: list[Event], players: int, rng: np.random.Generator
) -> tuple[list[Event], list[Library]] | None:
    """Return the score moved into a register, and `players` different libraries that can play it there. `[any]`

    One library is drawn first, the soloist if there is one, and the score is put somewhere in its range; of eight such
    trials the one with most instruments among the main ones wins; with a soloist, who plays
    everywhere, any. None when no trial finds two libraries.
    """
    libraries = list(members.libraries)
    pitches = np.array([event.midi for event in events])
    best: tuple[list[Event], list[Library]] | None = None
    anchor = members.soloist or libraries[int(rng.choice(len(libraries), p=weights(libraries)))]
    low, high = members.soloist.reach if members.soloist else (anchor.pitches.min() - 2.0, anchor.pitches.max() + 2.0)
    room = (high - low) - (pitches.max() - pitches.min())
    if room < 0.0:
        return None
    score = 0.0
    for _ in range(8):
        move = round(low + rng.uniform(0.0, room) - pitches.min())
        able = [library for library in libraries if library.covers(pitches + move)]
        if anchor not in able:
            continue
        value = float(rng.uniform(0.0, 1.0))
        if members.soloist is None:
            value += len({lib.instrument for lib in able if lib.instrument in MAIN})
        if len(able) >= 2 and value > score:
            score, best = value, (transpose(events, move), able)
    if best is None:
        return None
    moved, able = best
    p = weights(able)
    others = [k for k in range(len(able)) if able[k] is not anchor]
    q = p[others] / p[others].sum()
    chosen = rng.choice(others, size=min(players - 1, len(others)), replace=False, p=q)
    return moved, [anchor, *[able[int(k)] for k in chosen]]


def seat_leader(libraries: list[Library], rng: np.random.Generator) -> list[Library]:
    """Return the players with the leader first: often a decaying one where there is one, so that it decays freely."""
    falling = [library for library in libraries if library.decaying]
    pool = falling if falling and rng.random() < 0.5 else libraries
    leader = pool[int(rng.integers(len(pool)))]
    return [leader, *[library for library in libraries if library is not leader]]
