"""The two C functions that a device's callback calls through addresses known at run time."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import extending

intrinsic: Any = extending.intrinsic  # numba declares it as a function of two arguments more


@intrinsic
def call_engine(
    typingctx: Any, function: Any, table: Any, audio_in: Any, audio_out: Any, channels: Any, room: Any, frames: Any
) -> Any:
    """Call `int32 function(int64 table, int64 in, int64 out, int64 channels, int64 room, int64 frames)` at an address.

    `in` and `out` are addresses of float32 (channels, room), of which the first `frames` columns count.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [integer] * 6)
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(pointer, arguments[1:])

    return types.int32(*[types.int64] * 7), generate


@intrinsic
def call_port_buffer(typingctx: Any, function: Any, port: Any, frames: Any) -> Any:
    """Call `void *jack_port_get_buffer(jack_port_t *port, uint32 frames)` at a run-time address; all given as int64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(32)])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(pointer, [arguments[1], builder.trunc(arguments[2], ir.IntType(32))])

    return types.int64(types.int64, types.int64, types.int64), generate
