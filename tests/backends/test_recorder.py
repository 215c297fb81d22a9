"""A recording holds every frame that was played, stays valid whatever happens, and never holds the audio up."""

import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rtstyle.backends.recorder import Recorder
from tests.backends.delay_engine import DelayEngine
from tests.backends.device import call, linked, noise, play


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.mark.parametrize("with_dry", [False, True])
def test_file_holds_every_frame_of_output_and_input(tmp_path: Path, with_dry: bool) -> None:
    link = linked(DelayEngine(gain=0.5))
    play(link, noise(1, 1280), 128)
    audio = noise(1, 50_000 // 128 * 128)
    recorder = Recorder(link, tmp_path / "take.wav", 48_000, with_dry=with_dry)
    play(link, audio, 128)
    recorder.close()
    data, rate = soundfile.read(tmp_path / "take.wav", dtype="float32", always_2d=True)
    assert rate == 48_000
    np.testing.assert_array_equal(data.T[:1], np.float32(0.5) * audio)
    if with_dry:
        np.testing.assert_array_equal(data.T[1:], audio)
    assert recorder.failure == ""
    assert recorder.lost_frames == 0
    assert not recorder.recording


def test_file_is_valid_while_it_is_recorded(tmp_path: Path) -> None:
    link = linked(DelayEngine())
    recorder = Recorder(link, tmp_path / "take.wav", 48_000)
    lengths = []
    for _ in range(3):
        play(link, noise(1, 12_800), 128)
        seen = recorder.seconds
        assert until(lambda seen=seen: recorder.seconds > seen)  # type: ignore[misc]
        lengths.append(soundfile.info(tmp_path / "take.wav").frames)
    recorder.close()
    assert 0 < lengths[0] < lengths[1] < lengths[2]


def test_full_disk_ends_the_recording_and_not_the_music(tmp_path: Path) -> None:
    link = linked(DelayEngine(gain=0.5))
    play(link, noise(1, 1280), 128)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        recorder = Recorder(link, tmp_path / "take.wav", 48_000)
        audio = noise(1, 128)
        for _ in range(800):
            np.testing.assert_array_equal(call(link, audio), np.float32(0.5) * audio)
        assert until(lambda: bool(recorder.failure))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "take.wav" in recorder.failure
    assert "free some room" in recorder.failure
    assert not recorder.recording
    assert soundfile.info(tmp_path / "take.wav").frames == (100_000 - 94) // 4
    np.testing.assert_array_equal(call(link, audio), np.float32(0.5) * audio)
    recorder.close()
    assert not any(thread.name == "recorder" for thread in threading.enumerate())


def test_second_recording_on_the_same_link_starts_from_nothing(tmp_path: Path) -> None:
    link = linked(DelayEngine(gain=0.5))
    play(link, noise(1, 1280), 128)
    for number in range(2):
        recorder = Recorder(link, tmp_path / f"{number}.wav", 48_000)
        play(link, noise(1, 1280), 128)
        recorder.close()
        assert soundfile.info(tmp_path / f"{number}.wav").frames == 1280
