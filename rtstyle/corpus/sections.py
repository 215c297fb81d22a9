"""Sections: for an instrument, one voice that plays in every register.

A player's line often lies where the target has no notes: no flute plays a cello's low C, and a network that was never shown
what ought to come of it makes up something. A section is made of one library, or of several sizes of the instrument, each
in its own range; beyond its last notes it goes on with them, transposed, as a bass flute would. A style is one library,
since the mean of several is nobody's timbre; parts that divide the pitches between them are still one timbre for each.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from rtstyle.corpus.library import Library
from rtstyle.errors import ParameterError

NAME = "section"
TOP = 128.0
# instrument: (library, below which MIDI pitch), from low to high. Of the libraries of an instrument those that the judge of
# `rtstyle evaluate` takes for it over the widest range: clarinet/vsco2 is a saxophone to it from 71 to 84.
PARTS: dict[str, tuple[tuple[str, float], ...]] = {
    "violin": (("vsco2", TOP),),
    "flute": (("ixox", TOP),),
    "cello": (("flcellogrl", 66.5), ("fluidr3", TOP)),
    "trumpet": (("mtg", TOP),),
    "clarinet": (("fluidr3", TOP),),
    "saxophone": (("mtg-barf", 56.5), ("mtg-sopf", TOP)),
    "voice": (("berklee-male-aa", 61.5), ("berklee-female-aa", TOP)),
    # of these one line of each library was asked about, by family: low brass, double reeds, plucked, organ, piano
    "oboe": (("fluidr3", TOP),),
    "bassoon": (("fluidr3", TOP),),
    "french-horn": (("vsco2", TOP),),
    "trombone": (("vsco2", TOP),),
    "tuba": (("vsco2", TOP),),
    "organ": (("fluidr3", TOP),),
    "guitar": (("spanish", TOP),),
    "harp": (("fluidr3", TOP),),
    "piano": (("headroom-l2", TOP),),
}
BELOW, ABOVE = 24.0, 9.0  # semitones beyond its notes: downwards until nothing is left, upwards until it aliases


def section_of(key: str) -> str:
    """The section of the library "instrument/name". `[any]`"""
    return f"{key.split('/')[0]}/{NAME}"


def find_sections(libraries: Iterable[Library], soloist: str = "") -> list[Library]:
    """The sections whose parts are all among `libraries`. `[any]`

    soloist: key of a library that is the section of its instrument, in the place of those in PARTS. Raises ParameterError
    where there is no such library.
    """
    known = {library.key: library for library in libraries}
    if soloist and soloist not in known:
        raise ParameterError(
            f"There is no library {soloist} with enough notes for a melody to be the soloist; there are {', '.join(known)}."
        )
    own = {known[soloist].instrument: ((known[soloist].name, TOP),)} if soloist else {}
    found = []
    for instrument, parts in (PARTS | own).items():
        members = [known.get(f"{instrument}/{name}") for name, _ in parts]
        if all(member is not None for member in members):
            found.append(_join([member for member in members if member is not None], [top for _, top in parts]))
    return found


def _join(members: list[Library], tops: list[float]) -> Library:
    notes, low = [], 0.0
    for member, top in zip(members, tops, strict=True):
        notes += [note for note in member.notes if low <= note.midi < top]
        low = top
    notes.sort(key=lambda note: note.midi)
    pitches = np.array([note.midi for note in notes])
    return replace(
        members[0],
        name=NAME,
        licence=" / ".join(dict.fromkeys(member.licence for member in members)),
        attribution="; ".join(dict.fromkeys(member.attribution for member in members)),
        notes=tuple(notes),
        pitches=pitches,
        levels=np.array([note.level for note in notes]),
        lowest=float(pitches.min()) - BELOW,
        highest=float(pitches.max()) + ABOVE,
    )
