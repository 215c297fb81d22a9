"""The documents of a bundle: its card with measured quality and sources, a performance before and after, pictures.

python -m rtstyle.lab.export.card models/NAME --evaluation FOLDER [--pieces FILE]
"""

import io
from pathlib import Path

import cyclopts
import numpy as np
import soundfile
from numpy.typing import NDArray

from rtstyle.bundle import Bundle, load_bundle, update_bundle
from rtstyle.errors import FileError
from rtstyle.lab.evaluate.bundle_run import BundleRun
from rtstyle.lab.evaluate.picture import write_picture
from rtstyle.lab.evaluate.sheet import PAIRS
from rtstyle.performance import PERFORMANCE

EXCERPT_SECONDS = 6.0
KNOCKOUT = (
    "Loss on libraries held out of training, whole and with one piece at a time saying nothing but its mean",
    "(`python -m rtstyle.lab.knockout`): what the network leans on, not what it would have learnt without.",
)
COLUMNS = (
    "Left: the input. Middle: the same in the style of the target, amount 1. Right: a real recording of the target. The",
    "source of each row is the next one in turn, not the best one. 60 Hz to 16 kHz, 80 dB, one scale.",
)


def ogg(audio: NDArray[np.float32], rate: int) -> bytes:
    """Mono audio as an Ogg Vorbis file. `[any]`"""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(audio, -1, 1), rate, format="OGG", subtype="VORBIS")
    return buffer.getvalue()


def card_text(bundle: Bundle, evaluation: Path | None, pieces: Path | None = None) -> str:
    """The card: what it is, how good it was measured to be, what it was made of. `[control]`"""
    manifest = bundle.manifest
    measured = "Not evaluated yet: run `rtstyle evaluate`.\n"
    if evaluation is not None:
        report = evaluation / "evaluation.md"
        if not report.is_file():
            raise FileError(f"{report} is missing; make it by `rtstyle evaluate {bundle.name} --out {evaluation}`.")
        measured = report.read_text(encoding="utf-8").split("\n", 1)[1].strip().replace("\n## ", "\n### ") + "\n"
    pairs = []
    if evaluation is not None and (evaluation / PAIRS).is_file():
        pairs = [f"![each target: before, after and the real thing]({PAIRS})", "", *COLUMNS, ""]
    leaning = []
    if pieces is not None:
        text = pieces.read_text(encoding="utf-8").strip()
        leaning = ["## What it leans on", "", *KNOCKOUT, "", *text.splitlines(), ""]
    lines = [
        f"# {bundle.name}",
        "",
        manifest.description,
        "",
        f"- family {bundle.kind}, {bundle.sample_rate} Hz, hop {bundle.hop} samples, latency {bundle.latency} samples "
        f"({1000 * bundle.latency / bundle.sample_rate:.2f} ms) without block adaptation",
        f"- styles: {', '.join(style.name for style in bundle.styles)}",
        f"- rebuilt by `{manifest.recipe}` (commit {manifest.commit})",
        f"- licence: {manifest.licence}",
        "",
        "before.ogg and after.ogg: the packaged performance, and the same in the style that spectrogram.png names.",
        "",
        *pairs,
        "## Measured",
        "",
        measured,
        *leaning,
        "## Trained on",
        "",
        *(f"- {line}" for line in manifest.attribution.splitlines()),
        "",
    ]
    return "\n".join(lines)


def write_card(folder: Path, evaluation: Path | None = None, pieces: Path | None = None) -> Bundle:
    """Add card.md, before.ogg, after.ogg and spectrogram.png to a bundle, and pairs.png of the evaluation. `[control]`

    Without an evaluation, or with one of before there were such pictures, the bundle has no pairs.png: one from earlier
    would not belong to the figures.
    """
    bundle = load_bundle(folder)
    audio, rate = soundfile.read(PERFORMANCE, dtype="float32")
    excerpt = audio[: int(EXCERPT_SECONDS * rate)]
    style = next((i for i, s in enumerate(bundle.styles) if s.id == "violin"), 0)
    run = BundleRun(bundle)
    played = run(excerpt, run.styles[style], 1.0)
    run.close()
    picture = folder.parent / f".{folder.name}.png"
    try:
        write_picture(picture, [("flute, rendered", excerpt), (bundle.styles[style].name, played)], rate, bundle.name)
        documents = {
            "card.md": card_text(bundle, evaluation, pieces).encode(),
            "before.ogg": ogg(excerpt, rate),
            "after.ogg": ogg(played, rate),
            "spectrogram.png": picture.read_bytes(),
        }
    finally:
        picture.unlink(missing_ok=True)
    if evaluation is not None and (evaluation / PAIRS).is_file():
        documents[PAIRS] = (evaluation / PAIRS).read_bytes()
    return update_bundle(folder, documents, remove=[PAIRS])


def main(folder: Path, *, evaluation: Path | None = None, pieces: Path | None = None) -> None:
    """Write the documents of the bundle FOLDER.

    EVALUATION is what `rtstyle evaluate --out` wrote, PIECES what `python -m rtstyle.lab.knockout` printed.
    """
    print(write_card(folder, evaluation, pieces).path)


if __name__ == "__main__":
    cyclopts.run(main)
