"""Addresses in compiled code: an int64 becomes a typed pointer, or a C function that is called.

Python hands native memory to a kernel as plain integers in an int64 table. The kernel rebuilds its views with
`numba.carray(float32_at(address), (n,))`. A function pointer that is known only at run time is called through
`call_1`, `call_3` and `call_8`: baked into a kernel as a ctypes function, its address would be a constant, and numba
could not cache the kernel. An address must be valid for the length that is viewed, and a function must have the
signature named: nothing is checked.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import extending

intrinsic: Any = extending.intrinsic  # numba types it without the argument that it gives itself
_INT64 = ir.IntType(64)


def _as_pointer(kind: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(kind)(types.int64), generate


@intrinsic
def float32_at(typingctx: Any, address: Any) -> Any:
    """int64 -> float32*. `[audio]`"""
    return _as_pointer(types.float32)


@intrinsic
def float64_at(typingctx: Any, address: Any) -> Any:
    """int64 -> float64*. `[audio]`"""
    return _as_pointer(types.float64)


@intrinsic
def complex64_at(typingctx: Any, address: Any) -> Any:
    """int64 -> complex64*. `[audio]`"""
    return _as_pointer(types.complex64)


@intrinsic
def int64_at(typingctx: Any, address: Any) -> Any:
    """int64 -> int64*. `[audio]`"""
    return _as_pointer(types.int64)


@intrinsic
def uint64_at(typingctx: Any, address: Any) -> Any:
    """int64 -> uint64*. `[audio]`"""
    return _as_pointer(types.uint64)


def _call(builder: Any, arguments: Any, result: Any) -> Any:
    kind = ir.FunctionType(result, [_INT64] * (len(arguments) - 1))
    return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])


@intrinsic
def call_1(typingctx: Any, function: Any, a: Any) -> Any:
    """Call `void function(a)`; the argument is a pointer or a 64-bit integer. `[audio]`"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _call(builder, arguments, ir.VoidType())
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def call_3(typingctx: Any, function: Any, a: Any, b: Any, c: Any) -> Any:
    """Call `int64 function(a, b, c)`; arguments and result are pointers or 64-bit integers. `[audio]`"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, arguments, _INT64)

    return types.int64(*[types.int64] * 4), generate


@intrinsic
def call_8(typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> Any:
    """Call `int64 function(a, ..., h)`; arguments and result are pointers or 64-bit integers. `[audio]`"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, arguments, _INT64)

    return types.int64(*[types.int64] * 9), generate
