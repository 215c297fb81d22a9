"""What JACK calls: compiled, without the GIL."""

# An intrinsic's first argument, the typing context, is given by numba and not by its callers.
# mypy: disable-error-code="call-arg"

from typing import Any

from numba import carray, cfunc, types

from rtstyle.backends import callbacks as slot
from rtstyle.backends.callbacks import run_link, write_tap
from rtstyle.backends.native import call_port_buffer
from rtstyle.dsp.atomics import store_release
from rtstyle.dsp.pointers import float32_at, int64_at


@cfunc(types.int32(types.uint32, types.CPointer(types.int64)), nopython=True, cache=True)
def jack_callback(frames: Any, user: Any) -> int:
    """JackProcessCallback; `user` is the address of the link's table. `[audio]`"""
    link = carray(user, (slot.SLOTS,))
    store_release(link, slot.BUSY, 1)
    channels = link[slot.CHANNELS]
    room = link[slot.MAX_FRAMES]
    count = int(frames)
    inputs = carray(float32_at(link[slot.SCRATCH_IN]), (channels, room))
    outputs = carray(float32_at(link[slot.SCRATCH_OUT]), (channels, room))
    in_ports = carray(int64_at(link[slot.IN_PORTS]), (slot.MAX_CHANNELS,))
    out_ports = carray(int64_at(link[slot.OUT_PORTS]), (slot.MAX_CHANNELS,))
    for channel in range(channels):
        port = in_ports[min(link[slot.IN_OFFSET] + channel, link[slot.IN_CHANNELS] - 1)]
        buffer = carray(float32_at(call_port_buffer(link[slot.PORT_BUFFER], port, count)), (count,))
        for frame in range(count):
            inputs[channel, frame] = buffer[frame]
    run_link(link, count)
    write_tap(link, count)
    for channel in range(link[slot.OUT_CHANNELS]):
        buffer = carray(float32_at(call_port_buffer(link[slot.PORT_BUFFER], out_ports[channel], count)), (count,))
        for frame in range(count):
            buffer[frame] = outputs[min(channel, channels - 1), frame]
    store_release(link, slot.BUSY, 0)
    return 0
