"""A new style from any recording, without training: the statistics of the encoder's channels while it listens.

AdaIN gives the sound the channel statistics of a target (see `rtstyle.dsp.adain`). Those of a trained style were
measured on the training recordings; here they are measured on a recording of the user's, through the very chain that
plays.

Another player in another room has other statistics, and what the decoder makes of them may be nobody. So a captured style
leans on the trained one that the recording is heard as (`rtstyle.runtime.recogniser`): it is one part its own and two parts
that one. A recording of which it is not clear is all its own.

What the model then makes of the recording itself is darker or brighter than it, by octaves, and so is what it makes of
others. The style remembers that as a tone, which filters take out behind the model (`rtstyle.dsp.tone`).

A recording that is like no trained style, or is plucked or struck, has a sound that the decoder never learnt. If it holds
notes, the style keeps the recording, and its own periods are played where the player's pitch is clear (`rtstyle.dsp.grains`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numba import carray
from numpy.typing import NDArray

from rtstyle import paths
from rtstyle.bundle import Bundle, Style
from rtstyle.bundle.captured import MAX_SOUND_SECONDS, NONE, CapturedStyle, save_captured
from rtstyle.dsp import tone
from rtstyle.dsp.adain import EPSILON
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.marks import find_marks
from rtstyle.dsp.pointers import float32_at, int64_at
from rtstyle.errors import BundleError, FileError, RtstyleError, did_you_mean
from rtstyle.params import MAX_STYLES, TONE_BANDS
from rtstyle.runtime import layout as at
from rtstyle.runtime.model import OK, LoadedModel, load_model, run_model
from rtstyle.runtime.recogniser import recognise

MIN_SECONDS: Final = 3.0  # of a recording
MIN_ACTIVE_SECONDS: Final = 1.0  # of sound in it
MAX_SECONDS: Final = 600.0  # of a recording; what comes later is not listened to
TONE_SECONDS: Final = 30.0  # of a recording that are played to hear how it comes out
LOWEST_DB, HIGHEST_DB = -12.0, 9.0  # of a tone
OWN: Final = 1.0 / 3.0  # of a captured style where it leans on a trained one
MIN_NOTES_SECONDS: Final = 0.5  # of notes in a recording that is played itself


@dataclass(frozen=True)
class Measured:
    """The style of a recording: statistics (C,), its tone in dB (TONE_BANDS,), the seconds of sound, and what it leans on.

    like: id of the trained style, or NONE. likelihood: the recogniser's probability of it, 1 where the user said so. sound:
    the recording, where its periods are played; else None.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    tone: NDArray[np.float64]
    seconds: float
    like: str
    likelihood: float
    sound: NDArray[np.float32] | None


def capture_style(bundle: Bundle, recording: str | Path, name: str, like: str | None = None) -> CapturedStyle:
    """Measure a recording's style, save it beside the bundle and return it. `[control]`

    The bundle has it as soon as it is loaded again. name: what the user calls it; a captured style of the same id is
    replaced. like: as in `measure_style`. Raises FileError for a recording that is unreadable, broken, too short or silent,
    and BundleError for a name that the model itself has, for a `like` that it has not, or when there is no room for another
    style.
    """
    id = paths.file_stem(name)
    others = [style.id for style in bundle.styles if style.source == "trained"]
    if id in others:
        raise BundleError(f"The model '{bundle.name}' has a style '{id}' of its own; give another name.")
    if len(bundle.styles) >= MAX_STYLES and id not in [style.id for style in bundle.styles]:
        raise BundleError(f"The model '{bundle.name}' has {MAX_STYLES} styles, all that fit; forget one first.")
    measured = measure_style(bundle, read_recording(Path(recording), bundle.sample_rate), str(recording), like)
    style = CapturedStyle(
        id=id,
        name=name,
        encoder=bundle.manifest.files["encoder.onnx"],
        recording=Path(recording).name.encode("utf-8", "replace").decode(),
        seconds=round(measured.seconds, 3),
        mean=tuple(measured.mean.tolist()),
        std=tuple(measured.std.tolist()),
        tone=tuple(round(gain, 2) for gain in measured.tone.tolist()),
        like=measured.like,
        likelihood=round(measured.likelihood, 4),
    )
    return save_captured(bundle.name, style, measured.sound, bundle.sample_rate)


def measure_style(
    bundle: Bundle, audio: NDArray[np.float32], recording: str, like: str | None = None, without: str = ""
) -> Measured:
    """Mean and standard deviation of the latent while `audio` sounds, leaning on the style that it is heard as, and the tone
    that it has over what comes of it. `[control]`

    audio: mono float32 at the model's rate. recording: what it is called in the FileError for one of too little sound.
    like: id of a trained style, or NONE, in the place of what is heard. without: one that shall not be heard. Raises
    BundleError for a `like` that the model has not.
    """
    trained = [style.id for style in bundle.manifest.styles]
    if like is not None and like not in (*trained, NONE):
        raise BundleError(
            f"The model '{bundle.name}' has no trained style '{like}'; {did_you_mean(like, [*trained, NONE])}"
        )
    model = load_model(bundle)
    try:
        latent = active_latent(model, bundle.channels, audio)
    finally:
        model.close()
    seconds = len(latent) * bundle.hop / bundle.sample_rate
    if seconds < MIN_ACTIVE_SECONDS:
        raise FileError(
            f"{recording} has {seconds:.1f} s of sound above -60 dBFS, a style needs at least "
            f"{MIN_ACTIVE_SECONDS:g} s; give a longer or louder recording."
        )
    mean, std = latent.mean(axis=0), np.sqrt(latent.var(axis=0) + EPSILON)
    sound = audio[: int(MAX_SOUND_SECONDS * bundle.sample_rate)]
    notes = find_marks(sound, bundle.sample_rate)
    likelihood = 1.0
    if like is None:
        like, likelihood = _heard_as(bundle, audio, notes.fall < 0.0, without)
    if like != NONE:
        voice = trained.index(like)
        mean = OWN * mean + (1.0 - OWN) * bundle.mean[voice]
        std = OWN * std + (1.0 - OWN) * bundle.std[voice]
    plain = bundle.alone(Style("captured", "Captured", "captured"), mean, std, np.zeros(TONE_BANDS))
    kept = sound if like == NONE and notes.seconds >= MIN_NOTES_SECONDS else None
    return Measured(mean, std, measure_tone(plain, audio), seconds, like, likelihood, kept)


def measure_tone(bundle: Bundle, audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Gains in dB, (TONE_BANDS,), that a recording has over what the bundle's first style makes of it. `[control]`

    audio: mono float32 at the model's rate, of which the first TONE_SECONDS count. Bands are lifted less than they are
    lowered: where the model plays hardly anything, there is little but noise to be lifted.
    """
    model = load_model(bundle)
    try:
        heard = audio[: int(TONE_SECONDS * bundle.sample_rate)]
        heard = heard[: heard.size // model.hop * model.hop]
        power = tone.mean_power(model.step(heard, model.controls()))
    finally:
        model.close()
    rate = bundle.sample_rate
    played = tone.balance(power, rate)
    lacking = tone.balance(tone.mean_power(heard), rate) - played
    lacking -= np.average(lacking, weights=10.0 ** (played / 10.0))  # the loudness stays
    return tone.fit(power, np.clip(lacking, LOWEST_DB, HIGHEST_DB), rate)


def _heard_as(bundle: Bundle, audio: NDArray[np.float32], plucked: bool, without: str) -> tuple[str, float]:
    """The trained style but `without` that a recording is heard as, else NONE, and its probability.

    What is plucked or struck is heard as none: no trained style lets go of a note that is held.
    """
    ids = [*(style.id for style in bundle.manifest.styles), NONE]
    heard = recognise(bundle, audio)
    if plucked:
        return NONE, float(heard[-1])
    if without:
        heard[ids.index(without)] = 0.0
    return lean_on(ids, heard)


def lean_on(ids: Sequence[str], heard: NDArray[np.float64]) -> tuple[str, float]:
    """The style that is likelier than all others together, else NONE, and its probability. `[any]`

    ids, heard: the trained styles, at last NONE, and what `recognise` says of them; it may be scaled.
    """
    best = int(heard.argmax())
    if 2.0 * heard[best] <= heard.sum():
        best = len(ids) - 1
    return ids[best], float(heard[best])


def read_recording(file: Path, sample_rate: int) -> NDArray[np.float32]:
    """The mean channel of a recording at `sample_rate` Hz, its first MAX_SECONDS, float32. `[control]`

    Raises FileError for one that cannot be read, is shorter than MIN_SECONDS or holds samples that are no numbers.
    """
    try:
        with soundfile.SoundFile(file) as stream:
            rate = stream.samplerate
            audio = stream.read(frames=int(MAX_SECONDS * rate), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        reason = str(error).rstrip(".") if file.exists() else "there is no such file"
        raise FileError(f"Cannot read the recording {file}: {reason}; give WAV, FLAC, OGG, AIFF or MP3.") from error
    if len(audio) < MIN_SECONDS * rate:
        raise FileError(f"{file} lasts {len(audio) / rate:.1f} s, a style needs at least {MIN_SECONDS:g} s of sound.")
    if not np.isfinite(audio).all():
        raise FileError(f"{file} holds samples that are no numbers (NaN or infinite); repair or export it again.")
    mono = audio.mean(axis=1)
    return np.asarray(mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate), dtype=np.float32)


def active_latent(model: LoadedModel, channels: int, audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """The latent of every hop of `audio` that is played, not silence: float64 (hops, channels). `[control]`

    audio: mono float32 at the model's rate. The model starts afresh. Raises RtstyleError when the model fails.
    """
    model.reset()
    controls = model.controls(0, 0.0)
    found = [np.zeros((0, channels))]
    left = audio.size // model.hop
    start = 0
    hops = model.max_frames
    while left:
        while hops > left:
            hops //= 2  # the model cuts calls into powers of two, and only the last part's latent is there afterwards
        x = audio[start : start + hops * model.hop]
        if run_model(model.table, controls, x, np.empty_like(x), np.empty(hops, np.float32), hops) != OK:
            raise RtstyleError(f"The model '{model.name}' failed on the recording; try `rtstyle models verify`.")
        latent, active = np.empty((hops, channels), np.float32), np.empty(hops, np.int64)
        _read_latent(model.table, latent, active)
        found.append(latent[active != 0].astype(np.float64))
        start += x.size
        left -= hops
    return np.concatenate(found)


@kernel
def _read_latent(table: NDArray[np.int64], latent: NDArray[np.float32], active: NDArray[np.int64]) -> None:
    """Copy the latent and the activity of the last call, which must have been of latent.shape[0] hops, a power of
    two."""
    hops, channels = latent.shape
    values = carray(float32_at(table[at.LATENT]), (hops, channels))
    flags = carray(int64_at(table[at.ACTIVE]), (hops,))
    for h in range(hops):
        active[h] = flags[h]
        for c in range(channels):
            latent[h, c] = values[h, c]
