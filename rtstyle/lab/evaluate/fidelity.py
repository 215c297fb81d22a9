"""Fidelity: what must not change stays, what must not be there is not."""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from rtstyle.lab.evaluate import content, spectrum

Audio = NDArray[np.float32]
RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (128, 32))
STEADY_CENTS = 20.0
HARMONIC_HALF_WIDTH_HZ = 30.0
PARTIALS_N_FFT, PARTIALS_HOP = 8192, 2048
PARTIAL_DB = 15.0  # above the median of its surroundings: a peak that counts as a partial
PARTIAL_SURROUNDINGS_HZ = 300.0


def multi_resolution_distance(reference: Audio, output: Audio) -> float:
    """Mean over resolutions of spectral convergence + mean absolute log-magnitude difference (nepers); 0 for equal
    signals.

    Source: R. Yamamoto et al., "Parallel WaveGAN", ICASSP 2020, without its training weights.
    """
    size = min(reference.size, output.size)
    total = 0.0
    for n_fft, hop in RESOLUTIONS:
        a = spectrum.magnitudes(reference[:size], n_fft, hop)
        b = spectrum.magnitudes(output[:size], n_fft, hop)
        convergence = np.linalg.norm(a - b) / (np.linalg.norm(a) + 1e-9)
        total += float(convergence + np.mean(np.abs(np.log(a + 1e-5) - np.log(b + 1e-5))))
    return total / len(RESOLUTIONS)


def log_spectral_distance(reference: Audio, output: Audio) -> float:
    """Root-mean-square difference of log spectra in dB over bins within 80 dB of the peak, averaged over active
    frames.
    """
    size = min(reference.size, output.size)
    a = 20 * np.log10(spectrum.magnitudes(reference[:size], 2048, 512) + 1e-9)
    b = 20 * np.log10(spectrum.magnitudes(output[:size], 2048, 512) + 1e-9)
    frames = spectrum.active(a.max(axis=1))
    if not frames.any():
        return float("nan")
    floor = a.max() - 80.0
    gap = np.maximum(a[frames], floor) - np.maximum(b[frames], floor)
    return float(np.sqrt((gap**2).mean(axis=1)).mean())


def band_drift_db(reference: Audio, output: Audio, sample_rate: int) -> dict[str, float]:
    """Change of each band's level against 0.1-2 kHz, dB: what a same-instrument conversion adds or takes away."""
    before = spectrum.band_levels_db(spectrum.average(reference), sample_rate)
    after = spectrum.band_levels_db(spectrum.average(output), sample_rate)
    return {f"{low}-{high}": float(d) for (low, high), d in zip(spectrum.BANDS_HZ, after - before, strict=True)}


def distances(reference: Audio, output: Audio, sample_rate: int) -> dict[str, float]:
    """How far an output is from what it ought to be: the two distances, the drift of each band, and the worst from 2 kHz on."""
    bands = band_drift_db(reference, output, sample_rate)
    return {
        "mr_stft": multi_resolution_distance(reference, output),
        "log_spectral_db": log_spectral_distance(reference, output),
        "worst_drift_db": max((abs(bands[name]) for name in ("2000-5000", "5000-10000")), default=float("nan")),
        **{f"drift_{name}_db": value for name, value in bands.items()},
    }


def harmonic_parts(
    audio: Audio, sample_rate: int, f0: NDArray[np.float64], low_hz: float, high_hz: float
) -> tuple[float, float]:
    """Energy near and between the harmonics of `f0` in a band, over frames where f0 is steady. `[control]`

    f0: Hz per content.PITCH_HOP at content.PITCH_RATE (the input's track). A harmonic reaches 30 Hz, or a sixth of f0
    where that is less. Between: dB of the band's non-harmonic density against its harmonic density, so that the width
    of the gaps does not matter; near: share of the band's energy that lies near harmonics. NaN without steady frames.
    """
    n_fft = 8192 if sample_rate > 32000 else 4096
    hop = round(sample_rate * content.PITCH_HOP / content.PITCH_RATE) * 2
    power = spectrum.magnitudes(np.pad(audio, n_fft // 2), n_fft, hop).astype(np.float64) ** 2
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    bins = (frequencies >= low_hz) & (frequencies <= high_hz)
    span = max(2, int(np.ceil(n_fft / sample_rate / (content.PITCH_HOP / content.PITCH_RATE) / 2)))
    near_energy = between_energy = 0.0
    near_bins = between_bins = 0
    for frame in range(power.shape[0]):
        centre = frame * 2
        around = f0[max(0, centre - span) : centre + span + 1]
        if around.size < 2 * span + 1 or np.isnan(around).any() or np.ptp(1200 * np.log2(around)) > STEADY_CENTS:
            continue
        pitch = float(np.median(around))
        reach = min(HARMONIC_HALF_WIDTH_HZ, pitch / 6)
        nearest = np.maximum(1, np.round(frequencies[bins] / pitch)) * pitch
        near = np.abs(frequencies[bins] - nearest) <= reach
        row = power[frame, bins]
        near_energy += row[near].sum()
        between_energy += row[~near].sum()
        near_bins += int(near.sum())
        between_bins += int((~near).sum())
    if near_bins == 0 or between_bins == 0 or near_energy + between_energy <= 0:
        return float("nan"), float("nan")
    between_db = 10 * np.log10((between_energy / between_bins + 1e-20) / (near_energy / near_bins + 1e-20))
    return float(near_energy / (near_energy + between_energy)), float(between_db)


def harmonicity(audio: Audio, sample_rate: int, f0: NDArray[np.float64]) -> dict[str, float]:
    """harmonic_share in 0.1-2 kHz and 2-10 kHz, and haze_db (between against near harmonics) in 0.5-8 kHz."""
    return {
        "harmonic_share_low": harmonic_parts(audio, sample_rate, f0, 100, 2000)[0],
        "harmonic_share_high": harmonic_parts(audio, sample_rate, f0, 2000, 10000)[0],
        "haze_db": harmonic_parts(audio, sample_rate, f0, 500, 8000)[1],
    }


def _partials_power(audio: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Power in 0.2-5 kHz, `(frames, bins)`."""
    power = (
        spectrum.magnitudes(np.pad(audio, PARTIALS_N_FFT // 2), PARTIALS_N_FFT, PARTIALS_HOP).astype(np.float64) ** 2
    )
    frequencies = np.fft.rfftfreq(PARTIALS_N_FFT, 1 / sample_rate)
    return power[:, (frequencies >= 200) & (frequencies <= 5000)]


def find_partials(audio: Audio, sample_rate: int) -> NDArray[np.bool_]:
    """Where 30 Hz around the partials of any number of notes lie, bool `(frames, bins)`, for `between_partials_db`."""
    power = _partials_power(audio, sample_rate)
    per_bin = sample_rate / PARTIALS_N_FFT
    floor = scipy.ndimage.median_filter(power, (1, int(PARTIAL_SURROUNDINGS_HZ / per_bin) | 1))
    peaks = (power >= scipy.ndimage.maximum_filter1d(power, 5, axis=1)) & (power > 10 ** (PARTIAL_DB / 10) * floor)
    reach = 2 * round(HARMONIC_HALF_WIDTH_HZ / per_bin) + 1
    partials = scipy.ndimage.maximum_filter1d(peaks.astype(np.uint8), reach, axis=1) > 0
    return np.asarray(partials & spectrum.active(10 * np.log10(power.sum(axis=1) + 1e-12))[:, None])


def between_partials_db(audio: Audio, sample_rate: int, partials: NDArray[np.bool_]) -> float:
    """Density of energy between the partials of the input against that on them, dB, median over frames.

    partials: from `find_partials` of the input. The figure of the input itself is what a clean output has; noise, pulses of
    a pitch that nobody plays and partials of notes that nobody plays raise it. NaN without partials.
    """
    power = _partials_power(audio, sample_rate)
    found = []
    for row, near in zip(power, partials, strict=False):
        if near.any() and not near.all():
            found.append(10 * np.log10((row[~near].mean() + 1e-20) / (row[near].mean() + 1e-20)))
    return float(np.median(found)) if found else float("nan")
