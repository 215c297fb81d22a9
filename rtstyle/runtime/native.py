"""A graph in ONNX Runtime's C library, run from compiled code.

What compiled code needs of it are four integers: `run(handle, 0, binding)` returns a status that equals `ok`, or is
given to `release`. On the CPU `run` is the library's `RunWithBinding`, the cheapest way to run a graph: names and
tensors are bound once, and the outputs land in memory that is ours. On other devices that function would see the
inputs as they were when bound; there a compiled function of that signature calls the library's `Run`, which copies
them there and back.
"""

import ctypes
import functools
from typing import Any, Final

import numpy as np
from numba import carray, cfunc, types
from numpy.typing import NDArray

from rtstyle.dsp.pointers import call_8, int64_at
from rtstyle.errors import BundleError, MissingPartError
from rtstyle.runtime.cuda import CUDA_REMEDY, append_cuda
from rtstyle.runtime.ort_api import OrtError, OrtLibrary

#: One tensor to bind: name, address of its float32 memory, shape.
Tensor = tuple[str, int, tuple[int, ...]]

# A request of `Run`, int64: the function, then number and addresses of names and values, inputs before outputs.
_REQUEST_SIZE: Final = 7


class NativeGraph:
    """One graph, loaded and optimised by the C library. `[control]`

    model: content of the ONNX file, self-contained. file: its name, for errors. device: "cpu" or "cuda". threads:
    inside one operator. by_name: use `Run`; None where the device needs it. Raises BundleError with ONNX Runtime's
    message if it refuses the graph, MissingPartError if CUDA cannot be used.
    """

    backend = "native"

    def __init__(
        self,
        library: OrtLibrary,
        model: bytes,
        file: str,
        *,
        device: str = "cpu",
        threads: int = 1,
        by_name: bool | None = None,
    ) -> None:
        self._library = library
        self._file = file
        self._by_name = device != "cpu" if by_name is None else by_name
        self._tensors: list[int] = []
        self._bindings: list[int] = []
        self._requests: list[tuple[Any, ...]] = []  # alive as long as their addresses are used
        self.handle = 0
        options = library.session_options(threads)
        try:
            if device == "cuda":
                append_cuda(library, options)
            try:
                self.handle = library.create("CreateSessionFromArray", library.environment, model, len(model), options)
            except OrtError as error:
                if device == "cuda" and "CUDA" in str(error):
                    raise MissingPartError(f"CUDA cannot be used ({error}); {CUDA_REMEDY}.") from error
                raise BundleError(
                    f"{file}: ONNX Runtime refuses the graph ({error}); export the bundle again."
                ) from error
        finally:
            library.release("ReleaseSessionOptions", options)
        self.run = int(_compiled_run_by_name().address) if self._by_name else library.address("RunWithBinding")
        self.ok = 0
        self.release = library.address("ReleaseStatus")

    def bind(self, inputs: list[Tensor], outputs: list[Tensor]) -> int:
        """Tie every input and output to memory; returns the binding that `run` takes. `[control]`

        The memory must live until `close`.
        """
        made: list[list[int]] = []
        for tensors in (inputs, outputs):
            made.append([self._library.tensor(address, shape) for _, address, shape in tensors])
            self._tensors += made[-1]
        if self._by_name:
            return self._request(inputs, outputs, made)
        binding = self._library.create("CreateIoBinding", self.handle)
        self._bindings.append(binding)
        for function, tensors, values in (("BindInput", inputs, made[0]), ("BindOutput", outputs, made[1])):
            for (name, _, _), value in zip(tensors, values, strict=True):
                self._library.call(function, binding, name.encode(), value)
        return binding

    def _request(self, inputs: list[Tensor], outputs: list[Tensor], made: list[list[int]]) -> int:
        row: NDArray[np.int64] = np.zeros(_REQUEST_SIZE, dtype=np.int64)
        row[0] = self._library.address("Run")
        for side, (tensors, values) in enumerate(((inputs, made[0]), (outputs, made[1]))):
            names = (ctypes.c_char_p * len(tensors))(*(name.encode() for name, _, _ in tensors))
            held = np.asarray(values, dtype=np.int64)
            row[1 + 3 * side : 4 + 3 * side] = len(tensors), ctypes.addressof(names), held.ctypes.data
            self._requests.append((names, held))
        self._requests.append((row,))
        return int(row.ctypes.data)

    def check(self, binding: int) -> None:
        """Run one binding; raises BundleError with ONNX Runtime's message if it fails. `[control]`"""
        kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
        try:
            self._library.check(kind(self.run)(self.handle, 0, binding))
        except OrtError as error:
            raise BundleError(f"{self._file} does not run ({error}); export the bundle again.") from error

    def close(self) -> None:
        """Free everything that the library holds; nothing may run any more. `[control]`"""
        for binding in self._bindings:
            self._library.release("ReleaseIoBinding", binding)
        for tensor in self._tensors:
            self._library.release("ReleaseValue", tensor)
        if self.handle:
            self._library.release("ReleaseSession", self.handle)
        self._bindings, self._tensors, self._requests, self.handle = [], [], [], 0


def _run_by_name(handle: int, options: int, request: int) -> Any:
    row = carray(int64_at(request), (_REQUEST_SIZE,))
    return call_8(row[0], handle, options, row[2], row[3], row[1], row[5], row[4], row[6])


@functools.cache
def _compiled_run_by_name() -> Any:
    return cfunc(types.int64(types.int64, types.int64, types.int64), cache=True)(_run_by_name)
