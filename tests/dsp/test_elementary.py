"""The vectorised logarithm and exponential agree with libm, and a fault stays a fault."""

import numpy as np

from rtstyle.dsp.elementary import exponential, natural_log


def test_logarithm_agrees_over_thirty_decades() -> None:
    x = np.exp(np.random.default_rng(0).uniform(-35.0, 35.0, 4096)).astype(np.float32)
    out = np.empty_like(x)
    natural_log(x, out)
    wanted = np.log(x.astype(np.float64))
    assert (np.abs(out - wanted) < 1e-6 + 1e-6 * np.abs(wanted)).all()


def test_a_fault_stays_a_fault() -> None:
    x = np.array([1.0, np.nan, np.inf, 2.0], np.float32)
    out = np.empty_like(x)
    natural_log(x, out)
    assert np.isnan(out).tolist() == [False, True, True, False]


def test_exponential_agrees_within_the_gains_of_a_filter() -> None:
    rng = np.random.default_rng(1)
    for z in (rng.uniform(-14.0, 8.0, 500) + 1j * rng.uniform(-12.0, 12.0, 500)).astype(np.complex64):
        assert abs(exponential(z) - np.exp(np.complex128(z))) < 3e-5 * abs(np.exp(np.complex128(z)))
