"""Tone: peaking filters half an octave apart, for the balance of low and high that a style has and the networks miss.

    H(z) = (1 + a A - 2 c z^-1 + (1 - a A) z^-2) / (1 + a / A - 2 c z^-1 + (1 - a / A) z^-2)
    A = 10^(gain / 40)        c = cos(w)        a = sin(w) / (2 Q)        w = 2 pi centre / rate

one behind the other, of least phase, so that they delay nothing. With gains of 0 dB they change no bit.

Sources: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", peaking EQ; the fit: D. Marquardt,
"An algorithm for least-squares estimation of nonlinear parameters", SIAM J. Appl. Math. 11, 1963.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel
from rtstyle.params import TONE_BANDS

BANDS: Final = TONE_BANDS
CENTRES_HZ: Final = tuple(125.0 * 2 ** (band / 2) for band in range(BANDS))
Q: Final = 2.0
HIGHEST: Final = 0.4  # of the sample rate: filters above it stay flat
N_FFT: Final = 4096
AUDIBLE: Final = 1e-4  # of the loudest frame's power, 40 dB below
LEAST: Final = 1e-7  # share of the power that counts in a band: what is below is as good as none
SWEEPS: Final = 40  # of the fit
# dB^2 of error that 1 dB of gain has to be worth, so that neighbours do not work against each other.
STIFFNESS: Final = 0.02
MOST_DB: Final = 24.0  # of a fitted gain

# Columns of the coefficients, float64[BANDS, 5].
B0, B1, B2, A1, A2 = range(5)
# Where the state, float64[SIZE], has the coefficients that are wanted, those in force, the past, and whether any is in force.
WANTED, FORCE, PAST, RUNNING = 0, 5 * BANDS, 10 * BANDS, 12 * BANDS
SIZE: Final = 12 * BANDS + 1

_CENTRES: Final = np.array(CENTRES_HZ)


def new_state() -> NDArray[np.float64]:
    """Filters at rest, float64[SIZE]. `[control]`"""
    return np.zeros(SIZE)


@kernel
def tune(state: Any, gains: Any, sample_rate: float) -> None:
    """Want the coefficients of gains in dB, float32[BANDS], of which those that are no numbers count as 0. `[audio]`

    state: float64[SIZE].
    """
    for band in range(BANDS):
        gain = np.float64(gains[band])
        if not np.isfinite(gain) or _CENTRES[band] > HIGHEST * sample_rate:
            gain = np.float64(0.0)
        turn = 2.0 * np.pi * min(_CENTRES[band] / sample_rate, HIGHEST)
        slope = np.sin(turn) / (2.0 * Q)
        root = 10.0 ** (gain / 40.0)
        whole = 1.0 + slope / root
        row = WANTED + 5 * band
        state[row + B0] = (1.0 + slope * root) / whole
        state[row + B1] = -2.0 * np.cos(turn) / whole
        state[row + B2] = (1.0 - slope * root) / whole
        state[row + A1] = -2.0 * np.cos(turn) / whole
        state[row + A2] = (1.0 - slope / root) / whole


@kernel
def colour(state: Any, y: Any, glide: int) -> None:
    """Filter y, float32, in place. `[audio]` Latency 0.

    state: float64[SIZE], tuned. glide: samples in which coefficients move on to what they were tuned to since the last call,
    so that no step is heard; after a reset they are there at once.
    """
    for band in range(BANDS):
        wanted = state[WANTED + 5 * band : WANTED + 5 * band + 5]
        force = state[FORCE + 5 * band : FORCE + 5 * band + 5]
        past = state[PAST + 2 * band : PAST + 2 * band + 2]
        ramp = min(glide, y.size) if state[RUNNING] > 0.0 else 0
        b0, b1, b2, a1, a2 = force if ramp > 0 else wanted
        first, second = past[0], past[1]
        for n in range(y.size):
            if n < ramp:
                share = (n + 1.0) / ramp
                b0 = force[B0] + share * (wanted[B0] - force[B0])
                b1 = force[B1] + share * (wanted[B1] - force[B1])
                b2 = force[B2] + share * (wanted[B2] - force[B2])
                a1 = force[A1] + share * (wanted[A1] - force[A1])
                a2 = force[A2] + share * (wanted[A2] - force[A2])
            x = np.float64(y[n])
            out = b0 * x + first
            first = b1 * x - a1 * out + second
            second = b2 * x - a2 * out
            y[n] = np.float32(out)
        past[0], past[1] = first, second
        for column in range(5):
            force[column] = wanted[column]
    state[RUNNING] = 1.0


@kernel
def reset(state: Any) -> None:
    """Forget the past; what it is tuned to stays. `[audio]`"""
    for n in range(PAST, SIZE):
        state[n] = 0.0


def response_db(
    gains: NDArray[np.float64], sample_rate: float, frequencies: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gain of all filters together in dB at frequencies in Hz. `[control]` gains: dB, float (BANDS,)."""
    state = new_state()
    tune(state, np.asarray(gains, np.float32), float(sample_rate))
    delay = np.exp(-2j * np.pi * np.asarray(frequencies) / sample_rate)
    total = np.zeros(delay.shape)
    for b0, b1, b2, a1, a2 in state[WANTED:FORCE].reshape(BANDS, 5):
        total += 20.0 * np.log10(np.abs((b0 + (b1 + b2 * delay) * delay) / (1.0 + (a1 + a2 * delay) * delay)))
    return total


def fit(power: NDArray[np.float64], change: NDArray[np.float64], sample_rate: float) -> NDArray[np.float64]:
    """Gains in dB with which the bands of a sound change by `change` dB, as far as they can, float (BANDS,) each. `[control]`

    power: of the sound, from `mean_power`. Where a spectrum is steep, its own slope and the filters' are both felt, so that what
    counts is the power in the whole band. Bands that a sample rate has not get 0.
    """
    there = HIGHEST * sample_rate >= _CENTRES
    frequencies = np.arange(power.size) * sample_rate / N_FFT
    power, band = power + 1e-30, _band(power.size, sample_rate)
    single = np.stack([response_db(step, sample_rate, frequencies) for step in np.eye(BANDS)[there]])  # 1 dB of each
    before = _in_bands(power, band)[there]

    def play(gains: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """The power behind the filters, what is still lacking in dB, and the cost of that."""
        now = power * 10.0 ** (0.1 * response_db(gains, sample_rate, frequencies))
        lacking = change[there] - 10.0 * np.log10(_in_bands(now, band)[there] / before)
        return now, lacking, float(np.sum(lacking**2) + STIFFNESS * np.sum(gains**2))

    gains, damping = np.zeros(BANDS), 0.1
    now, lacking, cost = play(gains)
    for _ in range(SWEEPS):
        slopes = np.stack([_in_bands(now * row, band) for row in single], axis=1)[there]
        slopes /= _in_bands(now, band)[there, None]
        step = np.zeros(BANDS)
        step[there] = np.linalg.solve(
            slopes.T @ slopes + (STIFFNESS + damping) * np.eye(len(slopes)),
            slopes.T @ lacking - STIFFNESS * gains[there],
        )
        tried = np.clip(gains + step, -MOST_DB, MOST_DB)
        found = play(tried)
        if found[2] < cost:
            gains, (now, lacking, cost), damping = tried, found, 0.3 * damping
        else:
            damping = 4.0 * damping + 1e-3
    return gains


def mean_power(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Power over frequency, float (N_FFT // 2 + 1,), averaged over the audible frames of a mono sound. `[control]`"""
    padded = np.pad(audio, (0, max(0, N_FFT - audio.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[:: N_FFT // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT))) ** 2
    whole = power.sum(axis=1)
    return np.asarray(power[whole >= AUDIBLE * whole.max()].mean(axis=0))


def balance(power: NDArray[np.float64], sample_rate: float) -> NDArray[np.float64]:
    """What lies in the bands around the centres, in dB of all, float (BANDS,); of silence, every band the least. `[control]`

    power: from `mean_power`.
    """
    share = _in_bands(power, _band(power.size, sample_rate)) / max(power.sum(), 1e-20)
    return np.asarray(10.0 * np.log10(share + LEAST))


def _band(bins: int, sample_rate: float) -> NDArray[np.int64]:
    """The band of every bin, from 1 on; 0 below all and BANDS + 1 above."""
    octaves = np.log2(np.maximum(np.arange(bins) * sample_rate / N_FFT, 1.0) / CENTRES_HZ[0])
    return np.clip(np.round(2.0 * octaves), -1, BANDS).astype(np.int64) + 1


def _in_bands(power: NDArray[np.float64], band: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of the bins of every band, (BANDS,)."""
    return np.asarray(np.bincount(band, power, BANDS + 2)[1:-1])
