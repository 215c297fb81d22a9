"""Bundles made on the spot, without torch: identities whose output is known to the sample, and small random networks.

`make_identity_bundle` writes a model that plays its input back after the declared latency, with options that make it
misbehave on purpose; `make_network_bundle` writes a small causal network with states, for tests of equality.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rtstyle.bundle.content import Bundle
from rtstyle.bundle.manifest import CONDITIONER, DECODER, PATCH, Adain, Frontend, ParameterRange, Style
from rtstyle.bundle.write import update_bundle, write_bundle
from rtstyle.dsp.front import SOURCES, feature_width
from rtstyle.lab.export.conditioner import split_decoder

SAMPLE_RATE = 48000
HOPS = {"spectral": 64, "latent": 128}
N_FFT = 1024
BANDS = 32
CHANNELS = 4


class GraphBuilder:
    """A graph grown node by node; constants are named by their number."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: tuple[int | str, ...]) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def slice(self, x: str, start: int, end: int, axis: int) -> str:
        bounds = [self.constant([value], np.int64) for value in (start, end, axis)]
        return self.node("Slice", x, *bounds)

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.constant(shape, np.int64))

    def output(self, name: str, x: str, shape: tuple[int | str, ...]) -> None:
        self._nodes.append(helper.make_node("Identity", [x], [name], name=f"as_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def remember(self, name: str, x: str, length: int, shape: tuple[int, ...], axis: int) -> str:
        """`x` with its last `length` frames of earlier calls before it; declares the state that keeps them."""
        joined = self.node("Concat", self.input(f"state_{name}", shape), x, axis=axis)
        self.output(f"next_{name}", self.slice(joined, -length, np.iinfo(np.int64).max, axis), shape)
        return joined

    def bytes(self) -> bytes:
        graph = helper.make_graph(self._nodes, "step", self._inputs, self._outputs, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def make_identity_bundle(
    folder: str | Path,
    kind: str = "spectral",
    *,
    name: str = "identity",
    delay: int = 0,
    gain: float = 1.0,
    style_gains: tuple[float, ...] = (1.0, 1.0),
    nan_after: int | None = None,
    fail_above: float | None = None,
    work: int = 0,
    stereo: str = "linked",
    hop: int | None = None,
) -> Bundle:
    """Write a bundle that plays its input back, late by its declared latency, and return it loaded.

    kind: "spectral" (gains 1 for the input, 0 for pulses and noise; latency one hop) or "latent" (audio row 0 passed
    through; latency `delay`, for which alone `delay` is allowed). Each style s multiplies the output by
    `style_gains[s]` at amount 1, and keeps that level: `dynamics` is at 0 unless asked for. gain multiplies always.
    nan_after: from that hop after a reset on, every hop is NaN. fail_above: a call with a greater amount is an error of
    ONNX Runtime. work: so many products of 512 x 512 matrices per call, each about 0.03 ms, for a model that is too slow.
    """
    if kind == "spectral" and delay:
        raise ValueError("only a latent identity can be delayed")
    size = HOPS[kind] if hop is None else hop
    encoder, decoder = GraphBuilder(), GraphBuilder()
    if kind == "spectral":
        width = feature_width(BANDS)
        features = encoder.input("features", ("frames", width))
        first = np.zeros((width, CHANNELS))
        first[np.arange(CHANNELS), np.arange(CHANNELS)] = 1.0
        encoder.output("latent", encoder.node("MatMul", features, encoder.constant(first)), ("frames", CHANNELS))
    else:
        audio = encoder.slice(encoder.input("audio", (SOURCES, "samples")), 0, 1, 0)
        power = encoder.node("ReduceMean", encoder.reshape(encoder.node("Mul", audio, audio), -1, size), axes=[1])
        latent = encoder.node("Mul", power, encoder.constant([np.arange(1, CHANNELS + 1)]))
        encoder.output("latent", latent, ("frames", CHANNELS))
        encoder.output("wave", encoder.reshape(audio, -1, 1), (f"{size}*frames", 1))

    styled = decoder.input("styled", ("frames", CHANNELS))
    style = decoder.input("style", (1, 2 * CHANNELS))
    amount = decoder.input("amount", (1, 1))
    one = decoder.constant([[1.0]])
    wanted = decoder.node("Sub", decoder.slice(style, 0, 1, 1), one)
    factor = decoder.node("Mul", decoder.node("Add", one, decoder.node("Mul", amount, wanted)), decoder.constant(gain))
    # a column of zeros that a NaN in any styled channel poisons
    column = decoder.node(
        "Mul", decoder.node("ReduceSum", styled, decoder.constant([1], np.int64)), decoder.constant(0.0)
    )
    if nan_after is not None:
        ones = decoder.node("Add", column, one)
        seen = decoder.input("state_seen", (1, 1))
        count = decoder.node("Add", decoder.node("CumSum", ones, decoder.constant(0, np.int64)), seen)
        decoder.output("next_seen", decoder.slice(count, -1, np.iinfo(np.int64).max, 0), (1, 1))
        left = decoder.node(
            "Min", decoder.node("Sub", decoder.constant(float(nan_after)), count), decoder.constant(0.0)
        )
        column = decoder.node("Add", column, decoder.node("Sqrt", left))  # the root of a negative number
    if fail_above is not None:
        beyond = decoder.node(
            "Cast", decoder.node("Greater", amount, decoder.constant(fail_above)), to=TensorProto.INT64
        )
        row = decoder.node(
            "Gather", decoder.constant([[0.0]]), decoder.reshape(beyond, 1), axis=0
        )  # row 1 is not there
        column = decoder.node("Add", column, row)
    if work:
        matrix = decoder.constant(np.random.default_rng(0).normal(0.0, 512**-0.5, (512, 512)))
        row = decoder.node("Add", decoder.constant(np.ones((1, 512))), amount)
        for _ in range(work):
            row = decoder.node("Tanh", decoder.node("MatMul", row, matrix))
        spent = decoder.node(
            "Mul", decoder.node("ReduceSum", row, decoder.constant([1], np.int64)), decoder.constant(0.0)
        )
        column = decoder.node("Add", column, spent)
    if kind == "spectral":
        row = decoder.constant([[1.0] * BANDS + [0.0] * 2 * BANDS])
        gains = decoder.node("Add", decoder.node("Mul", row, factor), column)
        decoder.output("gains", gains, ("frames", SOURCES * BANDS))
    else:
        wave = decoder.reshape(decoder.input("wave", (f"{size}*frames", 1)), -1, size)
        shaped = decoder.node("Add", decoder.node("Mul", wave, factor), column)
        heard = decoder.reshape(shaped, 1, -1)
        if delay:
            heard = decoder.slice(decoder.remember("line", heard, delay, (1, delay), 1), 0, -delay, 1)
        decoder.output("audio", heard, (1, "samples"))

    count = len(style_gains)
    mean = np.zeros((count, CHANNELS), dtype=np.float32)
    mean[:, 0] = style_gains
    deviation = np.ones_like(mean)
    return _write(folder, name, kind, size, delay, encoder, decoder, mean, deviation, stereo, own_level=True)


def make_network_bundle(
    folder: str | Path, kind: str = "spectral", *, name: str = "network", seed: int = 0, styles: int = 3
) -> Bundle:
    """Write a small causal network of random weights, a state in each graph and a pass-through; return it loaded."""
    rng = np.random.default_rng(seed)
    hop = HOPS[kind]

    def dense(graph: GraphBuilder, x: str, inputs: int, outputs: int, scale: float = 1.0) -> str:
        weight = graph.constant(rng.normal(0.0, scale * inputs**-0.5, (inputs, outputs)))
        return graph.node("Add", graph.node("MatMul", x, weight), graph.constant(rng.normal(0.0, 0.1, outputs)))

    def causal(graph: GraphBuilder, name: str, x: str, inputs: int, outputs: int) -> str:
        joined = graph.remember(name, x, 1, (1, inputs), 0)
        both = graph.node("Concat", graph.slice(joined, 0, -1, 0), x, axis=1)
        return graph.node("Tanh", dense(graph, both, 2 * inputs, outputs))

    encoder, decoder = GraphBuilder(), GraphBuilder()
    width = feature_width(BANDS) if kind == "spectral" else hop
    if kind == "spectral":
        entry = encoder.input("features", ("frames", width))
        encoder.output("skip", encoder.node("Mul", entry, encoder.constant(0.5)), ("frames", width))
    else:
        audio = encoder.input("audio", (SOURCES, "samples"))
        entry = encoder.reshape(encoder.slice(audio, 0, 1, 0), -1, hop)
        mixed = encoder.node("ReduceSum", audio, encoder.constant([0], np.int64))
        encoder.output("skip", encoder.reshape(mixed, -1, 1), (f"{hop}*frames", 1))
    hidden = causal(encoder, "first", entry, width, 24)
    encoder.output("latent", dense(encoder, hidden, 24, CHANNELS), ("frames", CHANNELS))

    styled = decoder.input("styled", ("frames", CHANNELS))
    style = decoder.input("style", (1, 2 * CHANNELS))
    amount = decoder.input("amount", (1, 1))
    shift = dense(decoder, style, 2 * CHANNELS, 24)
    h = decoder.node("Add", causal(decoder, "second", styled, CHANNELS, 24), shift)
    if kind == "spectral":
        skip = decoder.input("skip", ("frames", width))
        h = decoder.node("Add", h, dense(decoder, skip, width, 24, 0.1))
        gains = decoder.node("Exp", decoder.node("Mul", amount, dense(decoder, h, 24, SOURCES * BANDS, 0.3)))
        decoder.output("gains", gains, ("frames", SOURCES * BANDS))
    else:
        skip = decoder.reshape(decoder.input("skip", (f"{hop}*frames", 1)), -1, hop)
        filters = decoder.node("Tanh", dense(decoder, h, 24, hop, 0.5))
        decoder.output("audio", decoder.reshape(decoder.node("Mul", skip, filters), 1, -1), (1, "samples"))
    mean = rng.normal(0.0, 1.0, (styles, CHANNELS)).astype(np.float32)
    std = rng.uniform(0.5, 2.0, (styles, CHANNELS)).astype(np.float32)
    return _write(folder, name, kind, hop, 0, encoder, decoder, mean, std, "linked")


def tilt_recogniser(styles: int) -> bytes:
    """A recogniser to which dark sounds are style 0, bright ones style 1, and what is neither no style."""
    graph = GraphBuilder()
    patches = graph.input("patches", ("patches", *PATCH))
    bands = graph.node("ReduceMean", patches, axes=[1], keepdims=0)
    tilt = np.repeat([1.0, -1.0], PATCH[1] // 2) / PATCH[1]
    weight, bias = np.zeros((PATCH[1], styles + 1)), np.zeros(styles + 1)
    weight[:, 0], weight[:, 1], bias[styles] = 60.0 * tilt, -60.0 * tilt, 6.0
    logits = graph.node("Add", graph.node("MatMul", bands, graph.constant(weight)), graph.constant(bias))
    graph.output("probabilities", graph.node("Softmax", logits, axis=1), ("patches", styles + 1))
    return graph.bytes()


def _write(
    folder: str | Path,
    name: str,
    kind: str,
    hop: int,
    delay: int,
    encoder: GraphBuilder,
    decoder: GraphBuilder,
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    stereo: str,
    own_level: bool = False,
) -> Bundle:
    spectral = kind == "spectral"
    return write_bundle(
        folder,
        name=name,
        kind=kind,
        sample_rate=SAMPLE_RATE,
        hop=hop,
        latency=hop if spectral else delay,
        encoder=encoder.bytes(),
        decoder=decoder.bytes(),
        styles=[Style(f"style-{i}", f"Style {i}") for i in range(len(mean))],
        mean=mean,
        std=std,
        neutral_mean=np.zeros(CHANNELS, dtype=np.float32),
        neutral_std=np.ones(CHANNELS, dtype=np.float32),
        frontend=Frontend(SOURCES, N_FFT, BANDS, feature_width(BANDS)) if spectral else Frontend(SOURCES),
        adain=Adain(0.25, 3.0),
        parameters=[ParameterRange("dynamics", default=0.0)] if own_level else [],
        stereo=stereo,
        description="A model made by the tests.",
        licence="MIT",
    )


def parted(bundle: Bundle) -> Bundle:
    """The bundle with a conditioner, written in the place of the one without."""
    conditioner, decoder = split_decoder(bundle.decoder)
    return update_bundle(bundle.path, {CONDITIONER: conditioner, DECODER: decoder})


def rewritten(bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle with other content in memory, past all checks: what a fault of the checks would let through."""
    return replace(bundle, **changes)


def in_two_turns(bundle: Bundle) -> Bundle:
    """The bundle, playing what it has just played."""
    manifest = msgspec.structs.replace(bundle.manifest, turns=2, latency=2 * bundle.latency)
    return rewritten(bundle, manifest=manifest)
