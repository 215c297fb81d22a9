"""The notes of a line: taken down, or cut out for a sampler to play."""

import librosa
import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.note import LEAST_SECONDS, SAMPLE_RATE, Note, measure
from rtstyle.lab.evaluate import content

LEAP = 0.7  # semitones from the note's own pitch at which another one begins
BREATH = 3  # unvoiced frames in a row that end a note
SETTLED = 0.15  # seconds in which a note cannot be struck again
BEFORE, AFTER, FADE = 0.04, 0.02, 0.005  # seconds kept around a note, and faded at both ends

Audio = NDArray[np.float32]


def find_notes(audio: Audio) -> list[tuple[int, int, float]]:
    """First and last sample, and MIDI pitch, of every note in a line of single notes. `[control]`

    A note ends where its pitch leaves it, where there is none, or where it is struck again. audio: float32 mono, 48 kHz.
    """
    played = content.measure(audio, SAMPLE_RATE)
    midi = librosa.hz_to_midi(played.f0)
    hop = SAMPLE_RATE * content.PITCH_HOP / content.PITCH_RATE
    struck = played.onsets * SAMPLE_RATE / hop
    found = []
    first = 0
    while first < len(midi):
        last = first + 1
        while last < len(midi) and np.isfinite(midi[first]):
            own = np.nanmedian(midi[first:last][-12:])
            again = (struck > max(last - 1, first + SETTLED * SAMPLE_RATE / hop)) & (struck <= last)
            if again.any() or abs(midi[last] - own) > LEAP or not np.isfinite(midi[last : last + BREATH]).any():
                break
            last += 1
        if np.isfinite(midi[first]) and (last - first) * hop >= LEAST_SECONDS * SAMPLE_RATE:
            found.append((round(first * hop), round(last * hop), float(np.nanmedian(midi[first:last]))))
        first = last
    return found


def cut_notes(audio: Audio) -> list[Note]:
    """The notes of a line, float32 mono at 48 kHz, that a sampler can play. `[control]`"""
    kept = []
    for begin, end, midi in find_notes(audio):
        part = audio[max(0, begin - round(BEFORE * SAMPLE_RATE)) : end + round(AFTER * SAMPLE_RATE)].copy()
        ramp = np.linspace(0.0, 1.0, round(FADE * SAMPLE_RATE), dtype=np.float32)
        part[: ramp.size] *= ramp
        part[-ramp.size :] *= ramp[::-1]
        if (note := measure(part, midi, "")) is not None:
            kept.append(note)
    return kept
