"""Torch networks as streaming ONNX graphs whose states are inputs and outputs, and back.

The exported step is the training code itself: the layers read their past from tensors instead of silence, there is no batch
axis (the latent family keeps one inside), and the number of frames stays symbolic. The weights keep their names and the
encoder says the shape of the network, so that a bundle is all that further training needs.
"""

import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from rtstyle.bundle import Bundle
from rtstyle.dsp import front
from rtstyle.errors import BundleError
from rtstyle.lab.export.conditioner import split_decoder
from rtstyle.lab.nets.latent import LatentNet
from rtstyle.lab.nets.spectral import SpectralNet
from rtstyle.lab.nets.streaming import Past
from rtstyle.lab.train.trainer import NETS, SHAPES, Net

OPSET = 17  # the first with LayerNormalization
SHAPE = "shape"  # of the network as JSON, among the encoder's metadata
OWNER = "net."  # before the names of weights, which the steps below hold under this name


@dataclass(frozen=True)
class Graphs:
    """Serialised graphs, and the pass-throughs as (name, rows per hop, width)."""

    encoder: bytes
    conditioner: bytes
    decoder: bytes
    passes: tuple[tuple[str, int, int], ...]


def run_encoder(net: Net, x: Tensor, past: Past) -> list[Tensor]:
    """Latent and pass-throughs of features (T, F) or audio (ROWS, samples)."""
    if isinstance(net, SpectralNet):
        return list(net.encoder(x, past))
    mean, _, *rest = net.encoder(x[None], past)  # the log variance is for training
    return [mean[0], *(r[0] for r in rest)]


def run_decoder(
    net: Net, styled: Tensor, style: Tensor, amount: Tensor, between: Sequence[Tensor], past: Past
) -> Tensor:
    """Gains (T, 3 B) or audio (1, samples) of styled (T, C), style (1, 2 C), amount (1, 1) and the pass-throughs."""
    if isinstance(net, SpectralNet):
        gains: Tensor = net.decoder(styled, style, amount, *between, past)
        return gains
    audio: Tensor = net.decoder(styled[None], style[None], amount[None], *(b[None] for b in between), past)
    return audio


class EncoderStep(nn.Module):
    """(features or audio, states...) -> (latent, pass-throughs..., next states...)."""

    def __init__(self, net: Net, states: dict[str, Tensor]) -> None:
        super().__init__()
        self.net, self.names = net, list(states)

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        past = Past(dict(zip(self.names, states, strict=True)))
        return (*run_encoder(self.net, x, past), *past.kept.values())


class DecoderStep(nn.Module):
    """(styled, style, amount, pass-throughs..., states...) -> (gains or audio, next states...)."""

    def __init__(self, net: Net, states: dict[str, Tensor], passes: int) -> None:
        super().__init__()
        self.net, self.names, self.passes = net, list(states), passes

    def forward(self, styled: Tensor, style: Tensor, amount: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        between, states = rest[: self.passes], rest[self.passes :]
        past = Past(dict(zip(self.names, states, strict=True)))
        return (run_decoder(self.net, styled, style, amount, between, past), *past.kept.values())


def serialise(
    step: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> bytes:
    """ONNX bytes of one step. `[control]` axes: by input or output the names of those whose size stays open."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter calls its own TorchScript path deprecated on every call
        torch.onnx.export(
            step.eval(),  # the exporter leaves the network in the mode of the step
            arguments,
            buffer,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            do_constant_folding=False,  # it takes the names of weights away; ONNX Runtime folds as well when it loads
            dynamo=False,
        )
    return buffer.getvalue()


def export_graphs(net: Net) -> Graphs:
    """Export a network in evaluation mode. `[control]`"""
    net.eval()
    frames, shape = 4, net.shape
    latent = isinstance(net, LatentNet)
    x = (
        torch.randn(front.ROWS, frames * shape.hop)
        if latent
        else torch.randn(frames, front.feature_width(shape.centres.size))
    )
    with torch.no_grad():
        past, later = Past(), Past()
        first, *rest = run_encoder(net, x, past)
        style, amount = torch.randn(1, 2 * shape.latent), torch.ones(1, 1)
        run_decoder(net, first, style, amount, rest, later)
    names = ["bands", "skip"] if latent else ["skip"]
    passes = tuple((name, r.shape[0] // frames, r.shape[1]) for name, r in zip(names, rest, strict=True))
    source, result = ("audio", "audio") if latent else ("features", "gains")
    between_axes = {name: {0: "frames" if rows == 1 else f"{rows}*frames"} for name, rows, _ in passes}

    first_states = {k: torch.zeros_like(v) for k, v in past.kept.items()}
    encoder = serialise(
        EncoderStep(net, first_states),
        (x, *first_states.values()),
        [source, *(f"state_{k}" for k in first_states)],
        ["latent", *names, *(f"next_{k}" for k in first_states)],
        {source: {1: f"{shape.hop}*frames"} if latent else {0: "frames"}, "latent": {0: "frames"}, **between_axes},
    )
    last_states = {k: torch.zeros_like(v) for k, v in later.kept.items()}
    decoder = serialise(
        DecoderStep(net, last_states, len(rest)),
        (first, style, amount, *rest, *last_states.values()),
        ["styled", "style", "amount", *names, *(f"state_{k}" for k in last_states)],
        [result, *(f"next_{k}" for k in last_states)],
        {"styled": {0: "frames"}, result: {1: f"{shape.hop}*frames"} if latent else {0: "frames"}, **between_axes},
    )
    described = onnx.load_from_string(encoder)
    onnx.helper.set_model_props(described, {SHAPE: json.dumps(shape.as_dict())})
    return Graphs(described.SerializeToString(), *split_decoder(decoder), passes)


def net_of(bundle: Bundle) -> Net:
    """The network of a bundle, as it was exported. `[control]`

    Raises BundleError for graphs that do not say their shape, or lack a weight of it.
    """
    graphs = [onnx.load_from_string(graph) for graph in bundle.graphs.values()]
    said = {entry.key: entry.value for entry in graphs[0].metadata_props}
    if SHAPE not in said:
        raise BundleError(
            f"{bundle.name} does not say the shape of its network, so nothing can go on from it; take a bundle that "
            "`rtstyle export` or a recipe in export/ of this version wrote."
        )
    net = NETS[bundle.kind](SHAPES[bundle.kind](**json.loads(said[SHAPE])))
    held = {
        weight.name.removeprefix(OWNER): torch.from_numpy(numpy_helper.to_array(weight).copy())
        for graph in graphs
        for weight in graph.graph.initializer
    }
    wanted = net.state_dict()
    lacking = sorted(name for name, value in wanted.items() if name not in held or held[name].shape != value.shape)
    if lacking:
        raise BundleError(f"{bundle.name} lacks weights of its network ({', '.join(lacking)}); export it again.")
    net.load_state_dict({name: held[name] for name in wanted})
    return net.eval()
