"""What holds the layers apart: the import contracts, playing without torch, and a wheel that needs no checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rtstyle.bundle import load_bundle

ROOT = Path(__file__).resolve().parent.parent


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_seconds_are_played_without_torch_or_the_lab(tmp_path: Path) -> None:
    code = f"""
import sys
for name in ("torch", "onnx", "onnxscript", "librosa", "matplotlib", "tensorboard", "optuna", "ray"):
    sys.modules[name] = None  # importing one of them fails as if it were not installed
import soundfile
from rtstyle.performance import PERFORMANCE
from rtstyle.cli.app import run
audio, rate = soundfile.read(PERFORMANCE, frames=96_000, dtype="float32")
soundfile.write({str(tmp_path / "in.wav")!r}, audio, rate)
code = run(["render", {str(tmp_path / "in.wav")!r}, {str(tmp_path / "out.wav")!r}])
lab = sorted(name for name in sys.modules if name.startswith(("rtstyle.lab", "rtstyle.corpus")))
print("LAB", lab)
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "LAB []" in done.stdout
    assert (tmp_path / "out.wav").stat().st_size > 96_000


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return set(wheel.namelist())


def test_the_wheel_holds_every_shipped_bundle(wheel_files: set[str]) -> None:
    bundles = [load_bundle(path.parent) for path in (ROOT / "models").glob("*/bundle.toml")]
    assert bundles
    for bundle in bundles:
        for file in ("bundle.toml", *bundle.manifest.files):
            assert f"rtstyle/_models/{bundle.path.name}/{file}" in wheel_files


def test_the_wheel_is_typed_and_carries_performance_and_licence(wheel_files: set[str]) -> None:
    assert {"rtstyle/py.typed", "rtstyle/performance/greensleeves.ogg"} <= wheel_files
    assert any(name.endswith("licenses/LICENSE") for name in wheel_files)


def test_the_wheel_holds_nothing_of_a_developer(wheel_files: set[str]) -> None:
    own = ("rtstyle/", "rtstyle-")
    assert [name for name in wheel_files if not name.startswith(own)] == []
    assert [name for name in wheel_files if "__pycache__" in name or name.endswith((".nbi", ".nbc", ".pyc"))] == []
