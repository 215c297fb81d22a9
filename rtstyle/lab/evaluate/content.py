"""Content: is it still the same tune, at the same time, as loud as it was played?

Everything is measured against the input's own tracks, by a pitch tracker (pYIN) that is part of no model.
"""

from dataclasses import dataclass

import librosa
import numpy as np
import soxr
from numpy.typing import NDArray

from rtstyle.lab.evaluate import spectrum

PITCH_RATE = 16000
PITCH_HOP = 256  # 16 ms
PITCH_FRAME = 1024
LOW_HZ, HIGH_HZ = 60.0, 2200.0
LAG = 300.0  # samples at PITCH_RATE over which a period is measured: 0.1 % of it is a third of a sample
HIGH_NOTE_HZ = 500.0  # above it pYIN may take several periods for one
REPEATS = 0.95  # of the match after the period found: a part of it that repeats as well is the period
LOUDNESS_HOP_MS = 20
ONSET_TOLERANCE_S = 0.05


@dataclass(frozen=True)
class Content:
    """What was played: f0 per PITCH_HOP (Hz, NaN unvoiced), onsets (s), loudness per 20 ms (dB), chroma `(12,
    frames)`.
    """

    f0: NDArray[np.float64]
    voiced: NDArray[np.bool_]
    onsets: NDArray[np.float64]
    loudness: NDArray[np.float64]
    chroma: NDArray[np.float32]


def track_pitch(audio: NDArray[np.float32], sample_rate: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """f0 in Hz and voicing, one per 16 ms. `[control]` Source: M. Mauch, S. Dixon, "pYIN", ICASSP 2014, as in
    librosa.
    """
    low = soxr.resample(audio, sample_rate, PITCH_RATE) if sample_rate != PITCH_RATE else audio
    if np.max(np.abs(low), initial=0.0) < 1e-4:
        frames = 1 + low.size // PITCH_HOP
        return np.full(frames, np.nan), np.zeros(frames, bool)
    f0, voiced, _ = librosa.pyin(
        low, fmin=LOW_HZ, fmax=HIGH_HZ, sr=PITCH_RATE, frame_length=PITCH_FRAME, hop_length=PITCH_HOP, resolution=0.2
    )
    # pYIN calls a faint tail voiced; a frame 50 dB below the loudest is not something that is played.
    level = librosa.feature.rms(y=low, frame_length=PITCH_FRAME, hop_length=PITCH_HOP)[0][: f0.size]
    voiced &= level > level.max() * 10 ** (-50 / 20)
    return refine(low, np.where(voiced, f0, np.nan)), voiced


def refine(audio: NDArray[np.float32], f0: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move each f0 to the shortest period after which the frame repeats, or within 26 cents of it to the true one.

    Of a high note pYIN takes two or three periods for one, of the same note now this, now that. And its grid of 20 cents costs
    a sixth of one of 10: the peak of the normalised autocorrelation, taken over several periods and interpolated by a
    parabola, is exact to about a cent. Mono at PITCH_RATE; f0 in Hz per PITCH_HOP, NaN stays NaN.
    """
    padded = np.pad(audio.astype(np.float64), PITCH_FRAME // 2)
    refined = f0.copy()
    for index in np.flatnonzero(np.isfinite(f0)):
        frame = padded[index * PITCH_HOP : index * PITCH_HOP + PITCH_FRAME]
        found, height = _repeat(frame, PITCH_RATE / f0[index], 1)
        if not found:
            continue
        refined[index] = PITCH_RATE / found
        for parts in (2, 3) if refined[index] > HIGH_NOTE_HZ else ():
            shorter, match = _repeat(frame, found / parts, parts)
            if shorter and match > REPEATS * height:
                refined[index] = PITCH_RATE / shorter
                break
    return refined


def _repeat(frame: NDArray[np.float64], period: float, parts: int) -> tuple[float, float]:
    """The period near one in samples, and how well the frame repeats after about LAG; (0, 0) where it is too short.

    parts: after no multiple of so many periods, since these are repeats of a longer period.
    """
    periods = max(1, round(LAG / period))
    if parts > 1:
        periods += 1 - periods % parts
    lag = periods * period
    reach = min(0.015 * lag, 0.4 * period)
    lags = np.arange(int(np.ceil(lag - reach)) - 1, int(lag + reach) + 2)
    span = frame.size - lags[-1]
    if span < period or lags[0] < 2:
        return 0.0, 0.0
    late = np.stack([frame[lag : lag + span] for lag in lags])
    energy = np.sqrt((frame[:span] ** 2).sum() * (late**2).sum(axis=1)) + 1e-12
    match = late @ frame[:span] / energy
    best = int(match[1:-1].argmax()) + 1
    left, peak, right = match[best - 1 : best + 2]
    bend = left - 2 * peak + right
    shift = np.clip(0.5 * (left - right) / bend, -1, 1) if bend < 0 else 0.0
    return float((lags[best] + shift) / periods), float(peak - 0.25 * (left - right) * shift)


def measure(audio: NDArray[np.float32], sample_rate: int) -> Content:
    """All tracks of one mono recording. `[control]`"""
    f0, voiced = track_pitch(audio, sample_rate)
    low = soxr.resample(audio, sample_rate, PITCH_RATE) if sample_rate != PITCH_RATE else audio
    envelope = librosa.onset.onset_strength(y=low, sr=PITCH_RATE, hop_length=PITCH_HOP // 2, n_mels=64, max_size=3)
    onsets = librosa.onset.onset_detect(
        onset_envelope=envelope, sr=PITCH_RATE, hop_length=PITCH_HOP // 2, units="time", delta=0.1
    )
    chroma = librosa.feature.chroma_stft(y=low, sr=PITCH_RATE, n_fft=2048, hop_length=1024, tuning=0.0)
    loudness = spectrum.loudness_db(audio, sample_rate, sample_rate * LOUDNESS_HOP_MS // 1000)
    return Content(f0, voiced, np.asarray(onsets, float), loudness, chroma.astype(np.float32))


def f1(reference: NDArray[np.float64], found: NDArray[np.float64], tolerance: float) -> float:
    """F1 of matching two sorted lists of times, one to one, within `tolerance`; NaN when the reference is empty."""
    if reference.size == 0:
        return float("nan")
    hits, at = 0, 0
    for time in reference:
        while at < found.size and found[at] < time - tolerance:
            at += 1
        if at < found.size and found[at] <= time + tolerance:
            hits += 1
            at += 1
    return 2.0 * hits / (reference.size + found.size)


def compare(reference: Content, output: Content) -> dict[str, float]:
    """Agreement of `output` with `reference` (the input's tracks).

    pitch_accuracy: share of the input's voiced frames where the output is voiced and within 50 cents;
    pitch_accuracy_voiced: the same over frames that are voiced in both; cents: median absolute error; voicing_f1,
    onset_f1 (50 ms); loudness_r, loudness_mae_db (after removing the mean difference, which is level_db); chroma: mean
    cosine.
    """
    frames = min(reference.f0.size, output.f0.size)
    voiced, heard = reference.voiced[:frames], output.voiced[:frames]
    both = voiced & heard
    nan = float("nan")
    result = dict.fromkeys(("pitch_accuracy", "pitch_accuracy_voiced", "cents", "voicing_f1"), nan)
    if voiced.any():
        cents = np.abs(1200 * np.log2(output.f0[:frames][both] / reference.f0[:frames][both]))
        result["pitch_accuracy"] = float((cents <= 50).sum() / voiced.sum())
        result["pitch_accuracy_voiced"] = float((cents <= 50).mean()) if cents.size else 0.0
        result["cents"] = float(np.median(cents)) if cents.size else nan
        result["voicing_f1"] = float(2 * both.sum() / (voiced.sum() + heard.sum()))
    result["onset_f1"] = f1(reference.onsets, output.onsets, ONSET_TOLERANCE_S)
    frames = min(reference.loudness.size, output.loudness.size)
    loud, made = reference.loudness[:frames], np.maximum(output.loudness[:frames], spectrum.SILENCE_DB)
    played = spectrum.active(loud)
    if played.sum() > 2:
        offset = float(np.mean(made[played] - loud[played]))
        flat = np.std(loud[played]) < 1e-6 or np.std(made[played]) < 1e-6
        result["loudness_r"] = nan if flat else float(np.corrcoef(loud[played], made[played])[0, 1])
        result["loudness_mae_db"] = float(np.mean(np.abs(made[played] - loud[played] - offset)))
        result["level_db"] = offset
    else:
        result.update(loudness_r=nan, loudness_mae_db=nan, level_db=nan)
    frames = min(reference.chroma.shape[1], output.chroma.shape[1])
    a, b = reference.chroma[:, :frames], output.chroma[:, :frames]
    norm = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    result["chroma"] = float(np.mean((a * b).sum(axis=0)[norm > 0] / norm[norm > 0])) if (norm > 0).any() else nan
    return result
