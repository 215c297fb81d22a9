"""The BRAVE network through our runtime and through TorchScript, in turns: one block of 128 samples, one thread.

    python -m benchmarks.brave [--seconds 20]

`ours` is all that a bundle does per hop (excitation, encoder, AdaIN, decoder). `torchscript` is the network as its authors
export it; `torchscript_frozen` is the same after torch.jit.freeze and optimize_for_inference, as far as torch can go.
`onnxruntime_python` is our pair of graphs through the usual Python calls. Weights are random: time does not depend on them.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.brave_network import HOP, LATENT, Brave, build, write_decoder, write_encoder
from benchmarks.measure import interleave, record, statistics
from rtstyle.bundle import Bundle, Frontend, Style, write_bundle
from rtstyle.runtime.model import CONTROLS, LoadedModel, load_model, run_model

SAMPLE_RATE = 48_000


def make_bundle(net: Brave, folder: Path) -> Bundle:
    """Write the network as a bundle."""
    write_encoder(net, folder / "encoder.onnx")
    write_decoder(net, folder / "decoder.onnx")
    statistics_shape = (1, LATENT)
    return write_bundle(
        folder / "brave",
        name="brave",
        kind="latent",
        sample_rate=SAMPLE_RATE,
        hop=HOP,
        latency=0,
        encoder=(folder / "encoder.onnx").read_bytes(),
        decoder=(folder / "decoder.onnx").read_bytes(),
        styles=[Style("only", "Only")],
        mean=np.zeros(statistics_shape, np.float32),
        std=np.ones(statistics_shape, np.float32),
        neutral_mean=np.zeros(LATENT, np.float32),
        neutral_std=np.ones(LATENT, np.float32),
        frontend=Frontend(3),
        description="BRAVE's topology with random weights.",
        licence="MIT",
    )


class PythonPair:
    """Both graphs through onnxruntime's Python session, states carried by hand."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        self._graphs = [
            onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=providers)
            for name in ("encoder", "decoder")
        ]
        self._states = [
            {
                port.name: np.zeros(port.shape, np.float32)
                for port in graph.get_inputs()
                if port.name.startswith("state_")
            }
            for graph in self._graphs
        ]
        self._rest = {"style": np.zeros((1, 2 * LATENT), np.float32), "amount": np.zeros((1, 1), np.float32)}

    def step(self, audio: np.ndarray) -> np.ndarray:
        """(3, n * 128) -> (n * 128,)"""
        latent = self._run(0, {"audio": audio})
        return self._run(1, {"styled": latent, **self._rest})[0]

    def _run(self, which: int, inputs: dict[str, np.ndarray]) -> np.ndarray:
        graph = self._graphs[which]
        first, *states = graph.run(None, {**inputs, **self._states[which]})
        names = [port.name.replace("next_", "state_") for port in graph.get_outputs()[1:]]
        self._states[which] = dict(zip(names, states, strict=True))
        return np.asarray(first)


def check(net: Brave, model: LoadedModel, pair: PythonPair) -> float:
    """Greatest difference between the three forms on noise, over the peak."""
    x = np.random.default_rng(1).normal(0.0, 0.1, 64 * HOP).astype(np.float32)
    with torch.inference_mode():
        expected = np.concatenate(
            [net(torch.from_numpy(x[i : i + HOP]).view(1, 1, -1)).numpy().ravel() for i in range(0, len(x), HOP)]
        )
    ours = model.step(x, model.controls(0, 0.0))
    rows = np.stack([x, 0 * x, 0 * x])
    theirs = np.concatenate([pair.step(rows[:, i : i + HOP]) for i in range(0, len(x), HOP)])
    peak = float(np.abs(expected).max())
    return max(float(np.abs(ours - expected).max()), float(np.abs(theirs - expected).max())) / peak


def main() -> None:
    """Build, compare, measure, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    torch.set_num_threads(1)
    net = build()
    scripted = torch.jit.script(net)
    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(build())))
    generator = np.random.default_rng(0)
    x = generator.normal(0.0, 0.1, HOP).astype(np.float32)
    tensor = torch.from_numpy(x).view(1, 1, -1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = load_model(make_bundle(net, folder))
        pair = PythonPair(folder)
        difference = check(net, model, pair)
        controls = np.zeros(CONTROLS, np.float32)
        controls[1] = 1.0
        y, own = np.zeros(HOP, np.float32), np.zeros(1, np.float32)
        rows = np.stack([x, x, x])

        jobs = {
            "ours": lambda: run_model(model.table, controls, x, y, own, 1),
            "onnxruntime_python": lambda: pair.step(rows),
            "torchscript": lambda: scripted(tensor),
            "torchscript_frozen": lambda: frozen(tensor),
        }
        with torch.inference_mode():
            times = interleave(jobs, seconds / 2)
            busy = interleave(jobs, seconds / 2, clock=time.thread_time)
        model.close()
    figures: dict[str, object] = {name: statistics(values) for name, values in times.items()}
    ours = float(np.median(times["ours"]))
    for name in ("torchscript", "torchscript_frozen", "onnxruntime_python"):
        figures[f"{name}_over_ours"] = round(float(np.median(times[name])) / ours, 2)
        ratio = float(np.median(busy[name])) / float(np.median(busy["ours"]))
        figures[f"{name}_over_ours_processor_time"] = round(ratio, 2)
    figures["ours_percent_of_block"] = round(100 * ours * SAMPLE_RATE / HOP, 1)
    figures["parameters"] = sum(parameter.numel() for parameter in net.parameters())
    figures["greatest_difference_over_peak"] = difference
    record("brave", figures, block=HOP, sample_rate=SAMPLE_RATE, threads=1, seconds=seconds)


if __name__ == "__main__":
    main()
