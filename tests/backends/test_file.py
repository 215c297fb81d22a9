"""Files play through a chain in blocks and come out lined up with what went in, in every format offered."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstyle.backends.file import WRITTEN, FileSink, FileSource, play_file
from rtstyle.errors import FileError


class Delay:
    """y[n] = x[n - frames], for blocks of one size alone."""

    def __init__(self, channels: int, frames: int, block: int) -> None:
        self.line = np.zeros((channels, frames), np.float32)
        self.block = block

    def __call__(self, x: np.ndarray) -> np.ndarray:
        assert x.shape == (len(self.line), self.block)
        joined = np.concatenate([self.line, x], axis=1)
        self.line = joined[:, self.block :]
        return joined[:, : self.block]


def write(path: Path, channels: int, frames: int) -> np.ndarray:
    audio = np.random.default_rng(11).uniform(-0.9, 0.9, (channels, frames)).astype(np.float32)
    soundfile.write(path, audio.T, 44_100, subtype="FLOAT")
    return audio


@pytest.mark.parametrize("frames", [0, 1, 127, 128, 10_001])
@pytest.mark.parametrize("latency", [0, 1, 128, 1_000])
def test_output_lines_up_with_the_input_and_is_as_long(tmp_path: Path, frames: int, latency: int) -> None:
    audio = write(tmp_path / "in.wav", 2, frames)
    with FileSource(tmp_path / "in.wav") as source, FileSink(tmp_path / "out.wav", 44_100, 2) as sink:
        seen: list[int] = []
        chain = Delay(2, latency, 128)
        assert play_file(chain, source, sink, block=128, latency=latency, progress=seen.append) == frames
    data, rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert rate == 44_100
    np.testing.assert_array_equal(data.T, audio)
    assert seen == sorted(seen)
    assert (seen or [0])[-1] == frames


@pytest.mark.parametrize(("file_channels", "channels", "rows"), [(1, 2, [0, 0]), (2, 1, [0]), (3, 2, [0, 1])])
def test_channels_that_differ_are_repeated_or_left_out(
    tmp_path: Path, file_channels: int, channels: int, rows: list[int]
) -> None:
    audio = write(tmp_path / "in.wav", file_channels, 1_000)
    with FileSource(tmp_path / "in.wav") as source, FileSink(tmp_path / "out.wav", 44_100, channels) as sink:
        play_file(Delay(channels, 10, 64), source, sink, block=64, latency=10)
    data, _ = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    np.testing.assert_array_equal(data.T, audio[rows])


@pytest.mark.parametrize("suffix", sorted(WRITTEN))
def test_every_offered_format_is_written_and_read_back(tmp_path: Path, suffix: str) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    with FileSink(tmp_path / f"tone{suffix}", 48_000, 1) as sink:
        for start in range(0, 48_000, 480):
            sink.write(tone[None, start : start + 480])
    with FileSource(tmp_path / f"tone{suffix}") as source:
        back = np.concatenate(list(source.blocks(1_000)), axis=1)[0]
    assert source.sample_rate == 48_000
    assert abs(len(back) - 48_000) < 3_000  # MP3 pads
    assert abs(np.sqrt(np.mean(back**2)) - np.sqrt(0.125)) < 0.02


def test_missing_unreadable_and_unwritable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "letter.wav").write_text("Dear sirs")
    with pytest.raises(FileError, match=r"there is no file .*nothing\.wav"):
        FileSource(tmp_path / "nothing.wav")
    with pytest.raises(FileError, match=r"letter\.wav cannot be read as audio .* WAV"):
        FileSource(tmp_path / "letter.wav")
    with pytest.raises(FileError, match=r"'\.xyz' is no format to write; .*\.flac"):
        FileSink(tmp_path / "out.xyz", 48_000, 1)
    with pytest.raises(FileError, match=r"cannot write .*nowhere"):
        FileSink(tmp_path / "nowhere" / "out.flac", 48_000, 1)
