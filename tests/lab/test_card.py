"""The card of a bundle: it shows what the evaluation drew, and nothing that it did not."""

import numpy as np
import pytest

from rtstyle.bundle import load_bundle
from rtstyle.cli import app as cli
from rtstyle.errors import FileError
from rtstyle.lab.evaluate.sheet import PAIRS, write_sheet
from rtstyle.lab.export.card import COLUMNS, write_card
from tests.fixtures_bundles import make_identity_bundle
from tests.lab.evaluate_tones import RATE, tone


@pytest.fixture
def folder(tmp_path):
    make_identity_bundle(tmp_path / "echo", "latent", name="echo")
    return tmp_path / "echo"


@pytest.fixture
def evaluation(tmp_path):
    where = tmp_path / "evaluation"
    where.mkdir()
    (where / "evaluation.md").write_text("# Evaluation of echo\n\nTwo clips.\n\n## Timbre\n\nAs the input.\n")
    sounds = [("input", tone(440.0, 1.0, 5)), ("output", tone(440.0, 1.0, 9)), ("real", tone(330.0, 1.0, 9))]
    write_sheet(where / PAIRS, {("flute", "violin"): sounds}, RATE, "echo")
    return where


def test_the_card_shows_the_pairs_and_the_bundle_carries_them(folder, evaluation, capsys):
    bundle = write_card(folder, evaluation)
    page = (folder / "card.md").read_text()
    assert f"]({PAIRS})" in page
    assert all(line in page for line in COLUMNS)
    assert page.index(PAIRS) < page.index("### Timbre")
    assert (folder / PAIRS).read_bytes() == (evaluation / PAIRS).read_bytes()
    assert PAIRS in bundle.manifest.files
    assert cli.run(["models", "verify", str(folder)]) == 0
    capsys.readouterr()


def test_every_picture_and_sound_that_the_card_names_is_in_the_bundle(folder, evaluation):
    bundle = write_card(folder, evaluation)
    page = (folder / "card.md").read_text()
    for file in (PAIRS, "before.ogg", "after.ogg", "spectrogram.png"):
        assert file in page and file in bundle.manifest.files


def test_a_card_without_evaluation_or_without_its_pictures_is_still_made(folder, evaluation):
    (evaluation / PAIRS).unlink()
    for given in (None, evaluation):
        bundle = write_card(folder, given)
        assert PAIRS not in (folder / "card.md").read_text()
        assert PAIRS not in bundle.manifest.files
        assert (folder / "spectrogram.png").is_file()


def test_pairs_of_an_earlier_evaluation_do_not_stay(folder, evaluation):
    write_card(folder, evaluation)
    (evaluation / PAIRS).unlink()
    write_card(folder, evaluation)
    assert not (folder / PAIRS).exists()
    assert PAIRS not in load_bundle(folder).manifest.files


def test_changed_pairs_are_a_damaged_bundle(folder, evaluation, capsys):
    write_card(folder, evaluation)
    (folder / PAIRS).write_bytes(np.random.default_rng(0).bytes(1000))
    assert cli.run(["models", "verify", str(folder)]) != 0
    assert PAIRS in "".join(capsys.readouterr())


def test_an_evaluation_without_its_table_is_one_clear_error(folder, evaluation):
    (evaluation / "evaluation.md").unlink()
    with pytest.raises(FileError, match="rtstyle evaluate"):
        write_card(folder, evaluation)
