"""Teach a model the sound of one recording: ten seconds of single notes are enough, and minutes on a processor.

A captured style (`rtstyle.capture`) gives the decoder the statistics of a sound; it plays what it has learnt to play, and an
instrument that training hardly met is not among it. Here the decoder learns it. The recording is cut into its notes, these
become a library that the corpus's sampler plays in unison with the soundfont's instruments, and the decoder of a trained
model goes on from its weights with those pairs. What hears the player stays as it is, the encoder and most of the decoder:
it learnt from recordings, and those pairs are a soundfont's.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray

from rtstyle import paths
from rtstyle.bundle import Bundle, find_bundles, load_bundle
from rtstyle.corpus import build, sections
from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.library import LEAST_NOTES
from rtstyle.corpus.note import LEAST_SECONDS, SAMPLE_RATE, measure
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.errors import BundleError, FileError
from rtstyle.lab.evaluate import content
from rtstyle.lab.export.bundle import export_checkpoint
from rtstyle.lab.origin import of_bundle
from rtstyle.lab.train.trainer import Plan, Trainer

RECIPE = "rtstyle models learn"  # what a bundle says that may be replaced by another one of its name
INSTRUMENT = "learnt"
LEARNING = ("embed", "style", "out")  # layers of the decoder that learn: what a style does, and the last one
MAX_SECONDS = 120.0  # of a recording; what comes later is not listened to
LEAP = 0.7  # semitones from the note's own pitch at which another one begins
BREATH = 3  # unvoiced frames in a row that end a note
SETTLED = 0.15  # seconds in which a note cannot be struck again
BEFORE, AFTER, FADE = 0.04, 0.02, 0.005  # seconds kept around a note, and faded at both ends
CORPUS = build.Plan(minutes=5.0, players=5, seconds=8.0)
LESSON: dict[str, Any] = {"batch": 4, "rate": 2e-3, "warm_up": 20, "adversary_from": 1.0, "focus": 1.0, "heard": 0.0}

Audio = NDArray[np.float32]


def find_notes(audio: Audio) -> list[tuple[int, int, float]]:
    """First and last sample, and MIDI pitch, of every note in a line of single notes. `[control]`

    A note ends where its pitch leaves it, where there is none, or where it is struck again. audio: float32 mono, 48 kHz.
    """
    played = content.measure(audio, SAMPLE_RATE)
    midi = librosa.hz_to_midi(played.f0)
    hop = SAMPLE_RATE * content.PITCH_HOP / content.PITCH_RATE
    struck = played.onsets * SAMPLE_RATE / hop
    found = []
    first = 0
    while first < len(midi):
        last = first + 1
        while last < len(midi) and np.isfinite(midi[first]):
            own = np.nanmedian(midi[first:last][-12:])
            again = (struck > max(last - 1, first + SETTLED * SAMPLE_RATE / hop)) & (struck <= last)
            if again.any() or abs(midi[last] - own) > LEAP or not np.isfinite(midi[last : last + BREATH]).any():
                break
            last += 1
        if np.isfinite(midi[first]) and (last - first) * hop >= LEAST_SECONDS * SAMPLE_RATE:
            found.append((round(first * hop), round(last * hop), float(np.nanmedian(midi[first:last]))))
        first = last
    return found


def cut_notes(audio: Audio) -> list[tuple[float, Audio]]:
    """The notes that a sampler can play: MIDI pitch and sound, float32 mono at 48 kHz, of each. `[control]`"""
    kept = []
    for begin, end, midi in find_notes(audio):
        part = audio[max(0, begin - round(BEFORE * SAMPLE_RATE)) : end + round(AFTER * SAMPLE_RATE)].copy()
        ramp = np.linspace(0.0, 1.0, round(FADE * SAMPLE_RATE), dtype=np.float32)
        part[: ramp.size] *= ramp
        part[-ramp.size :] *= ramp[::-1]
        if measure(part, midi, "") is not None:
            kept.append((midi, part))
    return kept


def write_notes(recording: Path, folder: Path, library: str) -> int:
    """Cut a recording into the folder of recordings that `rtstyle corpus build` takes; returns how many notes. `[control]`

    They are the library `library` of INSTRUMENT, and the whole of it beside them is a phrase. Raises FileError for
    a recording that cannot be read or has too few notes.
    """
    audio = read_mono(recording)[: round(MAX_SECONDS * SAMPLE_RATE)]
    notes = cut_notes(audio)
    if len(notes) < LEAST_NOTES:
        raise FileError(
            f"{recording} has {len(notes)} notes that can be told apart, at least {LEAST_NOTES} are needed; give a line of "
            f"single notes of {LEAST_SECONDS:g} s or longer, one at a time and without accompaniment."
        )
    place = folder / INSTRUMENT / library
    place.mkdir(parents=True, exist_ok=True)
    for number, (midi, part) in enumerate(notes):
        name = librosa.midi_to_note(round(midi), unicode=False).lower()
        soundfile.write(place / f"{number:03d}-{name}.wav", part, SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(place / "whole.wav", audio, SAMPLE_RATE, subtype="FLOAT")
    return len(notes)


def learn(
    bundle: Bundle,
    recording: Path,
    name: str,
    *,
    minutes: float,
    device: str = "cpu",
    workers: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Bundle:
    """A bundle of the user's with one style, the sound of `recording`, from the weights of `bundle`. `[control]`

    It is called after `name` and replaces what was learnt under that name. minutes: of training. workers: as in
    `farm.spread`. An interrupted run goes on when it is asked for again. Raises FileError for a recording or a name that
    will not do, BundleError for the name of another model, MissingPartError without the soundfont.
    """
    id = paths.file_stem(name)
    there = find_bundles().get(id)
    if there is not None and load_bundle(there).manifest.recipe != RECIPE:
        raise BundleError(f"There is a model '{id}' already, in {there}; give another name.")
    if not recording.is_file():
        raise FileError(f"There is no recording {recording}; give WAV, FLAC, OGG, AIFF or MP3.")
    origin = hashlib.sha256(recording.read_bytes() + bundle.manifest.files["decoder.onnx"].encode()).hexdigest()
    library = origin[:12]
    work = paths.cache() / "learn" / f"{id}-{library}"
    count = write_notes(recording, work / "recordings", library)
    say(f"{count} notes in {recording.name}; playing them in unison with the soundfont's instruments.")
    soloist = f"{INSTRUMENT}/{library}"
    notes = paths.cache() / "notes"  # the soundfont's are the same for all
    build.build(work / "corpus", work / "recordings", None, CORPUS, soloist=soloist, notes=notes, workers=workers)
    corpus = PairCorpus(work / "corpus")
    voice = sections.section_of(soloist)
    begun = of_bundle(bundle)
    plan = Plan(bundle.kind, minutes=minutes, styles=(voice,), **LESSON)
    trainer = Trainer(plan, corpus, work / "run", shape=begun.net.shape.as_dict(), device=device)
    if not trainer.resume():
        trainer.begin_with(begun)
    for layer, weight in trainer.net.named_parameters():
        weight.requires_grad_(layer.startswith("decoder.") and not set(LEARNING).isdisjoint(layer.split(".")))
    say(f"Training for {minutes:g} minutes.")
    trainer.train(lambda row: say(f"{row['minutes']:.1f} minutes, loss {row['loss']:.2f}"))
    learnt = export_checkpoint(
        trainer.checkpoint,
        corpus,
        paths.user_models() / id,
        name=id,
        description=f"{bundle.name}, which learnt the sound of {recording.name} ({count} notes).",
        recipe=RECIPE,
        styles={id: voice},
        neutral=(bundle.neutral_mean, bundle.neutral_std),
        attribution=bundle.manifest.attribution,
        licence=f"{bundle.manifest.licence} What the recording may be used for is for its owner to say.",
    )
    shutil.rmtree(work)
    for own in notes.glob(f"{INSTRUMENT}--{library}-*"):
        own.unlink()
    return learnt
