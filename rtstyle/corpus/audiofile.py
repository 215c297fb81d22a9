"""Reading audio for the corpus: any file that libsndfile knows, as mono float32 at 48 kHz."""

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.errors import FileError


def read_mono(path: Path) -> NDArray[np.float32]:
    """Return the file's mean channel at 48 kHz, float32. Raises FileError when it cannot be read. `[control]`"""
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise FileError(f"Cannot read the recording {path}: {error}; give WAV, FLAC, OGG, AIFF or MP3.") from error
    mono = audio.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.asarray(mono, dtype=np.float32)
