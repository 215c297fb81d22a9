"""What an ONNX file declares, read without running or trusting it.

ONNX is a protocol-buffers message; this module walks its wire format (tag, then varint, 4, 8 or length-delimited
bytes) with every length bounded by the bytes that are there. It refuses whatever a streaming step has no use for and a
hostile file could use: custom operators, external data, local functions, training parts, loops without bound, shapes
that no data backs. The layout of the messages is that of onnx.proto3 of the ONNX project; field numbers never change
there.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rtstyle.errors import BundleError

DOMAINS: Final = ("", "ai.onnx", "com.microsoft")
#: Operators inside the allowed domains that load foreign code or binaries, or need not end.
REFUSED_OPERATORS: Final = ("EPContext", "PythonOp", "PythonOpGrad", "ATen", "Loop", "SequenceMap", "StringSplit")
MAX_ELEMENTS: Final = 1 << 24  # of one tensor: 64 MiB of float32
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 4  # of graphs inside graphs

Dimensions = tuple[int | str, ...]  # a fixed size, or the name of a symbolic one ("" where it has none)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT, _INT32, _INT64, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 6, 7, 10, 11, 16
#: TensorProto.DataType -> numpy type of its raw bytes.
_RAW: Final = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "u1", 10: "<f2", 11: "<f8", 12: "<u4",
    13: "<u8", 16: "<u2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Graph:
    """Names and dimensions of a checked graph's float32 inputs and outputs."""

    inputs: dict[str, Dimensions]
    outputs: dict[str, Dimensions]
    nodes: int


@dataclass(slots=True)
class _Walk:
    file: str
    nodes: int = 0
    shapes: dict[str, int] = field(default_factory=dict)  # small integer constants: name -> product


def read_graph(data: bytes, file: str) -> Graph:
    """Walk a whole ONNX model and return what it takes and gives. `[control]`

    data: the file's content; file: its name, for errors. Raises BundleError with one reason for a file that is
    truncated, is no ONNX model or holds anything that a bundle may not hold.
    """
    model = _Message(memoryview(data), file, "model")
    walk = _Walk(file)
    for opset in model.messages(8, "opset_import"):
        domain = opset.text(1)
        if domain not in DOMAINS:
            raise BundleError(_custom(file, f"imports the operator set '{domain}'"))
    if model.has(20):
        raise BundleError(f"{file} carries training parts; export it for inference.")
    if model.has(25):
        raise BundleError(f"{file} defines local functions; export it with functions inlined.")
    graphs = model.messages(7, "graph")
    if len(graphs) != 1 or not model.has(8):
        raise BundleError(
            f"{file} is not an ONNX model (a graph and its operator set are missing); export the bundle again."
        )
    return _read_top(graphs[0], walk)


class _Message:
    """The fields of one message, grouped by number; all values are bounded by the message's own bytes."""

    def __init__(self, view: memoryview, file: str, kind: str) -> None:
        self.file, self.kind = file, kind
        self._fields: dict[int, list[tuple[int, int | memoryview]]] = {}
        for number, wire, value in _fields(view, file):
            self._fields.setdefault(number, []).append((wire, value))

    def has(self, number: int) -> bool:
        return number in self._fields

    def _values(self, number: int, wire: int) -> list[int | memoryview]:
        values = self._fields.get(number, [])
        if any(found != wire for found, _ in values):
            raise BundleError(
                f"{self.file} is damaged: field {number} of a {self.kind} has a wrong wire type; get the bundle again."
            )
        return [value for _, value in values]

    def blobs(self, number: int) -> list[memoryview]:
        return [value for value in self._values(number, _BYTES) if isinstance(value, memoryview)]

    def blob(self, number: int) -> memoryview | None:
        values = self.blobs(number)
        if len(values) > 1:
            raise BundleError(
                f"{self.file} is damaged: field {number} of a {self.kind} appears twice; get the bundle again."
            )
        return values[0] if values else None

    def messages(self, number: int, kind: str) -> list["_Message"]:
        return [_Message(value, self.file, kind) for value in self.blobs(number)]

    def message(self, number: int, kind: str) -> "_Message | None":
        value = self.blob(number)
        return None if value is None else _Message(value, self.file, kind)

    def texts(self, number: int) -> list[str]:
        try:
            return [str(value, "utf-8") for value in self.blobs(number)]
        except UnicodeDecodeError as error:
            raise BundleError(
                f"{self.file} is damaged: a name in a {self.kind} is not UTF-8; get the bundle again."
            ) from error

    def text(self, number: int) -> str:
        self.blob(number)
        return "".join(self.texts(number))

    def integer(self, number: int) -> int:
        values = [value for value in self._values(number, _VARINT) if isinstance(value, int)]
        return values[-1] if values else 0

    def integers(self, number: int) -> list[int]:
        """A repeated integer, packed or not."""
        found: list[int] = []
        for wire, value in self._fields.get(number, []):
            if wire == _VARINT and isinstance(value, int):
                found.append(value)
            elif wire == _BYTES and isinstance(value, memoryview):
                position = 0
                while position < len(value):
                    item, position = _varint(value, position, self.file)
                    found.append(item)
            else:
                raise BundleError(
                    f"{self.file} is damaged: field {number} of a {self.kind} holds no integers; get the bundle again."
                )
        return found

    def packed(self, number: int, dtype: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """A repeated float (`<f4`) or double (`<f8`), packed or not."""
        size = np.dtype(dtype).itemsize
        blobs = [value for _, value in self._fields.get(number, []) if isinstance(value, memoryview)]
        content = b"".join(blobs)
        if len(content) % size or len(blobs) != len(self._fields.get(number, [])):
            raise BundleError(
                f"{self.file} is damaged: field {number} of a {self.kind} is cut short; get the bundle again."
            )
        return np.frombuffer(content, dtype).astype(np.float64)


def _fields(view: memoryview, file: str) -> Iterator[tuple[int, int, int | memoryview]]:
    position = 0
    while position < len(view):
        tag, position = _varint(view, position, file)
        number, wire = tag >> 3, tag & 7
        if number < 1:
            raise BundleError(f"{file} is damaged or no ONNX model (field {number}); get the bundle again.")
        if wire == _VARINT:
            value, position = _varint(view, position, file)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, position = _varint(view, position, file)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise BundleError(
                f"{file} is damaged or no ONNX model (wire type {wire} at byte {position}); get the bundle again."
            )
        if not 0 <= length <= len(view) - position:
            raise BundleError(
                f"{file} is truncated or damaged (a field of {length} bytes does not fit); get the bundle again."
            )
        yield number, wire, view[position : position + length]
        position += length


def _varint(view: memoryview, position: int, file: str) -> tuple[int, int]:
    """A varint as a signed 64-bit integer, and the position after it."""
    value = 0
    for i in range(10):
        if position + i >= len(view):
            raise BundleError(f"{file} is truncated (its last number is incomplete); get the bundle again.")
        byte = view[position + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            value &= (1 << 64) - 1
            return (value - (1 << 64) if value >> 63 else value), position + i + 1
    raise BundleError(f"{file} is damaged (a number has more than 64 bits); get the bundle again.")


def _read_top(graph: _Message, walk: _Walk) -> Graph:
    constants = _walk_graph(graph, walk, 0)
    sides: list[dict[str, Dimensions]] = []
    for number, side in ((11, "input"), (12, "output")):
        named: dict[str, Dimensions] = {}
        for info in graph.messages(number, f"graph {side}"):
            name = info.text(1)
            if side == "input" and name in constants:
                continue  # up to IR version 3 initialisers are listed among the inputs
            if not name or name in named:
                raise BundleError(f"{walk.file}: {side} '{name}' is unnamed or appears twice; export the bundle again.")
            named[name] = _dimensions(info, walk.file, f"{side} '{name}'")
        sides.append(named)
    return Graph(sides[0], sides[1], walk.nodes)


def _dimensions(info: _Message, file: str, what: str) -> Dimensions:
    kind = info.message(2, "type")
    tensor = kind.message(1, "tensor type") if kind else None
    if tensor is None or tensor.integer(1) != _FLOAT:
        found = f"element type {tensor.integer(1)}" if tensor else "no tensor"
        raise BundleError(f"{file}: {what} is {found}, expected a float32 tensor; export the bundle again.")
    shape = tensor.message(2, "shape")
    sizes: list[int | str] = []
    for size in shape.messages(1, "dimension") if shape else []:
        if size.has(1) and not 1 <= size.integer(1) <= MAX_ELEMENTS:
            raise BundleError(
                f"{file}: {what} declares a dimension of {size.integer(1)}, allowed is 1 to {MAX_ELEMENTS}."
            )
        sizes.append(size.integer(1) if size.has(1) else size.text(2))
    if len(sizes) > 8:
        raise BundleError(f"{file}: {what} has {len(sizes)} dimensions, allowed are 8.")
    return tuple(sizes)


def _walk_graph(graph: _Message, walk: _Walk, depth: int) -> set[str]:
    """Check every tensor and node below `graph`; return the names of its initialisers."""
    if depth > MAX_DEPTH:
        raise BundleError(f"{walk.file} nests graphs deeper than {MAX_DEPTH}; a streaming step needs none.")
    if graph.has(15):
        raise BundleError(f"{walk.file} holds sparse weights; export dense ones.")
    names = set()
    for tensor in graph.messages(5, "tensor"):
        names.add(tensor.text(8))
        _check_tensor(tensor, walk, tensor.text(8))
    nodes = graph.messages(1, "node")
    walk.nodes += len(nodes)
    if walk.nodes > MAX_NODES:
        raise BundleError(f"{walk.file} has more than {MAX_NODES} nodes; no model that runs in real time has.")
    for node in nodes:
        _check_node(node, walk, depth)
    return names


def _check_node(node: _Message, walk: _Walk, depth: int) -> None:
    operator, domain = node.text(4), node.text(7)
    if domain not in DOMAINS:
        raise BundleError(_custom(walk.file, f"uses the operator '{domain}::{operator}'"))
    if operator in REFUSED_OPERATORS:
        raise BundleError(f"{walk.file} uses the operator '{operator}', which a bundle may not use; export it without.")
    outputs = node.texts(2)
    for attribute in node.messages(5, "attribute"):
        if attribute.has(22) or attribute.has(23):
            raise BundleError(f"{walk.file} holds sparse constants; export dense ones.")
        numbers = np.concatenate([attribute.packed(2, "<f4"), attribute.packed(7, "<f4")])
        if not np.isfinite(numbers).all():
            raise BundleError(
                f"{walk.file}: node '{operator}' has a NaN or infinite attribute; train and export again."
            )
        for number in (5, 10):
            for tensor in attribute.messages(number, "tensor"):
                _check_tensor(tensor, walk, outputs[0] if outputs else operator)
        for number in (6, 11):
            for inner in attribute.messages(number, "graph"):
                _walk_graph(inner, walk, depth + 1)
    if operator in ("ConstantOfShape", "Expand", "Tile"):
        for name in node.texts(1):
            if walk.shapes.get(name, 0) > MAX_ELEMENTS:
                raise BundleError(
                    f"{walk.file}: node '{operator}' asks for {walk.shapes[name]} elements, allowed are {MAX_ELEMENTS}."
                )


def _check_tensor(tensor: _Message, walk: _Walk, name: str) -> None:
    what = f"{walk.file}: weight '{name}'"
    if tensor.has(13) or tensor.integer(14):
        raise BundleError(f"{what} lies outside of the file; export with all weights inside.")
    sizes, kind = tensor.integers(1), tensor.integer(2)
    count = math.prod(sizes)
    if len(sizes) > 8 or any(size < 0 for size in sizes) or count > MAX_ELEMENTS:
        raise BundleError(
            f"{what} declares the shape {_short(sizes)}, allowed are {MAX_ELEMENTS} elements in 8 dimensions."
        )
    if kind not in _RAW:
        raise BundleError(f"{what} has element type {kind}, expected plain numbers; export the bundle again.")
    raw = tensor.blob(9)
    if raw is not None:
        if len(raw) != count * np.dtype(_RAW[kind]).itemsize:
            raise BundleError(f"{what} declares the shape {_short(sizes)}, but {len(raw)} bytes of data do not fit it.")
        values = np.frombuffer(raw, _RAW[kind])
        if kind == _BFLOAT16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
    else:
        values = _listed(tensor, kind)
        if values.size != count:
            raise BundleError(f"{what} declares the shape {_short(sizes)}, but holds {values.size} numbers.")
    if kind in (_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16) and not np.isfinite(values).all():
        raise BundleError(f"{what} holds NaN or infinite numbers; train and export again.")
    if kind in (_INT32, _INT64) and 0 < values.size <= 8:
        walk.shapes[name] = math.prod(abs(int(value)) for value in values)


def _listed(tensor: _Message, kind: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Values kept in the typed lists of a tensor instead of its raw bytes."""
    if kind in (_FLOAT, _DOUBLE):
        return tensor.packed(*((4, "<f4") if kind == _FLOAT else (10, "<f8")))
    numbers = tensor.integers(7 if kind == _INT64 else 11 if kind in (12, 13) else 5)
    if kind in (_FLOAT16, _BFLOAT16):
        bits = np.asarray([number & 0xFFFF for number in numbers], dtype=np.uint16)
        if kind == _FLOAT16:
            return bits.view(np.float16).astype(np.float64)
        return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return np.asarray(numbers, dtype=np.float64)


def _custom(file: str, what: str) -> str:
    return (
        f"{file} {what}, a custom operator; only standard ONNX operators are allowed, so export the model without it."
    )


def _short(sizes: list[int]) -> str:
    return str(tuple(sizes[:8])) + ("..." if len(sizes) > 8 else "")
