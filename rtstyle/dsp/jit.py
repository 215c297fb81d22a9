"""The one way in which this project compiles a kernel."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.core import event as events

from rtstyle.dsp import freshness

freshness.install()
log = logging.getLogger(__name__)


class _FirstCompilation(events.Listener):  # type: ignore[misc]
    """Says that kernels are being compiled, when the first one is: kept ones are loaded in silence."""

    def on_start(self, event: events.Event) -> None:
        log.info("Compiling the kernels: once, after an installation or an update; up to a minute.")
        events.unregister("numba:compile", self)

    def on_end(self, event: events.Event) -> None:
        """Nothing to say."""


events.register("numba:compile", _FirstCompilation())

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile `function` to machine code that runs without the GIL and is cached on disk.

    A kernel works on arrays that its caller owns, allocates nothing in a step, never raises and never prints:
    division by zero follows IEEE 754 instead of raising. `[any]`
    """
    return njit(nogil=True, cache=True, error_model="numpy")(function)  # type: ignore[no-any-return]
