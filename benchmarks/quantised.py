"""Shipped bundles with 8-bit weights: what they gain in time, and what they lose in sound.

    python -m benchmarks.quantised --recordings FOLDER [--clips 2] [--seconds 8] [--models a b]

Matrix products of both graphs but the first and the last of each get dynamic int8: weights per column, activations measured at
each call. All else stays float32. Time: both forms in turns through the chain, processor time of a block of 128. Sound: level of
the difference against the bundle as shipped, and the judge's share for both. A call measures its activations as a whole, so the
sound depends on the length of the blocks: by how much is in the table, too.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel

from benchmarks.measure import interleave, record
from rtstyle.bundle import Bundle, find_bundle, load_bundle
from rtstyle.bundle.manifest import DECODER, ENCODER
from rtstyle.bundle.write import update_bundle
from rtstyle.lab.evaluate import inputs
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.bundle_run import BLOCK, FILE_BLOCK, BundleRun
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, find_clips
from rtstyle.lab.evaluate.judge import load_judge

SECONDS, SEED = 5.0, 0
PRODUCTS = ("MatMul", "Gemm")


def quantise(graph: bytes, work: Path) -> bytes:
    """The graph with int8 weights in all products with a constant but the first and the last."""
    model = ONNXModel(onnx.load_model_from_string(graph))
    model.replace_gemm_with_matmul()
    for number, node in enumerate(model.model.graph.node):
        node.name = f"{node.op_type}{number}"
    weights = {tensor.name for tensor in model.model.graph.initializer}
    weights |= {node.output[0] for node in model.model.graph.node if node.op_type == "Constant"}
    products = [node.name for node in model.model.graph.node if node.op_type in PRODUCTS and node.input[1] in weights]
    source, target = work / "float.onnx", work / "int8.onnx"
    onnx.save(model.model, str(source))
    quantize_dynamic(
        source, target, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8,
        nodes_to_quantize=products[1:-1],
    )  # fmt: skip
    return target.read_bytes()


def variant(bundle: Bundle, work: Path) -> Bundle:
    """A copy of a bundle whose graphs are quantised."""
    folder = work / bundle.name
    folder.mkdir()
    for file in (*bundle.manifest.files, "bundle.toml"):
        (folder / file).write_bytes((bundle.path / file).read_bytes())
    graphs = {ENCODER: quantise(bundle.encoder, work), DECODER: quantise(bundle.decoder, work)}
    return update_bundle(folder, graphs, remove=("golden.npz",))


def compare(name: str, recordings: Path | None, clips: int, seconds: float) -> dict[str, object]:
    """Both forms of one bundle, timed in turns and heard."""
    with tempfile.TemporaryDirectory() as temporary:
        plain = load_bundle(find_bundle(name))
        runs = {"float32": BundleRun(plain), "int8": BundleRun(variant(plain, Path(temporary)))}
        sizes = {form: len(run.bundle.encoder) + len(run.bundle.decoder) for form, run in runs.items()}
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
        found["float32_over_int8"] = round(float(np.median(times["float32"]) / np.median(times["int8"])), 3)
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
    """The judge's share of both forms over the same conversions, and the level of what parts them."""
    judge = load_judge()
    chosen = inputs.choose_inputs(
        inputs.with_soundfont(find_clips(recordings), INSTRUMENTS), INSTRUMENTS, clips, SECONDS, SEED
    )
    shares: dict[str, list[float]] = {form: [] for form in runs}
    apart_db = []
    for one in chosen:
        active = judge(one.audio, RATE).audible
        for target in (name for name in INSTRUMENTS if name != one.instrument):
            played = {form: run(one.audio, target, 1.0) for form, run in runs.items()}
            for form, audio in played.items():
                shares[form].append(judge(audio, RATE).share(target, active))
            apart_db.append(level_db(played["int8"] - played["float32"], played["float32"]))
    return {
        "judge_share": {form: figure(values).as_dict() for form, values in shares.items()},
        "difference_db": figure(apart_db).as_dict(),
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
