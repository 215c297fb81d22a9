"""The streaming STFT gives back what went in, as late as it says, and the bands share a spectrum out without loss."""

import numpy as np
import pytest

from rtstyle.dsp import bands, stft
from tests.contract import noise_signal, verify_streaming


class Loop:
    """Analysis straight into synthesis."""

    def __init__(self, n_fft: int, hop: int, asymmetric: bool) -> None:
        make = stft.asymmetric_windows if asymmetric else stft.symmetric_windows
        self.analysis, self.synthesis = make(n_fft, hop)
        self.hop, self.latency = hop, self.synthesis.size - hop
        self.history, self.frame = np.zeros(n_fft, np.float32), np.zeros(n_fft, np.float32)
        self.tail = np.zeros(self.synthesis.size, np.float32)
        self.spectrum, self.axis = np.zeros(n_fft // 2 + 1, np.complex64), np.zeros(1, np.int64)

    def reset(self) -> None:
        self.history[:] = 0
        self.tail[:] = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        y = np.empty_like(x)
        for i in range(0, x.size, self.hop):
            part = slice(i, i + self.hop)
            stft.analyse(self.history, x[part], self.analysis, self.frame, self.spectrum, self.axis)
            stft.synthesise(self.spectrum, self.synthesis, self.frame, self.tail, y[part], self.axis)
        return y


LOOPS = [(1024, 64, True), (1024, 128, True), (512, 32, True), (1024, 256, False), (512, 128, False)]


@pytest.mark.parametrize(("n_fft", "hop", "asymmetric"), LOOPS)
def test_reconstruction_is_exact_after_the_declared_latency(n_fft: int, hop: int, asymmetric: bool) -> None:
    loop = Loop(n_fft, hop, asymmetric)
    x = noise_signal(hop * (12000 // hop))
    y = loop(x)
    assert loop.latency == (hop if asymmetric else n_fft - hop)
    assert np.abs(y[loop.latency :] - x[: -loop.latency])[n_fft:].max() < 1e-5


@pytest.mark.parametrize(("n_fft", "hop", "asymmetric"), LOOPS[:1] + LOOPS[3:4])
def test_streaming_contract(n_fft: int, hop: int, asymmetric: bool) -> None:
    loop = Loop(n_fft, hop, asymmetric)
    verify_streaming(loop, loop.reset, hop=hop, latency=loop.latency)


def test_windows_refuse_a_hop_that_cannot_overlap_add() -> None:
    with pytest.raises(ValueError, match="hop 300"):
        stft.symmetric_windows(1024, 300)
    with pytest.raises(ValueError, match="hop 600"):
        stft.asymmetric_windows(1024, 600)


@pytest.mark.parametrize("pitch", [440.0, 600.0, 880.0])
def test_a_steady_tone_stands_still_under_the_describing_window(pitch: float) -> None:
    time = np.arange(24_000) / 48_000
    tone = sum(np.sin(2 * np.pi * pitch * k * time + k * k) / k for k in range(1, 11)) + 1e-3 * noise_signal(time.size)
    frames = np.lib.stride_tricks.sliding_window_view(tone, 1024)[::64]
    spread = bands.band_spread(*bands.band_layout(1024, 48_000, 80), 80)

    def moves(window: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 @ spread
        return float((10 * np.log10(power / power.sum(axis=1, keepdims=True) + 1e-7)).std(axis=0).mean())

    assert moves(stft.describing_window(1024, 64)) < 0.5 * moves(stft.asymmetric_windows(1024, 64)[0])


@pytest.mark.parametrize("count", [24, 80, 128])
def test_bands_cover_the_spectrum_once(count: int) -> None:
    lower, weight = bands.band_layout(1024, 48000.0, count)
    assert lower.min() == 0
    assert lower.max() == count - 2
    assert np.all(np.diff(lower) >= 0)
    assert np.all((weight >= 0) & (weight <= 1))
    assert np.allclose(bands.band_spread(lower, weight, count).sum(1), 1.0, atol=1e-6)


def test_filter_windows_pass_a_causal_filter_without_a_beat() -> None:
    rise, fade = stft.filter_windows(1024, 64)
    assert np.allclose(fade[:64] + fade[64:], 1.0, atol=1e-6)
    x, kernel = noise_signal(64 * 120), (0.9 ** np.arange(200)).astype(np.float32)
    response = np.fft.rfft(kernel, 1024).astype(np.complex64)
    history, frame, tail = np.zeros(1024, np.float32), np.zeros(1024, np.float32), np.zeros(128, np.float32)
    spectrum, axis, y = np.zeros(513, np.complex64), np.zeros(1, np.int64), np.zeros_like(x)
    for i in range(0, x.size, 64):
        stft.analyse(history, x[i : i + 64], rise, frame, spectrum, axis)
        spectrum *= response
        stft.synthesise(spectrum, fade, frame, tail, y[i : i + 64], axis)
    wanted = np.convolve(x, kernel)[: x.size]
    assert np.abs(y[64:] - wanted[:-64])[1024:].max() < 1e-4 * np.abs(wanted).max()
