"""A WAV file is valid after every write, whatever ends the program."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstyle.backends.wav import WavWriter
from rtstyle.errors import FileError


def noise(channels: int, frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (channels, frames)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_reads_back_exactly_what_was_written_in_ragged_blocks(tmp_path: Path, channels: int) -> None:
    audio = noise(channels, 5_003)
    writer = WavWriter(tmp_path / "take.wav", 44_100, channels)
    for start, end in ((0, 1), (1, 129), (129, 4_000), (4_000, 5_003)):
        writer.write(audio[:, start:end])
    writer.close()
    data, rate = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)
    assert rate == 44_100
    np.testing.assert_array_equal(data.T, audio)
    assert soundfile.info(tmp_path / "take.wav").subtype == "FLOAT"


def test_is_valid_between_writes_without_being_closed(tmp_path: Path) -> None:
    writer = WavWriter(tmp_path / "take.wav", 48_000, 2)
    assert soundfile.info(tmp_path / "take.wav").frames == 0
    for count in range(1, 5):
        writer.write(noise(2, 100, count))
        assert soundfile.info(tmp_path / "take.wav").frames == 100 * count
    writer.close()


def test_header_of_a_file_above_four_gigabytes_is_rf64(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    writer = WavWriter(path, 48_000, 1)
    writer.frames = 1_100_000_000  # the next write lands behind 4.4 GB of hole
    writer.write(noise(1, 10)[0])
    writer.close()
    with open(path, "rb") as file:
        assert file.read(4) == b"RF64"
    assert soundfile.info(path).frames == 1_100_000_010


def test_full_disk_ends_the_file_with_whole_frames_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "full.wav"
    audio = noise(2, 100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_001, hard))
    try:
        writer = WavWriter(path, 48_000, 2)
        with pytest.raises(FileError, match=r"full\.wav.*valid and holds 0\.1 s.*free some room"):
            for start in range(0, 100_000, 1_000):
                writer.write(audio[:, start : start + 1_000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert writer.closed
    data, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert len(data) == writer.frames == (50_001 - 94) // 8
    np.testing.assert_array_equal(data.T, audio[:, : len(data)])


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="nowhere"):
        WavWriter(tmp_path / "nowhere" / "take.wav", 48_000, 1)


def test_a_killed_program_leaves_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "killed.wav"
    code = (
        "import sys, numpy as np\nfrom rtstyle.backends.wav import WavWriter\n"
        "writer = WavWriter(sys.argv[1], 48000, 2)\n"
        "while True: writer.write(np.full((2, 480), 0.25, np.float32))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)])
    until = time.monotonic() + 20.0
    while (not path.exists() or path.stat().st_size < 100_000) and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    data, _ = soundfile.read(path, dtype="float32")
    assert len(data) % 480 == 0
    assert len(data) >= 1_000
    assert np.all(data == 0.25)
