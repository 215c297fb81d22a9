"""Running AdaIN is the plain statistics of what was heard, exact in any block size, and never unsafe."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rtstyle.dsp import adain

C = 6
PRIOR = np.concatenate([np.linspace(-1, 1, C), np.linspace(0.5, 2, C)]).astype(np.float32)


def started(prior_frames: float = 0.0) -> NDArray[np.float64]:
    state = adain.new_state(C)
    adain.reset(state, PRIOR, prior_frames)
    return state


def frames(count: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(0.0, 1.0, (count, C)) * rng.uniform(0.2, 3.0, C) + rng.normal(0.0, 2.0, C)).astype(np.float32)


def mean_and_std(state: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean, square = state[1 : 1 + C], state[1 + C :]
    return mean, np.sqrt(np.maximum(square - mean**2, adain.EPSILON))


@pytest.mark.parametrize("count", [1, 2, 50, 1999])
def test_without_a_prior_the_statistics_are_those_of_all_frames(count: int) -> None:
    state, z = started(), frames(count)
    for frame in z:
        adain.observe(state, frame, 2000.0)
    mean, std = mean_and_std(state)
    assert mean == pytest.approx(z.mean(0, dtype=np.float64), abs=1e-6)
    assert std == pytest.approx(np.maximum(z.astype(np.float64).std(0), np.sqrt(adain.EPSILON)), abs=1e-6)


def test_the_prior_counts_as_so_many_frames() -> None:
    state, z = started(187.5), frames(300)
    mean, std = mean_and_std(state)
    assert mean == pytest.approx(PRIOR[:C]) and std == pytest.approx(PRIOR[C:]), "at first the prior alone"
    for frame in z:
        adain.observe(state, frame, 10_000.0)
    wanted = (187.5 * PRIOR[:C] + z.sum(0, dtype=np.float64)) / 487.5
    square = (187.5 * (PRIOR[C:] ** 2 + PRIOR[:C] ** 2) + (z.astype(np.float64) ** 2).sum(0)) / 487.5
    assert mean == pytest.approx(wanted, abs=1e-5)
    assert mean_and_std(state)[1] == pytest.approx(np.sqrt(square - wanted**2), abs=1e-5)


def test_with_a_full_memory_old_frames_fade_exponentially() -> None:
    state = started()
    for _ in range(400):
        adain.observe(state, np.full(C, 5.0, dtype=np.float32), 100.0)
    for _ in range(100):
        adain.observe(state, np.full(C, -3.0, dtype=np.float32), 100.0)
    left = (1 - 1 / 100) ** 100
    assert state[adain.COUNT] == 100.0
    assert mean_and_std(state)[0] == pytest.approx(np.full(C, -3.0 + 8.0 * left), abs=1e-9)


def test_a_styled_stream_has_the_targets_statistics() -> None:
    state, z = started(), frames(4000)
    target = np.concatenate([np.linspace(3, -3, C), np.linspace(0.1, 4, C)]).astype(np.float32)
    for frame in z:
        adain.observe(state, frame, 1e6)
    styled = np.empty_like(z)
    for row, frame in zip(styled, z, strict=True):
        adain.restyle(state, frame, target, 1.0, row)
    assert styled.mean(0) == pytest.approx(target[:C], abs=1e-3)
    assert styled.std(0) == pytest.approx(target[C:], abs=1e-3)


def test_the_amount_goes_in_a_straight_line_from_the_latent_to_the_styled_frame() -> None:
    state, z = started(20.0), frames(1)[0]
    target = np.concatenate([np.ones(C), np.full(C, 0.3)]).astype(np.float32)
    out = {amount: np.empty(C, dtype=np.float32) for amount in (0.0, 0.25, 1.0)}
    for amount, row in out.items():
        adain.restyle(state, z, target, amount, row)
    assert np.array_equal(out[0.0], z)
    assert out[0.25] == pytest.approx(0.75 * z + 0.25 * out[1.0], abs=1e-6)


def test_a_constant_stream_is_never_divided_by_its_deviation_of_zero() -> None:
    state, z = started(), np.full(C, 0.7, dtype=np.float32)
    for _ in range(5000):
        adain.observe(state, z, 2000.0)
    out = np.empty(C, dtype=np.float32)
    adain.restyle(state, z, PRIOR, 1.0, out)
    assert out == pytest.approx(PRIOR[:C], abs=1e-4)


def test_targets_are_mixed_by_the_share_of_their_weights() -> None:
    rng = np.random.default_rng(2)
    means, stds = rng.normal(size=(3, C)).astype(np.float32), rng.uniform(0.5, 2, (3, C)).astype(np.float32)
    target = np.full(2 * C, 9.0, dtype=np.float32)
    weights = np.asarray([1.0, -5.0, 3.0, 100.0], dtype=np.float32)  # a negative one, and one beyond the styles
    assert adain.mix_targets(means, stds, weights, target)
    assert target[:C] == pytest.approx(0.25 * means[0] + 0.75 * means[2], abs=1e-6)
    assert target[C:] == pytest.approx(0.25 * stds[0] + 0.75 * stds[2], abs=1e-6)
    one = np.asarray([0.0, 1.0, 0.0], dtype=np.float32)
    assert adain.mix_targets(means, stds, one, target)
    assert np.array_equal(target, np.concatenate([means[1], stds[1]])), "one style alone is that style exactly"


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-1.0, 0.0], [np.nan, np.nan], [np.inf, 1.0]])
def test_weights_without_a_sum_leave_the_target_alone(weights: list[float]) -> None:
    target = np.full(2 * C, 9.0, dtype=np.float32)
    given = np.asarray(weights, dtype=np.float32)
    assert not adain.mix_targets(np.ones((2, C), np.float32), np.ones((2, C), np.float32), given, target)
    assert (target == 9.0).all()
