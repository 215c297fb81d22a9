"""What PortAudio calls: compiled, without the GIL."""

# An intrinsic's first argument, the typing context, is given by numba and not by its callers.
# mypy: disable-error-code="call-arg"

from typing import Any

from numba import carray, cfunc, types

from rtstyle.backends import callbacks as slot
from rtstyle.backends.callbacks import run_link, write_tap
from rtstyle.dsp.atomics import store_release
from rtstyle.dsp.pointers import float32_at

_XRUN_FLAGS = 15  # 1 input underflow, 2 input overflow, 4 output underflow, 8 output overflow
_CONTINUE = 0  # paContinue


@cfunc(
    types.int32(
        types.CPointer(types.float32),
        types.CPointer(types.float32),
        types.uint64,
        types.voidptr,
        types.uint64,
        types.CPointer(types.int64),
    ),
    nopython=True,
    cache=True,
)
def portaudio_callback(audio_in: Any, audio_out: Any, frames: Any, time_info: Any, flags: Any, user: Any) -> int:
    """PaStreamCallback with interleaved float32 buffers; `user` is the address of the link's table. `[audio]`"""
    link = carray(user, (slot.SLOTS,))
    store_release(link, slot.BUSY, 1)
    channels = link[slot.CHANNELS]
    room = link[slot.MAX_FRAMES]
    width_in = link[slot.IN_CHANNELS]
    width_out = link[slot.OUT_CHANNELS]
    inputs = carray(float32_at(link[slot.SCRATCH_IN]), (channels, room))
    outputs = carray(float32_at(link[slot.SCRATCH_OUT]), (channels, room))
    source = carray(audio_in, (int(frames), width_in))
    target = carray(audio_out, (int(frames), width_out))
    if flags & _XRUN_FLAGS:
        link[slot.FLAGGED] += 1
    start = 0
    total = int(frames)
    while start < total:
        count = min(room, total - start)
        for channel in range(channels):
            column = min(link[slot.IN_OFFSET] + channel, width_in - 1)
            for frame in range(count):
                inputs[channel, frame] = source[start + frame, column]
        run_link(link, count)
        write_tap(link, count)
        for column in range(width_out):
            channel = min(column, channels - 1)
            for frame in range(count):
                target[start + frame, column] = outputs[channel, frame]
        start += count
    store_release(link, slot.BUSY, 0)
    return _CONTINUE
