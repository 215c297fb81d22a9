"""The periods of a recording, one by one, and the notes that they make: what `grains` plays.

The pulses that `excitation` locks to the recording are its pitch marks. Marks in a row whose pitch stays make a note; it ends
where the pitch leaves it, where there is none, where it is struck again or, if it was held, where it fades away. Before its
first mark, where a note speaks but its pitch is not known yet, marks go on backwards. What lies below a note's pitch, rumble
and hum, is filtered out: read two periods at a time it would be noise around the partials.

Source: pitch marks: E. Moulines, F. Charpentier, "Pitch-synchronous waveform processing techniques for text-to-speech synthesis
using diphones", Speech Communication 9, 1990.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rtstyle.dsp import excitation
from rtstyle.dsp.jit import kernel

# Columns of the marks, float64[M, 3]: sample in `audio`; period in samples; level (root mean square) of two periods.
PLACE, PERIOD, LEVEL = range(3)
# Columns of the notes, float64[N, 5]: numbers of the first mark, of the first one that was heard, and of the last;
# log2 of the period in samples; seconds.
FIRST, BODY, LAST, LOG_PERIOD, SECONDS = range(5)

HOP: Final = 64
SURE: Final = 0.5  # of the gate of a pulse, from which it is a mark
LOUD_ENOUGH: Final = 1e-4  # of the power of the loudest moments
SHORTEST: Final = 0.08  # seconds of a note
RELEASE: Final = 0.025  # seconds at its end that are no longer the note
LEAP: Final = 0.7 / 12.0  # octaves from the note's own pitch at which another one begins
RECENT: Final = 20  # marks that say what that is
STRUCK: Final = 3.0  # ratio of powers, now and 30 ms ago, at which a note begins anew
SETTLED: Final = 0.1  # seconds in which it cannot
ATTACK: Final = 0.06  # seconds for which a note may have spoken before its first mark
AUDIBLE: Final = 0.003  # of the power of the note's begin: where it speaks
FALLING: Final = -4.0  # dB per second: what is plucked or struck falls faster,
AT_ONCE: Final = 0.072  # seconds: and three of four of its notes are loudest within
LET_GO: Final = -90.0  # dB per second: what falls faster was held
MEASURABLE: Final = 0.12  # seconds of a note of which both are measured
SUSTAINED: Final = 0.4  # of the level of a held note's loudest moment: what is below at its end is not played
STEP: Final = 0.15  # of a period by which a mark may differ from a period after the one before
RUMBLE, PITCHED = 0.35, 0.7  # of a note's pitch: below the first nothing stays, from the second on all


@dataclass(frozen=True)
class Marks:
    """What a recording has to play: marks and notes as above, and how fast its notes fall in dB per second, 0 if they are held.

    audio: mono float32, the notes one behind the other.
    """

    audio: NDArray[np.float32]
    marks: NDArray[np.float64]
    notes: NDArray[np.float64]
    fall: float

    @property
    def seconds(self) -> float:
        """Length of all notes together."""
        return float(self.notes[:, SECONDS].sum())


def find_marks(audio: NDArray[np.float32], sample_rate: int) -> Marks:
    """The marks and notes of a recording, mono float32; none where no pitch is clear. `[control]`"""
    x = np.ascontiguousarray(audio, dtype=np.float32)
    found = np.zeros((x.size // HOP * excitation.MOST_FIRED, 2))
    found = found[: _track(x, float(sample_rate), excitation.new_state(), excitation.pulse_table(), found)]
    place, period = found[:, 0], found[:, 1]
    energy = np.concatenate([[0.0], np.cumsum(np.square(x, dtype=np.float64))])
    sure = _sure(place, period, energy, sample_rate)
    sounds: list[NDArray[np.float32]] = []
    marks: list[NDArray[np.float64]] = []
    notes: list[tuple[float, ...]] = []
    falls: list[tuple[float, float]] = []
    rises: list[float] = []
    end, count, length = 0.0, 0, 0
    for first, last in _rows(place, period, sure, energy, sample_rate):
        own, periods = _in_step(x, place[first:last], period[first:last])
        seconds = (own[-1] - own[0]) / sample_rate
        level = np.sqrt(_power(energy, own, periods) + 1e-12)
        back = _spoken(energy, own[0], periods[0], end, sample_rate)
        before = np.sqrt(_power(energy, back, np.full(back.size, periods[0])) + 1e-12)
        before = np.maximum(before, level[:6].mean())  # what comes before the note is to stay below it
        centre = float(np.median(periods))
        sound, start = _cut(x, np.append(back, own), 2.0 * periods.max(), sample_rate / centre, sample_rate)
        columns = (
            np.append(back, own) - start + length,
            np.append(np.full(back.size, periods[0]), periods),
            np.append(before, level),
        )
        marks.append(np.stack(columns, axis=1))
        sounds.append(sound)
        total = back.size + own.size
        notes.append((count, count + back.size, count + total - 1, np.log2(centre), seconds))
        count, length, end = count + total, length + sound.size, own[-1]
        if seconds > MEASURABLE:
            falls.append((float(np.polyfit(own / sample_rate, 20.0 * np.log10(level), 1)[0]), seconds))
            loudest = int(columns[2].argmax())
            rises.append((columns[0][loudest] - columns[0][0]) / sample_rate)
    fall = _weighted_median(falls)
    struck = LET_GO < fall < FALLING and float(np.percentile(rises, 75)) < AT_ONCE
    marked, noted = np.concatenate([np.zeros((0, 3)), *marks]), np.array(notes, np.float64).reshape(-1, 5)
    if not struck:
        _leave_fades(marked, noted, sample_rate)
    return Marks(np.concatenate([np.zeros(0, np.float32), *sounds]), marked, noted, fall if struck else 0.0)


@kernel
def _track(x: Any, sample_rate: Any, state: Any, table: Any, found: Any) -> Any:
    """Place and period of every pulse locked to x, with a period of 0 where its gate is shut; returns how many."""
    pulses, cues = np.zeros(HOP, np.float32), np.zeros(excitation.CUES, np.float32)
    count = 0
    for start in range(0, x.size - HOP + 1, HOP):
        excitation.excite(state, table, sample_rate, x[start : start + HOP], pulses, cues)
        pulse = excitation.fired(state)
        for k in range(pulse.shape[0]):
            # The gate opens within milliseconds: a mark is as sure as the one behind it.
            if count > 0 and pulse[k, excitation.GATE_NOW] <= SURE:
                found[count - 1, 1] = 0.0
            found[count, 0] = start + pulse[k, excitation.AT]
            found[count, 1] = pulse[k, excitation.PERIOD_NOW]
            count += 1
    return count


def _sure(
    place: NDArray[np.float64], period: NDArray[np.float64], energy: NDArray[np.float64], sample_rate: int
) -> NDArray[np.bool_]:
    """Which pulses are marks: with a pitch, loud enough, and not at the recording's ends. energy: running sum of the squares."""
    everywhere = np.arange(0, energy.size, sample_rate // 100, dtype=np.float64)
    loud = np.percentile(_power(energy, everywhere, np.full(everywhere.size, sample_rate / 40)), 97)
    margin = 2.0 * period + 2.0
    sure = (period > 0.0) & (place > margin) & (place < energy.size - 1 - margin)
    return np.asarray(sure & (_power(energy, place, np.maximum(period, 1.0)) > LOUD_ENOUGH * loud))


def _power(energy: NDArray[np.float64], centre: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean square of `half` samples on either side of each centre; energy: running sum of the squares."""
    low = np.clip(centre - half, 0, energy.size - 1).astype(np.int64)
    high = np.clip(centre + half + 1, 0, energy.size - 1).astype(np.int64)
    return np.asarray((energy[high] - energy[low]) / np.maximum(high - low, 1))


def _rows(
    place: NDArray[np.float64],
    period: NDArray[np.float64],
    sure: NDArray[np.bool_],
    energy: NDArray[np.float64],
    sample_rate: int,
) -> list[tuple[int, int]]:
    """First and one past the last pulse of every note."""
    short: NDArray[np.float64] = np.full(place.size, 0.006 * sample_rate)
    risen = _power(energy, place + short, short) > STRUCK * _power(energy, place - 5.0 * short, short)
    rows = []
    first = 0
    for k in range(place.size + 1):
        if k > first and k < place.size and sure[first] and sure[k]:
            own = np.median(period[max(first, k - RECENT) : k])
            next_one = abs(place[k] - place[k - 1] - period[k]) < 0.5 * period[k]
            again = risen[k] and place[k] - place[first] > SETTLED * sample_rate
            if next_one and abs(np.log2(period[k] / own)) < LEAP and not again:
                continue
        last = int(np.searchsorted(place[:k], place[k - 1] - RELEASE * sample_rate)) if k > 0 else 0
        if last > first and sure[first] and place[last - 1] - place[first] > SHORTEST * sample_rate:
            rows.append((first, last))
        first = k
    return rows


def _in_step(
    x: NDArray[np.float32], place: NDArray[np.float64], period: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The marks of a note anew, and their periods: each where the sound is most like that around the one before it.

    Pulses have the pitch, but where the second partial is loud they may leap by a part of a period, and grains that follow one
    another would contradict each other there.
    """
    at = place[0]
    steps, last = [at], place[-1] + 0.5 * period[-1]
    while True:
        width = float(np.interp(at, place, period))
        here, after = round(at), round(at + width)
        half, reach = int(width), max(int(STEP * width), 1)
        if at + width > last or after + half + reach + 1 > x.size:
            return np.array(steps), np.interp(steps, place, period)
        near = sliding_window_view(x[after - half - reach : after + half + reach + 1], 2 * half + 1)
        likeness = near @ x[here - half : here + half + 1] / (np.sqrt(np.square(near).sum(axis=1)) + 1e-9)
        best = min(max(int(likeness.argmax()), 1), 2 * reach - 1)
        left, peak, right = likeness[best - 1 : best + 2]
        bend = left - 2.0 * peak + right
        shift = float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0.0 else 0.0
        at += after - here + best - reach + shift
        steps.append(at)


def _spoken(
    energy: NDArray[np.float64], place: float, period: float, end: float, sample_rate: int
) -> NDArray[np.float64]:
    """Marks before the first one at `place`, as long as the note sounds and behind the last one's `end`."""
    back = np.asarray(place - period * np.arange(1, int(ATTACK * sample_rate / period) + 1), np.float64)
    ahead = 0.02 * sample_rate
    whole = _power(energy, np.array([place + ahead]), np.array([ahead]))[0]
    heard = (_power(energy, back, np.full(back.size, 0.5 * period)) > AUDIBLE * whole) & (back - period > end)
    return back[: int(np.argmin(np.append(heard, False)))][::-1]


def _cut(
    x: NDArray[np.float32], places: NDArray[np.float64], margin: float, pitch: float, sample_rate: int
) -> tuple[NDArray[np.float32], int]:
    """The sound of a note around its marks without what lies below its pitch in Hz, and its first sample in x."""
    start = max(0, int(places[0] - margin))
    part = x[start : int(places[-1] + margin) + 2]
    spectrum = np.fft.rfft(part, 2 * part.size)  # twice as long: what the filter smears over the end is cut off
    octave = np.clip(
        (np.arange(spectrum.size) * sample_rate / (2.0 * part.size * pitch) - RUMBLE) / (PITCHED - RUMBLE), 0.0, 1.0
    )
    spectrum *= 0.5 - 0.5 * np.cos(np.pi * octave)
    return np.fft.irfft(spectrum)[: part.size].astype(np.float32), start


def _leave_fades(marked: NDArray[np.float64], notes: NDArray[np.float64], sample_rate: int) -> None:
    """End notes where they begin to fade away: played forth and back, a diminuendo would be one swell after the other.

    marked: float64[M, 3]. notes: float64[N, 5], changed in place. sample_rate in Hz.
    """
    for note in notes:
        body = marked[int(note[BODY]) : int(note[LAST]) + 1]
        loud = np.flatnonzero(body[:, LEVEL] >= SUSTAINED * body[:, LEVEL].max())
        note[LAST] = note[BODY] + loud[-1]
        note[SECONDS] = (body[loud[-1], PLACE] - body[0, PLACE]) / sample_rate


def _weighted_median(values: list[tuple[float, float]]) -> float:
    """Median of the first of each pair, weighted by the second; 0 without any."""
    if not values:
        return 0.0
    rows = np.array(sorted(values))
    share = np.cumsum(rows[:, 1]) / rows[:, 1].sum()
    return float(rows[int(np.searchsorted(share, 0.5)), 0])
