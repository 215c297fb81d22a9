"""The figures of the curve: a style's distortion is the share of its clips that are not taken for it."""

from benchmarks.accuracy import Heard, accepted, distortion, draw, ear, measures
from rtstyle.lab.export.bundle import style_id
from rtstyle.lab.recipe import ORCHESTRA, aims_in, voices_in


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


def test_training_aims_at_what_plays_and_a_section_is_called_after_its_instrument():
    class Corpus:
        voices = ("violin/section", "flute/fluidr3", "voice/vocadito")
        instruments = ("flute", "harp", "violin")

        def count(self, name):
            return int(name in ("violin/section", "violin", "flute/fluidr3", "flute", "harp"))

    styles = {"violin": "violin/section", "flute": "flute/section", "voice": "voice/vocadito"}
    assert aims_in(Corpus(), styles) == ("violin/section", "flute")
    assert aims_in(Corpus(), {"cello": "cello/section"}) == ("flute", "harp", "violin")
    assert [style_id(voice) for voice in ("violin/section", "violin/mtg", "flute")] == ["violin", "violin-mtg", "flute"]
