"""The controller map as a file, and what a binding makes of a control's travel."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstyle.control.mapping import Binding, ControllerMap, load_map, save_map
from rtstyle.errors import FileError, ParameterError
from rtstyle.params import PARAMETERS, Parameter, parameter_table

CONTINUOUS = sorted(id for id, entry in PARAMETERS.items() if entry.kind == "continuous")

bindings = st.builds(
    Binding,
    st.sampled_from(["cc 5", "cc14 2", "nrpn 300", "bend", "pressure", "note 60"]),
    st.sampled_from(sorted(PARAMETERS)),
    st.integers(0, 16),
    invert=st.booleans(),
    toggle=st.booleans(),
    takeover=st.sampled_from([None, "jump", "pickup", "scale"]),
)


@given(st.lists(bindings, max_size=5), st.integers(0, 16), st.booleans())
def test_a_map_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, content: list[Binding], channel: int, programs: bool
) -> None:
    path = tmp_path_factory.mktemp("maps") / "deep" / "midi.toml"
    controllers = ControllerMap(channel=channel, programs=programs, bindings=tuple(content))
    assert save_map(controllers, path) == path
    assert load_map(path) == controllers


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    controllers = load_map(tmp_path / "midi.toml")
    assert {binding.control: binding.parameter for binding in controllers.bindings} == {
        "cc 1": "mix",
        "cc 74": "style.amount",
        "cc 75": "dynamics",
        "cc 70": "style.target",
    }
    assert controllers.panic == (120, 123)
    assert controllers.programs
    assert controllers.takeover == "pickup"


def test_the_users_map_lies_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path))
    save_map(ControllerMap(takeover="scale"))
    assert (tmp_path / "midi.toml").is_file()
    assert load_map().takeover == "scale"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("speed = 3", "speed"),
        ("[[bindings]]\ncontrol = 'cc 1'\nparameter = 'mix'\nknob = 1", "knob"),
        ("schema = 2", "schema 2"),
        ("takeover = 'leap'", "leap"),
        ("channel = 17", "17"),
        ("panic = [128]", "128"),
        ("[[bindings]]\ncontrol = 'cc 128'\nparameter = 'mix'", "cc 128"),
        ("[[bindings]]\ncontrol = 'cc 1'\nparameter = 'mixx'", "mixx"),
        ("[[bindings]]\ncontrol = 'cc 1'\nparameter = 'mix'\nchannel = 17", "17"),
        ("[[bindings]]\ncontrol = 'cc 1'\nparameter = 'mix'\nmaximum = 2.0", "2"),
        ("[[bindings]]\ncontrol = 'cc 1'\nparameter = 'mix'\nminimum = nan", "nan"),
        ("[[bindings]]\ncontrol = 'cc 1'\nparameter = 'mix'\nminimum = 0.9\nmaximum = 0.1", "invert"),
        ("[[bindings]]\ncontrol = 'cc 1'\nparameter = 'input.trim_db'\ncurve = 'log'", "log"),
        ("[[bindings]]\nparameter = 'mix'", "control"),
        ("bindings = 3", "bindings"),
        ("not toml at all", "line 1"),
    ],
)
def test_a_map_with_a_mistake_names_file_and_mistake(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "midi.toml"
    path.write_text(text)
    with pytest.raises(FileError, match=named) as caught:
        load_map(path)
    assert str(path) in str(caught.value)


def test_a_map_that_is_no_text_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "midi.toml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(FileError, match=r"midi\.toml"):
        load_map(path)


def test_a_write_that_fails_leaves_the_old_map_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_map(ControllerMap(channel=3), tmp_path / "midi.toml")

    def fail(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(FileError, match="No space"):
        save_map(ControllerMap(channel=4), path)
    assert load_map(path).channel == 3
    assert os.listdir(tmp_path) == ["midi.toml"]


def test_a_map_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ParameterError):
        save_map(ControllerMap(bindings=(Binding("cc 1", "nothing"),)), tmp_path / "midi.toml")
    assert not (tmp_path / "midi.toml").exists()


@given(st.sampled_from(CONTINUOUS), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_travel_covers_the_bindings_range_and_no_more(
    id: str, first: float, second: float, position: float, invert: bool
) -> None:
    entry = PARAMETERS[id]
    low, high = sorted((entry.from_normalised(first), entry.from_normalised(second)))
    binding = Binding("cc 1", id, minimum=low, maximum=high, invert=invert)
    shaped = binding.shape(entry)
    ends = [shaped.from_normalised(binding.to_place(end, shaped)) for end in (0.0, 1.0)]
    assert ends == pytest.approx([high, low] if invert else [low, high])
    assert low <= shaped.from_normalised(binding.to_place(position, shaped)) <= high


def test_a_logarithmic_binding_has_the_geometric_mean_in_the_middle() -> None:
    binding = Binding("cc 1", "mix", minimum=0.01, maximum=1.0, curve="log")
    shaped = binding.shape(PARAMETERS["mix"])
    assert shaped.from_normalised(binding.to_place(0.5, shaped)) == pytest.approx(0.1)


@pytest.mark.parametrize("styles", [1, 2, 7, 32])
def test_every_style_of_a_bundle_can_be_reached_and_has_its_equal_part(styles: int) -> None:
    entry = parameter_table(styles)["style.target"]
    binding = Binding("cc 70", "style.target")
    shaped = binding.shape(entry)
    reached = [shaped.from_normalised(binding.to_place(value / 999, shaped)) for value in range(1000)]
    assert sorted(set(reached)) == list(range(styles))
    assert all(abs(reached.count(style) - 1000 / styles) <= 2 for style in range(styles))


def test_a_range_of_a_wider_bundle_is_cut_to_the_narrower_ones() -> None:
    narrow = Parameter("mix", "Mix", 0.25, 0.75, 0.5)
    shaped = Binding("cc 1", "mix", minimum=0.0, maximum=0.5).shape(narrow)
    assert (shaped.minimum, shaped.maximum) == (0.25, 0.5)


def test_learning_replaces_what_parameter_and_control_did_before() -> None:
    controllers = ControllerMap().learned(Binding("cc 74", "mix", channel=5))
    assert {(binding.control, binding.parameter) for binding in controllers.bindings} == {
        ("cc 74", "mix"),
        ("cc 75", "dynamics"),
        ("cc 70", "style.target"),
    }


def test_learning_a_pair_frees_both_of_its_controllers() -> None:
    before = ControllerMap(bindings=(Binding("cc 2", "style.x"), Binding("cc 34", "style.y"), Binding("cc 3", "mix")))
    after = before.learned(Binding("cc14 2", "style.amount"))
    assert [binding.control for binding in after.bindings] == ["cc 3", "cc14 2"]


def test_the_same_control_of_two_channels_does_two_things() -> None:
    controllers = ControllerMap(bindings=(Binding("cc 2", "style.x", channel=1),))
    controllers = controllers.learned(Binding("cc 2", "style.y", channel=2))
    assert [binding.parameter for binding in controllers.bindings] == ["style.x", "style.y"]


@pytest.mark.parametrize("name", ["mix", "cc 1", "CC 1"])
def test_unlearning_takes_a_parameter_or_a_control(name: str) -> None:
    left = ControllerMap().unlearned(name).bindings
    assert [binding.parameter for binding in left] == ["style.amount", "dynamics", "style.target"]


def test_unlearning_what_is_not_bound_lists_what_is() -> None:
    with pytest.raises(ParameterError, match=r"mix \(cc 1\)"):
        ControllerMap().unlearned("bypass")
