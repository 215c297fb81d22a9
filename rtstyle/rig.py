"""One live set-up: model, engine, audio connection, controllers, presets, recording. All that a face talks to."""

import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rtstyle import paths
from rtstyle.backends.backend import Backend, DeviceLatency
from rtstyle.backends.driver import choose_driver
from rtstyle.backends.link import AudioLink
from rtstyle.backends.player import Player, PlayerState
from rtstyle.backends.recorder import Recorder
from rtstyle.bundle.content import Bundle
from rtstyle.bundle.load import default_bundle, find_bundle, load_bundle
from rtstyle.control.events import Panic, ParameterEvent, RecallPreset, SetParameter
from rtstyle.control.mapping import load_map
from rtstyle.control.ports import MidiInput
from rtstyle.control.surface import Surface
from rtstyle.engine.engine import Engine, Faults, Meters
from rtstyle.engine.latency import Latency
from rtstyle.errors import BundleError, DeviceError, FileError, MissingPartError, ParameterError, RtstyleError
from rtstyle.params import PADS, defaults, parameter, style_weights
from rtstyle.presets import Preset, load_preset, preset_from_state, presets_by_program, save_preset
from rtstyle.runtime.model import LoadedModel, load_model

BACKENDS: Final = ("auto", "jack", "portaudio")
_WATCH_SECONDS: Final = 0.05
_STYLE_IDS: Final = (*PADS, "style.x", "style.y")


@dataclass(frozen=True)
class Setup:
    """What a rig is made of; None leaves the choice to the rig (first bundle, default device, parameter's default).

    backend: auto (JACK where a server runs, else PortAudio), jack, portaudio. input, output: a device or JACK ports,
    see `pick_device` and `pick_ports`. rate and block: wishes; the device decides. midi: a port, or "none". channels: 1
    or 2. input_channel: the device's input, from 1, that the first channel hears.
    """

    model: str | None = None
    style: str | None = None
    mix: float | None = None
    amount: float | None = None
    dynamics: float | None = None
    backend: str = "auto"
    input: str | None = None
    output: str | None = None
    input_channel: int = 1
    channels: int = 1
    rate: int | None = None
    block: int | None = None
    driver: str = "auto"
    midi: str | None = None
    preset: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Message:
    """One sentence for the player, and when it was said (seconds since the epoch)."""

    time: float
    text: str


@dataclass(frozen=True)
class RigState:
    """Everything that a face shows, at one moment. `load` is the share of a block's time that the chain takes."""

    model: str
    kind: str
    runtime: str
    style: str
    styles: tuple[str, ...]
    values: Mapping[str, float]
    swapping: bool
    backend: str
    device: str
    audio: PlayerState
    latency: Latency | None
    device_latency: DeviceLatency
    total_ms: float
    meters: Meters | None
    faults: Faults | None
    load: float
    midi: tuple[str, ...]
    midi_problem: str
    recording: str
    recorded_seconds: float
    recording_failure: str
    messages: tuple[Message, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return asdict(self)


class Rig:
    """A live set-up from `open` to `close`. `[control]`: any thread may call any method once it is open.

    backend: makes another audio connection than those that `setup` names.

    `open` finds and loads everything, `start` makes it sound; from then on a thread watches the device, swaps models
    and tells what happened (`tell`, and the messages in `state`). Whatever fails then is told, not raised: the music
    goes on.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        tell: Callable[[str], None] | None = None,
        backend: Callable[[AudioLink], Backend] | None = None,
    ) -> None:
        self.setup = setup
        self._make_backend = backend
        self._tell_face = tell
        self._messages: deque[Message] = deque(maxlen=50)
        self._lock = threading.RLock()  # the player, and models on their way in
        self._values_lock = threading.RLock()
        self._values: dict[str, float] = defaults()
        self._bundle: Bundle | None = None
        self._models: tuple[LoadedModel, ...] = ()
        self.engine = Engine()
        self._player: Player | None = None
        self._recorder: Recorder | None = None
        self._surface: Surface | None = None
        self._midi: MidiInput | None = None
        self._wanted: deque[Callable[[], None]] = deque()  # work for the loader, in order
        self._work = threading.Event()
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._load_seen = (0.0, 0.0, 0.0)  # time of the chain, frames, share

    # --- life -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Load the model, open the device and prepare the engine for it. Raises RtstyleError; nothing sounds yet."""
        setup = self.setup
        preset = load_preset(setup.preset) if setup.preset else None
        if setup.backend not in BACKENDS:
            raise DeviceError(f"backend '{setup.backend}' does not exist; there are: {', '.join(BACKENDS)}")
        bundle = self._load_bundle(setup.model or (preset.model if preset else None))
        self._open_audio()
        values = preset.state([style.id for style in bundle.styles]) if preset is not None else {}
        if setup.style is not None:
            values["style.target"] = float(_style_number(bundle, setup.style))
        for id, value in (("mix", setup.mix), ("style.amount", setup.amount), ("dynamics", setup.dynamics)):
            if value is not None:
                values[id] = parameter(id, bundle.parameters).check(value)
        self._take_bundle(bundle, self._load_models(bundle), values)
        self.player.prepare()

    def start(self) -> None:
        """Sound, controllers, watching."""
        self.player.start()
        self._start_midi()
        for name, target in (("rtstyle-watch", self._watch), ("rtstyle-loader", self._load)):
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        # A collection would otherwise walk through every object of the libraries: 50 to 80 ms with the GIL held.
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """End the recording, let go of device and controllers. Never hangs; harmless when called twice."""
        self._ending.set()
        self._work.set()
        if self._player is not None:
            self._player.wake.set()
        for thread in self._threads:
            thread.join(5.0)
        self._threads = []
        self.stop_recording()
        if self._midi is not None:
            self._midi.stop()
            self._midi = None
        player, self._player = self._player, None
        if player is not None:
            player.close()
        if player is None or player.backend.link.held:
            for models in self.engine.close():
                for model in models:
                    if isinstance(model, LoadedModel):
                        model.close()

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def player(self) -> Player:
        """The audio connection. Raises `DeviceError` before `open`."""
        if self._player is None:
            raise DeviceError("the rig is not open")
        return self._player

    @property
    def bundle(self) -> Bundle:
        """What plays. Raises `BundleError` before `open`."""
        if self._bundle is None:
            raise BundleError("no model is loaded")
        return self._bundle

    @property
    def surface(self) -> Surface | None:
        """The controllers: learn and unlearn there; None where MIDI is off."""
        return self._surface

    # --- steering ---------------------------------------------------------------------------------------------------

    def set(self, id: str, value: float) -> None:
        """Set a parameter in its unit. Raises ParameterError for an unknown id or a value out of range."""
        value = parameter(id, self.bundle.parameters).check(value)
        with self._values_lock:
            self._values[id] = value
            self._send_values((id,))

    def set_text(self, id: str, text: str) -> None:
        """Set a parameter from what a person typed: "50 %", "-6 dB", "on", a style's name."""
        self.set(id, parameter(id, self.bundle.parameters).parse(text, self._style_ids))

    def value(self, id: str) -> float:
        """A parameter's present value. `[any]`"""
        return self._values[parameter(id).id]

    def choose_style(self, name: str) -> None:
        """Play one style alone, by id, name or number. Raises BundleError that lists near names."""
        number = _style_number(self.bundle, name)
        with self._values_lock:
            self._values.update({"style.target": float(number), "style.x": 0.0, "style.y": 0.0})
            self._send_values(_STYLE_IDS)

    def choose_model(self, name: str, then: Callable[[], None] | None = None) -> None:
        """Change to another bundle without a gap, a moment later; one that is broken is told, and the old one plays on.

        then: called once the new one is on its way in. Raises BundleError at once for a name that does not exist.
        """
        folder = find_bundle(name)

        def work() -> None:
            bundle = load_bundle(folder)
            models = self._load_models(bundle)
            with self._lock:
                self._take_bundle(bundle, models)
            if then is not None:
                then()
            self.tell(f"model {bundle.name}: {len(bundle.styles)} styles")

        self._later(work)

    def load_preset(self, preset: str | Preset) -> None:
        """Recall a preset by name, with its model where it names another. Raises FileError and ParameterError."""
        found = load_preset(preset) if isinstance(preset, str) else preset

        def recall() -> None:
            with self._values_lock:
                self._apply(found.state(self._style_ids))
                self._send_values()
            self.tell(f"preset {found.name}")

        if found.model is not None and found.model != self.bundle.name:
            self.choose_model(found.model, recall)
        else:
            recall()

    def save_preset(self, name: str, *, program: int | None = None, replace: bool = False) -> Path:
        """Save what plays now as a preset and return its file."""
        with self._values_lock:
            state = {id: value for id, value in self._values.items() if id in self.bundle.parameters}
        preset = preset_from_state(name, state, self._style_ids, model=self.bundle.name, program=program)
        return save_preset(preset, replace=replace)

    def panic(self) -> None:
        """Dry sound now, and every memory of the chain emptied. Bypass stays on until it is switched off."""
        self.set("bypass", 1.0)
        with self._lock:
            if self._player is not None:
                self._player.restart_engine()
        self.tell("panic: bypassed and emptied; switch bypass off to go on")

    def handle(self, event: ParameterEvent) -> None:
        """What a controller asks for; returns at once. `[any]`"""
        match event:
            case SetParameter(id, value):
                entry = parameter(id, self.bundle.parameters)
                self.set(id, entry.clamp(value))
            case RecallPreset(program):
                self._later(lambda: self._recall_program(program))
            case Panic():
                self._later(self.panic)

    # --- recording --------------------------------------------------------------------------------------------------

    def record(self, path: str | Path | None = None, *, with_dry: bool = False) -> Path:
        """Record what is played, and below it what comes in, into a new WAV file. Raises FileError."""
        if path is None:
            path = paths.recordings() / time.strftime("rtstyle %Y-%m-%d %H.%M.%S.wav")
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if self._recorder is not None and self._recorder.recording:
                raise FileError(f"{self._recorder.path} is being recorded: stop that first")
            if Path(path).exists():
                raise FileError(f"{path} exists already: no take is overwritten, give another name")
            link = self.player.backend.link
            self._recorder = Recorder(link, path, self.player.state().sample_rate, with_dry=with_dry)
            return self._recorder.path

    def stop_recording(self) -> Path | None:
        """End the file and return it; None where nothing was recorded."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
        if recorder is None:
            return None
        recorder.close()
        if recorder.failure:
            self.tell(recorder.failure)
        elif recorder.lost_frames:
            self.tell(f"{recorder.path} lacks {recorder.lost_frames} frames: the disk was too slow")
        return recorder.path

    # --- reading ----------------------------------------------------------------------------------------------------

    def state(self) -> RigState:
        """Everything at this moment. `[any]`"""
        player, bundle, recorder = self.player, self.bundle, self._recorder
        ready = self.engine.sample_rate > 0
        latency = self.engine.latency() if ready else None
        device = player.backend.device_latency()
        rate = latency.sample_rate if latency else 1
        with self._values_lock:
            values = dict(self._values)
        total = (latency.total if latency else 0) + (device.input or 0) + (device.output or 0)
        return RigState(
            model=bundle.name,
            kind=bundle.kind,
            runtime=self._models[0].backend if self._models else "",
            style=self._describe_style(values),
            styles=self._style_ids,
            values=values,
            swapping=self.engine.swapping,
            backend=player.backend.kind,
            device=player.backend.label,
            audio=player.state(),
            latency=latency,
            device_latency=device,
            total_ms=1000.0 * total / rate,
            meters=self.engine.meters() if ready else None,
            faults=self.engine.faults() if ready else None,
            load=self._measure_load() if ready else 0.0,
            midi=self._midi.ports if self._midi is not None else (),
            midi_problem=(self._midi.problem if self._midi is not None else None) or self._surface_problem,
            recording=str(recorder.path) if recorder is not None else "",
            recorded_seconds=recorder.seconds if recorder is not None else 0.0,
            recording_failure=recorder.failure if recorder is not None else "",
            messages=tuple(self._messages),
        )

    def tell(self, text: str) -> None:
        """Say one sentence to the player. `[any]`"""
        self._messages.append(Message(time.time(), text))
        if self._tell_face is not None:
            self._tell_face(text)

    # --- the watching threads ---------------------------------------------------------------------------------------

    def watch(self) -> None:
        """One round: follow the device, finish swaps, see to the recording. The rig's own thread does it often."""
        with self._lock:
            if self._player is None:
                return
            try:
                self._player.poll()
            except (DeviceError, MissingPartError) as error:
                self.tell(str(error))
            for models in self.engine.service():
                for model in models:
                    if isinstance(model, LoadedModel):
                        model.close()
            recorder = self._recorder
        if recorder is not None and recorder.failure:
            self.stop_recording()

    def _watch(self) -> None:
        while not self._ending.is_set():
            if self._player is not None:
                self._player.wake.wait(_WATCH_SECONDS)
            if not self._ending.is_set():
                self.watch()

    def _load(self) -> None:
        while not self._ending.is_set():
            self._work.wait()
            self._work.clear()
            while self._wanted and not self._ending.is_set():
                try:
                    self._wanted.popleft()()
                except RtstyleError as error:
                    self.tell(str(error))

    def _later(self, work: Callable[[], None]) -> None:
        self._wanted.append(work)
        self._work.set()

    # --- parts ------------------------------------------------------------------------------------------------------

    def _open_audio(self) -> None:
        setup = self.setup
        if self._make_backend is not None:
            self._connect(self._make_backend(self._new_link()))
        elif setup.backend == "auto":
            try:
                self._connect(self._backend("jack"))
                return
            except (DeviceError, MissingPartError) as no_jack:
                try:
                    self._connect(self._backend("portaudio"))
                except (DeviceError, MissingPartError) as no_card:
                    raise DeviceError(f"neither JACK nor a sound card: {no_jack}\n{no_card}") from no_card
        else:
            self._connect(self._backend(setup.backend))

    def _connect(self, backend: Backend) -> None:
        player = Player(self.engine, backend, pick_driver=self._pick_driver, tell=self.tell)
        found = player.open()
        self._player = player
        for what, wanted, given, unit in (
            ("rate", self.setup.rate, found.sample_rate, "Hz"),
            ("block", self.setup.block, found.block, "frames"),
        ):
            if wanted is not None and given and wanted != given:
                self.tell(f"{backend.label} runs at {given} {unit}: --{what} {wanted} is not followed")

    def _backend(self, kind: str) -> Backend:
        setup = self.setup
        link = self._new_link()
        # Imported here: each brings a library and a compiled callback of which a rig needs one.
        if kind == "jack":
            from rtstyle.backends.jack import JackBackend

            return JackBackend(link, input=setup.input, output=setup.output)
        from rtstyle.backends.portaudio import PortAudioBackend

        return PortAudioBackend(link, input=setup.input, output=setup.output, sample_rate=setup.rate, block=setup.block)

    def _new_link(self) -> AudioLink:
        return AudioLink(channels=self.setup.channels, in_offset=self.setup.input_channel - 1)

    def _load_bundle(self, name: str | None) -> Bundle:
        return load_bundle(default_bundle() if name is None else find_bundle(name))

    def _load_models(self, bundle: Bundle) -> tuple[LoadedModel, ...]:
        count = self.setup.channels if bundle.stereo == "per_channel" else 1
        return tuple(load_model(bundle, device=self.setup.device) for _ in range(count))

    def _take_bundle(
        self, bundle: Bundle, models: tuple[LoadedModel, ...], values: Mapping[str, float] | None = None
    ) -> None:
        with self._values_lock:
            before = self._bundle
            names = [style.id for style in before.styles] if before is not None else []
            chosen = {id: names[int(self._values[id])] for id in PADS if int(self._values[id]) < len(names)}
            self._bundle, self._models = bundle, models
            if before is None:
                self._values = defaults(bundle.parameters)
            # A style keeps its name where the new model has it too; else its place, as far as there are so many.
            for id in PADS:
                entry = bundle.parameters[id]
                same = self._style_ids.index(chosen[id]) if chosen.get(id) in self._style_ids else None
                self._values[id] = entry.clamp(self._values[id] if same is None else float(same))
            for id, entry in bundle.parameters.items():
                self._values[id] = entry.clamp(self._values.get(id, entry.default))
            self._apply(values or {})
            weights = style_weights(self._values, len(bundle.styles))
            self.engine.load(models, weights)
            self._send_values()
        if self._surface is not None:
            self._surface.use_table(bundle.parameters)

    def _pick_driver(self, sample_rate: int, block: int) -> tuple[str, str]:
        choice = choose_driver(self.setup.driver, self._models, sample_rate, block)
        return choice.driver, choice.reason

    def _apply(self, state: Mapping[str, float]) -> None:
        table = self.bundle.parameters
        for id, value in state.items():
            self._values[id] = parameter(id, table).clamp(value)

    def _send_values(self, ids: tuple[str, ...] | None = None) -> None:
        names = self._values if ids is None else ids
        for id in names:
            if id not in _STYLE_IDS:
                self.engine.set(id, self._values[id])
        if self.engine.sample_rate and any(id in _STYLE_IDS for id in names):  # before, `load` takes them along
            self.engine.set_styles(style_weights(self._values, len(self.bundle.styles)))

    def _recall_program(self, program: int) -> None:
        preset = presets_by_program().get(program)
        if preset is None:
            raise ParameterError(f"no preset has program {program}: `rtstyle preset save NAME --program {program}`")
        self.load_preset(preset)

    def _start_midi(self) -> None:
        wanted = self.setup.midi
        if wanted is not None and wanted.lower() == "none":
            return
        try:
            self._surface = Surface(self.handle, load_map(), value_of=self.value, table=self.bundle.parameters)
            self._midi = MidiInput(self._surface, wanted).start()
        except (MissingPartError, DeviceError, FileError, ParameterError) as error:
            if wanted is not None:
                raise
            self.tell(f"no MIDI: {error}")

    @property
    def _style_ids(self) -> tuple[str, ...]:
        return tuple(style.id for style in self.bundle.styles)

    @property
    def _surface_problem(self) -> str:
        return (self._surface.problem if self._surface is not None else None) or ""

    def _describe_style(self, values: Mapping[str, float]) -> str:
        weights = style_weights(values, len(self.bundle.styles))
        parts = [
            (float(weights[index]), style) for index, style in enumerate(self._style_ids) if weights[index] > 0.005
        ]
        if len(parts) == 1:
            return parts[0][1]
        return " + ".join(f"{100 * weight:.0f} % {style}" for weight, style in sorted(parts, reverse=True))

    def _measure_load(self) -> float:
        """Share of the blocks' time since the last look at least half a second ago."""
        meters = self.engine.meters()
        spent, frames = meters.chain_us * meters.blocks, float(meters.frames)
        if self.engine.driver == "safe":
            spent += meters.model_us * meters.blocks
        before, seen, share = self._load_seen
        if frames < seen or spent < before:
            before, seen = 0.0, 0.0
        if frames - seen >= 0.5 * self.engine.sample_rate:
            share = float(spent - before) / 1e6 * self.engine.sample_rate / (frames - seen)
            self._load_seen = (spent, frames, share)
        return share


def _style_number(bundle: Bundle, text: str) -> int:
    """A style's place, by number, id or name."""
    return int(text) if text.isdecimal() and int(text) < len(bundle.styles) else bundle.style_index(text)
