"""ONNX Runtime's C library, found inside the installed wheel and called through ctypes.

The library exports `OrtGetApiBase`; its table of functions is an append-only ABI, published in onnxruntime_c_api.h,
so that a number below means the same function in every version. Python uses it here to prepare sessions; in a running
step, compiled code calls the same functions by their addresses. No custom operator library is ever registered: a
graph that needs one fails to load.
"""

import ctypes
import functools
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any, Final

from rtstyle.errors import MissingPartError, RtstyleError

API_VERSION: Final = 16  # of ONNX Runtime 1.16; later libraries serve it unchanged

#: Place of each function used in the table `OrtApi`.
FUNCTIONS: Final = {
    "GetErrorMessage": 2,
    "CreateEnv": 3,
    "CreateSessionFromArray": 8,
    "Run": 9,
    "CreateSessionOptions": 10,
    "SetSessionExecutionMode": 13,
    "EnableMemPattern": 16,
    "SetSessionLogSeverityLevel": 22,
    "SetSessionGraphOptimizationLevel": 23,
    "SetIntraOpNumThreads": 24,
    "SetInterOpNumThreads": 25,
    "CreateTensorWithDataAsOrtValue": 49,
    "CreateCpuMemoryInfo": 69,
    "ReleaseStatus": 93,
    "ReleaseMemoryInfo": 94,
    "ReleaseSession": 95,
    "ReleaseValue": 96,
    "ReleaseSessionOptions": 100,
    "AddSessionConfigEntry": 130,
    "RunWithBinding": 133,
    "CreateIoBinding": 134,
    "ReleaseIoBinding": 135,
    "BindInput": 136,
    "BindOutput": 137,
    "SessionOptionsAppendExecutionProvider_CUDA_V2": 204,
    "CreateCUDAProviderOptions": 205,
    "UpdateCUDAProviderOptions": 206,
    "ReleaseCUDAProviderOptions": 208,
}

_LIBRARY: Final = {"win32": "onnxruntime.dll", "darwin": "libonnxruntime*.dylib"}
_SEQUENTIAL, _ALL_OPTIMISATIONS, _LOG_FATAL = 0, 99, 4
_FLOAT32, _ARENA_ALLOCATOR, _DEFAULT_MEMORY = 1, 1, 0


class OrtError(RtstyleError):
    """ONNX Runtime refused a call; the text is its own message."""


def find_library(folder: Path | None = None) -> Path | None:
    """Path of ONNX Runtime's C library, or None where the installed build has none. `[control]`

    folder: where to look; None looks in the installed package, without importing it.
    """
    place = _capi_folder() if folder is None else folder
    if place is None:
        return None
    found = sorted(place.glob(_LIBRARY.get(sys.platform, "libonnxruntime.so*")), key=_version_key)
    return found[-1] if found else None


def _version_key(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.name)]


def _capi_folder() -> Path | None:
    spec = importlib.util.find_spec("onnxruntime")
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    return Path(places[0]) / "capi" if places else None


def plain_message(message: object) -> str:
    """ONNX Runtime's message in one line, without the place in its source. `[any]`"""
    return " ".join(str(message).rpartition("[ONNXRuntimeError] : ")[2].split())


class OrtLibrary:
    """The C library, loaded, with one environment that lives as long as the process. `[control]`"""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            base_of = ctypes.CDLL(str(path)).OrtGetApiBase
        except (OSError, AttributeError) as error:
            raise MissingPartError(
                f"{path} is not a usable ONNX Runtime library ({error}); install onnxruntime again: "
                "pip install --force-reinstall onnxruntime-gpu (or onnxruntime)."
            ) from error
        base_of.restype = ctypes.POINTER(ctypes.c_void_p)
        base = base_of()
        table_of = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_uint32)(base[0] or 0)
        self.version = ctypes.CFUNCTYPE(ctypes.c_char_p)(base[1] or 0)().decode()
        self._table = table_of(API_VERSION)
        if not self._table:
            raise MissingPartError(
                f"{path} is ONNX Runtime {self.version}, needed is 1.{API_VERSION} or later; "
                "update it: pip install --upgrade onnxruntime-gpu (or onnxruntime)."
            )
        self._message = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)(self.address("GetErrorMessage"))
        self.environment = self.create("CreateEnv", _LOG_FATAL, b"rtstyle")
        self.memory = self.create("CreateCpuMemoryInfo", _ARENA_ALLOCATOR, _DEFAULT_MEMORY)

    def address(self, name: str) -> int:
        """Address of a function of `FUNCTIONS`. `[any]`"""
        return int(self._table[FUNCTIONS[name]] or 0)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that returns a status; integers travel as 64 bits. Raises OrtError. `[control]`"""
        self.check(self._function(name, ctypes.c_void_p, arguments)(*arguments))

    def create(self, name: str, *arguments: Any) -> int:
        """Call a function whose last argument receives a new object, and return that object's handle. `[control]`"""
        handle = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        return int(handle.value or 0)

    def release(self, name: str, handle: int) -> None:
        """Give an object back by its `Release...` function. `[control]`"""
        self._function(name, None, (handle,))(handle)

    def check(self, status: int | None) -> None:
        """Raise OrtError with the message of `status` unless it is null, and release it. `[control]`"""
        if status:
            message = (self._message(status) or b"").decode(errors="replace")
            self.release("ReleaseStatus", status)
            raise OrtError(plain_message(message))

    def _function(self, name: str, result: Any, arguments: tuple[Any, ...]) -> Any:
        kinds = [ctypes.c_size_t if isinstance(argument, int) else ctypes.c_void_p for argument in arguments]
        return ctypes.CFUNCTYPE(result, *kinds)(self.address(name))

    def session_options(self, threads: int) -> int:
        """New session options for a small graph in real time: sequential, not spinning. `[control]`"""
        options = self.create("CreateSessionOptions")
        self.call("SetSessionExecutionMode", options, _SEQUENTIAL)
        self.call("SetIntraOpNumThreads", options, threads)
        self.call("SetInterOpNumThreads", options, 1)
        self.call("SetSessionGraphOptimizationLevel", options, _ALL_OPTIMISATIONS)
        self.call("SetSessionLogSeverityLevel", options, _LOG_FATAL)
        self.call("EnableMemPattern", options)
        for key, value in SESSION_CONFIG.items():
            self.call("AddSessionConfigEntry", options, key.encode(), value.encode())
        return options

    def tensor(self, address: int, shape: tuple[int, ...]) -> int:
        """A float32 tensor over memory that its caller keeps alive. `[control]`"""
        sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
        count = 1
        for size in shape:
            count *= size
        return self.create(
            "CreateTensorWithDataAsOrtValue", self.memory, address, 4 * count, ctypes.byref(sizes), len(shape), _FLOAT32
        )

    def set_cuda_option(self, settings: int, key: str, value: str) -> None:
        """Set one option of the CUDA provider. Raises OrtError for one that it does not know. `[control]`"""
        keys, values = (ctypes.c_char_p * 1)(key.encode()), (ctypes.c_char_p * 1)(value.encode())
        self.call("UpdateCUDAProviderOptions", settings, ctypes.byref(keys), ctypes.byref(values), 1)


#: Options by name, shared with the Python session. Flushing denormals concerns a session's own threads; the thread that
#: calls a session sets its own mode, see `dsp.denormals`.
SESSION_CONFIG: Final = {
    "session.intra_op.allow_spinning": "0",
    "session.inter_op.allow_spinning": "0",
    "session.set_denormal_as_zero": "1",
}


@functools.cache
def open_library(path: Path | None = None) -> OrtLibrary:
    """Load the C library, once per process. `[control]` Raises MissingPartError where there is none."""
    found = find_library() if path is None else path
    if found is None:
        raise MissingPartError(
            "The installed ONNX Runtime has no C library beside its Python module; "
            "install a regular wheel: pip install onnxruntime-gpu (or onnxruntime)."
        )
    return OrtLibrary(found)
