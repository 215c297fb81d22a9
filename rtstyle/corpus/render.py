"""Playing a performance with a library, and bringing several players to one loudness."""

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.library import Library
from rtstyle.corpus.note import SAMPLE_RATE, Note, loudness_db
from rtstyle.corpus.performance import Performance
from rtstyle.corpus.pitch import HOP
from rtstyle.corpus.player import play, sinc_table

TABLE = sinc_table()
NOTE_RMS = 0.1
LEAD = (
    5760  # samples by which a note may begin before it speaks: an attack slowed down by octaves takes too long (0.12 s)
)
JOIN = 1680  # samples of a crossfade inside a note (35 ms)
LOUDNESS_WINDOW = 2400  # samples (50 ms)
FLOOR_DB = -65.0
LOUD_DB = 25.0  # the overall level is matched where both players are within this of their peak
BOOST_DB, CUT_DB = 15.0, 40.0


def render(
    performance: Performance, library: Library, rng: np.random.Generator, leads: bool = True
) -> tuple[NDArray[np.float32], list[str]]:
    """Return (audio, files used) of one player: float32 mono at 48 kHz, `performance.samples` long. `[any]`

    Attacks arrive at the score's times; inside a slur a note enters in its body under a crossfade of 15 to 40 ms. The
    leader lets notes go as they were recorded; a partner holds them under the same fade, so that it can follow.
    """
    out = np.zeros(performance.samples, dtype=np.float32)
    files = []
    for group, target, release in zip(performance.chains, performance.targets, performance.releases, strict=True):
        fade = round(rng.uniform(0.015, 0.040) * SAMPLE_RATE)
        for place, index in enumerate(group):
            event = performance.events[index]
            note = library.near(event.midi, performance.layer, rng)
            files.append(note.file)
            on, off = round(event.time * SAMPLE_RATE), round((event.time + event.duration) * SAMPLE_RATE)
            following = fade
            if place + 1 < len(group):
                fade_out = following
                off -= fade_out // 2
            else:
                fade_out = round(release * SAMPLE_RATE)
            pace = target[min(on // HOP, len(target) - 1)] / note.f0[min(note.speak // HOP, len(note.f0) - 1)]
            if place and not library.decaying:
                begin, position, fade_in = on - fade // 2, entry(note, rng), fade
            else:
                lead = min((note.speak - note.start) / pace, LEAD)
                begin, position, fade_in = on - round(lead), note.speak - lead * pace, 240
            if begin < 0:
                position, begin = position - begin * pace, 0
            play(
                out,
                note.audio,
                note.f0,
                TABLE,
                target,
                begin,
                off,
                off + fade_out,
                position,
                note.body,
                note.stop,
                0 if library.decaying else 1,
                1 if leads else 0,
                fade_in,
                fade_out,
                JOIN,
                NOTE_RMS / note.level,
                rng.random(16),
            )
    return out, sorted(set(files))


def entry(note: Note, rng: np.random.Generator) -> float:
    """Return where a slurred note enters: just before or a little inside its body. `[any]`"""
    late = min(0.3 * (note.stop - note.body), 0.1 * SAMPLE_RATE)
    early = 0.5 * (note.body - note.speak)
    return float(note.body - rng.uniform(0.0, 1.0) * early + rng.uniform(0.0, 1.0) * late)


def apply_db(audio: NDArray[np.float32], gain_db: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return `audio` under a gain given in dB every HOP samples. `[any]`"""
    at = np.arange(len(audio), dtype=np.float64) / HOP
    curve = np.interp(at, np.arange(len(gain_db)), gain_db)
    return np.asarray(audio * np.exp(curve * (np.log(10.0) / 20.0)), dtype=np.float32)


def follow(audio: NDArray[np.float32], leader: NDArray[np.float32], boost_db: float = BOOST_DB) -> NDArray[np.float32]:
    """Return `audio` with the leader's loudness contour (50 ms). `[any]`

    Overall level first, then a contour gain of at most `boost_db` up and CUT_DB down; what lies far below the
    player's own peak is not lifted, so that its noise floor and its silence stay where they are.
    """
    wanted = np.maximum(loudness_db(leader, LOUDNESS_WINDOW), FLOOR_DB)
    own = loudness_db(audio, LOUDNESS_WINDOW)
    loud = (wanted > wanted.max() - LOUD_DB) & (own > own.max() - LOUD_DB)
    level = float(np.median((wanted - own)[loud])) if loud.any() else float(wanted.max() - own.max())
    smooth = np.hanning(7) / np.hanning(7).sum()
    total = np.full(len(own), level)
    for _ in range(2):
        now = loudness_db(apply_db(audio, total), LOUDNESS_WINDOW)
        total += np.convolve(np.pad(wanted - np.maximum(now, FLOOR_DB), 3, mode="edge"), smooth, mode="valid")
        above = own - own.max()
        roof = boost_db * np.clip((above + 45.0) / 15.0, 0.0, 1.0)
        total = level + np.clip(total - level, -CUT_DB, roof)
    return apply_db(audio, total)
