"""A recording played at the input's pitch: for each period of the input one grain, two periods of the recording.

    period of the input ---> grain: note and mark of the recording ----> read at the input's pitch, faded in and out ----> sum
    power of the input ----> its level

The period is that of the running autocorrelation (`excitation`), and grains follow one another by it, not by the pulses: these
wait until the fundamental agrees with them, and jump where it turns. Where the pitch is lost for a moment, within a note or on
the way to the next one, the last one goes on.

Grains that follow one another overlap by half, and their fades (Hann) add up to one. Each is read from where the one before came
to, so that together they are the recording at the player's pitch, with what is in no period: breath, bow, strings that beat. A
new note of the input begins a note of the recording, the nearest in pitch, in turn where several are near. At its end another one
follows, if that is nearer by now; else the place turns back, mark by mark then, and in the note's first quarter turns again. What
is plucked or struck (see `marks.Marks.fall`) falls as the recording's notes do, whatever the player holds; then a little of the
model is left. Its stroke does not wait for a player who swells.

Where the input has no clear pitch nothing is played. Then the sound of the model is wanted (`kept`): at once where the input
begins to sound, soon where it stays unclear, as chords and drums do, and not in the moment between two notes of a line.

Source: E. Moulines, F. Charpentier, "Pitch-synchronous waveform processing techniques for text-to-speech synthesis using
diphones", Speech Communication 9, 1990; here the grains are read faster or slower by up to two octaves upwards, so that spectra
keep their harmonics' levels as a sampler's do, and beyond that keep their formants.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import excitation, marks
from rtstyle.dsp.jit import kernel

RING: Final = 8192  # samples ahead that are being added up; a grain is cut where it would be longer
FASTEST: Final = 4.0  # at which a grain is read: two octaves up; beyond, too much would be folded back
LEAP: Final = 0.7 / 12.0  # octaves from the pitch of late at which the input may play another note
STEADY: Final = 0.012  # seconds for which it has to, within half of that: a period that is being found jumps about
LATELY: Final = 0.05  # seconds over which that pitch is averaged
RISE: Final = 6.0  # ratio of the input's power to its lowest of late that begins a note
FORGET: Final = 0.04  # seconds in which "of late" rises by that much
SETTLED: Final = 0.08  # seconds in which a note cannot begin anew
STROKE: Final = 0.03  # seconds for which a struck note is as loud as the loudest of late, or
MOST: Final = 32.0  # times the player's power, 15 dB: who blows or bows may swell, who plucks may not
LONG: Final = 0.6  # seconds from which a note of the recording is as good as a longer one
WORTH: Final = 2.5 / 12.0  # octaves of distance for which that second of length makes up, per second
SAME: Final = 1e-6  # samples by which places differ that are the same but for rounding
NEAR: Final = 1.0 / 12.0  # octaves from the nearest note within which another one may be played in its turn
SURE: Final = 0.5  # of a pitch, from which its period is taken
HOLD: Final = 0.1  # seconds in which a pitch that is lost fades
RELEASE: Final = 0.03  # that where the input has fallen silent
GONE: Final = 0.03  # of it: the note is over
FADE_MS: Final = 10.0  # time constant of the share
REST: Final = 0.125  # of the model where a struck note has faded and the player holds on: soft, but no silence
OPEN: Final = 0.67  # of the pitch, from which the model is not wanted
CLOSE_MS, OPEN_MS, QUIET_MS = 3.0, 300.0, 20.0  # time constants: unwanted; wanted again; that where the input is silent
SILENT: Final = 1e-3  # of the loudest power of the last second, or
FAINT: Final = 1e-7  # mean square: silence

# Slots of the state, float64[SIZE].
(
    NOTE,  # number of the note, -1 for none
    MARK,
    PLACE,  # in the recording
    WAY,  # 1 or -1: forwards or backwards
    CENTRE,  # of the last grain in the recording
    OFFSET,  # from its mark
    SPEED,  # at which it is read
    TURNED,  # 1 once the note has come to its end
    ENVELOPE,  # how far a struck note has fallen
    PERIOD,  # of the input while it has a pitch, in samples
    PITCH,  # that of late
    SINCE,  # samples since the last grain
    AGE,  # samples since the note began
    LOWEST,  # power of late
    LOUDEST,  # power since the note began
    TURN,
    WANTED,  # how far the model is wanted
    KEPT,  # share of the model at the end of the last hop
    TOP,  # loudest power of the last second
    NOW,  # place in the rings
    HELD,  # how far there is a pitch of one note, or was of late
    HEARD,  # share of the recording, on its way
    LATEST,  # period of the last grain
    ASTRAY,  # samples since the pitch left that of late
) = range(24)
SIZE: Final = 24
SUM, SHARE = range(2)  # rows of the rings


class Recording(NamedTuple):
    """What is played, for compiled code: audio, marks and notes of `marks.Marks`, of which `count` notes from `first` on are its
    own, and how fast they fall in dB per second.
    """

    audio: Any
    marks: Any
    notes: Any
    first: Any
    count: Any
    fall: Any


def new_state() -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """State and rings, float64[SIZE] and float32[2, RING], of one stream, ready to run. `[control]`"""
    state, rings = np.zeros(SIZE), np.zeros((2, RING), np.float32)
    reset(state, rings)
    return state, rings


@kernel
def reset(state: Any, rings: Any) -> None:
    """Return to the state of `new_state()`. `[audio]`"""
    for i in range(SIZE):
        state[i] = 0.0
    state[NOTE] = -1.0
    state[WANTED] = state[KEPT] = state[ENVELOPE] = 1.0
    for n in range(RING):
        rings[SUM, n], rings[SHARE, n] = np.float32(0.0), np.float32(1.0)


@kernel
def _cost(note: Any, wanted: Any) -> Any:
    """How ill a note of the recording fits a period, in octaves; wanted: its log2."""
    return abs(note[marks.LOG_PERIOD] - wanted) - WORTH * min(note[marks.SECONDS], LONG)


@kernel
def _choose(state: Any, recording: Any, period: Any, again: Any) -> Any:
    """Number of the note for a period: the one that plays if it will do and need not begin `again`, else the next in turn."""
    notes, first, count = recording.notes, recording.first, recording.count
    wanted = np.log2(period)
    least = np.inf
    for k in range(first, first + count):
        least = min(least, _cost(notes[k], wanted))
    near = 0
    for k in range(first, first + count):
        if _cost(notes[k], wanted) <= least + NEAR:
            near += 1
            if k == state[NOTE] and not again:
                return k
    turn = int(state[TURN]) % near
    state[TURN] += 1.0
    for k in range(first, first + count):
        if _cost(notes[k], wanted) <= least + NEAR:
            if turn == 0:
                return k
            turn -= 1
    return first


@kernel
def _begin(state: Any, recording: Any, period: Any, again: Any) -> Any:
    """Go to the note for a period; True if it begins, False where it is the one that plays and need not begin `again`."""
    note = _choose(state, recording, period, again)
    begins = again or note != state[NOTE]
    if begins:
        state[NOTE] = note
        state[MARK] = recording.notes[note, marks.FIRST if again else marks.BODY]
        state[PLACE], state[WAY] = recording.marks[int(state[MARK]), marks.PLACE], 1.0
        state[CENTRE] = state[PLACE]
        state[AGE] = state[LOUDEST] = state[OFFSET] = state[TURNED] = 0.0
    return begins


@kernel
def _move(state: Any, marked: Any, note: Any, span: Any) -> None:
    """Go on by `span` samples: to where the last grain came, or where that is not the way, to a mark and as far from it."""
    first, body, last = int(note[marks.FIRST]), int(note[marks.BODY]), int(note[marks.LAST])
    flows = state[WAY] > 0.0 and state[SPEED] < FASTEST
    place = state[CENTRE] + state[SPEED] * span if flows else state[PLACE] + state[WAY] * span
    end = marked[last, marks.PLACE]
    turning = marked[body, marks.PLACE] + 0.25 * (end - marked[body, marks.PLACE])
    if place > end:
        place, state[WAY], state[TURNED], flows = end, -1.0, 1.0, False
    elif state[WAY] < 0.0 and place < turning:
        place, state[WAY] = turning, 1.0
    mark = min(max(int(state[MARK]), first), last)
    while mark < last and marked[mark, marks.PLACE] < place - SAME:
        mark += 1
    while mark > first and marked[mark - 1, marks.PLACE] >= place - SAME:
        mark -= 1
    if flows:
        state[OFFSET] = place - marked[mark, marks.PLACE]
    state[CENTRE] = marked[mark, marks.PLACE] + state[OFFSET]
    state[PLACE], state[MARK] = place, mark


@kernel
def _add(ring: Any, now: Any, start: Any, audio: Any, centre: Any, period: Any, speed: Any, gain: Any) -> None:
    """Add the two periods around `centre` to the ring, from `start` samples behind `now` on, read at `speed`."""
    length = min(2.0 * period / speed, RING - 2.0 - start)
    last = audio.size - 3
    n = int(np.ceil(start))
    while n < start + length:
        through = (n - start) * speed
        place = centre - period + through
        base = int(place)
        part = np.float32(place - base)
        if base >= 1 and base <= last:
            a, b, c, d = audio[base - 1], audio[base], audio[base + 1], audio[base + 2]  # Hermite, third order
            slope = np.float32(0.5) * (c - a)
            bend = a - np.float32(2.5) * b + np.float32(2.0) * c - np.float32(0.5) * d
            twist = np.float32(0.5) * (d - a) + np.float32(1.5) * (b - c)
            fade = np.float32(gain * (0.5 - 0.5 * np.cos(np.pi * through / period)))
            ring[(now + n) % RING] += fade * (((twist * part + bend) * part + slope) * part + b)
        n += 1


@kernel
def _hear(state: Any, excited: Any, hop: Any, sample_rate: Any) -> Any:
    """Take the input's level and pitch of one hop; True where it is silent."""
    power = excited[excitation.POWER]
    state[TOP] = max(power, state[TOP] * np.exp(-hop / sample_rate))
    state[LOWEST] = min(state[LOWEST] * np.exp(np.log(RISE) * hop / (FORGET * sample_rate)), power)
    silent = power < max(SILENT * state[TOP], FAINT)
    pitched = 0.0 if silent else excitation.pitched(excited)
    if pitched > SURE:
        state[PERIOD] = excited[excitation.PERIOD]
    held = state[HELD] * np.exp(-hop / ((RELEASE if silent else HOLD) * sample_rate))
    state[HELD] = max(pitched * excitation.single(excited), held)
    return silent


@kernel
def _follow(state: Any, recording: Any, power: Any, span: Any, sample_rate: Any) -> None:
    """Go on by a grain, `span` samples after the last one: within the note, or to the one that the input has begun."""
    marked, notes, fall = recording.marks, recording.notes, recording.fall
    period, moved = state[PERIOD], span
    state[AGE] += span
    if state[AGE] < SETTLED * sample_rate:
        state[LOWEST] = power  # the rise of this note is not the next one's
    began = state[NOTE] < 0.0 or power > RISE * state[LOWEST]
    steady = not began and abs(np.log2(period / state[LATEST])) < 0.5 * LEAP
    away = not began and abs(np.log2(period / state[PITCH])) > LEAP
    state[LATEST] = period
    state[ASTRAY] = state[ASTRAY] + span if away and steady else 0.0
    if began or state[ASTRAY] > STEADY * sample_rate:
        if _begin(state, recording, period, began or fall < 0.0):
            moved = 0.0
        state[PITCH], state[LOWEST], state[ASTRAY] = period, power, 0.0
    elif not away:
        state[PITCH] *= (period / state[PITCH]) ** min(span / (LATELY * sample_rate), 1.0)
    way = state[WAY]
    _move(state, marked, notes[int(state[NOTE])], moved)
    if state[WAY] < way and fall == 0.0:  # a short one that a glide began is not to last for all that follows
        _begin(state, recording, period, False)
    state[SPEED] = min(marked[int(state[MARK]), marks.PERIOD] / period, FASTEST)


@kernel
def _loudness(state: Any, recording: Any, power: Any, span: Any, sample_rate: Any) -> Any:
    """How loud the grain is to be, root mean square: as the input, and where it was struck, as its note has fallen since."""
    fall = recording.fall
    if fall == 0.0:
        state[ENVELOPE] = 1.0
        return np.sqrt(power)
    if state[TURNED] == 0.0:
        body = int(recording.notes[int(state[NOTE]), marks.BODY])
        state[ENVELOPE] = recording.marks[int(state[MARK]), marks.LEVEL] / recording.marks[body, marks.LEVEL]
    else:
        state[ENVELOPE] *= 10.0 ** (0.05 * fall * span / sample_rate)
    state[LOUDEST] = max(power, state[LOUDEST])
    stroke = state[TOP] * np.exp(-state[AGE] / (STROKE * sample_rate))
    return state[ENVELOPE] * np.sqrt(max(state[LOUDEST], min(stroke, MOST * state[LOUDEST])))


@kernel
def play(
    state: Any,
    rings: Any,
    recording: Any,
    share: Any,
    latency: Any,
    sample_rate: Any,
    excited: Any,
    played: Any,
    kept: Any,
) -> None:
    """Play one hop. `[audio]` Latency: `latency` samples, that of the model whose sound it is added to.

    state, rings: from `new_state`. recording: a Recording. share: 0..1, how far it is heard at all. sample_rate in Hz. excited:
    state of `excitation.excite` after the same hop. played: float32[hop], overwritten. kept: float32[hop], overwritten: the
    share of the model's sound beside it.
    """
    first, count = recording.first, recording.count
    hop = played.size
    now = int(state[NOW])
    state[HEARD] += (share - state[HEARD]) * (1.0 - np.exp(-1000.0 * hop / (FADE_MS * sample_rate)))
    heard = state[HEARD] if count > 0 else 0.0
    silent = _hear(state, excited, hop, sample_rate)
    quiet = state[HELD] < GONE or heard < 1e-6
    if quiet or state[NOTE] < first or state[NOTE] >= first + count:
        state[NOTE] = -1.0
    power, period = excited[excitation.POWER], state[PERIOD]
    at = max(period - state[SINCE], 0.0) if state[NOTE] >= 0.0 else 0.0
    while period > 0.0 and not quiet and at < hop:
        span = state[SINCE] + at
        state[SINCE] = -at
        _follow(state, recording, power, span, sample_rate)
        mark, speed = recording.marks[int(state[MARK])], state[SPEED]
        level = heard * state[HELD] * _loudness(state, recording, power, span, sample_rate) / mark[marks.LEVEL]
        level *= np.sqrt(min(period * speed / mark[marks.PERIOD], 1.0))  # of what overlaps more, each is softer
        start = max(at + latency - period, at)  # so that its middle is as late as the model, if that is late enough
        _add(rings[SUM], now, max(start, 0.0), recording.audio, state[CENTRE], mark[marks.PERIOD], speed, level)
        at += period
    state[SINCE] += hop

    faded = max(1.0 - state[ENVELOPE], 0.0)
    wanted = 1.0 - min(state[HELD] / OPEN, 1.0) * (1.0 - REST * faded)
    slow = QUIET_MS if silent else OPEN_MS
    if wanted < state[WANTED]:
        slow = CLOSE_MS
    state[WANTED] += (wanted - state[WANTED]) * (1.0 - np.exp(-1000.0 * hop / (slow * sample_rate)))
    before = state[KEPT]
    state[KEPT] = 1.0 - heard * (1.0 - state[WANTED])
    for n in range(hop):
        ahead = (now + latency + n) % RING
        rings[SHARE, ahead] = np.float32(before + (state[KEPT] - before) * (n + 1.0) / hop)
        here = (now + n) % RING
        played[n], kept[n] = rings[SUM, here], rings[SHARE, here]
        rings[SUM, here] = np.float32(0.0)
    state[NOW] = (now + hop) % RING
