"""Hostile graphs behind right hashes: refused for the very reason, without being run."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rtstyle.bundle import load_bundle, update_bundle
from rtstyle.dsp.front import feature_width
from rtstyle.errors import BundleError
from tests.bundle.harm import Corruption, overwrite, refusal, seal
from tests.fixtures_bundles import tilt_recogniser

WIDTH = feature_width(32)


def graph(harm: Callable[[onnx.ModelProto], object], file: str = "decoder.onnx") -> Corruption:
    def apply(folder: Path) -> None:
        model = onnx.load_from_string((folder / file).read_bytes())
        harm(model)
        (folder / file).write_bytes(model.SerializeToString())

    return apply


def weight(values: np.ndarray[Any, Any] | list[float], name: str = "planted") -> Callable[[onnx.ModelProto], object]:
    return lambda model: model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def tensor(**fields: Any) -> Callable[[onnx.ModelProto], object]:
    """Plant a weight with exactly these fields."""
    return lambda model: model.graph.initializer.append(TensorProto(name="planted", **fields))


def node(operator: str, inputs: list[str] | None = None, **attributes: Any) -> Callable[[onnx.ModelProto], object]:
    return lambda model: model.graph.node.append(
        helper.make_node(operator, inputs or ["amount"], ["planted"], **attributes)
    )


def nested(depth: int) -> Callable[[onnx.ModelProto], object]:
    def apply(model: onnx.ModelProto) -> None:
        inner = helper.make_graph([helper.make_node("Custom", [], ["o"], domain="evil")], "g", [], [])
        for _ in range(depth):
            inner = helper.make_graph(
                [helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=inner)], "g", [], []
            )
        model.graph.node.append(helper.make_node("If", ["c"], ["o"], then_branch=inner, else_branch=inner))

    return apply


def external(model: onnx.ModelProto) -> None:
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "/etc/passwd", 0, 64)


def external_entry_alone(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def rename(side: str, index: int, name: str) -> Callable[[onnx.ModelProto], object]:
    def apply(model: onnx.ModelProto) -> None:
        getattr(model.graph, side)[index].name = name

    return apply


def retype(side: str, index: int, kind: int) -> Callable[[onnx.ModelProto], object]:
    def apply(model: onnx.ModelProto) -> None:
        getattr(model.graph, side)[index].type.tensor_type.elem_type = kind

    return apply


def resize(side: str, index: int, axis: int, size: int | str) -> Callable[[onnx.ModelProto], object]:
    def apply(model: onnx.ModelProto) -> None:
        dimension = getattr(model.graph, side)[index].type.tensor_type.shape.dim[axis]
        if isinstance(size, str):
            dimension.dim_param = size
        else:
            dimension.dim_value = size

    return apply


def drop(side: str, index: int) -> Callable[[onnx.ModelProto], object]:
    return lambda model: getattr(model.graph, side).pop(index)


def double(side: str) -> Callable[[onnx.ModelProto], object]:
    return lambda model: getattr(model.graph, side).append(getattr(model.graph, side)[0])


def function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function(
            "", "F", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], [helper.make_opsetid("", 17)]
        )
    )


def sized(operator: str, shape: list[int], *inputs: str) -> Callable[[onnx.ModelProto], object]:
    def apply(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(shape), "shape"))
        model.graph.node.append(helper.make_node(operator, [*inputs, "shape"], ["planted"]))

    return apply


def one_more_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def sequence_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_sequence_value_info("planted", TensorProto.FLOAT, [1]))


def sparse_constant(model: onnx.ModelProto) -> None:
    node("Constant", [])(model)
    model.graph.node[-1].attribute.add(name="sparse_value").sparse_tensor.dims.append(1)


def many_nodes(model: onnx.ModelProto) -> None:
    model.graph.node.extend([helper.make_node("Relu", ["a"], ["b"])] * 20_001)


def nine_dimensions(model: onnx.ModelProto) -> None:
    for _ in range(7):
        model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=1)


def raw(tensor: bytes) -> Corruption:
    """Plant a weight of exactly these bytes."""
    field = b"\x2a" + bytes([len(tensor)]) + tensor
    return lambda folder: (folder / "encoder.onnx").write_bytes(
        b"\x3a" + bytes([len(field)]) + field + b"\x42\x02\x10\x11"
    )


def one_more_dimension(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=1)


def evil_set(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))


NAN = np.float32(np.nan)
FLOAT = TensorProto.FLOAT
#: What is done -> what the refusal must say, and how to do it.
GRAPH_HARMS: dict[str, tuple[str, Corruption]] = {
    "custom operator set": ("imports the operator set 'evil.ops'", graph(evil_set)),
    "custom operator": ("operator 'evil.ops::Custom'", graph(node("Custom", domain="evil.ops"))),
    "contrib lookalike": ("operator 'com.microsoft.evil::Relu'", graph(node("Relu", domain="com.microsoft.evil"))),
    "experimental domain": ("operator 'ai.onnx.ml::Relu'", graph(node("Relu", domain="ai.onnx.ml"))),
    "custom operator in a branch": ("operator 'evil::Custom'", graph(nested(0))),
    "custom operator deep in branches": ("operator 'evil::Custom'", graph(nested(3))),
    "branches without end": ("nests graphs", graph(nested(12))),
    "compiled context": ("operator 'EPContext'", graph(node("EPContext", domain="com.microsoft", ep_cache_context="other.so"))),
    "python operator": ("operator 'PythonOp'", graph(node("PythonOp", domain="com.microsoft"))),
    "loop": ("operator 'Loop'", graph(node("Loop"))),
    "external weights": ("outside of the file", graph(external)),
    "external entry alone": ("outside of the file", graph(external_entry_alone)),
    "external data in the encoder": ("outside of the file", graph(external, "encoder.onnx")),
    "nan weight": ("'planted' holds NaN", graph(weight(np.full(3, NAN)))),
    "inf weight": ("'planted' holds NaN", graph(weight(np.full(3, np.inf, np.float32)))),
    "nan double": ("'planted' holds NaN", graph(weight(np.full(3, np.nan)))),
    "nan half": ("'planted' holds NaN", graph(weight(np.full(3, np.nan, np.float16)))),
    "nan in the encoder": ("'planted' holds NaN", graph(weight(np.full(3, NAN)), "encoder.onnx")),
    "nan bfloat16": ("'planted' holds NaN", graph(tensor(dims=[1], data_type=TensorProto.BFLOAT16, raw_data=b"\xc0\x7f"))),
    "nan list": ("'planted' holds NaN", graph(tensor(dims=[2], data_type=FLOAT, float_data=[0.0, NAN]))),
    "nan double list": ("'planted' holds NaN", graph(tensor(dims=[2], data_type=TensorProto.DOUBLE, double_data=[0.0, np.nan]))),
    "nan half list": ("'planted' holds NaN", graph(tensor(dims=[1], data_type=TensorProto.FLOAT16, int32_data=[0x7E00]))),
    "nan bfloat16 list": ("'planted' holds NaN", graph(tensor(dims=[1], data_type=TensorProto.BFLOAT16, int32_data=[0x7FC0]))),
    "nan constant": ("'planted' holds NaN", graph(node("Constant", [], value=numpy_helper.from_array(np.full(2, NAN))))),
    "nan attribute": ("'Constant' has a NaN", graph(node("Constant", [], value_float=float("nan")))),
    "nan attribute list": ("'Constant' has a NaN", graph(node("Constant", [], value_floats=[0.0, float("nan")]))),
    "inf attribute": ("'LeakyRelu' has a NaN", graph(node("LeakyRelu", alpha=float("inf")))),
    "huge shape without data": ("'planted' declares the shape", graph(tensor(dims=[2**40, 2**20], data_type=FLOAT))),
    "huge shape with little data": ("16 bytes of data", graph(tensor(dims=[2**24], data_type=FLOAT, raw_data=b"\0" * 16))),
    "overflowing shape": ("allowed are 16777216 elements", graph(tensor(dims=[2**32, 2**32], data_type=FLOAT, raw_data=b""))),
    "negative shape": ("declares the shape (-4,)", graph(tensor(dims=[-4], data_type=FLOAT, raw_data=b"\0" * 16))),
    "many dimensions": ("in 8 dimensions", graph(tensor(dims=[1] * 40, data_type=FLOAT, raw_data=b"\0" * 4))),
    "too much data": ("12 bytes of data do not fit", graph(tensor(dims=[2], data_type=FLOAT, raw_data=b"\0" * 12))),
    "too little data": ("but holds 1 numbers", graph(tensor(dims=[2], data_type=FLOAT, float_data=[0.0]))),
    "unknown element type": ("element type 77", graph(tensor(dims=[1], data_type=77, raw_data=b"\0" * 4))),
    "no element type": ("element type 0", graph(tensor(dims=[1], raw_data=b"\0" * 4))),
    "text weight": ("element type 8", graph(tensor(dims=[1], data_type=TensorProto.STRING, string_data=[b"x"]))),
    "sparse weight": ("sparse weights", graph(lambda model: model.graph.sparse_initializer.add())),
    "expand to a huge shape": ("'Expand' asks for", graph(sized("Expand", [2**20, 2**20], "amount"))),
    "fill a huge shape": ("'ConstantOfShape' asks for", graph(sized("ConstantOfShape", [2**40]))),
    "tile hugely": ("'Tile' asks for", graph(sized("Tile", [2**20, 2**9], "amount"))),
    "local function": ("local functions", graph(function)),
    "training part": ("training parts", graph(lambda model: model.training_info.add())),
    "no operator set": ("not an ONNX model", graph(lambda model: model.ClearField("opset_import"))),
    "no graph": ("not an ONNX model", graph(lambda model: model.ClearField("graph"))),
    "half input": ("is element type 10", graph(retype("input", 0, TensorProto.FLOAT16))),
    "double input": ("is element type 11", graph(retype("input", 0, TensorProto.DOUBLE))),
    "integer output": ("is element type 7", graph(retype("output", 0, TensorProto.INT64))),
    "untyped input": ("is element type 0", graph(retype("input", 0, 0))),
    "typeless input": ("is no tensor", graph(lambda model: model.graph.input[0].ClearField("type"))),
    "sequence input": ("is no tensor", graph(sequence_input)),
    "renamed input": ("unexpected input 'other'", graph(rename("input", 0, "other"))),
    "unnamed input": ("unnamed or appears twice", graph(rename("input", 0, ""))),
    "renamed output": ("lacks the output 'gains'", graph(rename("output", -1, "other"))),
    "renamed state": ("the output 'next_", graph(rename("output", 1, "next_other"), "encoder.onnx")),
    "missing input": ("lacks the input", graph(drop("input", 0))),
    "missing output": ("lacks the output", graph(drop("output", 0))),
    "missing encoder output": ("lacks the output", graph(drop("output", -1), "encoder.onnx")),
    "input twice": ("unnamed or appears twice", graph(double("input"))),
    "output twice": ("unnamed or appears twice", graph(double("output"))),
    "one more input": ("unexpected input 'more'", graph(one_more_input)),
    "fixed frames": (f"has shape (4, {WIDTH}), expected (frames, {WIDTH})", graph(resize("input", 0, 0, 4), "encoder.onnx")),
    "fixed frames out": ("has shape (4, 96), expected (frames, 96)", graph(resize("output", -1, 0, 4))),
    "symbolic width": ("has shape (frames, width)", graph(resize("input", 0, 1, "width"), "encoder.onnx")),
    "other width": ("has shape (frames, 99)", graph(resize("input", 0, 1, 99), "encoder.onnx")),
    "zero width": ("declares a dimension of 0", graph(resize("input", 0, 1, 0), "encoder.onnx")),
    "huge width": ("declares a dimension of 1099511627776", graph(resize("input", 0, 1, 2**40), "encoder.onnx")),
    "negative width": ("declares a dimension of -5", graph(resize("input", 0, 1, -5), "encoder.onnx")),
    "other output width": ("has shape (frames, 7)", graph(resize("output", -1, 1, 7))),
    "one more dimension": ("expected (frames, 4)", graph(one_more_dimension)),
    "no shape": ("has shape ()", graph(lambda model: model.graph.input[0].type.tensor_type.ClearField("shape"))),
    "encoder for decoder": ("the input", lambda folder: shutil.copy(folder / "encoder.onnx", folder / "decoder.onnx")),
    "text": ("", overwrite("encoder.onnx", b"this is not a model at all")),
    "empty": ("not an ONNX model", overwrite("encoder.onnx", b"")),
    "zeros": ("damaged", overwrite("encoder.onnx", b"\0" * 1000)),
    "endless number": ("more than 64 bits", overwrite("encoder.onnx", b"\xff" * 64)),
    "length beyond the end": ("does not fit", overwrite("encoder.onnx", b"\x3a\xff\xff\xff\xff\x7f")),
    "negative length": ("of -1 bytes does not fit", overwrite("encoder.onnx", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
    "group": ("wire type 3", overwrite("encoder.onnx", b"\x3b")),
    "graph as number": ("wrong wire type", overwrite("encoder.onnx", b"\x38\x01\x42\x02\x10\x11")),
    "graph twice": ("", lambda folder: (folder / "encoder.onnx").write_bytes((folder / "encoder.onnx").read_bytes() * 2)),
    "pickle": ("", overwrite("encoder.onnx", pickle.dumps([1, 2, 3]))),
    "sparse constant": ("sparse constants", graph(sparse_constant)),
    "too many nodes": ("more than 20000 nodes", graph(many_nodes)),
    "too many dimensions": ("has 9 dimensions", graph(nine_dimensions)),
    "cut number": ("is incomplete", overwrite("encoder.onnx", b"\x08\x80")),
    "name twice": ("appears twice", raw(b"\x42\x01a\x42\x01b")),
    "dimension as text": ("holds no integers", raw(b"\x0d\x00\x00\x00\x00")),
    "name that is no text": ("not UTF-8", raw(b"\x42\x02\xff\xfe")),
    "list cut short": ("is cut short", raw(b"\x08\x01\x10\x01\x22\x03\x00\x00\x00")),
}  # fmt: skip


@pytest.mark.parametrize(("reason", "harm"), GRAPH_HARMS.values(), ids=GRAPH_HARMS.keys())
def test_a_graph_that_does_not_fit_is_refused_behind_right_hashes(folder: Path, reason: str, harm: Corruption) -> None:
    harm(folder)
    seal(folder)
    assert reason in refusal(folder)
    assert reason in refusal(folder, verify=False)


@pytest.mark.parametrize(
    ("recogniser", "reason"),
    [
        (tilt_recogniser(2), "output 'probabilities' has shape (patches, 3), expected (frames, 4)"),
        (b"no model", "recogniser.onnx"),
    ],
)
def test_a_recogniser_of_other_styles_is_refused(folder: Path, recogniser: bytes, reason: str) -> None:
    good = tilt_recogniser(3)
    assert update_bundle(folder, {"recogniser.onnx": good}).recogniser == good
    (folder / "recogniser.onnx").write_bytes(recogniser)
    seal(folder)
    assert reason in refusal(folder)


def test_a_graph_cut_anywhere_is_refused_behind_right_hashes(folder: Path) -> None:
    data = (folder / "encoder.onnx").read_bytes()
    for place in np.linspace(0, len(data) - 1, 150).astype(int):
        (folder / "encoder.onnx").write_bytes(data[:place])
        refusal(folder, verify=False)


@pytest.mark.parametrize("file", ["encoder.onnx", "decoder.onnx", "styles.npz", "golden.npz"])
def test_random_damage_behind_right_hashes_gives_one_bundle_error_or_a_bundle(folder: Path, file: str) -> None:
    """A changed weight is a valid model; whatever else happens, only a BundleError may come out."""
    rng = np.random.default_rng(5)
    data = (folder / file).read_bytes()
    refused = 0
    for _ in range(80):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), int(rng.integers(1, 6))):
            damaged[place] = int(rng.integers(256))
        (folder / file).write_bytes(damaged)
        try:
            load_bundle(folder, verify=False)
        except BundleError:
            refused += 1
    assert refused > 0
