"""A bundle as it plays: the compiled chain of the stage, block by block, its delay taken off the result."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from rtstyle.bundle import Bundle, Style, load_bundle
from rtstyle.bundle.captured import NONE
from rtstyle.capture import measure_style
from rtstyle.engine.cells import CELL_OF
from rtstyle.engine.engine import Engine
from rtstyle.errors import ParameterError
from rtstyle.lab.evaluate.clips import RATE
from rtstyle.runtime.model import LoadedModel, load_model

Audio = NDArray[np.float32]
BLOCK = 128
FILE_BLOCK = 2048  # where time does not matter: the same sound in a quarter of the time
CAPTURED = "captured"


class BundleRun:
    """Renders through an engine with a loaded bundle, and keeps how long each block took. `[control]`

    Called as `render(audio, style, amount)` with mono float32 at 48 kHz; returns as many samples, lined up with the input.
    The driver is `tight` with blocks of `block`, as with a device of that period, but nothing is ever late. clock: what the
    blocks are timed by.
    """

    def __init__(
        self, bundle: Bundle | Path | str, *, block: int = BLOCK, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        self.model: LoadedModel = load_model(self.bundle)
        self.styles = self.model.styles
        self.leans = ""
        self.block, self.clock = block, clock
        self.engine = Engine()
        for id in CELL_OF:
            self.engine.set(id, self.bundle.parameters[id].default)
        self.engine.prepare(sample_rate=RATE, block=block, channels=1, driver="tight")
        self.engine.set_patient(True)
        self.engine.load(self.model)
        self.seconds_per_block: list[float] = []

    def __call__(self, audio: Audio, style: str, amount: float) -> Audio:
        """Render from a fresh start with one style throughout."""
        return self._run(audio, amount, [(0, style)])

    def switching(self, audio: Audio, styles: tuple[str, ...], every_s: float) -> tuple[Audio, list[int]]:
        """Render while the style moves on to the next one every `every_s` seconds; returns it and the switches' samples."""
        period = round(every_s * RATE / self.block) * self.block
        places = list(range(period, audio.size, period))
        turns = [(at, styles[number % len(styles)]) for number, at in enumerate([0, *places])]
        return self._run(audio, 1.0, turns), places

    def captured(self, recording: Audio, without: str = "", like: str | None = None) -> "BundleRun":
        """A run of the same bundle whose one style, CAPTURED, is captured from a mono recording at 48 kHz.

        without: a trained style that it may not lean on, as if the model had it not. like: what it leans on, or NONE, in the
        place of what is heard. What it leans on is its `leans`.
        """
        bundle = self.bundle
        audio = soxr.resample(recording, RATE, bundle.sample_rate) if bundle.sample_rate != RATE else recording
        measured = measure_style(bundle, audio, "the recording", like, without)
        style = Style(CAPTURED, "Captured", "captured")
        alone = bundle.alone(style, measured.mean, measured.std, measured.tone, measured.sound)
        run = BundleRun(alone, block=FILE_BLOCK)
        run.leans = "" if measured.like == NONE else measured.like
        return run

    def cost(self) -> dict[str, float]:
        """How long the blocks so far took as shares of their duration: median, p99, p99_9, and how many; back to back."""
        taken = np.asarray(self.seconds_per_block) * RATE / self.block
        if not taken.size:
            return {"blocks": 0.0}
        median, p99, p99_9 = (float(value) for value in np.quantile(taken, [0.5, 0.99, 0.999]))
        return {"block": float(self.block), "median": median, "p99": p99, "p99_9": p99_9, "blocks": float(taken.size)}

    def latency_ms(self) -> dict[str, float]:
        """Delay by item in ms, without any device's own; `block` is the time that a block takes to fill."""
        latency = self.engine.latency()
        items = {item.name: round(1000.0 * item.samples / RATE, 3) for item in latency.items}
        return {"block": round(1000.0 * self.block / RATE, 3), **items, "total": round(latency.milliseconds, 3)}

    def close(self) -> None:
        """Free the model."""
        self.engine.close()
        self.model.close()

    def _weights(self, style: str) -> NDArray[np.float32]:
        if style not in self.styles:
            raise ParameterError(
                f"The model '{self.model.name}' has no style '{style}'; it has {', '.join(self.styles)}."
            )
        return np.eye(len(self.styles), dtype=np.float32)[self.styles.index(style)]

    def _run(self, audio: Audio, amount: float, turns: list[tuple[int, str]]) -> Audio:
        engine = self.engine
        engine.set("style.amount", amount)
        engine.set_styles(self._weights(turns[0][1]))
        engine.reset()
        late = engine.latency().total
        total = -(-(audio.size + late) // self.block) * self.block
        padded = np.zeros(total, np.float32)
        padded[: audio.size] = audio
        out = np.empty(total, np.float32)
        due = dict(turns)
        for start in range(0, total, self.block):
            if start in due:
                engine.set_styles(self._weights(due[start]))
            begin = self.clock()
            out[start : start + self.block] = engine.process(padded[start : start + self.block])
            self.seconds_per_block.append(self.clock() - begin)
        return out[late : late + audio.size]
