"""Compiled kernels against the usual libraries: one frame of a streaming STFT, and its share of the block.

    python -m benchmarks.kernels [--seconds 20]

Every job does the same work: shift a hop into the history, window it, transform. The libraries work one frame at a
time, as a stream must. `kernel_from_python` pays for a call from Python each time; `kernel` runs where it runs in the
product, inside compiled code.
"""

import argparse
from collections.abc import Callable

import numpy as np
import scipy.fft
import torch

from benchmarks.measure import interleave, record
from rtstyle.dsp import stft
from rtstyle.dsp.jit import kernel

N_FFT = 1024
HOP = 64
SAMPLE_RATE = 48_000
INNER = 100


@kernel
def many_analyses(count, history, hop_in, window, frame, spectrum, axis):
    """Run `analyse` `count` times."""
    for _ in range(count):
        stft.analyse(history, hop_in, window, frame, spectrum, axis)


@kernel
def many_round_trips(count, history, hop_in, analysis, synthesis, frame, spectrum, tail, hop_out, axis):
    """Run `analyse` and `synthesise` `count` times."""
    for _ in range(count):
        stft.analyse(history, hop_in, analysis, frame, spectrum, axis)
        stft.synthesise(spectrum, synthesis, frame, tail, hop_out, axis)


def jobs() -> dict[str, Callable[[], object]]:
    """The contestants, each working on arrays of its own."""
    generator = np.random.default_rng(0)
    hop_in = generator.standard_normal(HOP).astype(np.float32)
    analysis, synthesis = stft.asymmetric_windows(N_FFT, HOP)
    history, frame = np.zeros(N_FFT, np.float32), np.zeros(N_FFT, np.float32)
    spectrum = np.zeros(N_FFT // 2 + 1, np.complex64)
    tail, hop_out = np.zeros(2 * HOP, np.float32), np.zeros(HOP, np.float32)
    axis = np.zeros(1, np.int64)
    scipy_history, numpy_history = np.zeros(N_FFT, np.float32), np.zeros(N_FFT, np.float32)
    torch_history = torch.zeros(N_FFT)
    torch_hop, torch_window = torch.from_numpy(hop_in), torch.from_numpy(analysis)

    def scipy_frame() -> object:
        scipy_history[:-HOP] = scipy_history[HOP:]
        scipy_history[-HOP:] = hop_in
        return scipy.fft.rfft(scipy_history * analysis)

    def numpy_frame() -> object:
        numpy_history[:-HOP] = numpy_history[HOP:]
        numpy_history[-HOP:] = hop_in
        return np.fft.rfft(numpy_history * analysis)

    def torch_frame() -> object:
        with torch.inference_mode():
            torch_history[:-HOP] = torch_history[HOP:].clone()
            torch_history[-HOP:] = torch_hop
            return torch.stft(torch_history, N_FFT, HOP, window=torch_window, center=False, return_complex=True)

    return {
        "kernel": lambda: many_analyses(INNER, history, hop_in, analysis, frame, spectrum, axis),
        "round_trip": lambda: many_round_trips(
            INNER, history, hop_in, analysis, synthesis, frame, spectrum, tail, hop_out, axis
        ),
        "kernel_from_python": lambda: stft.analyse(history, hop_in, analysis, frame, spectrum, axis),
        "scipy": scipy_frame,
        "numpy": numpy_frame,
        "torch": torch_frame,
    }


def main() -> None:
    """Measure, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure; more than 60 adds nothing")
    seconds = min(parser.parse_args().seconds, 60.0)
    torch.set_num_threads(1)
    times = interleave(jobs(), seconds)
    medians = {
        name: float(np.median(values)) * 1e6 / (INNER if name in ("kernel", "round_trip") else 1)
        for name, values in times.items()
    }
    block_us = 1e6 * HOP / SAMPLE_RATE
    figures: dict[str, float] = {f"{name}_us": round(value, 3) for name, value in medians.items()}
    for library in ("scipy", "numpy", "torch"):
        figures[f"{library}_over_kernel"] = round(medians[library] / medians["kernel"], 2)
        figures[f"{library}_over_kernel_from_python"] = round(medians[library] / medians["kernel_from_python"], 2)
    figures["round_trip_percent_of_block"] = round(100 * medians["round_trip"] / block_us, 3)
    record("kernels", figures, n_fft=N_FFT, hop=HOP, sample_rate=SAMPLE_RATE, seconds=seconds)


if __name__ == "__main__":
    main()
