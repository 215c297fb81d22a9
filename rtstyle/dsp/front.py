"""The ends of the spectral model that are not a network: hop of samples -> features, band gains -> hop of spectrum.

Per hop, in the lab and on the stage:

    x ----------> STFT -> X --+--> band shares -> `features` (with cues) -> the networks -> `gains` (3 x B)
      \\-> pulses -> STFT -> E  |                                                            |
            noise -> STFT -> N  +------------------------> Y = gx X + ge E + gn N  <---------+

The features are relative to the level of their own frame, so the networks see timbre, not gain; the level is one more cue.
The noise has the level of the frame, and the pulses that of the input, so silence in is silence out.

The gains of input and pulses act as minimum-phase filters, and all of them glide, by two one-pole filters: the power between
two partials beats with their phase, and gains that followed it would put lines between the partials. With chords and drums they
glide slowly: gains even out what is heard, and would take back each note that begins while others ring.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import stft
from rtstyle.dsp.elementary import natural_log
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.minphase import minimum_phase

SOURCES: Final = 3  # input, pulses, noise: the order of the gains
ROWS: Final = SOURCES + 1  # of a latent model's input: the sources, then the pitch
CUES: Final = 3  # after the bands: log period, steadiness (see `excitation`), level
WANDERERS: Final = 24  # after the cues: random walks of power one, a third each at these time constants
WANDER_SECONDS: Final = (0.004, 0.02, 0.08)
GLIDE_SECONDS: Final = 0.005  # time constant of the gains, twice: 21 dB less of what moves at 100 Hz
MANY_GLIDE_SECONDS: Final = 0.1  # the same for chords and drums
REST: Final = 0.01  # of the loudest power of late, 20 dB below: a rest
LATE_SECONDS: Final = 0.5  # in which that is forgotten
SILENT_POWER: Final = 1e-9  # mean square: -90 dBFS, always a rest
CLOSED: Final = 1e-6  # linear gain that counts as none: -120 dB
CLOSED_LOG: Final = -13.815511  # its logarithm
OPEN_LOG: Final = CLOSED_LOG + 1.0  # a source is heard while any of its gains is above
ACTIVE_POWER: Final = 1e-6  # mean square above which a frame counts as playing: -60 dBFS


def feature_width(bands: int) -> int:
    """Width F of the feature vector of `bands` described bands. `[any]`"""
    return bands + CUES + WANDERERS


def glide_share(hop: int, sample_rate: float, seconds: float) -> float:
    """Share of the way to new gains that is gone in a hop, at a time constant in seconds. `[control]`"""
    return float(1.0 - np.exp(-hop / (seconds * sample_rate)))


def rest_fade(hop: int, sample_rate: float) -> float:
    """By which the loudest power of late is less after a hop, see `rests`. `[control]`"""
    return float(np.exp(-hop / (LATE_SECONDS * sample_rate)))


@kernel
def rests(loudest: Any, power: Any, fade: Any) -> Any:
    """Whether a hop is a rest, in which gains stay as they are: else the next note would begin with those of a rest. `[audio]`

    loudest: float64[1], 0 at reset: the power of late, which does not fade below that of which ACTIVE_POWER is a rest. power:
    of the hop, see `frame_power`. fade: see `rest_fade`.
    """
    least = min(loudest[0], ACTIVE_POWER / REST)
    loudest[0] = max(power, loudest[0] * fade, least)
    return power < max(REST * loudest[0], SILENT_POWER)


def wander_speeds(hop: int, sample_rate: float) -> NDArray[np.float32]:
    """Share of the way that each wanderer goes in a hop, float32[WANDERERS]. `[control]`"""
    seconds = np.repeat(WANDER_SECONDS, WANDERERS // len(WANDER_SECONDS))
    return (1.0 - np.exp(-hop / (seconds * sample_rate))).astype(np.float32)


@kernel
def frame_power(spectrum: Any, window_power: Any) -> Any:
    """Mean square of the windowed frame behind `spectrum` (complex64[N / 2 + 1]); window_power = sum(window ** 2). `[audio]`"""
    total = 0.0
    for k in range(spectrum.size):
        total += spectrum[k].real * spectrum[k].real + spectrum[k].imag * spectrum[k].imag
    return 2.0 * total / (2.0 * (spectrum.size - 1) * window_power)


@kernel
def describe(shares: Any, power: Any, cues: Any, wanderers: Any, features: Any) -> None:
    """Write the feature vector of one frame. `[audio]`

    shares: float32[D] from `description.band_shares`. power: from `listen`. cues: float32[2] from `excitation.excite`.
    wanderers: float32[WANDERERS] from `wander`. features: float32[F], overwritten: per band 1 + ln(share) / 8, then log
    period, steadiness and 1 + log10(power) / 5, then the wanderers, all within about -1..1.
    """
    count = shares.size
    natural_log(shares, features[:count])
    for b in range(count):
        features[b] = np.float32(1.0) + np.float32(0.125) * features[b]
    features[count] = cues[0]
    features[count + 1] = cues[1]
    features[count + 2] = np.float32(1.0 + 0.2 * np.log10(power + 1e-10))
    for i in range(WANDERERS):
        features[count + CUES + i] = np.float32(0.3) * wanderers[i]


@kernel
def white(seed: Any, noise: Any) -> None:
    """Fill `noise`, float32[any], with white noise of mean square one, uniform. `[audio]`

    seed: uint64[1], the generator's state, never 0 (xorshift64*: S. Vigna, ACM TOMS 42, 2016).
    """
    state = seed[0]
    scale = np.float32(np.sqrt(3.0) / 2147483648.0)
    for n in range(noise.size):
        state ^= state >> np.uint64(12)
        state ^= state << np.uint64(25)
        state ^= state >> np.uint64(27)
        bits = state * np.uint64(2685821657736338717)
        noise[n] = np.float32(np.int32(bits >> np.uint64(32))) * scale
    seed[0] = state


@kernel
def wander(seed: Any, speeds: Any, draws: Any, wanderers: Any) -> None:
    """Move the wanderers by one hop. `[audio]`

    No instrument holds a partial still, and a network that only knows what was played could only repeat its flutter: what
    the target adds of its own it makes of these. seed: see `white`. speeds: from `wander_speeds`. draws: float32[WANDERERS],
    scratch. wanderers: float32[WANDERERS], zeros at reset.
    """
    white(seed, draws)
    for i in range(WANDERERS):
        step = np.sqrt((np.float32(2.0) - speeds[i]) / speeds[i])  # so that their mean square becomes one
        wanderers[i] += speeds[i] * (step * draws[i] - wanderers[i])


@kernel
def listen(
    x: Any,
    pulses: Any,
    noisy: Any,
    noise_hop: Any,
    seed: Any,
    histories: Any,
    analysis: Any,
    window_power: Any,
    rise: Any,
    frame: Any,
    seen: Any,
    spectra: Any,
    axis: Any,
) -> Any:
    """Take in one hop and transform all three sources. `[audio]` Returns the frame's power, see `frame_power`.

    x, pulses: float32[H]. noisy: level of the noise, see `excitation.noise_level`. noise_hop: float32[H], scratch. seed: see
    `white`. histories: float32[3, N], zeros at reset. analysis: float32[N], the window of the features; window_power: the sum
    of its squares. rise: float32[N], from `stft.filter_windows`. frame: float32[N], scratch. seen: complex64[bins],
    overwritten with the spectrum that `description.band_shares` takes. spectra: complex64[3, bins], overwritten with those
    that `mix_sources` takes. axis: int64[1] of 0.
    """
    stft.analyse(histories[0], x, analysis, frame, seen, axis)
    power = frame_power(seen, window_power)
    stft.transform(histories[0], rise, frame, spectra[0], axis)
    stft.analyse(histories[1], pulses, rise, frame, spectra[1], axis)
    white(seed, noise_hop)
    stft.analyse(histories[2], noise_hop, rise, frame, spectra[2], axis)
    level = np.float32(noisy * np.sqrt(power))
    for k in range(spectra.shape[1]):
        spectra[2, k] *= level
    return power


@kernel
def reset_glide(glide: Any) -> None:
    """Gains as at amount 0: the input open, the others closed. glide: float32[2, 3, B]. `[audio]`"""
    for pole in range(2):
        for source in range(SOURCES):
            for b in range(glide.shape[2]):
                glide[pole, source, b] = np.float32(0.0 if source == 0 else CLOSED_LOG)


@kernel
def mix_sources(
    gains: Any,
    share: Any,
    glide: Any,
    spectra: Any,
    lower: Any,
    weight: Any,
    turn: Any,
    wanted: Any,
    polar: Any,
    response: Any,
    mixed: Any,
) -> None:
    """Y = gx X + ge E + gn N. `[audio]`

    gains: float32[3 B], linear; overwritten. share: of the new gains in one hop, from `glide_share`. glide: float32[2, 3, B],
    logarithms of gains, on their way and in force, see `reset_glide`. spectra: complex64[3, bins], from `listen`. lower,
    weight: from `bands.band_layout`. turn: float32[B, bins], from `minphase.phase_per_gain`. wanted: float32[3 B], polar:
    float32[2, 2, bins] and response: complex64[2, bins], scratch. mixed: complex64[bins], overwritten.
    """
    count, way, force = glide.shape[2], glide[0], glide[1]
    for b in range(gains.size):
        gains[b] = max(gains[b], np.float32(CLOSED))
    natural_log(gains, wanted)
    for source in range(SOURCES):
        for b in range(count):
            way[source, b] += np.float32(share) * (wanted[source * count + b] - way[source, b])
            force[source, b] += np.float32(share) * (way[source, b] - force[source, b])
    minimum_phase(force[:2], lower, weight, turn, polar, response)
    of_input, of_pulses, of_noise = np.float32(0.0), np.float32(0.0), np.float32(0.0)  # closed is silent, not very low
    for b in range(count):
        wanted[b] = np.exp(force[2, b])
        of_input = max(of_input, np.float32(force[0, b] > OPEN_LOG))
        of_pulses = max(of_pulses, np.float32(force[1, b] > OPEN_LOG))
        of_noise = max(of_noise, np.float32(force[2, b] > OPEN_LOG))
    level = polar[0, 0]
    for k in range(level.size):
        b = lower[k]
        level[k] = wanted[b] + weight[k] * (wanted[b + 1] - wanted[b])
        level[k] *= of_noise
    first, second, noise = response[0], response[1], spectra[2]
    for k in range(mixed.size):  # the phase of noise is as good as any
        played = of_input * first[k] * spectra[0, k] + of_pulses * second[k] * spectra[1, k]
        mixed[k] = played + level[k] * noise[k]


@kernel
def stack_sources(x: Any, pulses: Any, log_period: Any, level_before: Any, level: Any, seed: Any, audio: Any) -> None:
    """Write the input rows of a latent model for one hop: input, pulses, noise, and pitch. `[audio]`

    x, pulses: float32[hop]. log_period: see `excitation.LOG_PERIOD`; the same for all samples of the row. level_before, level:
    of the noise (root mean square) at the hop's start and end, between which it is ramped. seed: uint64[1], see
    `white`. audio: float32[ROWS, hop], overwritten; with SOURCES rows the pitch is left out.
    """
    hop = x.size
    white(seed, audio[2])
    for n in range(hop):
        audio[0, n] = x[n]
        audio[1, n] = pulses[n]
        audio[2, n] *= np.float32(level_before + (level - level_before) * (n + 1) / hop)
    for row in range(SOURCES, audio.shape[0]):
        for n in range(hop):
            audio[row, n] = log_period
