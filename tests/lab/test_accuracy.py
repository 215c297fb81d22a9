"""The figures of the curve: a style's distortion is the share of its clips that are not taken for it."""

from benchmarks.accuracy import Heard, accepted, distortion, draw, ear, measures
from rtstyle.lab.recipe import ORCHESTRA, voices_in


def test_shares_count_what_they_name(tmp_path):
    nan = float("nan")
    sounds = [
        Heard("train", "violin", True, 0.5),
        Heard("train", "trumpet", False, nan),
        Heard("valid", "trumpet", False, nan),
        Heard("valid", "trumpet", True, nan),
        Heard("valid", "voice", False, 0.1),
    ]
    assert [accepted(sounds, split) for split in ("train", "valid")] == [0.5, 0.3333]
    assert distortion(sounds, "trumpet") == 0.6667
    assert [ear(sounds, split) for split in ("train", "valid")] == [0.5, 0.1]
    everything = [Heard(split, style, True, 0.5) for split in ("train", "valid") for style in ORCHESTRA]
    assert measures(everything)["distortion"] == dict.fromkeys(ORCHESTRA, 0.0)
    found = {"steps": [0, 100], "snapshots": [measures(everything)] * 2, "themselves": measures(everything)}
    draw(tmp_path / "curve.png", found, "t")
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"


def test_a_style_without_its_library_is_the_instrument():
    class Corpus:
        voices = ("violin/mtg", "flute/fluidr3")

    found = voices_in(Corpus(), {"violin": "violin/mtg", "flute": "flute/ixox"})
    assert found == {"violin": "violin/mtg", "flute": "flute"}
