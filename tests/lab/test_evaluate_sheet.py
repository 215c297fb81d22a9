"""The sheet of pairs: every target has its row, each with another source, on one scale and in few bytes."""

import numpy as np
import pytest
from PIL import Image

from rtstyle.lab.evaluate.clips import INSTRUMENTS
from rtstyle.lab.evaluate.picture import BOTTOM_HZ, TOP_HZ, levels_db
from rtstyle.lab.evaluate.score import QUICK
from rtstyle.lab.evaluate.sheet import (
    FOOT,
    GAP,
    HEAD,
    HEIGHT,
    MARGIN,
    SECONDS,
    TITLE,
    WIDTH,
    choose_pairs,
    write_sheet,
)
from tests.lab.evaluate_tones import RATE, tone


def directions(sources, targets):
    return [(source, target) for source in sources for target in targets]


def panel(image, row, column):
    """The inside of one panel, without its frame."""
    left, top = MARGIN + column * (WIDTH + GAP), HEAD + TITLE + row * (HEIGHT + TITLE)
    return np.asarray(image.convert("L"), int)[top + 2 : top + HEIGHT - 2, left + 2 : left + WIDTH - 2]


def as_panels(*sounds):
    return list(zip(("input", "output", "real"), sounds, strict=True))


@pytest.mark.parametrize("sources", [INSTRUMENTS, QUICK.sources, ("voice", "flute")])
@pytest.mark.parametrize("targets", [INSTRUMENTS, ("voice", "cello", "violin")])
def test_every_target_has_one_row_and_the_sources_take_turns(sources, targets):
    pairs = choose_pairs(directions(sources, targets))
    assert [target for _, target in pairs] == list(targets)
    assert all(source != target for source, target in pairs)
    shown = [source for source, _ in pairs]
    if len(sources) >= len(targets):
        assert len(set(shown)) == len(targets)
    else:
        assert set(shown) == set(sources)


def test_a_target_is_its_own_source_only_where_there_is_no_other():
    assert choose_pairs([("violin", "violin"), ("violin", "flute")]) == [("violin", "violin"), ("violin", "flute")]
    assert choose_pairs([]) == []


def test_the_columns_are_input_output_and_the_real_target(tmp_path):
    silence, sound = np.zeros(RATE, np.float32), tone(880.0, 1.0, 3)
    loud = [as_panels(*(sound if column == row else silence for column in range(3))) for row in range(3)]
    targets = ("violin", "flute", "cello")
    pictures = {(s, t): loud[row] for s in targets for row, t in enumerate(targets)}
    write_sheet(tmp_path / "pairs.png", pictures, RATE, "three")
    with Image.open(tmp_path / "pairs.png") as image:
        assert image.size == (MARGIN + 3 * (WIDTH + GAP), HEAD + 3 * (HEIGHT + TITLE) + FOOT)
        first_second = round(WIDTH / SECONDS) - 4
        bright = [[panel(image, row, column)[:, :first_second].max() for column in range(3)] for row in range(3)]
    assert (np.array(bright) > 150).tolist() == np.eye(3, dtype=bool).tolist()


def test_all_panels_have_one_scale(tmp_path):
    sound = tone(880.0, SECONDS, 1)
    write_sheet(
        tmp_path / "pairs.png", {("flute", "violin"): as_panels(sound, 0.01 * sound, 0.00003 * sound)}, RATE, "quieter"
    )
    with Image.open(tmp_path / "pairs.png") as image:
        full, quiet, below = (int(panel(image, 0, column).max()) for column in range(3))
    assert full > quiet + 50 > below + 50
    assert below < 10


@pytest.mark.parametrize("hz", [110.0, 1000.0, 9000.0])
def test_a_tone_of_any_height_lies_in_its_row_at_its_full_level(hz):
    levels = levels_db(tone(hz, 1.0, 1), RATE, 640, HEIGHT)
    row = int(levels.mean(axis=1).argmax())
    found = BOTTOM_HZ * (TOP_HZ / BOTTOM_HZ) ** ((row + 0.5) / HEIGHT)
    assert found == pytest.approx(hz, rel=0.1)
    assert levels[row].max() == pytest.approx(20 * np.log10(0.2), abs=1.5)


def test_seven_rows_of_the_busiest_sound_are_a_small_file(tmp_path):
    rng = np.random.default_rng(0)
    frames = round(SECONDS * RATE)

    def busy():  # every cell another level, over the whole range of the scale
        return (rng.standard_normal(frames) * 10 ** rng.uniform(-4, 0, frames // 480).repeat(480)).astype(np.float32)

    sounds = {name: as_panels(busy(), busy(), busy()) for name in INSTRUMENTS}
    pictures = {(source, target): sounds[target] for source in INSTRUMENTS for target in INSTRUMENTS}
    write_sheet(tmp_path / "pairs.png", pictures, RATE, "busy")
    assert 100_000 < (tmp_path / "pairs.png").stat().st_size < 700_000
