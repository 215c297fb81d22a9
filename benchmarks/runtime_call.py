"""What one call of a graph costs: compiled code through the C library, against Python's IOBinding and its plain run.

    python -m benchmarks.runtime_call [--seconds 20] [--model NAME]

The same graph, the decoder of a bundle, with the same states, one hop per call, one thread. All are called from Python here,
which costs the compiled function some 0.3 us that it does not cost in the product.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.measure import interleave, record, statistics
from rtstyle.bundle import Bundle
from rtstyle.cli.offline import pick_bundle
from rtstyle.runtime.native import NativeGraph
from rtstyle.runtime.ort_api import open_library
from rtstyle.runtime.session import Port, Session, aligned_zeros, run_session


def ports(graph: onnxruntime.InferenceSession, hop: int) -> tuple[list[Port], list[Port]]:
    """The graph's inputs and outputs other than its states, with memory for one hop."""
    found = []
    for listed, state in ((graph.get_inputs(), "state_"), (graph.get_outputs(), "next_")):
        made = []
        for port in listed:
            if not port.name.startswith(state):
                shape = tuple(size if isinstance(size, int) else _symbolic(size, hop) for size in port.shape)
                shape = (1, hop) if port.name == "audio" else shape
                made.append(Port(port.name, aligned_zeros(int(np.prod(shape))), shape, None))
        found.append(made)
    return found[0], found[1]


def _symbolic(size: str | None, hop: int) -> int:
    """Length of a growing axis for one hop: a multiple of the frames, as in "8*frames", or one."""
    factor = (size or "").partition("*")[0]
    return int(factor) if factor.isdecimal() else 1


def jobs(bundle: Bundle) -> tuple[dict[str, Callable[[], Any]], float]:
    """The contestants, and the greatest difference between the first two over four calls from silence."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    python = onnxruntime.InferenceSession(bundle.decoder, options, providers=["CPUExecutionProvider"])
    inputs, outputs = ports(python, bundle.hop)
    generator = np.random.default_rng(0)
    for port in inputs:
        port.memory[:] = generator.uniform(0.0, 1.0, port.memory.size)
    states = [(state.name, state.shape) for state in bundle.states_decoder]
    native = Session(NativeGraph(open_library(), bundle.decoder, "decoder.onnx"), inputs, outputs, states, 1)
    feeds = {port.name: port.memory.reshape(port.shape) for port in inputs}
    sides = [{name: np.zeros(shape, np.float32) for name, shape in states} for _ in range(2)]
    bound = [np.zeros(port.shape, np.float32) for port in outputs]
    bindings = []
    for side in range(2):
        binding = python.io_binding()
        for name, array in [*feeds.items(), *((f"state_{name}", array) for name, array in sides[side].items())]:
            binding.bind_cpu_input(name, array)
        targets = [*zip((port.name for port in outputs), bound, strict=True)]
        for name, array in [*targets, *((f"next_{name}", array) for name, array in sides[1 - side].items())]:
            binding.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        bindings.append(binding)
    turn = 0

    def run_bound() -> None:
        nonlocal turn
        python.run_with_iobinding(bindings[turn])
        turn = 1 - turn

    plain = {f"state_{name}": np.zeros(shape, np.float32) for name, shape in states}
    names = [port.name for port in python.get_outputs()]

    def run_plain() -> None:
        for name, value in zip(names, python.run(None, {**feeds, **plain}), strict=True):
            if name.startswith("next_"):
                plain[name.replace("next_", "state_")] = value

    difference = 0.0
    for _ in range(4):
        run_session(native.table, 0)
        run_bound()
        for port, array in zip(outputs, bound, strict=True):
            difference = max(difference, float(np.abs(port.memory - array.ravel()).max()))
    return {
        "native": lambda: run_session(native.table, 0),
        "iobinding": run_bound,
        "run": run_plain,
    }, difference


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="more than 60 adds nothing")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    seconds = min(arguments.seconds, 60.0)
    bundle = pick_bundle(arguments.model)
    contest, difference = jobs(bundle)
    times = interleave(contest, seconds)
    figures: dict[str, Any] = {name: statistics(values) for name, values in times.items()}
    native = float(np.median(times["native"])) * 1e6
    for name in ("iobinding", "run"):
        figures[f"{name}_minus_native_us"] = round(float(np.median(times[name])) * 1e6 - native, 2)
    figures["greatest_difference"] = difference
    record("runtime_call", figures, model=bundle.name, graph="decoder", hops=1, threads=1, seconds=arguments.seconds)


if __name__ == "__main__":
    main()
