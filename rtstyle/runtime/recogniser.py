"""Which of a bundle's trained styles does a recording sound like?

A small network of the bundle's looks at log-mel patches of 1.2 s. It plays no part on stage: a style captured from a
recording leans on the trained one that it is heard as (see `rtstyle.capture`).
"""

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from rtstyle.bundle import Bundle
from rtstyle.bundle.manifest import RECOGNISER
from rtstyle.dsp import mel
from rtstyle.runtime.fallback import PythonGraph

MOST_PATCHES: Final = 240  # of a recording, spread over the whole of it
LEAST: Final = 1e-6  # probability, so that no one patch can rule a style out


def recognise(bundle: Bundle, audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities (S + 1,) that a recording is one of the S trained styles, and at last that it is none. `[control]`

    The geometric mean over the patches. audio: mono float32 at the model's rate. A bundle without a recogniser knows none.
    Raises BundleError for one that ONNX Runtime refuses.
    """
    count = len(bundle.manifest.styles) + 1
    none = np.zeros(count)
    none[-1] = 1.0
    if bundle.recogniser is None:
        return none
    patches, audible = mel.cut(mel.log_mel(soxr.resample(audio, bundle.sample_rate, mel.SAMPLE_RATE)))
    chosen = np.flatnonzero(audible)
    if not chosen.size:
        return none
    seen = np.ascontiguousarray(mel.normalise(patches[chosen[:: -(-chosen.size // MOST_PATCHES)]]), dtype=np.float32)
    found = np.empty((len(seen), count), dtype=np.float32)
    graph = PythonGraph(bundle.recogniser, str(bundle.path / RECOGNISER), config={})
    given = [("patches", seen.ctypes.data, seen.shape)]
    graph.check(graph.bind(given, [("probabilities", found.ctypes.data, found.shape)]))
    together = np.exp(np.log(np.nan_to_num(found).clip(min=LEAST), dtype=np.float64).mean(axis=0))
    return np.asarray(together / together.sum())
