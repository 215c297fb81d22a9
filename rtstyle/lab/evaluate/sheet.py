"""Before, after and the real thing for every target on one small picture, for the card of a model."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstyle.lab.evaluate.picture import draw, levels_db

PAIRS = "pairs.png"
SECONDS = 4.0
DPI = 80
WIDTH, HEIGHT = 300, 120  # of a panel, in pixels
MARGIN, TITLE, HEAD, FOOT = 48, 20, 30, 36  # pixels: left of each row, above each panel, above and below them all
GAP = 8
COLOURS = 64  # of magma and the grey of the letters: 1.5 dB a step, and a quarter of the bytes of true colour

Audio = NDArray[np.float32]
Panels = list[tuple[str, Audio]]


def choose_pairs(directions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """One (source, target) for each target, in the order of targets. `[any]`

    By rule, not by ear: among the sources that are shown least so far, the next one after the target's own place in a
    rotation. A target is its own source only where there is no other.
    """
    have = list(dict.fromkeys(directions))
    sources = list(dict.fromkeys(source for source, _ in have))
    shown: Counter[str] = Counter()
    pairs = []
    for place, target in enumerate(dict.fromkeys(target for _, target in have)):
        own = [source for source, other in have if other == target]
        turn = {source: (shown[source], (sources.index(source) - place - 1) % len(sources)) for source in own}
        source = min([one for one in own if one != target] or own, key=turn.__getitem__)
        shown[source] += 1
        pairs.append((source, target))
    return pairs


def write_sheet(path: Path, pictures: Mapping[tuple[str, str], Panels], sample_rate: int, title: str) -> None:
    """Write a PNG with a row per target: input, output, a real recording, the first SECONDS of each. `[control]`

    pictures: per (source, target) those three as (name, mono audio), of which `choose_pairs` takes one for each target.
    One scale for all panels, 60 Hz to 16 kHz logarithmic and 80 dB. Seven rows take less than 700 kB.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    pairs = choose_pairs(pictures)
    frames = round(SECONDS * sample_rate)
    audio = [[one[:frames] for _, one in pictures[pair]] for pair in pairs]
    levels = [[levels_db(one, sample_rate, frames // WIDTH, HEIGHT) for one in row] for row in audio]
    top = max(float(level.max()) for row in levels for level in row)
    across, down = MARGIN + 3 * (WIDTH + GAP), HEAD + len(pairs) * (HEIGHT + TITLE) + FOOT
    figure = Figure(figsize=(across / DPI, down / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    figure.text(MARGIN / across, 1 - 10 / down, title, fontsize=10, fontweight="bold", va="top")
    for row, (source, target) in enumerate(pairs):
        names = (f"input: {source}", f"output: {source} to {target}, amount 1", f"real {target}")
        for column, name in enumerate(names):
            left, below = MARGIN + column * (WIDTH + GAP), FOOT + (len(pairs) - 1 - row) * (HEIGHT + TITLE)
            axes = figure.add_axes((left / across, below / down, WIDTH / across, HEIGHT / down))
            draw(axes, levels[row][column], audio[row][column].size / sample_rate, sample_rate, top)
            axes.set_xlim(0, SECONDS)
            axes.set_xticks(range(round(SECONDS)))
            axes.set_title(name, fontsize=8, loc="left", pad=3)
            last = row == len(pairs) - 1
            axes.tick_params(labelsize=7, labelleft=column == 0, bottom=last, labelbottom=last)
        figure.text(4 / across, (below + HEIGHT + 5) / down, "Hz", fontsize=7)
    figure.text((across - GAP) / across, 16 / down, "s", fontsize=7, ha="right")
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)
