"""A harmonic excitation locked to the input: one band-limited pulse per period.

A mask can only scale partials that the input has; a flute has few. This kernel makes the missing ones. The autocorrelation says
how long a period is (`dsp/period.py`); the input is filtered down to about its fundamental, and brought to the frequency of a
phase-locked loop, where it says how far this is off; the loop sets one band-limited pulse per turn, between samples. Networks
add pulses to the input as these lay in training, where the fundamental rises through zero: there the loop begins, there it is
held. A crossing alone says little of that: its jitter would be noise between the partials, louder the higher they are, and where
the second partial is louder there are two to a period.

- The pulse's height makes the power of the train one, then the input's short-time level scales it: silence in, silence out.
- Where the period is not clear (drums, noise) or the fundamental does not agree with it (chords) the train fades out.
- Even chords have moments with a clear period, and pulses there are notes that nobody played. So it is asked how much of what
  was heard lately was clear: of lines nearly all, of a guitar's, harp's or piano's chords and of drums a third or less. With
  those the train stays closed, and the noise that a style may add is low (`single`, `noise_level`). What lies between, such
  as a cello's double stops, goes on as it was taken last: sound that came and went would be heard more than either. What
  was heard while all was softer counts for less: breath before the first note is no chord.

Sources: source-filter model (G. Fant, 1960); phase-locked loop: F. M. Gardner, "Phaselock Techniques", 3rd ed. 2005, chapter
2, here of first order, as its frequency is known; band-limited pulse: T. Stilson, J. Smith, "Alias-free digital synthesis of
classic analog waveforms", ICMC 1996.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel
from rtstyle.dsp.period import DECIMATION, LAGS, SEARCH_EVERY, find, listen

PULSE_TAPS: Final = 32  # length of one pulse; it is centred PULSE_TAPS / 2 samples after the turn
PULSE_PHASES: Final = 64  # sub-sample positions in the table
LATENCY: Final = PULSE_TAPS // 2

PULL: Final = 0.2  # share of a phase error that the loop makes up for within a turn
AIM: Final = 0.5  # share by which the loop's frequency nears that of the autocorrelation in each turn
SMOOTHED: Final = 0.3  # turns over which the phase is averaged, twice
LOST: Final = 0.25  # phase error, in turns, at which the fundamental has come to another place
PATIENCE: Final = 0.06  # seconds for which it may; then the loop goes there
TRIAL: Final = 3.0  # turns for which it may at first
DETUNED: Final = 0.12  # share by which the loop is off the period's frequency where it begins anew
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
    ASIDE,  # samples for which the fundamental has been at another place
    IN_PHASE_1,
    QUADRATURE_1,
    IN_PHASE_2,
    QUADRATURE_2,
) = range(32)
STATE_SIZE: Final = 32
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
def _begin(state: Any, late: Any, patience: Any) -> None:
    """Begin the loop anew, with a turn at a crossing `late` samples ago."""
    state[SPEED] = 1.0 / state[PERIOD]
    state[PHASE] = late * state[SPEED]
    state[ASIDE] = max(patience - TRIAL * state[PERIOD], 0.0)
    _forget_phase(state)


@kernel
def _forget_phase(state: Any) -> None:
    state[NUDGE] = 0.0
    for slot in range(IN_PHASE_1, QUADRATURE_2 + 1):
        state[slot] = 0.0


@kernel
def _heterodyne(state: Any, y: Any) -> None:
    """Bring one sample of the fundamental to the loop's own frequency: what is left turns by as much as that is off."""
    angle = 2.0 * np.pi * state[PHASE]
    share = min(state[SPEED] / SMOOTHED, 1.0)
    state[IN_PHASE_1] += share * (y * np.sin(angle) - state[IN_PHASE_1])
    state[QUADRATURE_1] += share * (y * np.cos(angle) - state[QUADRATURE_1])
    state[IN_PHASE_2] += share * (state[IN_PHASE_1] - state[IN_PHASE_2])
    state[QUADRATURE_2] += share * (state[QUADRATURE_1] - state[QUADRATURE_2])


@kernel
def _steer(state: Any, patience: Any) -> None:
    """Once a turn, bring the loop nearer to the period of the autocorrelation, and to the fundamental.

    patience: samples for which the fundamental may lie at another place in the turn; then the loop goes there.
    """
    error = -np.arctan2(state[QUADRATURE_2], state[IN_PHASE_2]) / (2.0 * np.pi)
    state[ERROR] += 0.2 * (min(abs(error), LOST) - state[ERROR])
    if abs(state[SPEED] * state[PERIOD] - 1.0) < DETUNED:
        state[SPEED] += AIM * (1.0 / state[PERIOD] - state[SPEED])
    state[NUDGE] = -PULL * error * state[SPEED]
    state[ASIDE] = state[ASIDE] + state[PERIOD] if abs(error) > LOST else 0.0
    if state[ASIDE] > patience:
        state[PHASE] -= error
        state[ASIDE] = 0.0
        _forget_phase(state)


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
    """How far the input has a pitch, 0..1, whatever the loop says. `[audio]` state: after `excite`."""
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
            sample_low = state[SUM] / DECIMATION
            state[WHERE] = listen(past, int(state[WHERE]), correlation, energy, sample_low, forget)
            state[SUM] = 0.0
            state[COUNT] = 0.0
            state[SEARCH] += 1.0
            if state[SEARCH] >= SEARCH_EVERY:
                state[SEARCH] = 0.0
                found, state[CLARITY] = find(correlation, energy, clarity, state[PERIOD] / DECIMATION)
                _ponder(state, SEARCH_EVERY * DECIMATION / sample_rate)
                if found > 0.0 and state[CLARITY] > 0.5:
                    state[PERIOD] = found * DECIMATION
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
            state[SINCE] = late
            running = state[SPEED] > 0.0
            known = state[PERIOD] > 0.0 and state[CLARITY] > 0.3
            if known and not (running and abs(state[SPEED] * state[PERIOD] - 1.0) < DETUNED):
                if not running:
                    state[ERROR] = UNSURE
                if not running or state[PHASE] > 0.5:
                    since = late
                _begin(state, late, PATIENCE * sample_rate)
        if state[SINCE] > 2.5 * state[PERIOD]:
            state[SPEED] = 0.0
        if state[SPEED] > 0.0:
            if since < 0.0:
                step = state[SPEED] + state[NUDGE]
                state[PHASE] += step
                if state[PHASE] >= 1.0:
                    state[PHASE] -= 1.0
                    since = state[PHASE] / step
                    _steer(state, PATIENCE * sample_rate)
            _heterodyne(state, y)
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
