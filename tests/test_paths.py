"""Places: one folder of the user's, movable as a whole."""

from pathlib import Path

import pytest

from rtstyle import paths
from rtstyle.errors import FileError


def test_everything_of_the_users_moves_with_one_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path))
    places = [
        paths.user_models(),
        paths.user_styles("some"),
        paths.presets(),
        paths.midi_map(),
        paths.recordings(),
    ]
    assert all(place.is_relative_to(tmp_path) for place in places)
    assert len(set(places)) == len(places)
    assert not any(place.exists() for place in places), "asking for a place makes nothing"


def test_without_it_they_lie_in_the_systems_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RTSTYLE_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert paths.home().name == "rtstyle" and paths.home().is_absolute()


def test_the_users_models_come_first_and_absent_folders_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path))
    assert tmp_path / "models" not in paths.model_folders()
    (tmp_path / "models").mkdir()
    assert paths.model_folders()[0] == tmp_path / "models"


@pytest.mark.parametrize(
    ("title", "stem"),
    [("Warm Cello!", "warm-cello"), ("Ünïcödé", "unicode"), ("../../etc/passwd", "etc-passwd"), ("a" * 90, "a" * 48)],
)
def test_a_title_becomes_a_plain_file_name(title: str, stem: str) -> None:
    assert paths.file_stem(title) == stem


@pytest.mark.parametrize("title", ["", "..", "///", "日本"])
def test_a_title_that_leaves_no_name_is_refused(title: str) -> None:
    with pytest.raises(FileError, match="give another name"):
        paths.file_stem(title)
