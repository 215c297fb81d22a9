"""Machine code is kept while nothing that went into it has changed, and no longer."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from rtstyle.dsp import freshness

ROOT = Path(freshness.__file__).resolve().parents[2]

INNER = """
from rtstyle.dsp.jit import kernel
OFFSET = {offset}

@kernel
def inner(x):
    return x + OFFSET
"""
OUTER = """
from rtstyle.dsp.jit import kernel
from rtstyle.probe.middle import inner

@kernel
def outer(x):
    return 2 * inner(x)

print(outer(1), sum(outer.stats.cache_hits.values()))
"""


def run(package: Path) -> list[str]:
    """Import the outer module of a copy of the package in a process of its own: its result and its cache hits."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(package.parent / "cache")}
    code = "import rtstyle; import rtstyle.probe.outer"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=package.parent, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_kernel_is_compiled_anew_when_a_kernel_that_it_calls_has_changed(tmp_path: Path) -> None:
    package = tmp_path / "rtstyle"
    (package / "dsp").mkdir(parents=True)
    (package / "probe").mkdir()
    for name in ("__init__.py", "dsp/__init__.py", "dsp/jit.py", "dsp/freshness.py"):
        (package / name).write_bytes((ROOT / "rtstyle" / name).read_bytes())
    (package / "probe" / "__init__.py").touch()
    (package / "probe" / "inner.py").write_text(textwrap.dedent(INNER.format(offset=1)))
    (package / "probe" / "middle.py").write_text("from rtstyle.probe.inner import inner as inner\n")
    (package / "probe" / "outer.py").write_text(textwrap.dedent(OUTER))
    assert run(package) == ["4", "0"]
    assert run(package) == ["4", "1"]
    (package / "probe" / "inner.py").write_text(textwrap.dedent(INNER.format(offset=10)))
    assert run(package) == ["22", "0"]


def test_imports_are_followed_in_every_form(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    plain = tmp_path / "b.py"
    plain.write_text("x = 1\n")
    for line in (
        "import rtstyle.dsp.ring\n",
        "from rtstyle.dsp import fft, ring\n",
        "from rtstyle.dsp.ring import something\n",
        "from rtstyle.dsp import (\n    fft,\n    ring as r,\n)\n",
    ):
        source = tmp_path / f"a{abs(hash(line))}.py"
        source.write_text(line)
        assert ROOT / "rtstyle" / "dsp" / "ring.py" in freshness._read(source)[1], line
    assert freshness._read(plain)[1] == frozenset()
