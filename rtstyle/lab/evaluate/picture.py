"""Before, after and the real thing: three spectrograms under each other."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstyle.lab.evaluate import spectrum

TOP_HZ = 16000.0


def write_picture(path: Path, panels: list[tuple[str, NDArray[np.float32]]], sample_rate: int, title: str) -> None:
    """Write a PNG with one panel per (name, mono audio), on one scale: 50 Hz to 16 kHz logarithmic, 80 dB.
    `[control]`
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.4 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    frequencies = np.geomspace(50.0, min(TOP_HZ, sample_rate / 2), 240)
    rows = np.round(frequencies * 4096 / sample_rate).astype(int)
    levels = [20 * np.log10(spectrum.magnitudes(audio, 4096, 512)[:, rows].T + 1e-9) for _, audio in panels]
    top = max(float(level.max()) for level in levels)
    for axes, level, (name, audio) in zip(np.atleast_1d(figure.subplots(len(panels), 1)), levels, panels, strict=True):
        duration = audio.size / sample_rate
        axes.imshow(
            level,
            aspect="auto",
            origin="lower",
            extent=(0, duration, 0, rows.size),
            vmin=top - 80,
            vmax=top,
            cmap="magma",
        )
        ticks = [100, 200, 500, 1000, 2000, 5000, 10000]
        axes.set_yticks(
            [float(np.interp(tick, frequencies, np.arange(rows.size))) for tick in ticks], [str(t) for t in ticks]
        )
        axes.set_ylabel("Hz")
        axes.set_title(name, fontsize=9, loc="left")
    figure.savefig(path, dpi=80)
