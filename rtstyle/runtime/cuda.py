"""CUDA for a session of the C library, or one error that says what is missing."""

import importlib.util
import sys
from typing import Final

from rtstyle.errors import MissingPartError
from rtstyle.runtime.ort_api import OrtError, OrtLibrary

CUDA_REMEDY: Final = (
    "install an NVIDIA driver and `pip install 'rtstyle[cuda]'` (Linux or Windows on x86-64), "
    "or choose the device 'cpu'"
)
_PROVIDER: Final = {"win32": "onnxruntime_providers_cuda.dll"}


def append_cuda(library: OrtLibrary, options: int) -> None:
    """Let a session with these options run on the first CUDA device. `[control]` Raises MissingPartError."""
    provider = library.path.parent / _PROVIDER.get(sys.platform, "libonnxruntime_providers_cuda.so")
    if not provider.is_file():
        raise MissingPartError(f"This ONNX Runtime ({library.path}) is built without CUDA; {CUDA_REMEDY}.")
    _preload(library)
    settings = 0
    try:
        settings = library.create("CreateCUDAProviderOptions")
        library.set_cuda_option(settings, "use_tf32", "0")  # same results as on the CPU, to rounding
        library.call("SessionOptionsAppendExecutionProvider_CUDA_V2", options, settings)
    except OrtError as error:
        raise MissingPartError(f"CUDA cannot be used ({error}); {CUDA_REMEDY}.") from error
    finally:
        if settings:
            library.release("ReleaseCUDAProviderOptions", settings)


def _preload(library: OrtLibrary) -> None:
    """Load the CUDA libraries that pip installed; ONNX Runtime's Python package knows their names and versions."""
    if importlib.util.find_spec("nvidia") is not None and library.path.parent.parent.name == "onnxruntime":
        import onnxruntime

        onnxruntime.preload_dlls()
