"""Render the packaged performance: `python -m rtstyle.performance.build`.

The melody is "Greensleeves" (England, in print since 1580: public domain), written down below note by note. The
sound is the flute of the FluidR3 General MIDI soundfont (Debian packages `fluidsynth` and `fluid-soundfont-gm`), whose
licence file says: "I hereby release Fluid under the MIT license" (Copyright 2000-2002, 2008 Frank Wen; 2008 Toby
Smithe). No reverb and no chorus: an instrument as a microphone close to it hears it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from rtstyle.errors import FileError, MissingPartError
from rtstyle.performance import PERFORMANCE

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SAMPLE_RATE = 48_000
FLUTE = 73  # General MIDI program, counted from 0
TICKS = 480  # MIDI ticks of one eighth note
EIGHTH_S = 0.4
PEAK = 0.5

#: (MIDI note, length in eighth notes, loudness 1..127): an upbeat, then four bars of 6/8.
MELODY: tuple[tuple[int, float, int], ...] = (
    (69, 1.0, 70),
    (72, 2.0, 82), (74, 1.0, 78), (76, 1.5, 92), (77, 0.5, 84), (76, 1.0, 86),
    (74, 2.0, 84), (71, 1.0, 74), (67, 1.5, 80), (69, 0.5, 72), (71, 1.0, 76),
    (72, 2.0, 86), (69, 1.0, 76), (69, 1.5, 80), (68, 0.5, 72), (69, 1.0, 76),
    (71, 2.0, 88), (68, 1.0, 74), (64, 3.0, 78),
)  # fmt: skip


def write_midi(path: Path) -> None:
    """Write the melody as a MIDI file, each note swelling (CC 11) and the long ones with vibrato (CC 1). `[control]`"""
    import mido

    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=round(EIGHTH_S * 1e6)))
    track.append(mido.Message("program_change", program=FLUTE))
    for note, eighths, loudness in MELODY:
        length = round(eighths * TICKS)
        sounding = round(length * 0.94)
        step = sounding // 8
        track.append(mido.Message("control_change", control=1, value=0))
        track.append(mido.Message("control_change", control=11, value=88))
        track.append(mido.Message("note_on", note=note, velocity=loudness))
        for part in range(1, 8):
            swell = 88 + round(34 * (1 - abs(part - 4) / 4))
            track.append(mido.Message("control_change", control=11, value=swell, time=step))
            if eighths >= 1.5 and part >= 3:
                track.append(mido.Message("control_change", control=1, value=min(48, 12 * (part - 2))))
        track.append(mido.Message("note_off", note=note, time=sounding - 7 * step))
        track.append(mido.Message("control_change", control=11, value=88, time=length - sounding))
    midi = mido.MidiFile(ticks_per_beat=TICKS)
    midi.tracks.append(track)
    midi.save(path)


def render(destination: Path, soundfont: Path = SOUNDFONT) -> None:
    """Render the melody through fluidsynth into a mono Ogg file of 48 kHz. `[control]`

    Raises MissingPartError without fluidsynth or the soundfont, FileError when the renderer fails.
    """
    import numpy as np
    import soundfile

    if not soundfont.is_file():
        raise MissingPartError(
            f"There is no soundfont at {soundfont}: apt-get install fluid-soundfont-gm, or name another FluidR3 file."
        )
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "melody.mid"), Path(folder, "melody.wav")
        write_midi(midi)
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.8", "-r", str(SAMPLE_RATE), "-F", str(wav)]
        try:
            done = subprocess.run([*command, str(soundfont), str(midi)], capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise MissingPartError("The command fluidsynth is missing: apt-get install fluidsynth.") from error
        if done.returncode or not wav.is_file():
            raise FileError(f"fluidsynth could not render {midi.name}: {done.stderr.strip() or done.returncode}.")
        audio, _ = soundfile.read(wav, dtype="float32", always_2d=True)
    mono = audio.mean(axis=1)
    heard = np.flatnonzero(np.abs(mono) > 1e-4)
    mono = mono[: heard[-1] + SAMPLE_RATE // 4]
    mono *= PEAK / float(np.abs(mono).max())
    with soundfile.SoundFile(destination, "w", SAMPLE_RATE, 1, format="OGG", subtype="VORBIS") as file:
        # libsndfile's Vorbis encoder overflows its stack on one huge write.
        for start in range(0, len(mono), 4096):
            file.write(mono[start : start + 4096])


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PERFORMANCE
    render(target)
    print(target)
