"""The compiled callback between device and engine: exact when it plays, else the direct input, no jumps between."""

import threading

import numpy as np
import pytest

from rtstyle.backends import callbacks as slot
from rtstyle.backends.link import MAX_FRAMES
from rtstyle.errors import DeviceError
from tests.backends.delay_engine import STATUS, DelayEngine
from tests.backends.device import RATE, call, linked, noise, play

FADE = 240  # 5 ms


def test_once_faded_in_the_engine_is_heard_bit_by_bit() -> None:
    link = linked(DelayEngine(delay=100, gain=0.5))
    audio = noise(1, 128 * 20)
    out = play(link, audio, 128)
    settled = 100 + FADE
    np.testing.assert_array_equal(out[0, settled:], np.float32(0.5) * audio[0, settled - 100 : -100])


def test_start_fades_from_the_direct_input_to_the_engine_without_a_jump() -> None:
    link = linked(DelayEngine(delay=64, gain=-1.0))
    out = play(link, np.ones((1, 1024), np.float32), 128)[0]
    np.testing.assert_array_equal(out[:64], 1.0)
    assert np.max(np.abs(np.diff(out))) < 2.5 / FADE
    np.testing.assert_array_equal(out[64 + FADE :], -1.0)


def test_hold_fades_to_the_direct_input_and_then_keeps_off_the_engine() -> None:
    engine = DelayEngine(gain=-1.0)
    link = linked(engine)
    ones = np.ones((1, 128), np.float32)
    for _ in range(4):
        call(link, ones)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(link.hold()))
    waiting.start()
    heard = []
    while waiting.is_alive():
        heard.append(call(link, ones)[0])
        waiting.join(0.002)
    assert answers == [True]
    calls = int(engine.table[5])
    heard.append(call(link, ones)[0])
    assert int(engine.table[5]) == calls
    out = np.concatenate(heard)
    assert np.max(np.abs(np.diff(out))) < 2.5 / FADE
    assert out[-1] == 1.0


def test_hold_does_not_wait_for_a_device_that_has_stopped() -> None:
    link = linked(DelayEngine())
    call(link, np.ones((1, 128), np.float32))
    assert link.hold(timeout=5.0)


def test_hold_gives_up_on_a_callback_that_never_leaves_the_engine() -> None:
    link = linked(DelayEngine())
    link.table[slot.BUSY] = 1
    assert not link.hold(timeout=0.3)


def test_an_engine_is_exchanged_only_while_held() -> None:
    engine = DelayEngine()
    link = linked(engine)
    call(link, np.ones((1, 128), np.float32))
    with pytest.raises(DeviceError, match="hold the link"):
        link.attach(engine.function, engine.table, block=64, latency=0, sample_rate=RATE)


def test_block_that_the_engine_was_not_prepared_for_is_told() -> None:
    link = linked(DelayEngine(gain=0.5), block=128)
    play(link, noise(1, 1280), 128)
    assert link.changed_block == 0
    call(link, noise(1, 256))
    assert link.changed_block == 256
    assert link.counters().block_changes == 1


def test_engine_for_any_block_takes_blocks_above_the_scratch_in_pieces() -> None:
    link = linked(DelayEngine(gain=0.5), block=0)
    play(link, noise(1, 1024), 77)
    audio = noise(1, 2 * MAX_FRAMES + 5)
    np.testing.assert_array_equal(call(link, audio), np.float32(0.5) * audio)


@pytest.mark.parametrize(
    ("channels", "in_channels", "out_channels", "offset", "rows"),
    [(1, 1, 2, 0, [0, 0]), (1, 2, 1, 1, [1]), (2, 2, 2, 0, [0, 1]), (2, 1, 2, 0, [0, 0]), (2, 4, 3, 2, [2, 3, 3])],
)
def test_channels_of_device_and_engine_meet(
    channels: int, in_channels: int, out_channels: int, offset: int, rows: list[int]
) -> None:
    engine = DelayEngine(channels=channels)
    link = linked(engine, channels=channels, in_channels=in_channels, out_channels=out_channels, in_offset=offset)
    audio = noise(in_channels, 1280)
    np.testing.assert_array_equal(play(link, audio, 128, out_channels), audio[rows])


def test_flags_and_failures_are_counted() -> None:
    engine = DelayEngine()
    link = linked(engine)
    block = noise(1, 128)
    for flags in (0, 1, 2, 4, 8, 16, 0):
        call(link, block, flags=flags)
    engine.table[STATUS] = 3
    call(link, block)
    assert link.counters().flagged == 4
    assert link.counters().failures == 1
    assert link.counters().callbacks == 8
    assert link.counters().position == 8 * 128


def test_broken_samples_of_the_direct_input_never_reach_the_output() -> None:
    link = linked(DelayEngine(delay=1_000))
    audio = noise(1, 512)
    audio[0, [5, 200, 400]] = np.nan, np.inf, -1e30
    out = play(link, audio, 128)
    np.testing.assert_array_equal(out[0, [5, 200, 400]], 0.0)
    assert np.max(np.abs(out)) <= 1.0


@pytest.mark.parametrize("with_dry", [False, True])
def test_tap_gives_every_frame_in_order_and_counts_what_found_it_full(with_dry: bool) -> None:
    link = linked(DelayEngine(channels=2, gain=0.5), channels=2, in_channels=2, out_channels=2)
    audio = noise(2, 128 * 40)
    play(link, audio, 128, 2)
    rows = link.open_tap(1_000, with_dry=with_dry)
    assert rows == (4 if with_dry else 2)
    room = np.zeros((rows, 300), np.float32)
    taken: list[np.ndarray] = []

    def take() -> int:
        count = link.read_tap(room)
        taken.append(room[:, :count].copy())
        return count

    for at in range(0, audio.shape[1], 128):
        call(link, audio[:, at : at + 128], 2)
        if at % 384 == 0:
            take()
    while take():
        pass
    tape = np.concatenate(taken, axis=1)
    np.testing.assert_array_equal(tape[:2], np.float32(0.5) * audio)
    if with_dry:
        np.testing.assert_array_equal(tape[2:], audio)
    assert link.counters().lost_frames == 0
    play(link, np.tile(audio, 5), 128, 2)
    lost = link.counters().lost_frames
    assert lost > 0
    taken.clear()
    while take():
        pass
    assert sum(part.shape[1] for part in taken) + lost == audio.shape[1] * 5
    link.close_tap()
    call(link, audio[:, :128], 2)
    assert take() == 0
