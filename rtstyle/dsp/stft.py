"""Streaming short-time Fourier transform and overlap-add, with symmetric and asymmetric windows.

A hop of H samples enters, one frame of the last N samples is transformed, and one hop leaves. With a symmetric window the
output is N - H samples late. With an asymmetric one (long past, short fall) synthesis uses the last 2 H samples alone, and
the output is H samples late at the frequency resolution of the long window:

    analysis   ______----------^^^^^^\\         N samples, falls over the last H
    synthesis                    _/^\\_         the last 2 H samples

Source: D. Mauler, R. Martin, "A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis system
for speech enhancement", EUSIPCO 2007.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp import fft
from rtstyle.dsp.jit import kernel


def symmetric_windows(n_fft: int, hop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Square-root Hann for analysis and synthesis, scaled so that overlap-add at `hop` sums to one. `[control]`

    n_fft: frame length N; hop: H, where H divides N / 2. Returns two float32[N]. Latency N - H samples.
    """
    if hop < 1 or n_fft % (2 * hop):
        raise ValueError(f"hop {hop} must divide half of n_fft {n_fft}")
    hann = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft))
    return hann.astype(np.float32), (hann * (2.0 * hop / n_fft)).astype(np.float32)


def asymmetric_windows(n_fft: int, hop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Long analysis window and a synthesis window on its last two hops. `[control]`

    n_fft: frame length N; hop: H, with 2 H <= N. Returns analysis float32[N] and synthesis float32[2 H]; their product over
    the last 2 H samples is a Hann window, so overlap-add at H sums to one. Latency H samples.
    """
    if hop < 1 or 2 * hop > n_fft:
        raise ValueError(f"hop {hop} must be at most half of n_fft {n_fft}")
    rise = np.sqrt(0.5 - 0.5 * np.cos(np.pi * (np.arange(n_fft - hop) + 0.5) / (n_fft - hop)))
    fall = np.sqrt(0.5 + 0.5 * np.cos(np.pi * (np.arange(hop) + 0.5) / hop))
    analysis = np.concatenate([rise, fall])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))
    return analysis.astype(np.float32), (hann / analysis[-2 * hop :]).astype(np.float32)


def describing_window(n_fft: int, hop: int) -> NDArray[np.float32]:
    """Window for looking at a spectrum: it rises as a squared sine and falls as one within three hops. `[control]`

    Nothing is put together from it, so it need not end within a hop, and what ends slowly leaks little: the power between two
    partials of a steady tone moves by a third of what it does under `asymmetric_windows`, and its centre is no older.
    Returns float32[N].
    """
    last = min(3 * hop, n_fft // 2)
    sides = n_fft - last, last
    rise, fall = (np.sin(0.5 * np.pi * (np.arange(size) + 0.5) / size) ** 2 for size in sides)
    return np.concatenate([rise, fall[::-1]]).astype(np.float32)


def filter_windows(n_fft: int, hop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Windows for filtering by a causal response: one that only rises, and a Hann window over the last two hops. `[control]`

    Where the first window is one, a product with the spectrum of a causal impulse response is the convolution itself; the
    second fades from one filter to the next. Returns float32[N] and float32[2 H], where 4 H <= N. Latency H samples.
    """
    if hop < 1 or 4 * hop > n_fft:
        raise ValueError(f"hop {hop} must be at most a quarter of n_fft {n_fft}")
    rise = np.ones(n_fft)
    rise[: n_fft // 2] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_fft // 2) + 0.5) / (n_fft // 2))
    fade = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))
    return rise.astype(np.float32), fade.astype(np.float32)


@kernel
def transform(history: Any, window: Any, frame: Any, spectrum: Any, axis: Any) -> None:
    """Transform the windowed content of `history` as it is; arguments as in `analyse`. `[audio]`"""
    for i in range(history.size):
        frame[i] = history[i] * window[i]
    fft.forward(frame, spectrum, axis)


@kernel
def analyse(history: Any, hop_in: Any, window: Any, frame: Any, spectrum: Any, axis: Any) -> None:
    """Shift one hop into `history` and transform its windowed content. `[audio]`

    history: float32[N], the last N input samples, owned by the stream (zeros at reset). hop_in: float32[H]. window:
    float32[N]. frame: float32[N], scratch. spectrum: complex64[N // 2 + 1], overwritten. axis: int64[1] of 0.
    """
    n_fft = history.size
    hop = hop_in.size
    for i in range(n_fft - hop):
        history[i] = history[i + hop]
    for i in range(hop):
        history[n_fft - hop + i] = hop_in[i]
    transform(history, window, frame, spectrum, axis)


@kernel
def synthesise(spectrum: Any, window: Any, frame: Any, tail: Any, hop_out: Any, axis: Any) -> None:
    """Transform one frame back, overlap-add its end and emit the hop that is complete. `[audio]`

    spectrum: complex64[N // 2 + 1] (left unspecified afterwards). window: float32[M], M = N (symmetric) or 2 H (asymmetric),
    laid over the last M samples of the frame. frame: float32[N], scratch. tail: float32[M], the overlap-add state (zeros at
    reset). hop_out: float32[H], overwritten. axis: int64[1] of 0. Latency M - H samples.
    """
    length = window.size
    hop = hop_out.size
    start = frame.size - length
    fft.inverse(spectrum, frame, axis)
    for i in range(length):
        tail[i] += frame[start + i] * window[i]
    for i in range(hop):
        hop_out[i] = tail[i]
    for i in range(length - hop):
        tail[i] = tail[i + hop]
    for i in range(length - hop, length):
        tail[i] = np.float32(0.0)
