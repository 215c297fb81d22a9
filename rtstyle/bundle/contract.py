"""The contract of a bundle's graphs: which inputs and outputs they must declare, of which shapes."""

import re
from pathlib import Path
from typing import Any

from rtstyle.bundle.manifest import CONDITIONER, ENCODER, PATCH, Manifest, Pass
from rtstyle.bundle.onnx_check import Graph
from rtstyle.errors import BundleError

Shapes = dict[str, tuple[int | None, ...]]  # by name; None: an axis of frames or patches, which must stay symbolic


def check_graph(manifest: Manifest, channels: int, graph: Graph, where: Path, side: str) -> None:
    """Compare a graph's inputs and outputs with what its manifest asks for. `[control]`

    channels: C of the latent. where: the file, for errors. side: "encoder", "decoder" or "conditioner". Raises BundleError.
    """
    front = manifest.frontend
    spectral = manifest.kind == "spectral"
    between = {entry.name: (None, entry.width) for entry in manifest.passes}
    states = {"encoder": manifest.states_encoder, "decoder": manifest.states_decoder}.get(side, ())
    style: Shapes = {"style": (1, 2 * channels), "amount": (1, 1)}
    condition: Shapes = {"condition": (1, manifest.condition)}
    inputs: Shapes
    outputs: Shapes
    if side == "encoder":
        inputs = {"features": (None, front.features)} if spectral else {"audio": (front.sources, None)}
        outputs = {"latent": (None, channels), **between}
    elif side == "conditioner":
        inputs, outputs = style, condition
    else:
        inputs = {"styled": (None, channels), **(condition if manifest.condition else style), **between}
        outputs = {"gains": (None, front.sources * front.bands)} if spectral else {"audio": (1, None)}
    inputs |= {f"state_{state.name}": state.shape for state in states}
    outputs |= {f"next_{state.name}": state.shape for state in states}
    _compare(graph, inputs, outputs, where)


def check_recogniser(manifest: Manifest, graph: Graph, where: Path) -> None:
    """Compare a recogniser with what `rtstyle.runtime.recogniser` gives it and wants of it. `[control]`

    where: the file, for errors. Raises BundleError.
    """
    _compare(graph, {"patches": (None, *PATCH)}, {"probabilities": (None, len(manifest.styles) + 1)}, where)


def _compare(graph: Graph, inputs: Shapes, outputs: Shapes, where: Path) -> None:
    for what, expected, found in (("input", inputs, graph.inputs), ("output", outputs, graph.outputs)):
        for name in sorted(expected.keys() ^ found.keys()):
            missing = name in expected
            problem = "lacks the" if missing else "has an unexpected"
            raise BundleError(
                f"{where} {problem} {what} '{name}'; expected are {', '.join(expected)}. Export the bundle again."
            )
        for name, shape in expected.items():
            actual = found[name]
            loose = what == "output"  # an exporter may not know an output's fixed size; frames must never be fixed
            fits = len(actual) == len(shape) and all(
                isinstance(have, str) if want is None else have == want or (loose and isinstance(have, str))
                for have, want in zip(actual, shape, strict=False)
            )
            if not fits:
                wanted = ", ".join("frames" if size is None else str(size) for size in shape)
                got = ", ".join(str(size) or "?" for size in actual)
                raise BundleError(
                    f"{where}: {what} '{name}' has shape ({got}), expected ({wanted}); export the bundle again."
                )


def declared_states(graph: Graph) -> list[dict[str, Any]]:
    """The states that a graph's inputs declare, as tables of bundle.toml. `[control]`"""
    return [
        {"name": name.removeprefix("state_"), "shape": [size for size in shape if isinstance(size, int)]}
        for name, shape in graph.inputs.items()
        if name.startswith("state_")
    ]


def declared_condition(conditioner: Graph) -> int:
    """Width of what a conditioner makes, as it declares it. `[control]` Raises BundleError where it does not."""
    shape = conditioner.outputs.get("condition", ())
    if len(shape) != 2 or not isinstance(shape[1], int):
        raise BundleError(f"{CONDITIONER}: 'condition' has shape {shape}, expected (1, a number); export it again.")
    return shape[1]


def declared_passes(encoder: Graph) -> list[Pass]:
    """The pass-throughs that an encoder's outputs declare by their first axis, "frames" or "<n>*frames". `[control]`

    Raises BundleError for an axis named otherwise.
    """
    found = []
    for name, shape in encoder.outputs.items():
        if name == "latent" or name.startswith("next_"):
            continue
        match = re.fullmatch(r"(?:(\d+)\s*\*\s*)?frames(?:\s*\*\s*(\d+))?", str(shape[0])) if len(shape) == 2 else None
        if match is None or not isinstance(shape[1], int):
            raise BundleError(
                f"{ENCODER}: pass-through '{name}' has shape {shape}, expected ('frames' or 'n*frames', width); "
                "name the axis at export or give `passes`."
            )
        found.append(Pass(name, int(match[1] or match[2] or 1), shape[1]))
    return found
