"""The bundle that each test of this folder may harm: a fresh copy, in a home of its own."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from rtstyle.bundle import Golden, golden_bytes, update_bundle
from tests.fixtures_bundles import make_network_bundle


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "network"
    make_network_bundle(folder)
    golden = golden_bytes(Golden(np.zeros(256, np.float32), np.zeros(256, np.float32), 1, 0.5))
    update_bundle(folder, {"golden.npz": golden, "card.md": b"# A card\n"})
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))
    return Path(shutil.copytree(original, tmp_path / "network"))
