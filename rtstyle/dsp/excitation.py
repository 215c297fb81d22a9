"""A harmonic excitation locked to the input: one band-limited pulse per period.

A mask can only scale partials that the input has; a flute has few. This kernel makes the missing ones. A running
autocorrelation at a sixth of the rate says how long a period is and how clear; the input is filtered down to about its
fundamental; its rises through zero steer a phase-locked loop, and the loop sets one band-limited pulse per turn, between
samples. The crossings have the last word on the phase, and so on the pitch: a loop that they contradict starts anew from one, for
networks add pulses to the input as these lay in training. But a pulse that jumps is a click, and a loud second partial makes two
crossings a period: where they come at another place for some hundredths of a second, the loop keeps its own.
Without the loop each crossing's own jitter would be noise between the partials, louder the higher they are.

- The pulse's height makes the power of the train one, then the input's short-time level scales it: silence in, silence out.
- Where the period is not clear (drums, noise) or the crossings do not agree with it (chords) the train fades out.
- Even chords have moments with a clear period, and pulses there are notes that nobody played. So it is asked how much of what
  was heard lately was clear: of lines nearly all, of a guitar's, harp's or piano's chords and of drums a third or less. With
  those the train stays closed, and the noise that a style may add is low (`single`, `noise_level`). What lies between, such
  as a cello's double stops, goes on as it was taken last: sound that came and went would be heard more than either. What
  was heard while all was softer counts for less: breath before the first note is no chord.

Sources: source-filter model (G. Fant, 1960); normalised difference function: P. McLeod, G. Wyvill, "A smarter way to find
pitch", ICMC 2005, here with an exponential window, so that it runs sample by sample; phase-locked loop: F. M. Gardner,
"Phaselock Techniques", 3rd ed. 2005, chapter 2, here of first order, as its frequency is known; band-limited pulse:
T. Stilson, J. Smith, "Alias-free digital synthesis of classic analog waveforms", ICMC 1996.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel

PULSE_TAPS: Final = 32  # length of one pulse; it is centred PULSE_TAPS / 2 samples after the crossing
PULSE_PHASES: Final = 64  # sub-sample positions in the table
LATENCY: Final = PULSE_TAPS // 2

DECIMATION: Final = 6
LAGS: Final = 136  # at 48 kHz: periods up to 17 ms, 59 Hz
SEARCH_EVERY: Final = 8  # decimated samples between two searches for the period
NEARLY: Final = 0.88  # of the highest peak: the first peak as high as this is the period
MOST_PARTS: Final = 5  # of that peak's lag that may be the period instead
# Of the clarity of what was found: from it on the period so far stays, if it is a part or a multiple of that.
STAY_SHORT, STAY_LONG = 0.85, 1.05
SAME: Final = 0.03  # by which that may differ from it
SHORTEST_LAG: Final = 2.5  # 3.2 kHz at 48 kHz
REACH: Final = 4  # lags on either side from which the value between two is made

PULL: Final = 0.2  # share of a crossing's phase error that the loop makes up for within a period
AIM: Final = 0.1  # share by which the loop's frequency nears that of the autocorrelation at each crossing
LOST: Final = 0.25  # phase error, in turns, at which the crossings have come to another place in the period
PATIENCE: Final = 0.06  # seconds for which they may; then the loop starts anew from one
DETUNED: Final = 0.12  # share by which the loop is off the period's frequency where it does so at once
UNSURE, ASTRAY = 0.08, 0.16  # mean phase error from which the train fades, and at which it is silent

PITCHED, WELL_PITCHED = 0.78, 0.93  # clarity of what has a pitch: none below the first, wholly from the second on
CLEAR, CLEARER = 0.90, 0.96  # clarity of what counts as clear: not at all below the first, wholly from the second on
LATELY: Final = 1.0  # seconds over which that is averaged, once so much was heard
LOUD_SECONDS: Final = 3.0  # in which the loudest moment is forgotten, against which
LOUD_ENOUGH: Final = 0.03  # a share of the power, 15 dB below, counts as sound
AT_FIRST: Final = 0.6  # of the average, when nothing was heard yet
LOWEST: Final = 0.25  # to which it falls: a line after chords is soon to be known
FIRST_SECONDS: Final = 0.25  # of sound that this counts as
CLOSED, CLOSING = 0.35, 0.45  # averages of many notes at a time, and of what comes near them from one
OPENING, OPEN = 0.55, 0.65  # the same on the way back: two thresholds, or what lies between would come and go
SILENCE: Final = 1e-20  # mean square, -200 dBFS
LEAST_NOISE: Final = 0.1  # of its level: networks that look at the noise they get are not to find none

# Slots of the state, float64[STATE_LENGTH]; zeros at reset. Behind them: the pulses not yet played (a ring), the
# decimated past (another), the running autocorrelation, its normaliser, and the one over the other; the pulses of the last call.
(
    HIGHPASS,
    LOWPASS_1,
    LOWPASS_2,
    PREVIOUS,
    PEAK_LOW,
    ARMED,
    SINCE,
    PERIOD,
    CLARITY,
    POWER,
    GATE,
    SMOOTH_1,
    SMOOTH_2,
    SUM,
    COUNT,
    WHERE,
    SEARCH,
    FOUND,
    PHASE,
    SPEED,
    NUDGE,
    ERROR,
    PLAYED,
    LOUDEST,
    CLEARNESS,  # above AT_FIRST
    HEARD,
    PLURALITY,  # how far the input is many notes at a time
    FIRED,  # pulses of the last call
    CROSSED,  # phase of the loop at the crossings
    ASIDE,  # samples for which that has not been 0
) = range(30)
STATE_SIZE: Final = 30
# Of a pulse: the sample of the call at which it was set, between two; the period in samples; the gate.
AT, PERIOD_NOW, GATE_NOW = range(3)
MOST_FIRED: Final = 32  # pulses of one call that are told
FIRED_LIST: Final = STATE_SIZE + PULSE_TAPS + 5 * LAGS
STATE_LENGTH: Final = FIRED_LIST + 3 * MOST_FIRED

# Values of `cues`, float32[CUES], for the hop just processed.
LOG_PERIOD, STEADINESS = range(2)
CUES: Final = 2


def pulse_table() -> NDArray[np.float32]:
    """Windowed-sinc pulses at PULSE_PHASES sub-sample positions, float32[PULSE_PHASES + 1, PULSE_TAPS]. `[control]`"""
    position = np.arange(PULSE_TAPS)[None, :] - PULSE_TAPS / 2 - np.arange(PULSE_PHASES + 1)[:, None] / PULSE_PHASES
    window = np.where(np.abs(position) < PULSE_TAPS / 2, np.cos(np.pi * position / PULSE_TAPS) ** 2, 0.0)
    return (0.92 * np.sinc(0.92 * position) * window).astype(np.float32)


def new_state() -> NDArray[np.float64]:
    """State of one stream, ready to run. `[control]`"""
    return np.zeros(STATE_LENGTH, dtype=np.float64)


@kernel
def reset(state: Any) -> None:
    """Return to the state of `new_state()`. `[audio]`"""
    for i in range(state.size):
        state[i] = 0.0


@kernel
def _listen(state: Any, past: Any, correlation: Any, energy: Any, sample: Any, forget: Any) -> None:
    """Take one decimated sample into the running autocorrelation: r[l] = forget r[l] + x[n] x[n - l], and its normaliser."""
    where = int(state[WHERE])  # of the newest in the ring, which is kept twice in a row: going up is going back in time
    past[where] = past[where + LAGS] = sample
    recent = past[where : where + LAGS]
    square = sample * sample
    for lag in range(LAGS):
        other = recent[lag]
        correlation[lag] = forget * correlation[lag] + sample * other
        energy[lag] = forget * energy[lag] + square + other * other
    state[WHERE] = where - 1.0 if where > 0 else LAGS - 1.0


@kernel
def _peak(clarity: Any, lag: Any) -> Any:
    """Height and place, in lags from `lag`, of the parabola over a local maximum of `clarity`; (0, 0) elsewhere."""
    left, value, right = clarity[lag - 1], clarity[lag], clarity[lag + 1]
    curve = left - 2.0 * value + right
    if value < left or value < right or curve >= 0.0:
        return 0.0, 0.0
    shift = 0.5 * (left - right) / curve
    return min(value - 0.25 * (left - right) * shift, 1.0), shift


@kernel
def _between(clarity: Any, place: Any) -> Any:
    """`clarity` between two lags, by a windowed sinc."""
    first = int(place) - REACH + 1
    away = place - first
    if away == REACH - 1.0:
        return clarity[int(place)]
    total = 0.0
    alternating = np.sin(np.pi * away) / np.pi
    for lag in range(first, first + 2 * REACH):
        total += alternating / away * np.cos(0.5 * np.pi * away / REACH) ** 2 * clarity[abs(lag)]
        alternating = -alternating
        away -= 1.0
    return total


@kernel
def _search(state: Any, correlation: Any, energy: Any, clarity: Any) -> None:
    """Find the period: the first peak of 2 r / m that is nearly as high as the highest one after r has been negative."""
    for lag in range(LAGS):
        clarity[lag] = 2.0 * correlation[lag] / (energy[lag] + 1e-9)
    start = 1
    while start < LAGS - 1 and correlation[start] > 0.0:
        start += 1
    best = 0.0
    for lag in range(max(start, 2), LAGS - 1):
        height, _ = _peak(clarity, lag)
        best = max(best, height)
    state[FOUND] = 0.0
    state[CLARITY] = best
    if best == 0.0:
        return
    for lag in range(max(start, 2), LAGS - 1):
        height, shift = _peak(clarity, lag)
        if height > NEARLY * best:
            state[FOUND] = lag + shift
            state[CLARITY] = height
            break
    # The peaks of a high note are too narrow for the parabola: the period may be a fraction of what was found.
    for parts in range(MOST_PARTS, 1, -1):
        place = state[FOUND] / parts
        if place >= SHORTEST_LAG and _between(clarity, place) > NEARLY * state[CLARITY]:
            state[FOUND] = place
            break
    _hold_octave(state, clarity)


@kernel
def _hold_octave(state: Any, clarity: Any) -> None:
    """Stay with the period so far, where what was found is a multiple or a part of it that is hardly better."""
    before = state[PERIOD] / DECIMATION
    if before < SHORTEST_LAG:
        return
    found = state[FOUND]
    if found > before:
        parts = np.round(found / before)
        place, least = found / parts, STAY_SHORT
    else:
        parts = np.round(before / found)
        place, least = found * parts, STAY_LONG
    if (
        parts < 2.0
        or parts > MOST_PARTS
        or abs(place / before - 1.0) > SAME
        or not SHORTEST_LAG <= place < LAGS - REACH
    ):
        return
    if _between(clarity, place) > least * _between(clarity, found):
        state[FOUND] = place


@kernel
def _steer(state: Any, late: Any, patience: Any) -> Any:
    """Take one crossing, `late` samples ago, into the loop; True if it is a pulse itself.

    patience: samples for which the crossings may come at another place in the period.
    """
    phase = state[PHASE] - late * state[SPEED]
    error = phase - state[CROSSED] - np.round(phase - state[CROSSED])
    running = state[SPEED] > 0.0
    if running:
        state[ERROR] += 0.2 * (min(abs(error), LOST) - state[ERROR])
        if abs(state[SPEED] * state[PERIOD] - 1.0) < DETUNED:
            if abs(error) < LOST:
                state[SPEED] += AIM * (1.0 / state[PERIOD] - state[SPEED])
                state[NUDGE] = -PULL * error * state[SPEED]
            else:
                state[SPEED], state[NUDGE] = 1.0 / state[PERIOD], 0.0
                state[CROSSED] += error
                if abs(state[CROSSED] - np.round(state[CROSSED])) < LOST:
                    state[CROSSED] = 0.0
            state[ASIDE] = 0.0 if state[CROSSED] == 0.0 else state[ASIDE] + state[PERIOD]
            if state[ASIDE] <= patience:
                return False
    else:
        state[ERROR] = UNSURE
    state[SPEED] = 1.0 / state[PERIOD]
    state[NUDGE] = state[CROSSED] = state[ASIDE] = 0.0
    state[PHASE] = late * state[SPEED]
    return not running or phase > 0.5


@kernel
def _ponder(state: Any, span: Any) -> None:
    """Take the clarity of the last `span` seconds into the average of what is heard."""
    loudest = state[LOUDEST] * np.exp(-span / LOUD_SECONDS)
    if state[POWER] > loudest:
        fades = (loudest / state[POWER]) ** 0.25  # of what was heard while all was softer: breath before the first note
        state[HEARD] *= fades
        state[CLEARNESS] *= fades
    state[LOUDEST] = max(state[POWER], loudest)
    if state[POWER] > max(LOUD_ENOUGH * state[LOUDEST], 1e-9):
        clear = min(max((state[CLARITY] - CLEAR) / (CLEARER - CLEAR), 0.0), 1.0)
        state[HEARD] = min(state[HEARD] + span, LATELY - FIRST_SECONDS)
        state[CLEARNESS] += span / (state[HEARD] + FIRST_SECONDS) * (clear - AT_FIRST - state[CLEARNESS])
        state[CLEARNESS] = max(state[CLEARNESS], LOWEST - AT_FIRST)
        average = AT_FIRST + state[CLEARNESS]
        least = min(max((CLOSING - average) / (CLOSING - CLOSED), 0.0), 1.0)
        most = min(max((OPEN - average) / (OPEN - OPENING), 0.0), 1.0)
        state[PLURALITY] = min(max(state[PLURALITY], least), most)


@kernel
def single(state: Any) -> Any:
    """How far the input is one note at a time, 0..1: 0 for chords and drums. `[audio]` state: after `excite`."""
    return 1.0 - state[PLURALITY]


@kernel
def noise_level(state: Any) -> Any:
    """Level of the noise that a style may add, against that of the input. `[audio]` state: after `excite`."""
    return max(single(state), LEAST_NOISE)


@kernel
def pitched(state: Any) -> Any:
    """How far the input has a pitch, 0..1, whatever the crossings say. `[audio]` state: after `excite`."""
    return min(max((state[CLARITY] - PITCHED) / (WELL_PITCHED - PITCHED), 0.0), 1.0)


@kernel
def fired(state: Any) -> Any:
    """The pulses of the last call of `excite`: float64[pulses, 3], columns AT, PERIOD_NOW, GATE_NOW. `[audio]`

    At most MOST_FIRED, the first ones. A view into the state.
    """
    count = int(state[FIRED])
    return state[FIRED_LIST : FIRED_LIST + 3 * count].reshape((count, 3))


@kernel
def excite(state: Any, table: Any, sample_rate: Any, x: Any, pulses: Any, cues: Any) -> None:
    """Make the pulse train of one hop. `[audio]`

    state: from `new_state`. table: from `pulse_table`. sample_rate in Hz. x: float32[hop]. pulses: float32[hop],
    overwritten; LATENCY samples after the input. cues: float32[CUES], overwritten: log2 of the period relative to 1 ms,
    scaled to about -1..1, and how clear the period is, in 0..1.
    """
    queue = state[STATE_SIZE : STATE_SIZE + PULSE_TAPS]
    base = STATE_SIZE + PULSE_TAPS
    past = state[base : base + 2 * LAGS]
    correlation = state[base + 2 * LAGS : base + 3 * LAGS]
    energy = state[base + 3 * LAGS : base + 4 * LAGS]
    clarity = state[base + 4 * LAGS : base + 5 * LAGS]
    turn = 2.0 * np.pi / sample_rate
    smooth = 1.0 - np.exp(-turn * 1500.0)
    decay = np.exp(-1.0 / (0.030 * sample_rate))
    level = 1.0 - np.exp(-1.0 / (0.006 * sample_rate))
    glide = 1.0 - np.exp(-1.0 / (0.003 * sample_rate))
    forget = np.exp(-DECIMATION / (0.014 * sample_rate))
    shortest = sample_rate / 4200.0
    longest = sample_rate / 32.0
    pitch = sample_rate / min(max(state[PERIOD], shortest), longest) if state[PERIOD] > 0.0 else 250.0
    highpass = 1.0 - np.exp(-turn * min(max(0.4 * pitch, 40.0), 800.0))
    lowpass = 1.0 - np.exp(-turn * min(max(1.1 * pitch, 100.0), 3000.0))
    now = int(state[PLAYED])
    state[FIRED] = 0.0
    if state[POWER] < SILENCE:  # the same take sounds the same, whenever it begins
        state[COUNT] = state[SEARCH] = state[SUM] = 0.0
    for n in range(x.size):
        sample = np.float64(x[n])
        state[SMOOTH_1] += smooth * (sample - state[SMOOTH_1])
        state[SMOOTH_2] += smooth * (state[SMOOTH_1] - state[SMOOTH_2])
        state[SUM] += state[SMOOTH_2]
        state[COUNT] += 1.0
        if state[COUNT] >= DECIMATION:
            _listen(state, past, correlation, energy, state[SUM] / DECIMATION, forget)
            state[SUM] = 0.0
            state[COUNT] = 0.0
            state[SEARCH] += 1.0
            if state[SEARCH] >= SEARCH_EVERY:
                state[SEARCH] = 0.0
                _search(state, correlation, energy, clarity)
                _ponder(state, SEARCH_EVERY * DECIMATION / sample_rate)
                if state[FOUND] > 0.0 and state[CLARITY] > 0.5:
                    state[PERIOD] = state[FOUND] * DECIMATION
                    pitch = sample_rate / min(max(state[PERIOD], shortest), longest)
                    highpass = 1.0 - np.exp(-turn * min(max(0.4 * pitch, 40.0), 800.0))
                    lowpass = 1.0 - np.exp(-turn * min(max(1.1 * pitch, 100.0), 3000.0))
        state[HIGHPASS] += highpass * (sample - state[HIGHPASS])
        state[LOWPASS_1] += lowpass * (sample - state[HIGHPASS] - state[LOWPASS_1])
        state[LOWPASS_2] += lowpass * (state[LOWPASS_1] - state[LOWPASS_2])
        y = state[LOWPASS_2]
        state[POWER] += level * (sample * sample - state[POWER])
        state[PEAK_LOW] = max(-y, state[PEAK_LOW] * decay)
        state[SINCE] += 1.0
        if y < -0.25 * state[PEAK_LOW] and state[SINCE] > 0.4 * state[PERIOD]:
            state[ARMED] = 1.0
        before = state[PREVIOUS]
        since = -1.0  # samples since a pulse that begins now
        if state[ARMED] > 0.0 and y >= 0.0 and before < 0.0 and state[PEAK_LOW] > 1e-7:
            late = y / (y - before)
            state[ARMED] = 0.0
            interval = state[SINCE] - late
            state[SINCE] = late
            known = state[PERIOD] > 0.0 and state[CLARITY] > 0.3
            if known and interval > 0.6 * state[PERIOD] and _steer(state, late, PATIENCE * sample_rate):
                since = late
        if state[SINCE] > 2.5 * state[PERIOD]:
            state[SPEED] = 0.0
        if state[SPEED] > 0.0 and since < 0.0:
            step = state[SPEED] + state[NUDGE]
            state[PHASE] += step
            if state[PHASE] >= 1.0:
                state[PHASE] -= 1.0
                since = state[PHASE] / step
        if since >= 0.0:
            if state[FIRED] < MOST_FIRED:
                told = FIRED_LIST + 3 * int(state[FIRED])
                state[told + AT], state[told + PERIOD_NOW] = n - since, 1.0 / state[SPEED]
                state[told + GATE_NOW] = state[GATE]
                state[FIRED] += 1.0
            height = np.sqrt(min(max(1.0 / state[SPEED], shortest), longest))
            place = (1.0 - since) * PULSE_PHASES
            row = min(int(place), PULSE_PHASES - 1)
            part = place - row
            for t in range(PULSE_TAPS):
                queue[(now + t) % PULSE_TAPS] += height * (table[row, t] + part * (table[row + 1, t] - table[row, t]))
        state[PREVIOUS] = y
        agreed = min(max((ASTRAY - state[ERROR]) / (ASTRAY - UNSURE), 0.0), 1.0)
        state[GATE] += glide * (pitched(state) * agreed * single(state) - state[GATE])
        pulses[n] = np.float32(queue[now] * np.sqrt(state[POWER]) * state[GATE])
        queue[now] = 0.0
        now = (now + 1) % PULSE_TAPS
    state[PLAYED] = now
    cues[LOG_PERIOD] = np.float32(np.log2(max(state[PERIOD], shortest) * 1000.0 / sample_rate) / 5.0)
    cues[STEADINESS] = np.float32(min(max(state[CLARITY], 0.0), 1.0))
