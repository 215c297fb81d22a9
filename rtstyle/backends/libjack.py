"""The few functions of JACK's C library that the JACK-Client package does not wrap: latencies, and raw addresses."""

import ctypes
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from rtstyle.errors import DeviceError, MissingPartError

CAPTURE, PLAYBACK = 0, 1  # JackLatencyCallbackMode
LISTINGS = 10  # in a row during which a port leaves: no server is as busy as that

Found = TypeVar("Found")
LatencyCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)


def listed(module: Any, ask: Callable[[], Found]) -> Found:
    """What `ask` finds in the server's lists of ports and connections. `[control]`

    The JACK-Client package looks every name of a list up again, and raises JackError where a port has left in between, as
    when another program quits: then it is asked once more. Raises `DeviceError` where that never ends. module: the package.
    """
    for _ in range(LISTINGS):
        try:
            return ask()
        except module.JackError as error:
            failure = error
    raise DeviceError(f"the JACK server's ports could not be listed: {failure}")


class _LatencyRange(ctypes.Structure):
    _fields_ = (("minimum", ctypes.c_uint32), ("maximum", ctypes.c_uint32))


class LibJack:
    """The library that the JACK-Client package has loaded, and that package as `module`. `[control]`

    Raises `MissingPartError` with the line that installs JACK where there is no library. What JACK would print goes to
    `messages` instead.
    """

    def __init__(self) -> None:
        try:
            import jack
        except OSError as error:
            raise MissingPartError(
                "the JACK library is not installed: on Debian and Ubuntu run `apt-get install -y jackd2`, "
                "on macOS `brew install jack`, on Windows get it from jackaudio.org; or choose --backend portaudio"
            ) from error
        self.module: Any = jack
        self.messages: deque[str] = deque(maxlen=16)
        jack.set_error_function(self.messages.append)
        jack.set_info_function(self.messages.append)
        self._library = ctypes.CDLL(jack._libname)
        for name, result, arguments in (
            ("jack_set_latency_callback", ctypes.c_int, [ctypes.c_void_p, LatencyCallback, ctypes.c_void_p]),
            ("jack_port_get_latency_range", None, [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_LatencyRange)]),
            ("jack_port_set_latency_range", None, [ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_LatencyRange)]),
            ("jack_recompute_total_latencies", ctypes.c_int, [ctypes.c_void_p]),
        ):
            function = getattr(self._library, name)
            function.restype = result
            function.argtypes = arguments

    def address(self, name: str) -> int:
        """Where the function `name` lies in memory."""
        return int(ctypes.cast(getattr(self._library, name), ctypes.c_void_p).value or 0)

    def pointer(self, owner: Any) -> int:
        """The C pointer inside a client or a port of the JACK-Client package."""
        return int(self.module._ffi.cast("uintptr_t", owner._ptr))

    def set_process_callback(self, client: Any, function: int, user: int) -> None:
        """Let JACK call compiled code; only while the client is not active."""
        ffi = self.module._ffi
        self.module._check(
            self.module._lib.jack_set_process_callback(
                client._ptr, ffi.cast("JackProcessCallback", function), ffi.cast("void*", user)
            ),
            "Error setting the process callback",
        )

    def set_latency_callback(self, client: Any, callback: Callable[[int], None]) -> Any:
        """Call `callback(CAPTURE or PLAYBACK)` when latencies change; keep what this returns as long as the client."""
        wrapped = LatencyCallback(lambda mode, _: callback(mode))
        self._library.jack_set_latency_callback(self.pointer(client), wrapped, None)
        return wrapped

    def latency(self, port: Any, mode: int) -> tuple[int, int]:
        """Smallest and largest latency between `port` and the world, frames."""
        found = _LatencyRange()
        self._library.jack_port_get_latency_range(self.pointer(port), mode, ctypes.byref(found))
        return int(found.minimum), int(found.maximum)

    def set_latency(self, port: Any, mode: int, minimum: int, maximum: int) -> None:
        """Tell JACK the latency of one of our ports, frames."""
        self._library.jack_port_set_latency_range(
            self.pointer(port), mode, ctypes.byref(_LatencyRange(minimum, maximum))
        )

    def recompute_latencies(self, client: Any) -> None:
        """Ask JACK to ask every client again; not from a JACK callback."""
        self._library.jack_recompute_total_latencies(self.pointer(client))
