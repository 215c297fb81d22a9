"""Whoever waits for the compiler is told so once; kernels that were kept load in silence."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging, numpy as np
logging.basicConfig(level=logging.INFO)
from rtstyle.dsp import front
front.white(np.ones(1, np.uint64), np.zeros(4, np.float32))
"""


def test_compiling_is_said_once_and_only_when_it_happens(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    said = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr for _ in range(2)
    ]
    assert said[0].count("Compiling the kernels") == 1
    assert said[1].count("Compiling the kernels") == 0
