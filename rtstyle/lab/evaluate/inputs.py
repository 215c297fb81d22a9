"""What is played into the model, and what real target sound it is held against: recordings that the model never saw."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus import soundfont
from rtstyle.corpus.ensemble import HELD_OUT
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, Clip, soundfont_clips
from rtstyle.lab.evaluate.melodies import play
from rtstyle.lab.evaluate.spectrum import level_db

Audio = NDArray[np.float32]
# Parts of file names: no voice, no flute tone, and speech, of which no tracker gives a reliable pitch.
UNFIT = ("whistling", "harmonics", "speech")
CHORDS = ("double", "bwv1001")  # double stops
CHORDAL = ("guitar", "harp", "piano")  # instruments that play several notes at a time; none is a target
PERCUSSIVE = ("drums",)  # and those that play none
FEWEST_PITCHES = 5  # of a library whose notes make a line over several pitches
SHORTEST_S = 1.5
REFERENCE_SECONDS = 40.0


@dataclass(frozen=True)
class Input:
    """One clip to play: mono float32 at 48 kHz, and whether the model may have seen its source."""

    name: str
    instrument: str
    audio: Audio
    seen: bool = False

    @property
    def chords(self) -> bool:
        """Whether it sounds in several voices, so that no tracker of one pitch is right about it."""
        return any(word in self.name for word in CHORDS)


def held_out(clip: Clip) -> bool:
    """Whether the training corpus leaves `clip` out: the dev split, held-out libraries, and whatever a user brings."""
    if clip.split == "dev" or clip.source == "user":
        return True
    return any(clip.instrument == name and clip.source.startswith(start) for name, start in HELD_OUT)


def with_soundfont(clips: list[Clip], instruments: tuple[str, ...]) -> list[Clip]:
    """Add the soundfont's notes where training holds them out and the recordings were all trained on. `[control]`

    Instruments of which there is no recording at all stay out.
    """
    font = soundfont.find_font()
    wanted = {name for name, start in HELD_OUT if start.startswith("fluidr3")} & set(instruments)
    wanted &= {clip.instrument for clip in clips}
    wanted -= {clip.instrument for clip in clips if held_out(clip) and clip.kind == "note"}
    wanted -= {clip.instrument for clip in clips if clip.source == "user"}
    return clips + soundfont_clips(font, frozenset(wanted)) if font is not None and wanted else clips


def loudest(audio: Audio, seconds: float, skip: int = 0) -> Audio:
    """The loudest stretch of `seconds` at 48 kHz; with `skip`, the next loudest ones that do not overlap it."""
    length = int(seconds * RATE)
    if audio.size <= length:
        return audio
    starts = np.arange(0, audio.size - length + 1, RATE // 4)
    energy = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    score = energy[starts + length] - energy[starts]
    for _ in range(skip):
        best = starts[int(score.argmax())]
        score = np.where(np.abs(starts - best) < length, -1.0, score)
    start = int(starts[int(score.argmax())])
    return audio[start : start + length]


def _sounds(clips: list[Clip], instrument: str, seconds: float, count: int, seed: int, semitones: float) -> list[Input]:
    """Up to `count` phrases of `instrument`: half from recorded phrases, the rest played on notes, as far as there
    are.
    """
    usable = [c for c in clips if c.instrument == instrument and not any(word in c.path.stem for word in UNFIT)]
    seen = not any(held_out(c) for c in usable)
    if not seen:
        usable = [c for c in usable if held_out(c)]
    phrases = sorted(
        (c for c in usable if c.kind == "phrase"), key=lambda c: (-min(c.audio(RATE).size, seconds * RATE), c.path)
    )
    stretches: list[Input] = []
    for skip in range(count):
        for clip in phrases:
            whole = clip.audio(RATE)
            if whole.size < SHORTEST_S * RATE or (skip and whole.size < (skip + 0.5) * seconds * RATE):
                continue
            stretches.append(
                Input(f"{instrument}/{clip.path.stem}+{skip}", instrument, loudest(whole, seconds, skip), seen)
            )
    libraries: dict[str, list[Clip]] = {}
    for clip in usable:
        if clip.kind == "note":
            libraries.setdefault(clip.source, []).append(clip)
    melodies: list[Input] = []
    names = sorted(libraries)
    for number in range(count if names else 0):
        source = names[number % len(names)]
        rng = np.random.default_rng([seed, number, *f"{instrument}/{source}".encode()])
        line = play(libraries[source], rng, seconds, semitones=semitones, vibrato=False)
        melodies.append(Input(f"{instrument}/{source}-line-{number}", instrument, line, seen))
    # Recorded phrases first, in turn with lines.
    mixed = [entry for pair in zip(stretches, melodies, strict=False) for entry in pair]
    mixed += stretches[len(melodies) :] + melodies[len(stretches) :]
    return [Input(i.name, i.instrument, level(i.audio), i.seen) for i in mixed[:count]]


def level(audio: Audio, target_db: float = -23.0) -> Audio:
    """Bring a clip to `target_db` RMS, but no peak above -1 dBFS: libraries differ by 30 dB."""
    gain = 10 ** ((target_db - level_db(audio)) / 20)
    return (audio * min(gain, 0.89 / max(float(np.abs(audio).max(initial=0.0)), 1e-6))).astype(np.float32)


def choose_inputs(clips: list[Clip], sources: tuple[str, ...], count: int, seconds: float, seed: int) -> list[Input]:
    """Up to `count` clips of `seconds` for each source instrument, the same ones for the same seed. `[control]`"""
    return [found for name in sources for found in _sounds(clips, name, seconds, count, seed, 0.5)]


def choose_chordal(clips: list[Clip], seconds: float) -> list[Input]:
    """The longest held-out phrase of each of CHORDAL and PERCUSSIVE, its loudest `seconds`. `[control]`"""
    phrases = [clip for clip in clips if clip.kind == "phrase" and held_out(clip)]
    return [found for name in CHORDAL + PERCUSSIVE for found in _sounds(phrases, name, seconds, 1, 0, 0.0)]


def choose_example(clips: list[Clip], instrument: str, seconds: float, seed: int) -> Input | None:
    """`seconds` of real recordings of any instrument in one, from clips that training left out if there are any; None
    where less is at hand. `[control]`

    What is asked of who captures a style: single notes, over several pitches. Chords, and libraries of a few pitches, are taken
    only where there is nothing else.
    """
    clips = [clip for clip in clips if clip.instrument == instrument]
    pitches = {clip.source: {note.midi for note in clips if note.source == clip.source} for clip in clips}
    lines = [
        clip
        for clip in clips
        if (len(pitches[clip.source]) >= FEWEST_PITCHES if clip.kind == "note" else instrument not in CHORDAL)
    ]
    sounds = _sounds(lines or clips, instrument, seconds, 8, seed + 2000, 0.5)
    joined = np.concatenate([one.audio for one in sounds] or [np.zeros(0, np.float32)])[: int(seconds * RATE)]
    if joined.size < seconds * RATE:
        return None
    return Input(f"{instrument}, {seconds:g} s", instrument, joined, sounds[0].seen)


def choose_targets(clips: list[Clip], targets: tuple[str, ...], seconds: float, seed: int) -> dict[str, list[Input]]:
    """Real recordings of each target, other takes of the lines than the inputs, up to REFERENCE_SECONDS. `[control]`"""
    count = max(2, int(REFERENCE_SECONDS / seconds))
    found = {name: _sounds(clips, name, seconds, count, seed + 1000, 0.5) for name in targets if name in INSTRUMENTS}
    return {name: sounds for name, sounds in found.items() if sounds}
