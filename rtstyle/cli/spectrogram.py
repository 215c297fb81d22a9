"""Before and after as one picture: log-frequency spectrograms above each other, written as PNG."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.errors import FileError

N_FFT: Final = 4096
LOWEST_HZ: Final = 110.0
HIGHEST_HZ: Final = 16_000.0
FLOOR_DB: Final = -75.0
WIDTH: Final = 900
HEIGHT: Final = 150
MARGIN: Final = 44  # for the frequencies, at the left
TITLE: Final = 18

# Dark blue, violet, orange, yellow, white: brightness grows steadily, so that it also reads in grey.
_COLOURS: Final = np.array(
    [
        (0, 0, 12), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
        (252, 255, 164),
    ],
    dtype=np.float64,
)  # fmt: skip


def spectrogram_db(audio: NDArray[np.float32], sample_rate: int, width: int, height: int) -> NDArray[np.float64]:
    """Level in dB of `audio` (frames,), as (height, width): rows from HIGHEST_HZ down to LOWEST_HZ. `[any]`

    Relative to a full-scale sine. Each row takes the strongest bin of its band, so that thin partials stay visible.
    """
    window = np.hanning(N_FFT).astype(np.float32)
    padded = np.concatenate([np.zeros(N_FFT // 2, np.float32), audio, np.zeros(N_FFT, np.float32)])
    starts = np.linspace(0, max(len(audio) - 1, 0), width).astype(int)
    frames = np.stack([padded[start : start + N_FFT] * window for start in starts])
    magnitude = np.abs(np.fft.rfft(frames, axis=1)) * (2.0 / float(window.sum()))
    highest = min(HIGHEST_HZ, 0.5 * sample_rate)
    edges = np.geomspace(highest, LOWEST_HZ, height + 1) * N_FFT / sample_rate
    rows = np.empty((height, width))
    for row in range(height):
        low = int(edges[row + 1])
        rows[row] = magnitude[:, low : max(math.ceil(edges[row]), low + 1)].max(axis=1)
    return np.asarray(20.0 * np.log10(rows + 1e-9))


def colour(level_db: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Map levels between FLOOR_DB and 0 dB to RGB. `[any]`"""
    place = np.clip(1.0 - level_db / FLOOR_DB, 0.0, 1.0) * (len(_COLOURS) - 1)
    below = np.minimum(place.astype(int), len(_COLOURS) - 2)
    share = (place - below)[..., None]
    return np.asarray((1 - share) * _COLOURS[below] + share * _COLOURS[below + 1], dtype=np.uint8)


def write_spectrograms(path: Path, panels: Sequence[tuple[str, NDArray[np.float32]]], sample_rate: int) -> None:
    """Write a PNG with one titled panel per (title, mono audio), from top to bottom. `[control]`

    Raises FileError where the file cannot be written.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (MARGIN + WIDTH, len(panels) * (HEIGHT + TITLE)), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    highest = min(HIGHEST_HZ, 0.5 * sample_rate)
    for number, (title, audio) in enumerate(panels):
        top = number * (HEIGHT + TITLE)
        draw.text((MARGIN, top + 3), f"{title}  ({len(audio) / sample_rate:.1f} s)", fill=(0, 0, 0))
        image.paste(Image.fromarray(colour(spectrogram_db(audio, sample_rate, WIDTH, HEIGHT))), (MARGIN, top + TITLE))
        for hz in (200, 1000, 5000):
            row = HEIGHT * math.log(highest / hz) / math.log(highest / LOWEST_HZ)
            label = f"{hz} Hz" if hz < 1000 else f"{hz // 1000} kHz"
            draw.text((2, top + TITLE + row - 6), label, fill=(0, 0, 0))
    try:
        image.save(path, format="PNG")
    except OSError as error:
        raise FileError(f"The picture {path} cannot be written: {error.strerror or error}.") from error
