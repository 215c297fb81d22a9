"""The host's side of a spectral model: hops -> features, then gains -> hops (see `dsp.front`)."""

from typing import Any

import numpy as np
from numba import carray

from rtstyle.bundle.content import Bundle
from rtstyle.dsp import bands, description, excitation, front, stft
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.minphase import phase_per_gain
from rtstyle.dsp.pointers import complex64_at, float32_at, float64_at, int64_at, uint64_at
from rtstyle.errors import BundleError
from rtstyle.runtime import layout as at
from rtstyle.runtime.entry import enter_hop
from rtstyle.runtime.memory import Memory


def prepare_spectral(memory: Memory, bundle: Bundle, hops: int) -> None:
    """Allocate the arrays of a spectral model of at most `hops` hops a call. `[control]` Raises BundleError."""
    end = bundle.frontend
    described = description.layout(end.analysis, end.n_fft, bundle.sample_rate, end.bands)
    count = described.centres.size
    width = front.feature_width(count)
    if end.features != width or end.sources != front.SOURCES:
        raise BundleError(
            f"{bundle.path}: frontend.features = {end.features} and sources = {end.sources}, this version of rtstyle "
            f"makes {width} features of {count} bands ({end.analysis}) and {front.SOURCES} sources; update rtstyle or "
            "export the bundle again."
        )
    if bundle.hop % (step := description.hop_step(end.analysis)):
        raise BundleError(
            f"{bundle.path}: hop = {bundle.hop} does not fit frontend.analysis = {end.analysis}, which needs a multiple of "
            f"{step}; export the bundle again."
        )
    analysis = stft.describing_window(end.n_fft, bundle.hop)
    rise, synthesis = stft.filter_windows(end.n_fft, bundle.hop)
    lower, weight = bands.band_layout(end.n_fft, bundle.sample_rate, end.bands)
    bins = end.n_fft // 2 + 1
    memory.numbers({at.FEATURES: width, at.BANDS: end.bands, at.N_FFT: end.n_fft, at.SYNTHESIS_SIZE: synthesis.size})
    kept = ((at.LOWER, lower), (at.WEIGHT, weight), (at.ANALYSIS, analysis), (at.RISE, rise), (at.SYNTHESIS, synthesis))
    for slot, array in kept:
        memory.keep(slot, array)
    memory.numbers({at.DESCRIBED: count, at.DEPTH: described.levels, at.SPAN: described.weights.shape[1]})
    memory.keep(at.PLACE, described.place)
    memory.keep(at.WEIGHTS, described.weights)
    memory.zeros(at.PAST, (described.levels, description.ROWS, end.n_fft), np.float32)
    memory.zeros(at.SHARES, (count,), np.float32)
    memory.keep(at.WINDOW_POWER, np.square(analysis, dtype=np.float64).sum(keepdims=True))
    shares = [
        front.glide_share(bundle.hop, bundle.sample_rate, pace)
        for pace in (front.GLIDE_SECONDS, front.MANY_GLIDE_SECONDS)
    ]
    memory.keep(at.PACES, np.array([*shares, front.rest_fade(bundle.hop, bundle.sample_rate)]))
    memory.zeros(at.RESTS, (hops,), np.int64)
    memory.zeros(at.LOUDEST, (1,), np.float64)
    memory.zeros(at.HISTORIES, (front.SOURCES, end.n_fft), np.float32)
    memory.zeros(at.FRAME, (end.n_fft,), np.float32)
    memory.zeros(at.TAIL, (synthesis.size,), np.float32)
    memory.zeros(at.AXIS, (1,), np.int64)
    memory.zeros(at.NOISE_HOP, (bundle.hop,), np.float32)
    memory.keep(at.SPEEDS, front.wander_speeds(bundle.hop, bundle.sample_rate))
    for slot in (at.WANDERERS, at.DRAWS):
        memory.zeros(slot, (front.WANDERERS,), np.float32)
    memory.zeros(at.GLIDE, (2, front.SOURCES, end.bands), np.float32)
    memory.zeros(at.SPECTRA, (hops, front.SOURCES, bins), np.complex64)
    memory.keep(at.TURN, phase_per_gain(bands.band_spread(lower, weight, end.bands)))
    memory.zeros(at.POLAR, (2, 2, bins), np.float32)
    memory.zeros(at.RESPONSE, (2, bins), np.complex64)
    memory.zeros(at.WANTED, (front.SOURCES * end.bands,), np.float32)
    for slot in (at.MIXED, at.SEEN):
        memory.zeros(slot, (bins,), np.complex64)


@kernel
def analyse_hops(table: Any, x: Any, hops: int) -> None:
    """Write the features and the spectra of `hops` hops of x, float32[hops * H]. `[audio]` table: see `layout`."""
    hop, n_fft, width = table[at.HOP], table[at.N_FFT], table[at.FEATURES]
    bins = n_fft // 2 + 1
    clean = carray(float32_at(table[at.CLEAN]), (hop,))
    pulses = carray(float32_at(table[at.PULSES]), (hop,))
    cues = carray(float32_at(table[at.CUES]), (2,))
    state = carray(float64_at(table[at.EXCITATION]), (table[at.EXCITATION_SIZE],))
    seeds = carray(uint64_at(table[at.SEED]), (2,))
    speeds = carray(float32_at(table[at.SPEEDS]), (front.WANDERERS,))
    draws = carray(float32_at(table[at.DRAWS]), (front.WANDERERS,))
    wanderers = carray(float32_at(table[at.WANDERERS]), (front.WANDERERS,))
    histories = carray(float32_at(table[at.HISTORIES]), (front.SOURCES, n_fft))
    noise_hop = carray(float32_at(table[at.NOISE_HOP]), (hop,))
    frame = carray(float32_at(table[at.FRAME]), (n_fft,))
    analysis = carray(float32_at(table[at.ANALYSIS]), (n_fft,))
    rise = carray(float32_at(table[at.RISE]), (n_fft,))
    axis = carray(int64_at(table[at.AXIS]), (1,))
    past = carray(float32_at(table[at.PAST]), (table[at.DEPTH], description.ROWS, n_fft))
    place = carray(int64_at(table[at.PLACE]), (table[at.DESCRIBED], 3))
    weights = carray(float32_at(table[at.WEIGHTS]), (table[at.DESCRIBED], table[at.SPAN]))
    seen = carray(complex64_at(table[at.SEEN]), (bins,))
    spectra = carray(complex64_at(table[at.SPECTRA]), (hops, front.SOURCES, bins))
    features = carray(float32_at(table[at.ENTRY]), (hops, width))
    active = carray(int64_at(table[at.ACTIVE]), (hops,))
    shares = carray(float32_at(table[at.SHARES]), (table[at.DESCRIBED],))
    window_power = carray(float64_at(table[at.WINDOW_POWER]), (1,))[0]
    rests = carray(int64_at(table[at.RESTS]), (hops,))
    loudest = carray(float64_at(table[at.LOUDEST]), (1,))
    fade = carray(float64_at(table[at.PACES]), (3,))[2]
    for h in range(hops):
        enter_hop(table, h, x[h * hop : (h + 1) * hop], clean, pulses, cues, state)
        noisy = excitation.noise_level(state)
        power = front.listen(
            clean,
            pulses,
            noisy,
            noise_hop,
            seeds[:1],
            histories,
            analysis,
            window_power,
            rise,
            frame,
            seen,
            spectra[h],
            axis,
        )
        front.wander(seeds[1:], speeds, draws, wanderers)
        description.band_shares(clean, power, analysis, window_power, frame, seen, past, place, weights, shares, axis)
        front.describe(shares, power, cues, wanderers, features[h])
        active[h] = 1 if power > front.ACTIVE_POWER else 0
        rests[h] = 1 if front.rests(loudest, power, fade) else 0


@kernel
def synthesise_hops(table: Any, y: Any, hops: int) -> None:
    """Write `hops` hops of y, float32[hops * H], from the gains and the spectra of `analyse_hops`. `[audio]`"""
    hop, n_fft, length = table[at.HOP], table[at.N_FFT], table[at.SYNTHESIS_SIZE]
    bins = n_fft // 2 + 1
    frame = carray(float32_at(table[at.FRAME]), (n_fft,))
    window = carray(float32_at(table[at.SYNTHESIS]), (length,))
    tail = carray(float32_at(table[at.TAIL]), (length,))
    axis = carray(int64_at(table[at.AXIS]), (1,))
    lower = carray(int64_at(table[at.LOWER]), (bins,))
    weight = carray(float32_at(table[at.WEIGHT]), (bins,))
    glide = carray(float32_at(table[at.GLIDE]), (2, front.SOURCES, table[at.BANDS]))
    spectra = carray(complex64_at(table[at.SPECTRA]), (hops, front.SOURCES, bins))
    turn = carray(float32_at(table[at.TURN]), (table[at.BANDS], bins))
    wanted = carray(float32_at(table[at.WANTED]), (front.SOURCES * table[at.BANDS],))
    polar = carray(float32_at(table[at.POLAR]), (2, 2, bins))
    response = carray(complex64_at(table[at.RESPONSE]), (2, bins))
    mixed = carray(complex64_at(table[at.MIXED]), (bins,))
    gains = carray(float32_at(table[at.RESULT]), (hops, front.SOURCES * table[at.BANDS]))
    paces = carray(float64_at(table[at.PACES]), (3,))
    amount = carray(float32_at(table[at.AMOUNT]), (1,))[0]
    rests = carray(int64_at(table[at.RESTS]), (hops,))
    plurality = carray(float64_at(table[at.PLURALITIES]), (1 + hops,))
    for h in range(hops):
        share = paces[0] + plurality[h + 1] * (paces[1] - paces[0])
        if rests[h] != 0 and amount > 0.0:  # at 0 a pause, too, is the player's own
            share = 0.0
        front.mix_sources(gains[h], share, glide, spectra[h], lower, weight, turn, wanted, polar, response, mixed)
        stft.synthesise(mixed, window, frame, tail, y[h * hop : (h + 1) * hop], axis)


@kernel
def reset_spectral(table: Any) -> None:
    """Forget the past of the front end. `[audio]`"""
    histories = carray(float32_at(table[at.HISTORIES]), (front.SOURCES * table[at.N_FFT],))
    for i in range(histories.size):
        histories[i] = np.float32(0.0)
    past = carray(float32_at(table[at.PAST]), (table[at.DEPTH] * description.ROWS * table[at.N_FFT],))
    for i in range(past.size):
        past[i] = np.float32(0.0)
    tail = carray(float32_at(table[at.TAIL]), (table[at.SYNTHESIS_SIZE],))
    for i in range(tail.size):
        tail[i] = np.float32(0.0)
    wanderers = carray(float32_at(table[at.WANDERERS]), (front.WANDERERS,))
    for i in range(front.WANDERERS):
        wanderers[i] = np.float32(0.0)
    carray(float64_at(table[at.LOUDEST]), (1,))[0] = 0.0
    front.reset_glide(carray(float32_at(table[at.GLIDE]), (2, front.SOURCES, table[at.BANDS])))
