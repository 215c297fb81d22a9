"""What every device's callback does between its buffers: compiled, without the GIL, allocating nothing.

A callback (`jack_callback`, `portaudio_callback`) moves samples between the device's buffers and the planar scratch of
an `AudioLink` and calls the engine through a C pointer in between. All it knows lies in one int64 table, whose slots are
the constants below:

    device -> scratch in -> engine -> crossfade with the direct input -> scratch out -> device
                                                                              `-> tap -> ring -> recorder

The engine may be taken away and given back while the device runs (another block size, another rate, a new device):
while HOLD is odd the callback plays the direct input and never touches the engine. It fades there within 5 ms, says so
by copying HOLD to HELD, and once HOLD is even again it fades back as soon as the engine's delay line is full.
"""

# An intrinsic's first argument, the typing context, is given by numba and not by its callers.
# mypy: disable-error-code="call-arg, var-annotated"

from typing import Any

import numpy as np
from numba import carray

from rtstyle.backends.native import call_engine
from rtstyle.dsp import ring
from rtstyle.dsp.atomics import load_acquire, store_release
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import float32_at, int64_at
from rtstyle.engine.cells import NATIVE_SIZE
from rtstyle.engine.native import sleep

# Slots of the link's table (int64).
ENGINE = 0  # C pointer of the engine's function, see `call_engine`
ENGINE_TABLE = 1  # address of the engine's table
BLOCK = 2  # the number of frames that the engine was prepared for; 0: any
CHANNELS = 3  # of the engine
IN_CHANNELS = 4  # of the device
OUT_CHANNELS = 5
IN_OFFSET = 6  # the device's channel that the engine's first one hears
HOLD = 7  # the control thread's ticket: odd asks to let go of the engine, even gives it back
HELD = 8  # the last odd ticket that the callback has answered
LATENCY = 9  # frames for which the engine's output stays silent after a reset
WAIT = 10  # frames of them that are still to come
FADE = 11  # how far the crossfade is: 0 the direct input, FADE_FRAMES the engine
FADE_FRAMES = 12
CALLBACKS = 13  # since the link was made
FRAMES = 14  # of the last callback
POSITION = 15  # frames since the link was made
BLOCK_CHANGES = 16  # callbacks whose block was not BLOCK
FLAGGED = 17  # callbacks for which the device reported an overflow or underflow
FAILURES = 18  # calls of the engine that did not return 0
SCRATCH_OUT = 19  # address, float32 (CHANNELS, MAX_FRAMES)
SCRATCH_IN = 20  # the same, right behind it
MAX_FRAMES = 21
PORT_BUFFER = 22  # C pointer of jack_port_get_buffer
IN_PORTS = 23  # address, int64 (IN_CHANNELS,): jack_port_t pointers
OUT_PORTS = 24
TAP = 25  # rows that the recorder wants: 0 none, CHANNELS what goes out, twice as many: what came in below it
TAP_RING = 26  # address, float32 (TAP, TAP_CAPACITY), see `dsp.ring`
TAP_CAPACITY = 27  # frames, a power of two
TAP_INDEX = 28  # address, the ring's index
TAP_LOST = 29  # frames that found the ring full
BUSY = 30  # 1 while a callback runs
PATIENT = 31  # 1 while time does not matter (freewheel): a full ring is waited for
SYSTEM = 32  # address, int64: clock and sleep, see `engine.native`
SLOTS = 33

MAX_CHANNELS = 16

_PATIENCE_ROUNDS = 20_000  # short sleeps: some seconds
_LOUDEST = np.float32(1.0e4)  # above it a sample counts as broken, as in the engine


@kernel
def run_link(link: Any, frames: int) -> None:
    """Turn the scratch input into the scratch output, `frames` <= MAX_FRAMES. `[audio]`"""
    channels = link[CHANNELS]
    room = link[MAX_FRAMES]
    inputs = carray(float32_at(link[SCRATCH_IN]), (channels, room))
    outputs = carray(float32_at(link[SCRATCH_OUT]), (channels, room))

    if link[BLOCK] != frames and link[BLOCK] != 0:
        link[BLOCK_CHANGES] += 1
    ticket = load_acquire(link, HOLD)
    hold = ticket % 2 == 1
    if hold and link[HELD] == ticket:
        for channel in range(channels):
            for frame in range(frames):
                outputs[channel, frame] = _guarded(inputs[channel, frame])
    else:
        status = call_engine(
            link[ENGINE], link[ENGINE_TABLE], link[SCRATCH_IN], link[SCRATCH_OUT], channels, room, frames
        )
        if status != 0:
            link[FAILURES] += 1
        _crossfade(link, inputs, outputs, frames, hold)
        if hold and link[FADE] == 0:
            store_release(link, HELD, ticket)
    link[CALLBACKS] += 1
    link[FRAMES] = frames
    link[POSITION] += frames


@kernel
def _crossfade(link: Any, inputs: Any, outputs: Any, frames: int, hold: bool) -> None:
    """Towards the direct input while `hold`, else towards the engine, whose samples stay untouched at the end."""
    total = link[FADE_FRAMES]
    if not hold and link[FADE] == total:
        return
    step = 1.0 / total
    for frame in range(frames):
        if hold:
            link[FADE] = max(link[FADE] - 1, 0)
        elif link[WAIT] > 0:
            link[WAIT] -= 1
        elif link[FADE] < total:
            link[FADE] += 1
        gain = link[FADE] * step
        if gain < 1.0:
            for channel in range(inputs.shape[0]):
                direct = _guarded(inputs[channel, frame])
                outputs[channel, frame] = direct + gain * (outputs[channel, frame] - direct)


@kernel
def _guarded(sample: Any) -> Any:
    """No loudspeaker may get NaN or infinity from the direct input either."""
    return sample if abs(sample) <= _LOUDEST else np.float32(0.0)


@kernel
def write_tap(link: Any, frames: int) -> None:
    """Push what was played (and what came in) into the recorder's ring; what finds it full is counted. `[audio]`"""
    rows = load_acquire(link, TAP)
    if rows == 0:
        return
    scratch = carray(float32_at(link[SCRATCH_OUT]), (rows, link[MAX_FRAMES]))
    data = carray(float32_at(link[TAP_RING]), (rows, link[TAP_CAPACITY]))
    index = carray(int64_at(link[TAP_INDEX]), (ring.INDEX_SIZE,))
    rounds = 0
    while link[PATIENT] != 0 and frames + ring.available(index) > data.shape[1] and rounds < _PATIENCE_ROUNDS:
        sleep(carray(int64_at(link[SYSTEM]), (NATIVE_SIZE,)))
        rounds += 1
    link[TAP_LOST] += frames - ring.write(data, index, scratch, frames)
