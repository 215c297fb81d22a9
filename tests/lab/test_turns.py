"""A bundle of two turns is another one's graphs and styles, with a self-test and a delay of its own."""

from pathlib import Path

import numpy as np
import pytest

from rtstyle.bundle import load_bundle, update_bundle
from rtstyle.bundle.manifest import ParameterRange
from rtstyle.errors import BundleError
from rtstyle.lab.export.bundle import export_tiny
from rtstyle.lab.export.turns import in_turns
from rtstyle.selftest import self_test


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_two_turns_have_the_same_styles_and_another_sound_and_twice_the_delay(kind: str, tmp_path: Path) -> None:
    once = export_tiny(kind, tmp_path / "once", name="once")
    parameters = (ParameterRange("dynamics", default=0.8),)
    made = in_turns(once, tmp_path / "twice", name="twice", turns=2, description="", recipe="r", parameters=parameters)
    twice = load_bundle(made.path)
    assert (twice.turns, twice.latency, twice.name, twice.kind) == (2, 2 * once.latency, "twice", kind)
    assert twice.styles == once.styles and np.array_equal(twice.mean, once.mean)
    assert (twice.encoder, twice.decoder) == (once.encoder, once.decoder)
    assert twice.parameters["dynamics"].default == 0.8
    outcome = self_test(twice)
    assert outcome is not None and outcome.passed
    assert once.golden is not None and twice.golden is not None
    assert not np.allclose(once.golden.audio_out, twice.golden.audio_out)


def test_turns_of_turns_and_of_a_bundle_without_a_self_test_are_refused(tmp_path: Path) -> None:
    once = export_tiny("spectral", tmp_path / "once", name="once")
    twice = in_turns(once, tmp_path / "twice", name="twice", turns=2, description="", recipe="")
    untested = update_bundle(once.path, {}, remove=["golden.npz"])
    for bundle in (twice, untested):
        with pytest.raises(BundleError, match="plays in turns already or has no self-test"):
            in_turns(bundle, tmp_path / "more", name="more", turns=2, description="", recipe="")
        assert not (tmp_path / "more").exists()
