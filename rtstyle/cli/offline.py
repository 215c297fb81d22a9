"""A chain without a clock: one bundle in an engine, steered by values and events, for files and measurements."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rtstyle.bundle import Bundle, default_bundle, find_bundle, load_bundle
from rtstyle.control.events import ParameterEvent, RecallPreset, SetParameter
from rtstyle.control.midifile import TimedEvent, segments
from rtstyle.engine.engine import Engine
from rtstyle.engine.latency import Latency
from rtstyle.params import defaults, style_weights
from rtstyle.presets import Preset
from rtstyle.runtime.model import LoadedModel, load_model


def pick_bundle(text: str | None) -> Bundle:
    """The bundle that `text` names, without a name the default one, as live. `[control]`

    Raises BundleError where there is none, or none of that name.
    """
    return load_bundle(default_bundle() if text is None else find_bundle(text))


class OfflineChain:
    """Owns an engine and the model instances in it. `[control]`

    values: parameters by id, numbers as in `params`; the rest has the bundle's defaults. driver, block: as in
    `Engine.prepare`; the driver "offline" takes any blocks. presets: what program changes recall. Latency
    `latency.total` samples.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        sample_rate: int,
        channels: int = 1,
        values: Mapping[str, float] | None = None,
        driver: str = "offline",
        block: int = 0,
        device: str = "cpu",
        presets: Mapping[int, Preset] | None = None,
    ) -> None:
        self.bundle = bundle
        self.sample_rate = sample_rate
        self.channels = channels
        self._presets = presets or {}
        self._state = defaults(bundle.parameters)
        count = channels if bundle.stereo == "per_channel" else 1
        self._models: list[LoadedModel] = [load_model(bundle, device=device) for _ in range(count)]
        self.engine = Engine()
        self.set({**self._state, **(values or {})})
        self.engine.prepare(sample_rate=sample_rate, block=block, channels=channels, driver=driver)
        self.engine.load(self._models, self._weights())
        self.engine.start_worker()

    @property
    def backend(self) -> str:
        """ "native", or "python" where ONNX Runtime's C library is missing."""
        return self._models[0].backend

    @property
    def latency(self) -> Latency:
        """Samples from input to output, itemised."""
        return self.engine.latency()

    def set(self, values: Mapping[str, float]) -> None:
        """Aim parameters at new values. Raises ParameterError for one that does not exist or is out of range."""
        styled = False
        for id, value in values.items():
            self._state[id] = value
            if id.startswith("style.") and id != "style.amount":
                styled = True
            else:
                self.engine.set(id, value)
        if styled and self.engine.model is not None:
            self.engine.set_styles(self._weights())

    def apply(self, event: ParameterEvent) -> None:
        """Do what a controller asked for. A program without a preset is passed over, panic is the dry signal."""
        if isinstance(event, SetParameter):
            self.set({event.id: event.value})
        elif isinstance(event, RecallPreset):
            preset = self._presets.get(event.program)
            if preset is not None:
                self.set(preset.state([style.id for style in self.bundle.styles]))
        else:
            self.set({"bypass": 1.0})

    def player(self, events: Sequence[TimedEvent] = ()) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """A function from one block (channels, frames) to the next, which applies `events` at their samples."""
        position = 0

        def process(x: NDArray[np.float32]) -> NDArray[np.float32]:
            nonlocal position
            start, stop = position, position + x.shape[1]
            position = stop
            due = [TimedEvent(event.frame - start, event.event) for event in events if start <= event.frame < stop]
            if not due:
                return self.engine.process(x)
            parts = []
            for segment in segments(due, x.shape[1], x.shape[1]):
                for event in segment.events:
                    self.apply(event)
                parts.append(self.engine.process(x[:, segment.start : segment.stop]))
            return np.concatenate(parts, axis=1)

        return process

    def render(
        self, audio: NDArray[np.float32], block: int = 4096, events: Sequence[TimedEvent] = ()
    ) -> NDArray[np.float32]:
        """Play (channels, frames) from silence and return as many frames that line up with it."""
        self.engine.reset()
        late = self.latency.total
        frames = audio.shape[1]
        padded = np.pad(audio, ((0, 0), (0, late)))
        process = self.player(events)
        out = [process(padded[:, start : start + block]) for start in range(0, frames + late, block)]
        return np.concatenate(out, axis=1)[:, late : late + frames]

    def close(self) -> None:
        """Free the models."""
        for models in self.engine.close():
            for model in models:
                if isinstance(model, LoadedModel):
                    model.close()

    def _weights(self) -> NDArray[np.float32]:
        return style_weights(self._state, len(self.bundle.styles))
