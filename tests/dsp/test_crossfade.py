"""A crossfade keeps the power of any two signals and begins and ends on one of them."""

import numpy as np
import pytest

from rtstyle.dsp import crossfade


@pytest.mark.parametrize("rho", [0.0, 0.4, 1.0])
def test_the_power_is_constant_whatever_the_correlation(rho: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal(400_000)
    y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(x.size)
    for place in (0.1, 0.5, 0.8):
        a, b = crossfade.equal_power(place, rho)
        assert np.mean((a * x + b * y) ** 2) == pytest.approx(1.0, abs=0.01)


def test_signals_in_opposition_are_not_boosted() -> None:
    assert crossfade.equal_power(0.5, -1.0) == crossfade.equal_power(0.5, 0.0)


def test_it_begins_on_one_signal_and_ends_on_the_other() -> None:
    for rho in (0.0, 0.5, 1.0):
        assert crossfade.equal_power(0.0, rho) == (1.0, 0.0)
        assert crossfade.equal_power(1.0, rho) == pytest.approx((0.0, 1.0), abs=1e-7)
