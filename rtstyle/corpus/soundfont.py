"""FluidR3, the General MIDI soundfont that anyone can install, rendered note by note as one more library."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.errors import MissingPartError

FONT = "FluidR3_GM.sf2"
FOLDERS = (Path("/usr/share/sounds/sf2"), Path("/usr/share/soundfonts"), Path("/opt/homebrew/share/soundfonts"))
LICENCE = "MIT"
ATTRIBUTION = "FluidR3 GM soundfont by Frank Wen, MIT licence"
HOLD, SPACE = 2.6, 3.6  # seconds that a key is down, and from one key to the next
STEP = 3  # semitones between two rendered notes
VELOCITIES = (64, 104)

# library suffix, instrument, General MIDI program counted from 0, lowest and highest MIDI note
PROGRAMS = (
    ("", "violin", 40, 55, 100),
    ("", "viola", 41, 48, 86),
    ("", "cello", 42, 36, 81),
    ("", "contrabass", 43, 28, 60),
    ("", "trumpet", 56, 54, 86),
    ("", "trombone", 57, 40, 74),
    ("", "tuba", 58, 29, 62),
    ("", "french-horn", 60, 36, 77),
    ("-soprano", "saxophone", 64, 56, 88),
    ("-alto", "saxophone", 65, 49, 82),
    ("-tenor", "saxophone", 66, 44, 76),
    ("-baritone", "saxophone", 67, 37, 69),
    ("", "oboe", 68, 58, 91),
    ("", "english-horn", 69, 52, 81),
    ("", "bassoon", 70, 34, 72),
    ("", "clarinet", 71, 50, 91),
    ("", "flute", 73, 60, 96),
    ("", "recorder", 74, 60, 91),
    ("-aah", "choir", 52, 43, 84),
    ("-ooh", "voice", 53, 43, 84),
    ("", "piano", 0, 28, 100),
    ("", "harpsichord", 6, 36, 88),
    ("", "vibraphone", 11, 53, 89),
    ("", "organ", 19, 36, 96),
    ("", "accordion", 21, 48, 89),
    ("-nylon", "guitar", 24, 40, 84),
    ("-steel", "guitar", 25, 40, 84),
    ("", "bass", 33, 28, 60),
    ("", "harp", 46, 36, 96),
    ("-saw", "synth", 81, 40, 90),
)


def find_font() -> Path | None:
    """Return the path of the soundfont where the system's packages put it, or None. `[control]`"""
    return next((folder / FONT for folder in FOLDERS if (folder / FONT).is_file()), None)


def key_plan(low: int, high: int) -> list[tuple[int, int]]:
    """Return the (MIDI note, velocity) of every note that is rendered of a program, in order. `[any]`"""
    return [(note, velocity) for note in range(low, high + 1, STEP) for velocity in VELOCITIES]


def render_program(font: Path, program: int, plan: list[tuple[int, int]]) -> list[NDArray[np.float32]]:
    """Return one mono float32 recording at 48 kHz per (note, velocity) of `plan`; dry, no reverb or chorus.

    Raises MissingPartError when the `fluidsynth` program is not installed. `[control]`
    """
    midi = mido.MidiFile(ticks_per_beat=1000)
    tempo = mido.MetaMessage("set_tempo", tempo=1_000_000)
    track = mido.MidiTrack([tempo, mido.Message("program_change", program=program)])
    down, up = round(1000 * HOLD), round(1000 * (SPACE - HOLD))
    wait = 100
    for note, velocity in plan:
        track.append(mido.Message("note_on", note=note, velocity=velocity, time=wait))
        track.append(mido.Message("note_off", note=note, velocity=0, time=down))
        wait = up
    midi.tracks.append(track)
    audio = render_midi(font, midi)
    begin = [round((0.1 + k * SPACE - 0.02) * SAMPLE_RATE) for k in range(len(plan))]
    return [audio[b : b + round((SPACE - 0.06) * SAMPLE_RATE)] for b in begin]


def render_midi(font: Path, midi: mido.MidiFile) -> NDArray[np.float32]:
    """Return a MIDI file as mono float32 at 48 kHz; dry, no reverb or chorus.

    Raises MissingPartError when the `fluidsynth` program is not installed. `[control]`
    """
    binary = shutil.which("fluidsynth")
    if binary is None:
        raise MissingPartError("Rendering a soundfont needs fluidsynth: apt-get install fluidsynth fluid-soundfont-gm")
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "score.wav"
        midi.save(score)
        command = [binary, "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-r", str(SAMPLE_RATE), "-O", "float"]
        command += ["-T", "wav", "-F", str(sound), str(font), str(score)]
        subprocess.run(command, check=True, capture_output=True)
        return read_mono(sound)
