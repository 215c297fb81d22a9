"""Shipped bundles with 8-bit weights: what they gain in time, and what they lose in sound.

    python -m benchmarks.quantised --recordings FOLDER [--clips 2] [--seconds 8] [--models a b]

Matrix products of both graphs but the first and the last of each get int8, weights per column, all else stays float32: "int8"
measures its activations at each call, as a whole, so that its sound depends on the length of the blocks; "static int8" has
scales that were fixed on lines of the soundfont. Time: all forms in turns through the chain, processor time of a block of 128.
Sound: level of the difference against the bundle as shipped, the judge's share for all, and how far long blocks sound from
short ones.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.onnx_model import ONNXModel

from benchmarks.measure import interleave, record
from rtstyle.bundle import Bundle, find_bundle, load_bundle
from rtstyle.bundle.manifest import DECODER, ENCODER
from rtstyle.bundle.write import update_bundle
from rtstyle.corpus.soundfont import find_font
from rtstyle.errors import MissingPartError
from rtstyle.lab.evaluate import inputs
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.bundle_run import BLOCK, FILE_BLOCK, BundleRun
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, find_clips, soundfont_clips
from rtstyle.lab.evaluate.judge import load_judge
from rtstyle.lab.export.graphs import net_of
from rtstyle.lab.nets.streaming import adapt
from rtstyle.lab.reference import analyser_of
from rtstyle.lab.train.style_bank import clip_statistics
from rtstyle.lab.train.trainer import encode

SECONDS, SEED = 5.0, 0
PLAIN, DYNAMIC, STATIC = "float32", "int8", "static int8"
PRODUCTS = ("MatMul", "Gemm")
Feeds = list[dict[str, NDArray[np.float32]]]


class Calibration(CalibrationDataReader):
    """Calls of one graph, one after the other."""

    def __init__(self, feeds: Feeds) -> None:
        self.feeds: Iterator[dict[str, NDArray[np.float32]]] = iter(feeds)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self.feeds, None)


@torch.no_grad()
def calibration(bundle: Bundle) -> dict[str, Feeds]:
    """Calls of encoder and decoder with whole lines of the soundfont, each instrument's in the style of the next one."""
    font = find_font()
    if font is None:
        raise MissingPartError(
            "Static int8 is fixed on the soundfont FluidR3; install it: apt-get install fluid-soundfont-gm"
        )
    net, feeds = net_of(bundle), {ENCODER: Feeds(), DECODER: Feeds()}
    conditioner = onnxruntime.InferenceSession(bundle.conditioner, providers=["CPUExecutionProvider"])
    lines = inputs.choose_inputs(soundfont_clips(font, frozenset(INSTRUMENTS)), INSTRUMENTS, 1, SECONDS, SEED + 1)
    for number, line in enumerate(lines):
        clip = analyser_of(net).clip(line.audio[None, : line.audio.size // net.shape.hop * net.shape.hop])
        latent, extra, _ = encode(net, clip)
        own = clip_statistics(latent, clip.active)
        chosen = (number + 1) % bundle.mean.shape[0]
        target = [torch.from_numpy(part[chosen]).reshape(1, 1, -1) for part in (bundle.mean, bundle.std)]
        styled = adapt(latent, *target, own, clip.active, torch.ones(1, 1, 1))
        heard = clip.audio if net.kind == "latent" else clip.features
        feeds[ENCODER].append({"audio" if net.kind == "latent" else "features": heard[0].numpy()})
        (condition,) = conditioner.run(
            None, {"style": torch.cat(target, 2)[0].numpy(), "amount": np.ones((1, 1), np.float32)}
        )
        given = {"styled": styled[0]} | {name: part[0] for name, part in extra.items()}
        feeds[DECODER].append({"condition": condition} | {name: part.numpy() for name, part in given.items()})
    return feeds


def folded(graph: bytes, work: Path) -> ONNXModel:
    """The graph with its constants worked out, all products as MatMul and every node under a name of its own."""
    source, target = work / "given.onnx", work / "folded.onnx"
    source.write_bytes(graph)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    model = ONNXModel(onnx.load(str(target)))
    standard = [entry for entry in model.model.opset_import if entry.domain in ("", "ai.onnx")]
    del model.model.opset_import[:]
    model.model.opset_import.extend(standard)  # it also lists what ONNX Runtime has of its own, unused
    model.replace_gemm_with_matmul()
    for number, node in enumerate(model.model.graph.node):
        node.name = f"{node.op_type}{number}"
    return model


def quantise(graph: bytes, feeds: Feeds | None, work: Path) -> bytes:
    """The graph with int8 weights in all products with a constant but the first and the last; static with `feeds`."""
    model = folded(graph, work)
    weights = {tensor.name for tensor in model.model.graph.initializer}
    weights |= {node.output[0] for node in model.model.graph.node if node.op_type == "Constant"}
    products = [node.name for node in model.model.graph.node if node.op_type in PRODUCTS and node.input[1] in weights]
    source, target = work / "float.onnx", work / "int8.onnx"
    onnx.save(model.model, str(source))
    chosen = {"op_types_to_quantize": ["MatMul"], "per_channel": True, "nodes_to_quantize": products[1:-1]}
    if feeds is None:
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, **chosen)
        return target.read_bytes()
    silent = {
        entry.name: np.zeros([axis.dim_value for axis in entry.type.tensor_type.shape.dim], np.float32)
        for entry in model.model.graph.input
        if entry.name.startswith("state_")
    }
    quantize_static(
        source, target, Calibration([silent | feed for feed in feeds]), quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, **chosen,
    )  # fmt: skip
    return target.read_bytes()


def variant(bundle: Bundle, feeds: dict[str, Feeds] | None, work: Path) -> Bundle:
    """A copy of a bundle whose graphs are quantised, in a new folder of `work`."""
    folder = work / bundle.name
    folder.mkdir(parents=True)
    for file in (*bundle.manifest.files, "bundle.toml"):
        (folder / file).write_bytes((bundle.path / file).read_bytes())
    graphs = {
        name: quantise(graph, feeds[name] if feeds else None, work)
        for name, graph in ((ENCODER, bundle.encoder), (DECODER, bundle.decoder))
    }
    return update_bundle(folder, graphs, remove=("golden.npz",))


def compare(name: str, recordings: Path | None, clips: int, seconds: float) -> dict[str, object]:
    """All forms of one bundle, timed in turns and heard."""
    with tempfile.TemporaryDirectory() as temporary:
        plain = load_bundle(find_bundle(name))
        runs = {PLAIN: BundleRun(plain)}
        for form, feeds in ((DYNAMIC, None), (STATIC, calibration(plain))):
            runs[form] = BundleRun(variant(plain, feeds, Path(temporary) / form))
        sizes = {form: sum(map(len, run.bundle.graphs.values())) for form, run in runs.items()}
        noise = np.random.default_rng(SEED).normal(0.0, 0.1, BLOCK).astype(np.float32)
        jobs = {form: lambda engine=run.engine: engine.process(noise) for form, run in runs.items()}
        times = interleave(jobs, seconds, clock=time.thread_time)
        found: dict[str, object] = {
            f"{form}_percent_of_block": {
                quantile: round(100.0 * float(np.quantile(taken, at)) * RATE / BLOCK, 2)
                for quantile, at in (("median", 0.5), ("p99", 0.99))
            }
            for form, taken in times.items()
        }
        found["megabytes"] = {form: round(size / 1e6, 2) for form, size in sizes.items()}
        for form in (DYNAMIC, STATIC):
            ratio = float(np.median(times[PLAIN]) / np.median(times[form]))
            found[f"{PLAIN}_over_{form}"] = round(ratio, 3)
        found["blocks_apart_db"] = {form: blocks_apart_db(run) for form, run in runs.items()}
        if recordings is not None:
            found |= listen(runs, recordings, clips)
        for run in runs.values():
            run.close()
    return found


def blocks_apart_db(run: BundleRun) -> float:
    """Level of what parts a second of noise played in long blocks from the same in short ones, against either."""
    noise = np.random.default_rng(SEED).normal(0.0, 0.1, RATE).astype(np.float32)
    longer = BundleRun(run.bundle, block=FILE_BLOCK)
    short, long = (each(noise, each.styles[0], 1.0) for each in (run, longer))
    longer.close()
    return level_db(short - long, short)


def level_db(part: NDArray[np.float32], whole: NDArray[np.float32]) -> float:
    """Power of a part against that of the whole in dB, at least -120."""
    return round(float(10.0 * np.log10(np.mean(part**2) / (np.mean(whole**2) + 1e-12) + 1e-12)), 2)


def listen(runs: dict[str, BundleRun], recordings: Path, clips: int) -> dict[str, object]:
    """The judge's share of all forms over the same conversions, and the level of what parts them."""
    judge = load_judge()
    chosen = inputs.choose_inputs(
        inputs.with_soundfont(find_clips(recordings), INSTRUMENTS), INSTRUMENTS, clips, SECONDS, SEED
    )
    shares: dict[str, list[float]] = {form: [] for form in runs}
    apart_db: dict[str, list[float]] = {form: [] for form in runs if form != PLAIN}
    for one in chosen:
        active = judge(one.audio, RATE).audible
        for target in (name for name in INSTRUMENTS if name != one.instrument):
            played = {form: run(one.audio, target, 1.0) for form, run in runs.items()}
            for form, audio in played.items():
                shares[form].append(judge(audio, RATE).share(target, active))
            for form, levels in apart_db.items():
                levels.append(level_db(played[form] - played[PLAIN], played[PLAIN]))
    return {
        "judge_share": {form: figure(values).as_dict() for form, values in shares.items()},
        "difference_db": {form: figure(levels).as_dict() for form, levels in apart_db.items()},
    }


def main() -> None:
    """Compare the bundles and record a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of timing, for each bundle")
    parser.add_argument(
        "--recordings", type=Path, help="folder of recordings that training never saw; none: time alone"
    )
    parser.add_argument("--clips", type=int, default=2, help="of each instrument")
    parser.add_argument("--models", nargs="*", default=("orchestra-spectral", "orchestra-latent"))
    arguments = parser.parse_args()
    for name in arguments.models:
        figures = compare(name, arguments.recordings, arguments.clips, arguments.seconds)
        print(f"{name}: {figures}", flush=True)
        record("quantised", figures, model=name, clips=arguments.clips if arguments.recordings else 0)


if __name__ == "__main__":
    main()
