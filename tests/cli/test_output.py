"""JSON is JSON whatever the numbers are; tables line up; what C libraries say can be hidden and comes back."""

import json
import os

import numpy as np
import pytest

from rtstyle.cli.output import emit_json, native_stderr_hidden, table


def test_non_finite_and_numpy_numbers_become_valid_json(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"a": float("nan"), "b": np.float32(0.5), "c": [np.int64(3), -float("inf")], 4: "é"})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": 0.5, "c": [3, None], "4": "é"}


def test_columns_line_up_with_numbers_to_the_right() -> None:
    text = table([("model", 1.5), ("a", 20.25)], head=("part", "ms"))
    assert text.splitlines() == ["part      ms", "model   1.50", "a      20.25"]
    assert table([]) == ""


def test_native_stderr_is_hidden_and_restored(capfd: pytest.CaptureFixture[str]) -> None:
    with native_stderr_hidden():
        os.write(2, b"hidden")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"


def test_native_stderr_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), native_stderr_hidden():
        raise ValueError("inside")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"
