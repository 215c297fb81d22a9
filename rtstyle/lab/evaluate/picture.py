"""Before, after and the real thing: three spectrograms under each other."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.lab.evaluate import spectrum

BOTTOM_HZ = 60.0
TOP_HZ = 16000.0
RANGE_DB = 80.0
N_FFT = 4096
TICKS_HZ = (100, 200, 500, 1000, 2000, 5000, 10000)


def levels_db(audio: NDArray[np.float32], sample_rate: int, hop: int, rows: int) -> NDArray[np.float32]:
    """Levels of mono audio in dB, `(rows, frames)`, from BOTTOM_HZ to TOP_HZ in equal ratios. `[any]`

    Each row takes the strongest bin of its band, so that no partial falls between two rows: at 10 kHz a band of one of
    120 rows is nearly 500 Hz wide, a bin 12 Hz.
    """
    edges = np.geomspace(BOTTOM_HZ, min(TOP_HZ, sample_rate / 2), rows + 1) * N_FFT / sample_rate
    magnitudes = spectrum.magnitudes(audio, N_FFT, hop)
    out = np.empty((rows, magnitudes.shape[0]), np.float32)
    for row, (low, high) in enumerate(pairwise(edges)):
        first = int(low)
        out[row] = magnitudes[:, first : max(int(np.ceil(high)), first + 1)].max(axis=1)
    return 20 * np.log10(out + 1e-9)


def draw(axes: Any, levels: NDArray[np.float32], seconds: float, sample_rate: int, top_db: float) -> None:
    """Draw `levels_db` of `seconds` into axes of matplotlib: RANGE_DB below `top_db`, frequencies marked. `[control]`"""
    rows = levels.shape[0]
    axes.imshow(
        levels,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        extent=(0, seconds, 0, rows),
        vmin=top_db - RANGE_DB,
        vmax=top_db,
        cmap="magma",
    )
    octaves = np.log(min(TOP_HZ, sample_rate / 2) / BOTTOM_HZ)
    axes.set_yticks([rows * np.log(hz / BOTTOM_HZ) / octaves for hz in TICKS_HZ], [str(hz) for hz in TICKS_HZ])


def write_picture(path: Path, panels: list[tuple[str, NDArray[np.float32]]], sample_rate: int, title: str) -> None:
    """Write a PNG with one panel per (name, mono audio), on one scale: 60 Hz to 16 kHz logarithmic, 80 dB.
    `[control]`
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.4 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    levels = [levels_db(audio, sample_rate, 512, 240) for _, audio in panels]
    top = max(float(level.max()) for level in levels)
    for axes, level, (name, audio) in zip(np.atleast_1d(figure.subplots(len(panels), 1)), levels, panels, strict=True):
        draw(axes, level, audio.size / sample_rate, sample_rate, top)
        axes.set_ylabel("Hz")
        axes.set_title(name, fontsize=9, loc="left")
    figure.savefig(path, dpi=80)
