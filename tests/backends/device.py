"""A device that calls a link by hand, block by block."""

import ctypes

import numpy as np

from rtstyle.backends.link import AudioLink
from rtstyle.backends.portaudio_callback import portaudio_callback
from tests.backends.delay_engine import DelayEngine

RATE = 48_000

_signature = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p
)
_callback = _signature(portaudio_callback.address)


def call(link: AudioLink, audio: np.ndarray, out_channels: int = 1, flags: int = 0) -> np.ndarray:
    """One callback of the device: (channels, frames) in, (out_channels, frames) back."""
    source = np.ascontiguousarray(audio.T, np.float32)
    target = np.full((len(source), out_channels), np.nan, np.float32)
    assert _callback(source.ctypes.data, target.ctypes.data, len(source), None, flags, link.address) == 0
    return target.T.copy()


def play(link: AudioLink, audio: np.ndarray, block: int, out_channels: int = 1) -> np.ndarray:
    blocks = [call(link, audio[:, at : at + block], out_channels) for at in range(0, audio.shape[1], block)]
    return np.concatenate(blocks, axis=1)


def noise(channels: int, frames: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, (channels, frames)).astype(np.float32)


def linked(engine: DelayEngine, *, block: int = 128, in_channels: int = 1, out_channels: int = 1, channels: int = 1, in_offset: int = 0) -> AudioLink:  # fmt: skip  # noqa: E501
    link = AudioLink(channels=channels, in_offset=in_offset)
    link.set_device_channels(in_channels, out_channels)
    link.attach(engine.function, engine.table, block=block, latency=engine.delay, sample_rate=RATE, keep=engine)
    link.release()
    return link
