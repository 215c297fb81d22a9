"""Four genres as ten seconds of a band each, to capture styles from: `python -m rtstyle.lab.genres FOLDER`.

    rtstyle models capture orchestra-spectral FOLDER/jazz.wav --name Jazz

Every band plays the packaged performance's tune, "Greensleeves" (public domain), on the FluidR3 soundfont (MIT licence): what
differs from one to the next is who plays and how, not what. The same files come out whenever it is run.
"""

from dataclasses import dataclass
from pathlib import Path

import cyclopts
import mido
import numpy as np
import soundfile
from numpy.typing import NDArray

from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.soundfont import FONT, find_font, render_midi
from rtstyle.errors import MissingPartError
from rtstyle.performance.build import MELODY

SECONDS = 10.0
PEAK = 0.5
TICKS = 480  # of an eighth note
UPBEAT, BAR = 1.0, 6.0  # eighth notes
DRUMS = 9  # General MIDI channel
KICK, SNARE, STICK, HAT, RIDE, CRASH = 36, 38, 37, 42, 51, 49
# The harmony of the tune's four bars: bass note and chord.
CHORDS = ((45, (57, 60, 64)), (43, (55, 59, 62)), (45, (57, 60, 64)), (40, (56, 59, 64)))

Stroke = tuple[float, float, int, int]  # eighth notes from the beginning, eighth notes long, MIDI note, velocity


@dataclass(frozen=True)
class Part:
    """A player: General MIDI program counted from 0, octaves up, and loudness against the score."""

    program: int
    octaves: int = 0
    loudness: float = 1.0


@dataclass(frozen=True)
class Band:
    """Who plays the tune, the chords at `comping` eighths of a bar, the bass at `walking` ones, and drums per bar."""

    tune: tuple[Part, ...]
    chords: tuple[Part, ...]
    bass: tuple[Part, ...]
    comping: tuple[tuple[float, float], ...]  # (eighth of the bar, eighths long)
    walking: tuple[float, ...]
    drums: tuple[tuple[int, tuple[float, ...]], ...] = ()


GENRES = {
    "classical": Band(
        tune=(Part(40, 0, 0.9), Part(73, 1, 0.7), Part(68, 0, 0.6)),
        chords=(Part(48, 0, 0.8),),
        bass=(Part(42, 0, 0.9), Part(43, 0, 0.7)),
        comping=((0.0, 6.0),),
        walking=(0.0, 3.0),
    ),
    "rock": Band(
        tune=(Part(30, 0, 1.0),),
        chords=(Part(29, -1, 0.9), Part(29, 0, 0.7)),
        bass=(Part(34, 0, 1.0),),
        comping=((0.0, 2.9), (3.0, 1.0), (4.0, 1.0), (5.0, 1.0)),
        walking=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        drums=((KICK, (0.0, 2.0)), (SNARE, (3.0,)), (HAT, (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)), (CRASH, (0.0,))),
    ),
    "jazz": Band(
        tune=(Part(66, 0, 1.0),),
        chords=(Part(0, 0, 0.7),),
        bass=(Part(32, 0, 1.0),),
        comping=((1.0, 0.6), (2.7, 1.0), (4.0, 0.6)),
        walking=(0.0, 2.0, 4.0),
        drums=((RIDE, (0.0, 2.0, 2.7, 4.0, 4.7)), (STICK, (2.0,)), (HAT, (2.0,))),
    ),
    "pop": Band(
        tune=(Part(81, 0, 0.7),),
        chords=(Part(4, 0, 0.9), Part(89, 0, 0.7)),
        bass=(Part(38, 0, 1.0),),
        comping=((0.0, 2.8), (3.0, 2.8)),
        walking=(0.0, 2.0, 3.0, 5.0),
        drums=((KICK, (0.0, 2.0)), (SNARE, (3.0,)), (HAT, (0.0, 1.0, 2.0, 3.0, 4.0, 5.0))),
    ),
}


def tune() -> list[Stroke]:
    """The melody of the packaged performance."""
    strokes, time = [], 0.0
    for note, eighths, loudness in MELODY:
        strokes.append((time, 0.94 * eighths, note, loudness))
        time += eighths
    return strokes


def score(band: Band) -> list[tuple[int, int | None, list[Stroke]]]:
    """(channel, program or None for drums, strokes) of every player."""
    bars = [(UPBEAT + BAR * bar, *chord) for bar, chord in enumerate(CHORDS)]
    chords = [
        (start + at, length, note, 80) for start, _, notes in bars for at, length in band.comping for note in notes
    ]
    bass = [(start + at, 0.9, low, 95) for start, low, _ in bars for at in band.walking]
    drums = [(start + at, 0.5, key, 90) for start, *_ in bars for key, places in band.drums for at in places]
    players: list[tuple[int, int | None, list[Stroke]]] = [(DRUMS, None, drums)]
    for parts, strokes in ((band.tune, tune()), (band.chords, chords), (band.bass, bass)):
        for part in parts:
            own = [
                (at, length, note + 12 * part.octaves, round(loud * part.loudness))
                for at, length, note, loud in strokes
            ]
            players.append((len(players) - 1, part.program, own))
    return players


def render(genre: str, font: Path) -> NDArray[np.float32]:
    """Ten seconds of a genre's band, mono float32 at 48 kHz. `[control]` Raises MissingPartError without fluidsynth."""
    players = score(GENRES[genre])
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    for channel, program, strokes in players:
        track = mido.MidiTrack(
            [mido.MetaMessage("set_tempo", tempo=round(1e6 * SECONDS / (UPBEAT + BAR * len(CHORDS))))]
        )
        if program is not None:
            track.append(mido.Message("program_change", program=program, channel=channel))
        keys = [(round(at * TICKS), 1, note, loud) for at, _, note, loud in strokes]
        keys += [(round((at + length) * TICKS), 0, note, 0) for at, length, note, _ in strokes]
        clock = 0
        for at, down, note, loud in sorted(keys):  # a key goes up before it goes down again
            kind = "note_on" if down else "note_off"
            track.append(mido.Message(kind, note=note, velocity=loud, channel=channel, time=at - clock))
            clock = at
        midi.tracks.append(track)
    audio = render_midi(font, midi)[: round(SECONDS * SAMPLE_RATE)]
    return np.asarray(audio * (PEAK / np.abs(audio).max()), dtype=np.float32)


def main(folder: Path) -> None:
    """Write classical.wav, rock.wav, jazz.wav and pop.wav into FOLDER."""
    font = find_font()
    if font is None:
        raise MissingPartError(f"There is no {FONT}: apt-get install fluid-soundfont-gm")
    folder.mkdir(parents=True, exist_ok=True)
    for genre in GENRES:
        soundfile.write(folder / f"{genre}.wav", render(genre, font), SAMPLE_RATE)
        print(folder / f"{genre}.wav")


if __name__ == "__main__":
    cyclopts.run(main)
