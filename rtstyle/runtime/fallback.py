"""A graph in ONNX Runtime's Python session, behind the same four integers as `native.NativeGraph`.

For builds of ONNX Runtime that lack the C library. The compiled chain stays the same; `run` is a ctypes callback that
takes the GIL and runs the Python session on the same memory. It returns 1 when all went well and 0 otherwise, since 0
is also what ctypes returns for an exception that left the callback.
"""

import contextlib
import ctypes
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from rtstyle.errors import BundleError, MissingPartError
from rtstyle.runtime.native import Tensor
from rtstyle.runtime.ort_api import SESSION_CONFIG, plain_message

_CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
_LOG_FATAL: Final = 4


class PythonGraph:
    """One graph, loaded and optimised by the Python module. `[control]` Arguments and errors as in `NativeGraph`.

    config: entries of the session. Those of the stage also make denormals zero in the thread that creates it.
    """

    backend = "python"

    def __init__(
        self,
        model: bytes,
        file: str,
        *,
        device: str = "cpu",
        threads: int = 1,
        config: Mapping[str, str] = MappingProxyType(SESSION_CONFIG),
    ) -> None:
        if device != "cpu":
            raise MissingPartError(
                f"The device '{device}' needs ONNX Runtime's C library; install a regular wheel "
                "(pip install onnxruntime-gpu) or choose the device 'cpu'."
            )
        import onnxruntime

        state = onnxruntime.capi.onnxruntime_pybind11_state
        kinds = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
        self._errors: tuple[type[Exception], ...] = (*kinds, RuntimeError, ValueError)
        self._file = file
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.enable_mem_pattern = True
        options.log_severity_level = _LOG_FATAL
        for key, value in config.items():
            options.add_session_config_entry(key, value)
        try:
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise BundleError(
                f"{file}: ONNX Runtime refuses the graph ({plain_message(error)}); export the bundle again."
            ) from error
        self._bindings: list[Any] = []
        self._callback = _CALLBACK(self._run)
        self.run = int(ctypes.cast(self._callback, ctypes.c_void_p).value or 0)
        self.handle = 0
        self.ok = 1
        self.release = 0

    def bind(self, inputs: list[Tensor], outputs: list[Tensor]) -> int:
        """Tie every input and output to memory; returns the binding that `run` takes. `[control]`"""
        binding = self._session.io_binding()
        for function, tensors in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, address, shape in tensors:
                function(name, "cpu", 0, np.float32, shape, address)
        self._bindings.append(binding)
        return len(self._bindings) - 1

    def check(self, binding: int) -> None:
        """Run one binding; raises BundleError with ONNX Runtime's message if it fails. `[control]`"""
        try:
            self._session.run_with_iobinding(self._bindings[binding])
        except self._errors as error:
            raise BundleError(
                f"{self._file} does not run ({plain_message(error)}); export the bundle again."
            ) from error

    def _run(self, handle: int, options: int, binding: int) -> int:
        with contextlib.suppress(*self._errors):
            self._session.run_with_iobinding(self._bindings[binding])
            return 1
        return 0

    def close(self) -> None:
        """Free what the session holds; nothing may run any more. `[control]`"""
        self._bindings, self._session = [], None
