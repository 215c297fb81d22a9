"""A bundle ready to run: its graphs loaded, bound to memory and warm; `step` says what then happens to a hop."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.bundle.content import Bundle
from rtstyle.dsp import adain, comb, excitation, front, tone
from rtstyle.dsp.denormals import floating_point_mode, restore_mode
from rtstyle.errors import RtstyleError
from rtstyle.runtime import layout as at
from rtstyle.runtime.fallback import PythonGraph
from rtstyle.runtime.latent import prepare_latent
from rtstyle.runtime.memory import Memory
from rtstyle.runtime.native import NativeGraph
from rtstyle.runtime.ort_api import find_library, open_library
from rtstyle.runtime.recorded import prepare_recorded
from rtstyle.runtime.session import Graph, Port, Session, aligned_zeros
from rtstyle.runtime.spectral import prepare_spectral
from rtstyle.runtime.step import (
    CONTROLS,
    ERROR_CLOSED,
    ERROR_NOT_FINITE,
    ERROR_SESSION,
    OK,
    hop_of,
    reset_model,
    run_model,
)

__all__ = [
    "CONTROLS",
    "ERROR_CLOSED",
    "ERROR_NOT_FINITE",
    "ERROR_SESSION",
    "OK",
    "LoadedModel",
    "hop_of",
    "load_model",
    "reset_model",
    "run_model",
]

_REASONS: Final = {
    ERROR_SESSION: "ONNX Runtime returned an error",
    ERROR_NOT_FINITE: "it made NaN or infinite numbers",
    ERROR_CLOSED: "it was closed",
}


class LoadedModel:
    """A bundle in memory, warmed up, and the owner of all that its table points at. `[control]`

    table: int64, self-contained: what `run_model` and `reset_model` take, for as long as this object lives and is not
    closed. sample_rate in Hz; hop, latency and max_frames as in the bundle and `load_model` (latency in samples,
    max_frames in hops). backend: "native", or "python" where ONNX Runtime runs through its Python session. One stream
    at a time: another stream needs another model.
    """

    def __init__(self, bundle: Bundle, memory: Memory, sessions: Sequence[Session], backend: str, levels: int) -> None:
        self.name = bundle.name
        self.kind = bundle.kind
        self.sample_rate = bundle.sample_rate
        self.hop = bundle.hop
        self.latency = bundle.latency
        self.stereo = bundle.stereo
        self.max_frames = 1 << (levels - 1)
        self.styles = tuple(style.id for style in bundle.styles)
        self.backend = backend
        self.table = memory.table
        self._memory = memory
        self.sessions = tuple(sessions)
        self._next: LoadedModel | None = None

    def then(self, following: "LoadedModel") -> None:
        """Let `following` play what this one makes, as its next turn. `[control]` before anything runs."""
        self._next = following
        self.table[at.NEXT] = following.table.ctypes.data
        self.table[at.LEFT] = following.table[at.LEFT] + 1
        self.reset()  # its noise is no longer that of the last turn

    @property
    def turns(self) -> tuple["LoadedModel", ...]:
        """This model, and behind it those that play what it makes. `[any]`"""
        return (self, *(self._next.turns if self._next is not None else ()))

    @property
    def bad_samples(self) -> int:
        """Input samples so far that were NaN or infinite, and were taken as 0. `[any]`"""
        return int(self.table[at.BAD_SAMPLES])

    @property
    def failures(self) -> int:
        """Calls of `run_model` so far that returned an error. `[any]`"""
        return int(self.table[at.FAILURES])

    def controls(self, style: int = 0, amount: float = 1.0) -> NDArray[np.float32]:
        """Controls for one style alone: float32[CONTROLS]. `[any]`"""
        controls = np.zeros(CONTROLS, dtype=np.float32)
        controls[0], controls[1 + style] = amount, 1.0
        return controls

    def step(self, x: NDArray[np.float32], controls: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run x, float32 of any length that is a multiple of the hop, offline. `[control]`

        Raises ValueError for another length and RtstyleError when the model fails.
        """
        if x.size % self.hop:
            raise ValueError(f"{x.size} samples are no multiple of the hop, {self.hop}")
        y = np.empty(x.size, dtype=np.float32)
        given = np.ascontiguousarray(x, dtype=np.float32)
        hops = x.size // self.hop
        own = np.empty(hops, dtype=np.float32)
        code = run_model(self.table, np.ascontiguousarray(controls, dtype=np.float32), given, y, own, hops)
        if code != OK:
            raise RtstyleError(
                f"The model '{self.name}' failed: {_REASONS[code]}; check it by `rtstyle models verify {self.name}`."
            )
        return y

    def reset(self) -> None:
        """Forget the past: the next call runs as the first. `[control]` while nothing runs."""
        reset_model(self.table)

    def poison(self) -> None:
        """Fill with NaN all that is written before it is read, or cleared by `reset`. `[control]` For tests."""
        for turn in self.turns:
            for slot in at.TRANSIENT:
                if slot in turn._memory.arrays:
                    array = turn._memory.arrays[slot]
                    array.fill(np.nan if array.dtype.kind in "fc" else 77)
            for session in turn.sessions:
                session.poison()

    def close(self) -> None:
        """Free all graphs; `run_model` returns ERROR_CLOSED from now on. `[control]` while nothing runs."""
        for turn in self.turns:
            turn.table[at.KIND] = at.CLOSED
            for session in turn.sessions:
                session.close()


def load_model(
    bundle: Bundle, *, device: str = "cpu", threads: int = 1, prefer: str = "native", max_frames: int = 64
) -> LoadedModel:
    """Load the graphs of a bundle, bind them to memory and run them warm. `[control]`

    device: "cpu" or "cuda". threads: inside one operator. prefer: "native" runs ONNX Runtime's C library, and its
    Python session only where there is none; "python" runs the latter. max_frames: most hops in one call of a graph,
    rounded up to a power of two; longer calls are cut. Raises BundleError for a graph that cannot run,
    MissingPartError without CUDA.
    """
    for what, value, allowed in (("device", device, ("cpu", "cuda")), ("prefer", prefer, ("native", "python"))):
        if value not in allowed:
            raise ValueError(f"{what} {value!r} must be one of {allowed}")
    if max_frames < 1 or threads < 1:
        raise ValueError(f"max_frames {max_frames} and threads {threads} must be at least 1")
    levels = (max_frames - 1).bit_length() + 1
    mode = floating_point_mode()  # creating a session flushes denormals on this thread, which is not ours to change
    native = prefer == "native" and find_library() is not None
    graphs: list[Graph] = []  # all turns share them: what a processor reads in a block is most of all their weights
    try:
        for file, content in bundle.graphs.items():
            path = str(bundle.path / file)
            if native:
                graphs.append(NativeGraph(open_library(), content, path, device=device, threads=threads))
            else:
                graphs.append(PythonGraph(content, path, device=device, threads=threads))
        *earlier, model = (_prepare(bundle, graphs, levels, turn == 0) for turn in range(bundle.turns))
        for one in reversed(earlier):
            one.then(model)
            model = one
        return model
    except BaseException:
        for graph in graphs:
            graph.close()
        raise
    finally:
        restore_mode(mode)


def _prepare(bundle: Bundle, graphs: Sequence[Graph], levels: int, first: bool) -> LoadedModel:
    """One turn: memory of its own, and sessions of all graphs."""
    hops, hop, channels = 1 << (levels - 1), bundle.hop, bundle.channels
    spectral = bundle.kind == "spectral"
    memory = Memory()
    memory.numbers({at.HOP: hop, at.LEVELS: levels, at.CHANNELS: channels, at.STYLES: len(bundle.styles)})
    memory.numbers({at.SAMPLE_RATE: bundle.sample_rate, at.KIND: at.SPECTRAL if spectral else at.LATENT_KIND})
    for slot in (at.LATENT, at.STYLED):
        memory.zeros(slot, (hops * channels,), np.float32)
    memory.zeros(at.STYLE, (2 * channels,), np.float32)
    memory.zeros(at.AMOUNT, (1,), np.float32)
    memory.zeros(at.CONDITIONED, (1 + 2 * channels,), np.float32)
    memory.zeros(at.ACTIVE, (hops,), np.int64)
    memory.keep(at.STATISTICS, adain.new_state(channels))
    memory.keep(at.PRIOR, np.concatenate([bundle.neutral_mean, bundle.neutral_std]).astype(np.float32))
    memory.keep(at.MEANS, bundle.mean.astype(np.float32))
    memory.keep(at.DEVIATIONS, bundle.std.astype(np.float32))
    memory.numbers({at.TONED: int(bundle.tone.any())})
    memory.keep(at.TONES, bundle.tone.astype(np.float32))
    memory.zeros(at.TONE, (tone.BANDS,), np.float32)
    memory.keep(at.FILTERS, tone.new_state())
    rate = bundle.sample_rate / hop
    memory.keep(at.SPANS, np.asarray([bundle.adain.prior_seconds * rate, bundle.adain.memory_seconds * rate]))
    for slot in (at.CLEAN, at.PULSES):
        memory.zeros(slot, (hop,), np.float32)
    memory.zeros(at.CUES, (excitation.CUES,), np.float32)
    memory.keep(at.EXCITATION, excitation.new_state())
    memory.numbers({at.EXCITATION_SIZE: memory.arrays[at.EXCITATION].size})
    memory.keep(at.COMB, comb.new_state())
    memory.keep(at.PULSE_TABLE, excitation.pulse_table())
    memory.zeros(at.SEED, (2,), np.uint64)
    delay = bundle.latency // bundle.turns
    memory.numbers({at.DELAY: delay})
    memory.zeros(at.PLURALITIES, (1 + hops,), np.float64)
    memory.zeros(at.MADE, (delay + hops * hop,), np.float32)
    if first and bundle.sounds:
        prepare_recorded(memory, bundle, hops)
    if spectral:
        prepare_spectral(memory, bundle, hops)
        sizes = (bundle.frontend.features, front.SOURCES * bundle.frontend.bands)
    else:
        prepare_latent(memory, bundle)
        sizes = (bundle.frontend.sources * hop, hop)
    entry, result = (
        memory.zeros(slot, (hops * size,), np.float32) for slot, size in zip((at.ENTRY, at.RESULT), sizes, strict=True)
    )

    passes = [
        Port(one.name, aligned_zeros(hops * one.per_hop * one.width), (one.per_hop, one.width)) for one in bundle.passes
    ]
    arrays = memory.arrays
    encoder_inputs = [
        Port("features", entry, (1, sizes[0])) if spectral else Port("audio", entry, (bundle.frontend.sources, hop), 1)
    ]
    encoder_outputs = [Port("latent", arrays[at.LATENT], (1, channels)), *passes]
    style = [
        Port("style", arrays[at.STYLE], (1, 2 * channels), None),
        Port("amount", arrays[at.AMOUNT], (1, 1), None),
    ]
    condition = [Port("condition", aligned_zeros(width), (1, width), None)] if (width := bundle.condition) else []
    decoder_inputs = [Port("styled", arrays[at.STYLED], (1, channels)), *(condition or style), *passes]
    decoder_outputs = [Port("gains", result, (1, sizes[1])) if spectral else Port("audio", result, (1, hop), 1)]

    sides = (
        (at.ENCODER, encoder_inputs, encoder_outputs, bundle.states_encoder, levels),
        (at.DECODER, decoder_inputs, decoder_outputs, bundle.states_decoder, levels),
        (at.CONDITIONER, style, condition, (), 1),
    )
    sessions = []
    for graph, (slot, inputs, outputs, states, most) in zip(graphs, sides, strict=False):  # the last side is not in all
        sessions.append(Session(graph, inputs, outputs, [(state.name, state.shape) for state in states], most))
        memory.numbers({slot: sessions[-1].table.ctypes.data})
    model = LoadedModel(bundle, memory, sessions, graphs[0].backend, levels)
    _warm_up(model, levels)
    return model


def _warm_up(model: LoadedModel, levels: int) -> None:
    """Run every binding of both sides, so that ONNX Runtime allocates now what it will ever allocate."""
    model.reset()
    noise = np.random.default_rng(0).normal(0.0, 0.1, model.max_frames * model.hop).astype(np.float32)
    controls = model.controls()
    y, own = np.empty_like(noise), np.empty(model.max_frames, np.float32)
    for level in range(levels):
        for _ in range(2):
            run_model(model.table, controls, noise, y, own, 1 << level)
    model.reset()
    model.table[at.FAILURES] = 0
