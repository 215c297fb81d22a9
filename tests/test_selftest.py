"""The self-test hears a difference that matters, and only that."""

from pathlib import Path

import numpy as np
import pytest

from rtstyle.bundle import Bundle, Golden, golden_bytes, update_bundle
from rtstyle.runtime.model import load_model
from rtstyle.selftest import TOLERANCE, self_test
from tests.fixtures_bundles import make_network_bundle


def with_golden(bundle: Bundle, error: float = 0.0) -> Bundle:
    model = load_model(bundle)
    x = np.random.default_rng(0).normal(0.0, 0.1, 40 * bundle.hop).astype(np.float32)
    length = len(x) - bundle.hop // 3  # need not be whole hops
    x[length:] = 0.0
    y = model.step(x, model.controls(1, 0.7))
    model.close()
    y[len(y) // 2] += error * np.abs(y).max()
    return update_bundle(bundle.path, {"golden.npz": golden_bytes(Golden(x[:length], y[:length], 1, 0.7))})


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_a_bundle_passes_what_it_played_and_fails_what_it_did_not(tmp_path: Path, kind: str) -> None:
    bundle = make_network_bundle(tmp_path / "network", kind)
    assert self_test(bundle) is None, "without golden.npz there is nothing to say"
    outcome = self_test(with_golden(bundle))
    assert outcome is not None and outcome.passed and outcome.deviation < TOLERANCE / 100
    wrong = self_test(with_golden(bundle, error=2 * TOLERANCE))
    assert wrong is not None and not wrong.passed and wrong.deviation == pytest.approx(2 * TOLERANCE, rel=0.1)
