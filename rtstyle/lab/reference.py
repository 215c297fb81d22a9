"""What a network plays by torch alone, whole clip at once: the oracle that the streaming runtime is held to."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rtstyle.bundle import Adain, Bundle
from rtstyle.dsp import bands as erb
from rtstyle.dsp import comb, excitation, front, stft
from rtstyle.dsp.minphase import phase_per_gain
from rtstyle.lab.nets.latent import LatentNet
from rtstyle.lab.nets.spectral import SpectralShape
from rtstyle.lab.nets.streaming import Past, adapt
from rtstyle.lab.train.batches import Analyser
from rtstyle.lab.train.trainer import Net, encode
from rtstyle.runtime.layout import NOISE_SEED, WANDER_SEED
from rtstyle.runtime.model import load_model

Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]
BLOCKS = (64, 128, 256, 512, 1024, 2048)


def analyser_of(net: Net) -> Analyser:
    """The kernels in front of a network, as in training and on stage, with the stage's noise. `[control]`"""
    shape = net.shape
    if isinstance(net, LatentNet):
        made = Analyser("latent", shape.hop, shape.sample_rate)
    else:
        made = Analyser("spectral", shape.hop, shape.sample_rate, shape.n_fft, shape.bands, shape.analysis)
    made.seed[:] = NOISE_SEED, WANDER_SEED
    return made


@dataclass(frozen=True)
class Sources:
    """Input, pulses and noise as the stage filters them, hop by hop: spectra complex64 (T, 3, bins), rests bool (T,)."""

    spectra: NDArray[np.complex64]
    rests: NDArray[np.bool_]


def sources_of(analyser: Analyser, x: NDArray[np.float32], amount: float = 1.0) -> Sources:
    """What the stage filters of x, float32 of a multiple of the hop, at an amount. `[control]`"""
    n_fft, hop, rate = analyser.n_fft, analyser.hop, float(analyser.sample_rate)
    rise = stft.filter_windows(n_fft, hop)[0]
    state, teeth, cues = excitation.new_state(), comb.new_state(), np.zeros(excitation.CUES, np.float32)
    histories, frame = np.zeros((front.SOURCES, n_fft), np.float32), np.zeros(n_fft, np.float32)
    seen, axis = np.zeros(n_fft // 2 + 1, np.complex64), np.zeros(1, np.int64)
    spectra = np.zeros((x.size // hop, front.SOURCES, n_fft // 2 + 1), np.complex64)
    train, noise = np.zeros(hop, np.float32), np.zeros(hop, np.float32)
    window_power = float(np.sum(analyser.window.astype(np.float64) ** 2))
    rests, loudest, fade = np.zeros(spectra.shape[0], bool), np.zeros(1), front.rest_fade(hop, rate)
    for t in range(spectra.shape[0]):
        chunk = x[t * hop : (t + 1) * hop].copy()
        excitation.excite(state, analyser.table, rate, chunk, train, cues)
        comb.comb(teeth, state, amount, rate, chunk)
        heard = (chunk, train, excitation.noise_level(state), noise, analyser.seed[:1], histories)
        power = front.listen(*heard, analyser.window, window_power, rise, frame, seen, spectra[t], axis)
        rests[t] = front.rests(loudest, power, fade)
    return Sources(spectra, rests)


@torch.no_grad()
def render(
    net: Net,
    x: NDArray[np.float32],
    style: Statistics,
    neutral: Statistics,
    adain: Adain,
    amount: float = 1.0,
) -> NDArray[np.float32]:
    """Play x, float32 of a multiple of the hop and shorter than adain.memory_seconds, in one style. `[control]`

    Returns float32 of the same length, late by the model's latency.
    """
    shape = net.shape
    analyser = analyser_of(net)
    clip = analyser.clip(x[None], amount=amount)
    latent, extra, _ = encode(net, clip)
    mean, std = (torch.from_numpy(v)[None, None] for v in style)
    prior = tuple(torch.from_numpy(v)[None, None] for v in neutral)
    rate = shape.sample_rate / shape.hop
    seen = torch.full((1, 1, 1), adain.prior_seconds * rate)
    styled = adapt(latent, mean, std, prior, clip.active, seen, amount)
    out = net.decoder(styled, torch.cat([mean, std], 2), torch.full((1, 1, 1), amount), *extra.values(), Past())
    if isinstance(net, LatentNet):
        return out[0].numpy()
    return filter_sources(shape, out[0].numpy(), sources_of(analyser_of(net), x, amount))


def filter_sources(shape: SpectralShape, gains: NDArray[np.float32], sources: Sources) -> NDArray[np.float32]:
    """Sound of gains (T, 3 B) on `sources_of` an input, late by one hop: float32 (T * hop). `[control]`"""
    lower, weight = erb.band_layout(shape.n_fft, shape.sample_rate, shape.bands)
    fade = stft.filter_windows(shape.n_fft, shape.hop)[1]
    share = front.glide_share(shape.hop, shape.sample_rate, front.GLIDE_SECONDS)
    glide = np.zeros((2, front.SOURCES, shape.bands), np.float32)
    front.reset_glide(glide)
    turn = phase_per_gain(erb.band_spread(lower, weight, shape.bands))
    wanted, polar = np.zeros(gains.shape[1], np.float32), np.zeros((2, 2, shape.n_fft // 2 + 1), np.float32)
    frame, tail, axis = np.zeros(shape.n_fft, np.float32), np.zeros(fade.size, np.float32), np.zeros(1, np.int64)
    response, mixed = np.zeros((2, shape.n_fft // 2 + 1), np.complex64), np.zeros(shape.n_fft // 2 + 1, np.complex64)
    gains = gains.copy()  # `mix_sources` writes into them
    played = np.zeros(gains.shape[0] * shape.hop, np.float32)
    for t in range(gains.shape[0]):
        moved = 0.0 if sources.rests[t] else share
        front.mix_sources(
            gains[t], moved, glide, sources.spectra[t], lower, weight, turn, wanted, polar, response, mixed
        )
        stft.synthesise(mixed, fade, frame, tail, played[t * shape.hop : (t + 1) * shape.hop], axis)
    return played


def parity(
    net: Net, bundle: Bundle, style: Statistics, neutral: Statistics, x: NDArray[np.float32]
) -> dict[int, float]:
    """Largest difference between torch on the whole clip and the native chain in blocks, over the peak. `[control]`

    Per block size in samples; the bundle's first style must be `style`. x: shorter than the memory of the statistics.
    """
    usable = x[: x.size // max(BLOCKS) * max(BLOCKS)]
    wanted = render(net, usable, style, neutral, bundle.adain)
    found = {}
    model = load_model(bundle)
    try:
        for block in BLOCKS:
            if block % model.hop:
                continue
            model.reset()
            controls = model.controls(0, 1.0)
            parts = [model.step(usable[i : i + block], controls) for i in range(0, usable.size, block)]
            found[block] = float(np.abs(np.concatenate(parts) - wanted).max() / np.abs(wanted).max())
    finally:
        model.close()
    return found
