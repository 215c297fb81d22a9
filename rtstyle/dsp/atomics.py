"""Ordered loads and stores of int64 cells: what one thread publishes, another sees whole and in order.

Plain stores are ordered on x86, not on ARM (Apple silicon among it), and a compiler may reorder them anywhere. A writer
fills memory, then calls `store_release` on an index; a reader that got the index from `load_acquire` sees that memory:

    writer:  data[i] = x ... ; store_release(index, 0, i + 1)
    reader:  n = load_acquire(index, 0) ; ... = data[n - 1]

Both work in compiled code only; `put` and `look` are the same for Python.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic

from rtstyle.dsp.jit import kernel


def _load_acquire(typingctx: Any, array: Any, index: Any) -> Any:
    """array[index] of an int64 vector; no later access is done before it. `[any]`"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_cell(context, builder, signature, arguments), "acquire", 8)

    return types.int64(array, types.int64), generate


def _store_release(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] = value of an int64 vector; no earlier access is done after it. `[any]`"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[2], _cell(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


load_acquire: Any = intrinsic(_load_acquire)
store_release: Any = intrinsic(_store_release)


def _cell(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    pointer = builder.gep(array.data, [arguments[1]])
    return builder.bitcast(pointer, ir.IntType(64).as_pointer())


@kernel
def put(array: Any, index: int, value: int) -> None:
    """array[index] = value, ordered after all earlier writes. `[any]` array: int64 vector."""
    store_release(array, index, value)


@kernel
def look(array: Any, index: int) -> Any:
    """array[index], ordered before all later reads. `[any]` array: int64 vector."""
    return load_acquire(array, index)
