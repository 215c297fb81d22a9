"""ONNX Runtime's C library is found without importing its package, and its errors come as sentences."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rtstyle.errors import BundleError, MissingPartError
from rtstyle.runtime import ort_api
from rtstyle.runtime.native import NativeGraph
from rtstyle.runtime.ort_api import OrtError, OrtLibrary, find_library, open_library, plain_message
from tests.fixtures_bundles import GraphBuilder


def test_the_library_is_found_and_opened_without_the_python_package() -> None:
    code = (
        "import sys; from rtstyle.runtime.ort_api import open_library; library = open_library(); "
        "print(library.version, 'onnxruntime' in sys.modules, library.path.name)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(out[0].split(".")[1]) >= ort_api.API_VERSION
    assert out[1] == "False" and "onnxruntime" in out[2]


@pytest.mark.parametrize(
    "platform, files, newest",
    [
        ("linux", ["libonnxruntime.so.1.9.0", "libonnxruntime.so.1.31.1"], "libonnxruntime.so.1.31.1"),
        ("darwin", ["libonnxruntime.1.22.0.dylib"], "libonnxruntime.1.22.0.dylib"),
        ("win32", ["onnxruntime.dll", "onnxruntime_providers_shared.dll"], "onnxruntime.dll"),
        ("linux", ["libonnxruntime_providers_shared.so"], None),
    ],
)
def test_each_systems_name_is_known_and_the_newest_wins(
    platform: str, files: list[str], newest: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in files:
        (tmp_path / file).touch()
    monkeypatch.setattr(sys, "platform", platform)
    found = find_library(tmp_path)
    assert (found.name if found else None) == newest


def test_a_file_that_is_no_library_is_one_clear_error(tmp_path: Path) -> None:
    broken = tmp_path / "libonnxruntime.so.1.0.0"
    broken.write_bytes(b"nothing")
    with pytest.raises(MissingPartError, match=r"not a usable ONNX Runtime library.*pip install"):
        OrtLibrary(broken)


def test_an_error_carries_onnx_runtimes_message() -> None:
    library = open_library()
    options = library.session_options(1)
    with pytest.raises(OrtError, match="protobuf"):
        library.create("CreateSessionFromArray", library.environment, b"nothing", 7, options)
    library.release("ReleaseSessionOptions", options)


def test_messages_are_one_line_without_source_places() -> None:
    text = "/src/bridge.cc:20 Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load\nlibrary x\n"
    assert plain_message(text) == "1 : FAIL : Failed to load library x"
    assert plain_message("short") == "short"


def test_a_graph_with_operators_of_others_is_refused() -> None:
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Backdoor", ["x"], ["y"], domain="evil")
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1)) for name in "xy"]
    model = helper.make_model(
        helper.make_graph([node], "g", info[:1], info[1:]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)],
        ir_version=8,
    )
    assert isinstance(model, onnx.ModelProto)
    with pytest.raises(BundleError, match=r"evil\.onnx: ONNX Runtime refuses the graph .*Backdoor"):
        NativeGraph(open_library(), model.SerializeToString(), "evil.onnx")


def test_a_library_without_cuda_says_so(tmp_path: Path) -> None:
    found = find_library()
    assert found is not None
    link = tmp_path / found.name
    link.symlink_to(found)
    graph = GraphBuilder()
    graph.output("y", graph.input("x", (1, 1)), (1, 1))
    with pytest.raises(MissingPartError, match=r"without CUDA; .*rtstyle\[cuda\]"):
        NativeGraph(OrtLibrary(link), graph.bytes(), "g.onnx", device="cuda")


def test_a_graph_runs_on_given_memory() -> None:
    graph = GraphBuilder()
    graph.output("y", graph.node("Add", graph.input("x", ("n", 2)), graph.constant([[1.0, 2.0]])), ("n", 2))
    native = NativeGraph(open_library(), graph.bytes(), "g.onnx")
    x, y = np.arange(6, dtype=np.float32), np.zeros(6, dtype=np.float32)
    binding = native.bind([("x", x.ctypes.data, (3, 2))], [("y", y.ctypes.data, (3, 2))])
    native.check(binding)
    assert y.tolist() == [1, 3, 3, 5, 5, 7]
    x += 10
    native.check(binding)
    assert y.tolist() == [11, 13, 13, 15, 15, 17]
    native.close()
