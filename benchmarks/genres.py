"""Genres as captured styles: what ten seconds of a band make of one instrument's lines, and of another band.

    python -m benchmarks.genres --recordings FOLDER [--model orchestra-spectral] [--keep FOLDER]

The four bands of `rtstyle.lab.genres` play one tune; a folder `mix` of the recordings may hold whole bands besides. Of each
the loudest ten seconds are captured, as `rtstyle models capture` does. One line of each instrument, and all other bands, are
played with each of them, at amount 1. A conversion is taken for the style that its timbre (MFCC statistics) is nearest to;
D_i = m_i / N_i, of N_i converted to style i those m_i that are not taken for it, is the distortion of style i. The second ear
gives the probability of the genre's tag where it has one.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.measure import record
from rtstyle.bundle import find_bundle
from rtstyle.corpus.soundfont import find_font
from rtstyle.lab.evaluate import baselines, inputs, spectrum
from rtstyle.lab.evaluate.bootstrap import figure
from rtstyle.lab.evaluate.bundle_run import CAPTURED, FILE_BLOCK, BundleRun
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, find_clips
from rtstyle.lab.evaluate.second_ear import TAGS, tag_probability
from rtstyle.lab.evaluate.timbre import cosine_distance, mfcc_statistics
from rtstyle.lab.genres import GENRES, SECONDS, render

LINE_SECONDS, SEED = 5.0, 0
ITSELF, EQ, STYLE = "the input", "EQ match", "captured style"
Sounds = Mapping[str, inputs.Audio]


def describe(audio: inputs.Audio, style: str, styles: Sounds) -> dict[str, Any]:
    """One sound against the style that it is meant to have: distances, which style is nearest, the second ear's word."""
    own = mfcc_statistics(audio, RATE)
    apart = {name: cosine_distance(own, mfcc_statistics(real, RATE)) for name, real in styles.items()}
    levels = [spectrum.band_levels_db(spectrum.average(sound), RATE) for sound in (audio, styles[style])]
    return {
        "taken_for_it": float(min(apart, key=lambda name: apart[name]) == style),
        "mfcc_distance": apart[style],
        "bands_db": float(np.abs(levels[0] - levels[1]).mean()),
        "second_ear": tag_probability(audio, RATE, style),
    }


def convert(model: BundleRun, styles: Sounds, lines: Sounds, keep: Path | None) -> dict[str, Any]:
    """Every line and every other band to every style; means and intervals by row, and the distortion of each style.

    keep: a folder that gets what is played with the captured styles.
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for style, band in styles.items():
        power = spectrum.average(band)
        others = {name: sound for name, sound in styles.items() if name != style}
        with closing(model.captured(band)) as player:
            for name, line in {**lines, **others}.items():
                played = player(line, CAPTURED, 1.0)
                if keep:
                    soundfile.write(keep / f"{name.replace('/', ' ')} as {style}.wav", played, RATE)
                rows = {ITSELF: line, EQ: baselines.equalise(line, RATE, power), STYLE: played}
                for row, sound in rows.items():
                    for what, value in describe(sound, style, styles).items():
                        found[f"{row}, {'a band' if name in others else 'one line'}"][what].append(value)
                        if what == "taken_for_it":
                            found[row][style].append(1.0 - value)
    figures: dict[str, Any] = {
        row: {what: figure(values).as_dict() for what, values in table.items()}
        for row, table in found.items()
        if "," in row
    }
    figures["distortion"] = {
        row: {style: round(float(np.mean(found[row][style])), 4) for style in styles} for row in (ITSELF, EQ, STYLE)
    }
    told = {name: tag_probability(band, RATE, name) for name, band in styles.items() if name in TAGS}
    figures["themselves"] = {"second_ear": {name: round(probability, 4) for name, probability in told.items()}}
    return figures


def main() -> None:
    """Capture every band, play with each of them, and record one line for the bands and one for the mixes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="changes nothing: every line is played once")
    parser.add_argument("--recordings", type=Path, help="folder of recordings that training never saw")
    parser.add_argument("--model", default="orchestra-spectral")
    parser.add_argument("--keep", type=Path, help="folder for what is played")
    arguments = parser.parse_args()
    font = find_font()
    if arguments.recordings is None or font is None:
        print("genres: nothing done; it needs --recordings, and FluidR3: apt-get install fluid-soundfont-gm")
        return
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    clips = find_clips(arguments.recordings)
    chosen = inputs.choose_inputs(inputs.with_soundfont(clips, INSTRUMENTS), INSTRUMENTS, 1, LINE_SECONDS, SEED)
    lines = {one.name: one.audio for one in chosen}
    mixes = {
        clip.path.stem: inputs.level(inputs.loudest(clip.audio(RATE), SECONDS))
        for clip in clips
        if clip.instrument == "mix"
    }
    model = BundleRun(find_bundle(arguments.model), block=FILE_BLOCK)
    for name, styles in (("bands", {genre: inputs.level(render(genre, font)) for genre in GENRES}), ("mixes", mixes)):
        if len(styles) > 1:
            figures = convert(model, styles, lines, arguments.keep)
            record("genres", figures, model=arguments.model, styles=name, lines=len(lines), line_seconds=LINE_SECONDS)
    model.close()


if __name__ == "__main__":
    main()
