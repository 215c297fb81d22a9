"""Presets: saved as plain values, read back the same, strict about what they hold, kind to the stage."""

from pathlib import Path

import pytest

from rtstyle import paths
from rtstyle.errors import FileError, ParameterError, RtstyleError
from rtstyle.params import PARAMETERS, defaults
from rtstyle.presets import (
    Preset,
    delete_preset,
    list_presets,
    load_preset,
    preset_from_state,
    presets_by_program,
    save_preset,
)

STYLES = ["violin", "flute", "cello", "trumpet", "voice"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path))
    return tmp_path


def write(name: str, text: str) -> Path:
    paths.presets().mkdir(parents=True, exist_ok=True)
    file = paths.presets() / f"{name}.toml"
    file.write_text(text)
    return file


def test_a_state_survives_saving_and_loading() -> None:
    state = {id: entry.from_normalised(0.37) for id, entry in PARAMETERS.items()} | {"style.target": 2.0}
    state |= {"style.pad_2": 1.0, "style.pad_3": 3.0, "style.pad_4": 4.0}
    save_preset(preset_from_state("Warm cello", state, STYLES, model="strings", program=3))
    loaded = load_preset("warm CELLO")
    assert loaded.state(STYLES) == pytest.approx(state)
    assert (loaded.name, loaded.model, loaded.program) == ("Warm cello", "strings", 3)


def test_styles_are_found_by_id_when_the_model_has_them_in_another_order() -> None:
    preset = preset_from_state("x", {"style.target": 2.0}, STYLES)
    assert preset.state(["cello", "violin"]) == {"style.target": 0.0}
    with pytest.raises(ParameterError, match="cello"):
        preset.state(["violin", "celesta"])


def test_a_part_of_the_parameters_leaves_the_others_out() -> None:
    save_preset(preset_from_state("dry", {"mix": 0.0}, STYLES))
    assert load_preset("dry").state(STYLES) == {"mix": 0.0}


def test_an_unquoted_dotted_key_means_the_same() -> None:
    write("a", 'schema = 1\nname = "a"\n[values]\nstyle.amount = 1\nstyle.target = "flute"\nbypass = true\n')
    assert load_preset("a").state(STYLES) == {"style.amount": 1.0, "style.target": 1.0, "bypass": 1.0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema = 1",
        "not toml at all [",
        'schema = 2\nname = "a"',
        'schema = 1\nname = "a"\nfrobnicate = 3',
        'schema = 1\nname = "a"\n[values]\n"style.amout" = 1',
        'schema = 1\nname = "a"\n[values]\nmix = 1.5',
        'schema = 1\nname = "a"\n[values]\nmix = nan',
        'schema = 1\nname = "a"\n[values]\nmix = "half"',
        'schema = 1\nname = "a"\n[values]\nmix = true',
        'schema = 1\nname = "a"\n[values]\nmix = [1]',
        'schema = 1\nname = "a"\n[values]\nbypass = 1.0',
        'schema = 1\nname = "a"\n[values]\n"style.target" = 3',
        'schema = 1\nname = "a"\nprogram = 128',
        'schema = 1\nname = "a"\nprogram = "three"',
        'schema = 1\nname = ""',
        'schema = 1\nname = "a"\nvalues = 3',
        'schema = 1\nname = "' + "a" * 81 + '"',
        'schema = 1\nname = "a"\n# ' + "a" * 70_000,
        "x = " + "[" * 5000,
    ],
)
def test_a_bad_file_is_one_error_alone_and_a_note_among_others(text: str) -> None:
    file = write("a", text)
    save_preset(Preset(name="good", program=1))
    with pytest.raises(FileError, match=r"a\.toml"):
        load_preset("a")
    found, notes = list_presets()
    assert [entry.name for entry in found] == ["good"]
    assert len(notes) == 1 and str(file) in notes[0]
    assert presets_by_program()[1].name == "good"


def test_bytes_that_are_no_text_are_one_error() -> None:
    write("a", "").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError):
        load_preset("a")


def test_a_taken_name_or_program_number_is_refused() -> None:
    save_preset(Preset(name="one", program=1))
    with pytest.raises(FileError, match="already"):
        save_preset(Preset(name="One"))
    with pytest.raises(FileError, match="'one'"):
        save_preset(Preset(name="two", program=1))
    save_preset(Preset(name="one", program=1, values={"mix": 0.5}), replace=True)
    assert load_preset("one").values == {"mix": 0.5}
    assert [file.name for file in paths.presets().iterdir()] == ["one.toml"]


@pytest.mark.parametrize(
    "preset",
    [
        Preset(name="a", program=200),
        Preset(name="a", values={"mix": 7.0}),
        Preset(name="a", values={"nothing": 1.0}),
        Preset(name="a", values={"style.target": 1.0}),
        Preset(name="a", schema=9),
        Preset(name="///"),
        Preset(name="x" * 81),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(preset: Preset) -> None:
    with pytest.raises(RtstyleError):
        save_preset(preset)
    assert list_presets() == ([], [])


def test_an_interrupted_save_leaves_the_old_preset_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    save_preset(Preset(name="one", values={"mix": 0.25}))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rtstyle.presets.os.replace", full)
    with pytest.raises(FileError, match="No space left"):
        save_preset(Preset(name="one"), replace=True)
    assert load_preset("one").values == {"mix": 0.25}
    assert [file.name for file in paths.presets().iterdir()] == ["one.toml"]


def test_deleting_and_missing_presets_name_near_ones() -> None:
    save_preset(Preset(name="strings"))
    with pytest.raises(FileError, match="did you mean strings"):
        load_preset("string")
    with pytest.raises(FileError, match="did you mean strings"):
        delete_preset("string")
    delete_preset("Strings")
    assert list_presets() == ([], [])


def test_the_list_goes_by_program_number_then_by_name() -> None:
    for name, program in (("b", None), ("a", None), ("z", 0), ("y", 9)):
        save_preset(Preset(name=name, program=program))
    assert [entry.name for entry in list_presets()[0]] == ["z", "y", "a", "b"]
    assert {number: entry.name for number, entry in presets_by_program().items()} == {0: "z", 9: "y"}


def test_every_default_state_can_be_saved() -> None:
    preset = preset_from_state("all", defaults(), STYLES)
    assert preset.state(STYLES) == pytest.approx(defaults())
