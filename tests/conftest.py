"""Every test starts from the same seed, and no program that a test starts may start a JACK server of its own."""

import os
import random

import numpy as np
import pytest

os.environ.setdefault("JACK_NO_START_SERVER", "1")


@pytest.fixture(autouse=True)
def seed() -> None:
    """Seed the global generators; a test that needs randomness makes its own `numpy.random.default_rng(seed)`."""
    random.seed(1234)
    np.random.seed(1234)
