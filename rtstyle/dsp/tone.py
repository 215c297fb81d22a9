"""Tone: peaking filters an octave apart, for the balance of low and high that a style has and the networks miss.

    H(z) = (1 + a A - 2 c z^-1 + (1 - a A) z^-2) / (1 + a / A - 2 c z^-1 + (1 - a / A) z^-2)
    A = 10^(gain / 40)        c = cos(w)        a = sin(w) / (2 Q)        w = 2 pi centre / rate

one behind the other, of least phase, so that they delay nothing. With gains of 0 dB they change no bit.

Source: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients", peaking EQ.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel
from rtstyle.params import TONE_BANDS

BANDS: Final = TONE_BANDS
CENTRES_HZ: Final = tuple(125.0 * 2**octave for octave in range(BANDS))
Q: Final = 1.0
HIGHEST: Final = 0.4  # of the sample rate: filters above it stay flat
N_FFT: Final = 4096
AUDIBLE: Final = 1e-4  # of the loudest frame's power, 40 dB below
LEAST: Final = 1e-7  # share of the power that counts in a band: what is below is as good as none
SWEEPS: Final = 8  # of Newton's method; the response in dB is nearly linear in the gains

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


def fit(levels: NDArray[np.float64], sample_rate: float) -> NDArray[np.float64]:
    """Gains in dB with which the response has `levels` dB at the centres, float (BANDS,) each. `[control]`

    Bands that a sample rate has not get 0.
    """
    there = HIGHEST * sample_rate >= _CENTRES
    centres, gains = _CENTRES[there], np.zeros(BANDS)
    steps = np.eye(BANDS)[there]
    slopes = np.linalg.inv(np.stack([response_db(step, sample_rate, centres) for step in steps], axis=1))
    for _ in range(SWEEPS):
        gains[there] += slopes @ (levels[there] - response_db(gains, sample_rate, centres))
    return gains


def balance(audio: NDArray[np.float32], sample_rate: float) -> NDArray[np.float64]:
    """Power in the octaves around the centres, in dB of all of it, float (BANDS,), averaged over audible frames. `[control]`

    audio: mono. Nothing but silence: every band at the least.
    """
    padded = np.pad(audio, (0, max(0, N_FFT - audio.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[:: N_FFT // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(N_FFT))) ** 2
    whole = power.sum(axis=1)
    mean = power[whole >= AUDIBLE * whole.max()].mean(axis=0)
    octaves = np.log2(np.maximum(np.arange(mean.size) * sample_rate / N_FFT, 1.0) / CENTRES_HZ[0])
    bands = np.bincount(np.clip(np.round(octaves), -1, BANDS).astype(int) + 1, mean, BANDS + 2)[1:-1]
    return np.asarray(10.0 * np.log10(bands / max(mean.sum(), 1e-20) + LEAST))
