"""Numbers too small for float32's normal range, flushed to zero on the thread that computes.

Decaying states pass through denormal numbers on their way to silence, and there a processor can be a hundred times
slower. The mode belongs to the thread, so whoever runs inference sets it on entry and gives it back on return:

    mode = flush_denormals()
    ...
    restore_mode(mode)

x86-64: bits 15 (flush results) and 6 (read operands as zero) of MXCSR. AArch64: bit 24 of FPCR. Elsewhere nothing
happens.
"""

import platform
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils, extending

from rtstyle.dsp.jit import kernel

intrinsic: Any = extending.intrinsic  # numba types it without the argument that it gives itself
_MACHINE: Final = platform.machine().lower()
_IS_X86: Final = _MACHINE in ("x86_64", "amd64")
_IS_ARM: Final = _MACHINE in ("aarch64", "arm64")
FLUSH: Final = 0x8040 if _IS_X86 else 1 << 24 if _IS_ARM else 0

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


def _mxcsr(builder: Any, name: str, slot: Any) -> None:
    pointer = ir.IntType(8).as_pointer()
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [pointer]), name)
    builder.call(function, [builder.bitcast(slot, pointer)])


@intrinsic
def _read(typingctx: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_X86:
            slot = cgutils.alloca_once(builder, _INT32)
            _mxcsr(builder, "llvm.x86.sse.stmxcsr", slot)
            return builder.zext(builder.load(slot), _INT64)
        if _IS_ARM:
            return builder.asm(ir.FunctionType(_INT64, []), "mrs $0, fpcr", "=r", [], side_effect=True)
        return _INT64(0)

    return types.int64(), generate


@intrinsic
def _write(typingctx: Any, mode: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_X86:
            slot = cgutils.alloca_once(builder, _INT32)
            builder.store(builder.trunc(arguments[0], _INT32), slot)
            _mxcsr(builder, "llvm.x86.sse.ldmxcsr", slot)
        elif _IS_ARM:
            builder.asm(ir.FunctionType(ir.VoidType(), [_INT64]), "msr fpcr, $0", "r", arguments, side_effect=True)
        return context.get_dummy_value()

    return types.void(types.int64), generate


@kernel
def floating_point_mode() -> int:
    """The calling thread's floating-point mode, to be given back by `restore_mode`. `[any]`"""
    return _read()  # type: ignore[no-any-return]


@kernel
def flush_denormals() -> int:
    """Flush denormal numbers to zero on the calling thread; returns the mode before, for `restore_mode`. `[any]`"""
    before: int = _read()
    _write(before | FLUSH)
    return before


@kernel
def restore_mode(mode: int) -> None:
    """Set the calling thread's floating-point mode to one that was returned here before. `[any]`"""
    _write(mode)
