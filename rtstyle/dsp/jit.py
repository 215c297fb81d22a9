"""The one way in which this project compiles a kernel."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

from rtstyle.dsp import freshness

freshness.install()

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile `function` to machine code that runs without the GIL and is cached on disk.

    A kernel works on arrays that its caller owns, allocates nothing in a step, never raises and never prints:
    division by zero follows IEEE 754 instead of raising. `[any]`
    """
    return njit(nogil=True, cache=True, error_model="numpy")(function)  # type: ignore[no-any-return]
