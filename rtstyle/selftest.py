"""Does a bundle sound here as it did where it was exported?"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rtstyle.bundle import Bundle
from rtstyle.errors import RtstyleError
from rtstyle.runtime.model import load_model

TOLERANCE: Final = 1e-3  # of the expected peak: processors round differently, and recursion carries it on


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Outcome of one bundle's self-test. deviation: greatest difference, as a share of the expected peak."""

    passed: bool
    deviation: float
    backend: str


def self_test(bundle: Bundle) -> SelfTest | None:
    """Play the bundle's golden input through the native chain and compare. `[control]`

    Returns None for a bundle without golden.npz. Raises RtstyleError when the model cannot run at all.
    """
    golden = bundle.golden
    if golden is None:
        return None
    length = golden.audio_in.size
    x = np.zeros(-(-length // bundle.hop) * bundle.hop, np.float32)
    x[:length] = golden.audio_in
    model = load_model(bundle)
    try:
        y = model.step(x, model.controls(golden.style, golden.amount))[:length]
        backend = model.backend
    finally:
        model.close()
    if not length:
        raise RtstyleError(f"The self-test of '{bundle.name}' is empty; export the bundle again.")
    peak = max(float(np.abs(golden.audio_out).max()), 1e-9)
    deviation = float(np.abs(y - golden.audio_out).max()) / peak
    return SelfTest(deviation <= TOLERANCE, deviation, backend)
