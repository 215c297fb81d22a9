"""A decoder parted in two: what depends on style and amount alone, and the rest.

    style, amount -> conditioner -> condition (1, W) -> decoder

A style moves seldom. What it alone decides, a fifth of the weights, need not be read in every block.
"""

import math
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.utils import Extractor

GIVEN = ("style", "amount")


def split_decoder(decoder: bytes) -> tuple[bytes, bytes]:
    """Conditioner and rest of a decoder, ONNX bytes; the rest takes `condition` in the place of style and amount. `[control]`"""
    model = onnx.load_from_string(decoder)
    parts, inner = _parts(model)
    model.graph.value_info.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    extract = Extractor(model).extract_model
    others = [entry.name for entry in model.graph.input if entry.name not in GIVEN]
    conditioner = extract(list(GIVEN), inner)
    rest = extract([*others, *parts], [entry.name for entry in model.graph.output])

    shapes = _shapes(conditioner)
    sizes = [math.prod(shapes[name]) for name in parts]
    condition = helper.make_tensor_value_info("condition", TensorProto.FLOAT, [1, sum(sizes)])
    rows = [f"{name}/row" for name in parts]
    _add_integers(conditioner, "row", [1, -1])
    for name, row in zip(parts, rows, strict=True):
        conditioner.graph.node.append(helper.make_node("Reshape", [name, "row"], [row]))
    conditioner.graph.node.append(helper.make_node("Concat", rows, ["condition"], axis=1))
    del conditioner.graph.output[:]
    conditioner.graph.output.append(condition)

    _add_integers(rest, "sizes", sizes)
    rest.graph.node.insert(0, helper.make_node("Split", ["condition", "sizes"], rows, axis=1))
    for name, row in zip(parts, rows, strict=True):
        _add_integers(rest, f"{name}/shape", shapes[name])
        rest.graph.node.insert(1, helper.make_node("Reshape", [row, f"{name}/shape"], [name]))
    del rest.graph.input[len(others) :]
    rest.graph.input.append(condition)
    return conditioner.SerializeToString(), rest.SerializeToString()


def _parts(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """What the rest takes of the conditioner: all, and without style and amount themselves."""
    fixed, within = {weight.name for weight in model.graph.initializer}, set[str]()
    for node in model.graph.node:
        if fixed.issuperset(node.input):
            fixed |= set(node.output)
        elif (fixed | within | set(GIVEN)).issuperset(node.input):
            within |= set(node.output)
    rest = [node for node in model.graph.node if not within & set(node.output)]
    taken = sorted({name for node in rest for name in node.input} & (within | set(GIVEN)))
    return taken, [name for name in taken if name in within]


def _add_integers(model: onnx.ModelProto, name: str, values: Sequence[int]) -> None:
    model.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))


def _shapes(conditioner: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs, which are fixed, and of the outputs."""
    given = {
        entry.name: np.zeros([axis.dim_value for axis in entry.type.tensor_type.shape.dim], np.float32)
        for entry in conditioner.graph.input
    }
    session = onnxruntime.InferenceSession(conditioner.SerializeToString(), providers=["CPUExecutionProvider"])
    made = zip([entry.name for entry in session.get_outputs()], session.run(None, given), strict=True)
    return {name: array.shape for name, array in (*given.items(), *made)}
