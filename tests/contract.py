"""The streaming contract: what every stage that turns samples into samples must keep, whatever it does to them.

`verify_streaming` checks it all; a stage that does not decay or has no single delay leaves those parts out. A stage
is a `process(x) -> y` with a memory, float32 in and out, frames on the last axis, and a `reset()` that forgets.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Process = Callable[[Audio], Audio]

TOLERANCE = 1e-5


def noise_signal(frames: int, channels: int | None = None, seed: int = 0) -> Audio:
    """Noise under a slow envelope, peak about 0.5: (frames,), or (channels, frames)."""
    rng = np.random.default_rng(seed)
    shape = (frames,) if channels is None else (channels, frames)
    envelope = 0.55 - 0.45 * np.cos(2 * np.pi * np.arange(frames) / max(frames, 1) * 3.0)
    return (0.15 * rng.standard_normal(shape) * envelope).astype(np.float32)


def in_blocks(process: Process, x: Audio, sizes: list[int]) -> Audio:
    """Run x through `process` in blocks of these sizes, again and again, until it ends."""
    parts, start, turn = [], 0, 0
    while start < x.shape[-1]:
        size = sizes[turn % len(sizes)]
        parts.append(np.array(process(x[..., start : start + size])))
        start, turn = start + size, turn + 1
    return np.concatenate(parts, axis=-1)


def verify_splits(process: Process, reset: Callable[[], None], x: Audio, hop: int, tolerance: float) -> None:
    """Whole, in fixed blocks and in random ragged blocks: the same output."""
    reset()
    whole = np.array(process(x))
    assert whole.shape == x.shape, f"{x.shape} in, {whole.shape} out"
    assert np.isfinite(whole).all(), "the output is not finite"
    rng = np.random.default_rng(1)
    for sizes in ([hop], [3 * hop], [8 * hop], [hop * int(n) for n in rng.integers(1, 24, 64)]):
        reset()
        error = np.abs(in_blocks(process, x, sizes) - whole).max()
        assert error <= tolerance, f"in blocks of {sizes[:4]}... the output differs by {error:.2e}"


def verify_latency(process: Process, reset: Callable[[], None], x: Audio, latency: int) -> None:
    """The declared latency is the lag of the highest correlation of noise with its output, and of an impulse's peak."""
    reset()
    frames = x.shape[-1]
    lag = lag_of(x.reshape(-1, frames)[0], np.array(process(x)).reshape(-1, frames)[0])
    assert lag == latency, f"noise is {lag} samples late, declared are {latency}"
    reset()
    impulse = np.zeros_like(x)
    at = frames // 4
    impulse[..., at] = 0.5
    late = int(np.abs(np.array(process(impulse)).reshape(-1, frames)[0]).argmax()) - at
    assert late == latency, f"an impulse is {late} samples late, declared are {latency}"


def lag_of(x: Audio, y: Audio) -> int:
    """The number of samples by which y is late, by the peak of their cross-correlation."""
    size = 2 * x.size
    correlation = np.fft.irfft(np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size)), size)
    return int(np.argmax(correlation[: x.size]))


def verify_reset(process: Process, reset: Callable[[], None], x: Audio) -> None:
    """After `reset` the same input gives the same output, to the last bit."""
    reset()
    first = np.array(process(x))
    reset()
    assert np.array_equal(np.array(process(x)), first), "reset() does not replay identically"


def verify_decay(process: Process, reset: Callable[[], None], x: Audio, silence: int, limit: float) -> None:
    """Silence gives silence, at once from a reset and some time after sound."""
    reset()
    quiet = np.zeros((*x.shape[:-1], silence), dtype=np.float32)
    assert np.abs(process(quiet)).max() <= limit, "silence after a reset is not silent"
    process(x)
    process(quiet)
    left = np.abs(process(quiet)).max()
    assert left <= limit, f"{silence} samples after the sound there is still {left:.2e}"


def verify_padding(process: Process, reset: Callable[[], None], x: Audio, hop: int, tolerance: float) -> None:
    """NaN around the block, in memory that must not be read, never reaches the output."""
    reset()
    wanted = np.array(process(x))
    reset()
    frames = x.shape[-1]
    padded = np.full((*x.shape[:-1], frames + 2 * hop), np.nan, dtype=np.float32)
    parts = []
    for start in range(0, frames, 4 * hop):
        size = min(4 * hop, frames - start)
        padded[...] = np.nan
        padded[..., hop : hop + size] = x[..., start : start + size]
        parts.append(np.array(process(padded[..., hop : hop + size])))
    error = np.abs(np.concatenate(parts, axis=-1) - wanted).max()
    assert error <= tolerance, f"memory around the block changes the output by {error:.2e}"


def verify_streaming(
    process: Process,
    reset: Callable[[], None],
    *,
    hop: int = 1,
    latency: int | None = None,
    channels: int | None = None,
    blocks: int = 160,
    tolerance: float = TOLERANCE,
    decay: int | None = 16384,
    decay_limit: float = 1e-4,
) -> None:
    """Check the whole contract.

    process: any length that is a multiple of `hop`, (frames,) or, with `channels`, (channels, frames). latency: in
    samples; None for a stage whose output is no delayed input. blocks: length of the test signal, in hops. decay:
    samples after which silence must be below `decay_limit`; None for a stage that makes sound of its own.
    """
    x = noise_signal(blocks * hop, channels)
    verify_splits(process, reset, x, hop, tolerance)
    verify_reset(process, reset, x)
    verify_padding(process, reset, x, hop, tolerance)
    if latency is not None:
        verify_latency(process, reset, x, latency)
    if decay is not None:
        verify_decay(process, reset, x, -(-decay // hop) * hop, decay_limit)
