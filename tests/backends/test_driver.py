"""The driver is chosen by what the model takes of a callback, and says why."""

import time

import numpy as np
import pytest

from rtstyle.backends.driver import choose_driver
from rtstyle.errors import DeviceError


class Sleeper:
    """A model that takes `seconds` for every hop."""

    sample_rate, hop = 48_000, 64

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.steps: list[int] = []
        self.resets = 0

    def controls(self, style: int = 0, amount: float = 1.0) -> np.ndarray:
        return np.ones(33, np.float32)

    def step(self, x: np.ndarray, controls: np.ndarray) -> np.ndarray:
        self.steps.append(x.size)
        time.sleep(self.seconds * x.size / self.hop)
        return x

    def reset(self) -> None:
        self.resets += 1


def test_a_model_that_fits_into_the_callback_runs_there() -> None:
    choice = choose_driver("auto", [Sleeper(0.0)], 48_000, 4_096)
    assert choice.driver == "tight"
    assert choice.reason.startswith("the model takes")
    assert choice.share is not None
    assert choice.share < 0.5


def test_a_model_that_does_not_gets_a_worker() -> None:
    choice = choose_driver("auto", [Sleeper(0.003)], 48_000, 64)
    assert choice.driver == "safe"
    assert "a worker runs it" in choice.reason
    assert choice.share is not None
    assert choice.share > 1.0


@pytest.mark.parametrize(
    ("rate", "block", "samples"), [(48_000, 16, 64), (48_000, 64, 64), (48_000, 65, 128), (96_000, 256, 128)]
)
def test_the_worst_callback_is_measured_in_whole_hops_at_the_models_rate(rate: int, block: int, samples: int) -> None:
    model = Sleeper(0.0)
    choose_driver("auto", [model], rate, block)
    assert set(model.steps) == {samples}
    assert model.resets == 1


def test_every_instance_counts() -> None:
    models = [Sleeper(0.001), Sleeper(0.001)]
    share = choose_driver("auto", models, 48_000, 128).share
    assert share is not None
    assert share > 4 * 0.001 * 48_000 / 128 * 0.9


def test_a_block_that_changes_all_the_time_needs_the_worker() -> None:
    assert choose_driver("auto", [Sleeper(0.0)], 48_000, 0).driver == "safe"


def test_a_wish_is_followed_and_nothing_measured() -> None:
    model = Sleeper(1.0)
    assert choose_driver("tight", [model], 48_000, 64).driver == "tight"
    assert choose_driver("safe", [model], 48_000, 64).driver == "safe"
    assert model.steps == []


def test_an_unknown_driver_lists_what_there_is() -> None:
    with pytest.raises(DeviceError, match="auto, tight, safe"):
        choose_driver("loose", [Sleeper(0.0)], 48_000, 64)
