"""The BRAVE network with random weights, twice: in torch as its authors export it, and as graphs of our contract.

Facts from the public repositories fcaspe/BRAVE (configs/c128_r05_p40.gin with hidden sizes 32 to 256) and
acids-ircam/RAVE (blocks `Encoder`, `Generator`): 16-band PQMF with 128 taps, ratios 2, 2, 2, 1, latent 128, residual
dilations 3, 9, 27, 36, causal, no noise branch, no convolution biases. Both forms hold the same numbers, so that their
outputs can be compared.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

BANDS = 16
TAPS = 128
CAPACITY = 32
LATENT = 128
RATIOS = (2, 2, 2, 1)
DILATIONS = (3, 9, 27, 36)
HOP = 128
SLOPE = 0.2

Port = tuple[str, list[object]]  # name and shape


class CachedConv(nn.Module):
    """Causal convolution that keeps the end of its input in a buffer: the streaming form of RAVE's exporter."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride=stride, dilation=dilation, groups=groups, bias=False)
        self.past = (kernel - 1) * dilation + 1 - stride
        self.register_buffer("cache", torch.zeros(1, inputs, self.past))

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.cache, x], dim=2)
        self.cache = joined[:, :, joined.shape[2] - self.past :]
        return self.conv(joined)


class CachedUpsample(nn.Module):
    """Transposed convolution (kernel 2r, stride r) whose tail is added to the next block."""

    def __init__(self, inputs: int, outputs: int, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio
        self.conv = nn.ConvTranspose1d(inputs, outputs, 2 * ratio, stride=ratio, bias=False)
        self.register_buffer("cache", torch.zeros(1, outputs, ratio))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y[:, :, : self.ratio] += self.cache
        self.cache = y[:, :, y.shape[2] - self.ratio :].clone()
        return y[:, :, : y.shape[2] - self.ratio]


class Residual(nn.Module):
    """Two activated convolutions and a skip."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = CachedConv(channels, channels, 3, dilation=dilation)
        self.second = CachedConv(channels, channels, 3)
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.activation(self.first(self.activation(x))))


class Brave(nn.Module):
    """(1, 1, n * 128) samples -> the same shape."""

    bands: Final[int] = BANDS
    latent: Final[int] = LATENT

    def __init__(self) -> None:
        super().__init__()
        self.analysis = CachedConv(1, BANDS, TAPS, stride=BANDS)
        encoder: list[nn.Module] = [CachedConv(BANDS, CAPACITY, 7)]
        width = CAPACITY
        for ratio in RATIOS:
            encoder += [nn.BatchNorm1d(width), nn.LeakyReLU(SLOPE)]
            encoder += [CachedConv(width, 2 * width, 2 * ratio + 1, stride=ratio)]
            width *= 2
        encoder += [nn.LeakyReLU(SLOPE), CachedConv(width, 2 * LATENT, 5, groups=2)]
        self.encoder = nn.Sequential(*encoder)
        decoder: list[nn.Module] = [CachedConv(LATENT, width, 7)]
        for ratio in RATIOS:
            decoder += [nn.LeakyReLU(SLOPE)]
            decoder += [CachedUpsample(width, width // 2, ratio) if ratio > 1 else CachedConv(width, width // 2, 3)]
            width //= 2
            decoder += [Residual(width, dilation) for dilation in DILATIONS]
        self.decoder = nn.Sequential(*decoder)
        self.wave = CachedConv(width, BANDS, 7)
        self.loudness = CachedConv(width, 1, 3)
        self.synthesis = CachedConv(BANDS, BANDS, TAPS // BANDS)
        self.register_buffer("flip", flip_mask())

    def forward(self, audio: Tensor) -> Tensor:
        bands = self.analysis(audio) * self.flip.repeat(1, 1, audio.shape[2] // (2 * self.bands))
        latent = self.encoder(bands)[:, : self.latent]
        h = self.decoder(latent)
        bands = torch.tanh(self.wave(h)) * (2.0 * torch.sigmoid(self.loudness(h)) ** 2.3 + 1e-7)
        bands = bands * self.flip.repeat(1, 1, bands.shape[2] // 2)
        return self.synthesis(bands).transpose(1, 2).reshape(1, 1, -1)


def flip_mask() -> Tensor:
    """(1, bands, 2): every other sample of the odd bands changes sign, so that no band's spectrum is reversed."""
    mask = torch.ones(1, BANDS, 2)
    mask[:, 1::2, 1] = -1.0
    return mask


def build(seed: int = 0) -> Brave:
    """Return the network in evaluation form with seeded random weights that keep the signal's level."""
    torch.manual_seed(seed)
    net = Brave()
    for module in net.modules():
        if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
            nn.init.normal_(module.weight, std=1.0 / (module.weight[0].numel()) ** 0.5)
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


class Graph:
    """Writes time-major layers (rows are moments, columns channels) as ONNX nodes; states are inputs and outputs."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.states: dict[str, tuple[int, int]] = {}
        self.taps: dict[tuple[str, int, int, int], str] = {}

    def constant(self, value: np.ndarray) -> str:
        """Add a tensor and return its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Add a node with one output and return the output's name."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def integers(self, *values: int) -> str:
        """Add a vector of int64."""
        return self.constant(np.array(values, np.int64))

    def moments(self, frames: str, factor: int, kernel: int, stride: int, dilation: int) -> str:
        """Return the row numbers (n, kernel) that a convolution reads; shared by all layers of the same shape.

        n = frames * factor outputs; `frames` names the scalar that counts the hops of this call.
        """
        key = (f"{frames}*{factor}", kernel, stride, dilation)
        if key not in self.taps:
            count = self.node("Mul", frames, self.constant(np.array(factor, np.int64)))
            zero, one = self.constant(np.array(0, np.int64)), self.constant(np.array(1, np.int64))
            starts = self.node("Mul", self.node("Range", zero, count, one), self.constant(np.array(stride, np.int64)))
            column = self.node("Unsqueeze", starts, self.integers(1))
            offsets = self.constant(np.arange(kernel, dtype=np.int64)[None] * dilation)
            self.taps[key] = self.node("Add", column, offsets)
        return self.taps[key]

    def conv(
        self,
        x: str,
        weight: np.ndarray,
        bias: np.ndarray | None,
        frames: str,
        factor: int,
        stride: int = 1,
        dilation: int = 1,
    ) -> str:
        """Causal convolution with `weight` (outputs, inputs, kernel) as one matrix product over gathered rows."""
        outputs, inputs, kernel = weight.shape
        past = (kernel - 1) * dilation + 1 - stride
        joined = x
        if past > 0:
            name = f"{len(self.states)}"
            self.states[name] = (past, inputs)
            joined = self.node("Concat", f"state_{name}", x, axis=0)
            self.nodes.append(
                helper.make_node(
                    "Slice", [joined, self.integers(-past), self.integers(2**31), self.integers(0)], [f"next_{name}"]
                )
            )
        rows = joined
        if kernel > 1:
            rows = self.node("Gather", joined, self.moments(frames, factor, kernel, stride, dilation), axis=0)
            rows = self.node("Reshape", rows, self.integers(-1, kernel * inputs))
        matrix = np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(kernel * inputs, outputs))
        extra = [] if bias is None else [self.constant(bias.astype(np.float32))]
        return self.node("Gemm", rows, self.constant(matrix.astype(np.float32)), *extra)

    def save(self, path: Path, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
        """Write the graph with its states to a file."""

        def info(name: str, shape: list[object]) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self.nodes,
            "brave",
            [info(*item) for item in inputs]
            + [info(f"state_{name}", list(shape)) for name, shape in self.states.items()],
            [info(*item) for item in outputs]
            + [info(f"next_{name}", list(shape)) for name, shape in self.states.items()],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def flip(graph: Graph, x: str) -> str:
    """Change the sign of the odd bands' odd samples."""
    pairs = graph.node("Reshape", x, graph.integers(-1, 2 * BANDS))
    mask = graph.constant(flip_mask()[0].T.reshape(1, 2 * BANDS).numpy())
    return graph.node("Reshape", graph.node("Mul", pairs, mask), graph.integers(-1, BANDS))


def hops(graph: Graph, x: str, per_hop: int, axis: int) -> str:
    """Return the scalar number of hops of this call, from the length of `x`."""
    length = graph.node("Gather", graph.node("Shape", x), graph.constant(np.array(axis, np.int64)))
    return length if per_hop == 1 else graph.node("Div", length, graph.constant(np.array(per_hop, np.int64)))


def write_encoder(net: Brave, path: Path) -> None:
    """Write samples -> latent. Batch normalisation is folded into the convolution before it."""
    graph = Graph()
    frames = hops(graph, "audio", HOP, 1)
    row = graph.node("Gather", "audio", graph.integers(0), axis=0)
    x = graph.node("Reshape", row, graph.integers(-1, BANDS))
    analysis = net.analysis.conv.weight.detach().numpy()
    # A filter of 128 taps at a stride of 16 is a filter of 8 taps on rows of 16 samples.
    x = graph.conv(x, analysis.reshape(BANDS, TAPS // BANDS, BANDS).transpose(0, 2, 1), None, frames, HOP // BANDS)
    x = flip(graph, x)
    factor = HOP // BANDS
    layers = list(net.encoder)
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.LeakyReLU):
            x = graph.node("LeakyRelu", x, alpha=SLOPE)
        elif isinstance(layer, CachedConv):
            weight, bias = layer.conv.weight.detach().numpy(), None
            stride = layer.conv.stride[0]
            if layer.conv.groups == 2:
                # Only the mean half of the last layer is used: it reads the first half of the channels.
                weight = np.concatenate([weight[:LATENT], np.zeros_like(weight[:LATENT])], axis=1)
            following = layers[index + 1] if index + 1 < len(layers) else None
            if isinstance(following, nn.BatchNorm1d):
                scale = (following.weight / torch.sqrt(following.running_var + following.eps)).detach().numpy()
                bias = following.bias.detach().numpy() - following.running_mean.numpy() * scale
                weight = weight * scale[:, None, None]
            factor //= stride
            x = graph.conv(x, weight, bias, frames, factor, stride=stride)
    graph.nodes.append(helper.make_node("Identity", [x], ["latent"]))
    graph.save(path, [("audio", [3, "samples"])], [("latent", ["frames", LATENT])])


def write_decoder(net: Brave, path: Path) -> None:
    """Write latent -> samples."""
    graph = Graph()
    frames = hops(graph, "styled", 1, 0)
    x, factor = "styled", 1
    for layer in net.decoder:
        if isinstance(layer, nn.LeakyReLU):
            x = graph.node("LeakyRelu", x, alpha=SLOPE)
        elif isinstance(layer, CachedUpsample):
            weight = layer.conv.weight.detach().numpy()  # (inputs, outputs, 2r)
            inputs, outputs, _ = weight.shape
            ratio = layer.ratio
            # y[r t + i] = W[i] x[t] + W[i + r] x[t - 1]: two taps with r * outputs channels, then a reshape.
            now, before = weight[:, :, :ratio], weight[:, :, ratio:]
            taps = np.stack([before, now], axis=-1).transpose(2, 1, 0, 3).reshape(ratio * outputs, inputs, 2)
            x = graph.conv(x, taps, None, frames, factor)
            x = graph.node("Reshape", x, graph.integers(-1, outputs))
            factor *= ratio
        elif isinstance(layer, CachedConv):
            x = graph.conv(x, layer.conv.weight.detach().numpy(), None, frames, factor)
        elif isinstance(layer, Residual):
            h = graph.node("LeakyRelu", x, alpha=SLOPE)
            first, second = layer.first.conv, layer.second.conv
            h = graph.conv(h, first.weight.detach().numpy(), None, frames, factor, dilation=first.dilation[0])
            h = graph.node("LeakyRelu", h, alpha=SLOPE)
            x = graph.node("Add", x, graph.conv(h, second.weight.detach().numpy(), None, frames, factor))
    wave, loudness = net.wave.conv.weight.detach().numpy(), net.loudness.conv.weight.detach().numpy()
    both = np.concatenate([wave, np.pad(loudness, ((0, 0), (0, 0), (4, 0)))], axis=0)
    heads = graph.conv(x, both, None, frames, factor)
    split = f"n{len(graph.nodes)}"
    graph.nodes.append(helper.make_node("Split", [heads, graph.integers(BANDS, 1)], [split + "w", split + "l"], axis=1))
    power = graph.node("Pow", graph.node("Sigmoid", split + "l"), graph.constant(np.array(2.3, np.float32)))
    gain = graph.node(
        "Add",
        graph.node("Mul", power, graph.constant(np.array(2.0, np.float32))),
        graph.constant(np.array(1e-7, np.float32)),
    )
    x = flip(graph, graph.node("Mul", graph.node("Tanh", split + "w"), gain))
    x = graph.conv(x, net.synthesis.conv.weight.detach().numpy(), None, frames, factor)
    graph.nodes.append(helper.make_node("Reshape", [x, graph.integers(1, -1)], ["audio"]))
    graph.save(
        path,
        [("styled", ["frames", LATENT]), ("style", [1, 2 * LATENT]), ("amount", [1, 1])],
        [("audio", [1, "samples"])],
    )
