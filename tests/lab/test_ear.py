"""The ears that others have trained: weights are read as they were written, and what they hear does not depend on the rate."""

import struct

import numpy as np
import pytest
import soundfile
import soxr
import torch

from rtstyle.errors import FileError
from rtstyle.lab.ear.nets import BINS, N_FFT, SAMPLE_RATE, TrainingEar
from rtstyle.lab.ear.weights import read_checkpoint
from rtstyle.lab.evaluate.second_ear import tag_probability
from rtstyle.lab.train.adversary import EarDiscriminator
from rtstyle.lab.train.losses import power_of
from rtstyle.performance import PERFORMANCE


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    parts = []
    for number, value in fields:
        if isinstance(value, bytes):
            parts.append(varint(number << 3 | 2) + varint(len(value)) + value)
        else:
            parts.append(varint(number << 3) + varint(value))
    return b"".join(parts)


def block(entries: list[tuple[int, bytes, bytes]]) -> bytes:
    """A LevelDB block of (bytes shared with the key before, rest of the key, value), with its trailer."""
    body = b"".join(varint(n) + varint(len(key)) + varint(len(value)) + key + value for n, key, value in entries)
    return body + struct.pack("<II", 0, 1) + bytes(5)


def checkpoint(tensors: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """Index and data as TensorFlow writes them; keys share what they can."""
    entries, data, before = [(0, b"", message((1, 1)))], b"", ""
    for name, value in sorted(tensors.items()):
        shared = next((i for i, (a, b) in enumerate(zip(name, before, strict=False)) if a != b), 0)
        shape = b"".join(message((2, message((1, size)))) for size in value.shape)
        entry = message((1, 1), (2, shape), (4, len(data)), (5, value.nbytes)) + varint(6 << 3 | 5) + bytes(4)
        entries.append((shared, name[shared:].encode(), entry))
        data, before = data + value.tobytes(), name
    first = block(entries)
    handle = varint(0) + varint(len(first) - 5)
    second = block([(0, b"z", handle)])
    footer = varint(0) + varint(0) + varint(len(first)) + varint(len(second) - 5)
    return first + second + footer.ljust(40, b"\0") + bytes(8), data


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "conv2d/bias": rng.normal(size=3).astype(np.float32),
        "conv2d/kernel": rng.normal(size=(2, 5, 7)).astype(np.float32),
        "dense/kernel": rng.normal(size=(200, 3)).astype(np.float32),
    }
    found = read_checkpoint(*checkpoint(tensors))
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(found[name], value) for name, value in tensors.items())


@pytest.mark.parametrize("index", [b"", b"no table at all" * 8, bytes(64)])
def test_what_is_no_checkpoint_is_refused(index: bytes) -> None:
    with pytest.raises(FileError, match="checkpoint"):
        read_checkpoint(index, b"")


def test_the_second_ear_hears_the_packaged_flute_at_any_rate_and_level() -> None:
    audio, rate = soundfile.read(PERFORMANCE, dtype="float32")
    flute = tag_probability(audio, rate, "flute")
    assert flute > 0.5 > 3 * max(tag_probability(audio, rate, name) for name in ("violin", "cello", "voice"))
    assert abs(tag_probability(0.1 * soxr.resample(audio, rate, 22_050), 22_050, "flute") - flute) < 0.1
    assert tag_probability(np.random.default_rng(0).normal(size=rate).astype(np.float32), rate, "flute") < 0.2
    assert tag_probability(np.zeros(rate, np.float32), rate, "flute") == 0.0
    assert np.isnan(tag_probability(audio, rate, "clarinet"))


def spectra(audio: np.ndarray, rate: int) -> torch.Tensor:
    """Powers (1, frames, BINS) of windows of 32 ms, as training makes them."""
    size = N_FFT * rate // SAMPLE_RATE
    window = torch.hann_window(size) * (8.0 / 3.0) ** 0.5
    power = power_of(torch.fft.rfft(torch.from_numpy(audio)[None].unfold(-1, size, size // 2) * window))
    return power[..., :BINS]


def test_the_ear_of_training_hears_two_rates_alike_and_two_timbres_apart() -> None:
    time = np.arange(48_000) / 48_000
    bright, dark = (
        sum(np.sin(2 * np.pi * 330 * k * time) / k**slope for k in range(1, 20)).astype(np.float32)
        for slope in (0.5, 2.5)
    )
    discriminator = EarDiscriminator(("one",), 48_000)
    maps = []
    for audio, rate in ((bright, 48_000), (soxr.resample(bright, 48_000, SAMPLE_RATE), SAMPLE_RATE), (dark, 48_000)):
        power = spectra(audio, rate)
        maps.append(discriminator.hear(discriminator.level(power, power)[0]))
    for one, other_rate, other_timbre in zip(*maps, strict=True):
        assert (one - other_rate).abs().mean() < 0.05 * one.abs().mean()
        assert (one - other_timbre).abs().mean() > 0.3 * one.abs().mean()


def test_the_ear_teaches_what_is_played_and_stays_as_it_is() -> None:
    ear = TrainingEar()
    assert not list(ear.parameters())
    played = spectra(np.random.default_rng(2).normal(size=48_000).astype(np.float32), 48_000).requires_grad_()
    sum(maps.square().mean() for maps in ear(played)).backward()
    assert played.grad is not None
    assert played.grad.abs().sum() > 0.0
