"""Every test starts from the same seed, and no program that a test starts may start a JACK server of its own."""

import os
import random
import signal
import tempfile

import numpy as np
import pytest

os.environ.setdefault("JACK_NO_START_SERVER", "1")
# No test reads or writes what the user has captured, mapped or saved.
os.environ["RTSTYLE_HOME"] = tempfile.mkdtemp(prefix="rtstyle-tests-")
# A suite started in the background inherits an ignored SIGINT, and so would every program that the tests send one to.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Seed the global generators; a test that needs randomness makes its own `numpy.random.default_rng(seed)`."""
    random.seed(1234)
    np.random.seed(1234)
