"""`rtstyle models`: list, show and verify the bundles; capture a style from a recording; write their table."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

app = App(name="models", help="List, show and verify the bundles; capture a new style from a recording.")

Json = Annotated[bool, Parameter(negative="", help="Print JSON on stdout.")]


@app.default
@app.command(name="list")
def list_models(*, json: Json = False) -> int:
    """List the models that can be played, and their styles.

    Exit code 1 if a bundle cannot be read.
    """
    from rtstyle.bundle import find_bundles
    from rtstyle.cli.output import emit_json, table
    from rtstyle.paths import model_folders, user_models

    entries = [_entry(name, folder) for name, folder in find_bundles().items()]
    if json:
        emit_json({"models": entries})
    elif not entries:
        places = ", ".join(str(place) for place in (user_models(), *model_folders()))
        print(f"No models in {places}.")
    else:
        good = [entry for entry in entries if not entry["error"]]
        rows = [
            (entry["name"], entry["kind"], entry["latency_ms"], ", ".join(style["id"] for style in entry["styles"]))
            for entry in good
        ]
        print(table(rows, ("model", "kind", "ms", "styles")) if rows else "No model can be read.")
        for entry in entries:
            for line in [entry["error"]] if entry["error"] else entry["notes"]:
                print(f"\n{entry['name']}: {line}")
    return int(any(entry["error"] for entry in entries))


@app.command
def show(model: str, *, json: Json = False) -> None:
    """Say all that a bundle says of itself, and print its card.

    Parameters
    ----------
    model
        Name of a model, or the folder of a bundle.
    """
    from rtstyle.bundle import find_bundle, load_bundle
    from rtstyle.cli.output import emit_json, table

    bundle = load_bundle(find_bundle(model))
    facts = _facts(bundle)
    if json:
        emit_json(facts)
        return
    latency = f"{bundle.latency} samples at {bundle.sample_rate} Hz = {facts['latency_ms']:.2f} ms, hop {bundle.hop}"
    if bundle.turns > 1:
        latency += f", in {bundle.turns} turns"
    stereo = "one model on the sum of both channels" if bundle.stereo == "linked" else "a model per channel"
    told = [(key, facts[key]) for key in ("name", "kind", "path", "description", "licence") if facts[key]]
    print(table([*told, ("latency", latency), ("stereo", stereo)]))
    print("\nStyles")
    print(table([(style.id, style.name, style.source) for style in bundle.styles], indent=2))
    print("\nParameters that this model narrows" if bundle.manifest.parameters else "\nParameters: the general ones")
    for entry in bundle.manifest.parameters:
        known = bundle.parameters[entry.id]
        print(f"  {known.id}: {known.describe_range()}, at first {known.format(known.default)}")
    for note in bundle.notes:
        print(f"\nNote: {note}")
    if facts["card"]:
        print(f"\n{facts['card'].rstrip()}")


@app.command
def verify(model: str | None = None, *, json: Json = False) -> int:
    """Check a bundle's files and play its self-test; without a name, check all.

    Exit code 1 if one of them fails.

    Parameters
    ----------
    model
        Name of a model, or the folder of a bundle.
    """
    from rtstyle.bundle import find_bundle, find_bundles
    from rtstyle.cli.output import emit_json

    folders = find_bundles() if model is None else {model: find_bundle(model)}
    outcomes = []
    for name, folder in folders.items():
        outcome = _verify(name, folder)
        outcomes.append(outcome)
        if not json:
            print(f"{'ok    ' if outcome['ok'] else 'FAILED'}  {outcome['name']}: {outcome['text']}")
            for note in outcome["notes"]:
                print(f"        {note}")
    if json:
        emit_json({"models": outcomes})
    elif not outcomes:
        print("There are no models to verify.")
    return int(not all(outcome["ok"] for outcome in outcomes))


@app.command
def capture(model: str, recording: Path, *, name: str, like: str | None = None, json: Json = False) -> None:
    """Make a style from any recording of at least 3 s, without training.

    It is saved in your own folder and belongs to the model from now on; `rtstyle models forget` takes it away again.

    The model says which of its own styles the recording sounds like, and the new one leans on that; what it plays darker or
    brighter than the recording is evened out. A recording that is like none of them is played itself, period by period, wherever
    your pitch is clear: give a line of single notes.

    Parameters
    ----------
    model
        Name of a model, or the folder of a bundle.
    recording
        What the style shall sound like: WAV, FLAC, OGG, AIFF or MP3.
    name
        What the style is called.
    like
        The model's own style that it shall lean on, or none to play the recording itself; default: what is heard.
    """
    from rtstyle import paths
    from rtstyle.bundle import find_bundle, load_bundle
    from rtstyle.bundle.captured import NONE
    from rtstyle.capture import capture_style
    from rtstyle.cli.output import emit_json

    bundle = load_bundle(find_bundle(model))
    replaced = any(style.id == paths.file_stem(name) for style in bundle.styles)
    style = capture_style(bundle, recording, name, like)
    file = paths.user_styles(bundle.name) / f"{style.id}.toml"
    if json:
        emit_json(
            {
                "model": bundle.name,
                "style": style.id,
                "name": style.name,
                "seconds": style.seconds,
                "like": style.like,
                "likelihood": style.likelihood,
                "played": bool(style.sound),
                "file": str(file),
            }
        )
        return
    verb = "Replaced" if replaced else "Captured"
    print(f"{verb} the style '{style.id}' from {style.seconds:.1f} s of {style.recording}: {file}")
    if style.like != NONE:
        sure = "as you said" if like else f"{style.likelihood:.0%} sure"
        print(
            f"It leans on the model's '{style.like}' ({sure}); give --like with another of its styles or none to change that."
        )
    elif style.sound:
        print("It leans on no style of the model: where your pitch is clear, the recording's own periods are played.")
    else:
        print(
            "It leans on no style of the model and holds too few single notes to be played itself; --like names a style."
        )
    print(f"Play it: rtstyle live --model {bundle.name} --style {style.id}")


@app.command
def forget(model: str, style: str) -> None:
    """Delete a style that was captured.

    Parameters
    ----------
    model
        Name of a model, or the folder of a bundle.
    style
        Id of the style.
    """
    from rtstyle.bundle import find_bundle, read_manifest
    from rtstyle.bundle.captured import delete_captured

    name = read_manifest(find_bundle(model)).name
    delete_captured(name, style)
    print(f"Deleted the captured style '{style}' of {name}.")


@app.command
def readme(*, folder: Path | None = None) -> None:
    """Write README.md, the table of the bundles, into a folder of bundles.

    Parameters
    ----------
    folder
        The folder of bundles; `models` here if not given.
    """
    from rtstyle.cli.model_table import write_table

    file = write_table(Path("models") if folder is None else folder)
    print(f"Wrote {file}.")


def _entry(name: str, folder: Path) -> dict[str, Any]:
    """One line of the list; a bundle that cannot be read is listed with its error."""
    from rtstyle.bundle import load_bundle
    from rtstyle.errors import BundleError

    try:
        bundle = load_bundle(folder, verify=False)
    except BundleError as error:
        return {"name": name, "path": str(folder), "error": str(error), "notes": []}
    facts = _facts(bundle)
    keys = ("kind", "sample_rate", "hop", "latency", "latency_ms", "stereo", "styles", "licence", "notes")
    return {"name": name, "path": str(folder), "error": None, **{key: facts[key] for key in keys}}


def _facts(bundle: Any) -> dict[str, Any]:
    import msgspec

    from rtstyle.units import samples_to_ms

    manifest = bundle.manifest
    card = bundle.path / "card.md"
    return {
        "name": bundle.name,
        "kind": bundle.kind,
        "path": str(bundle.path),
        "description": manifest.description,
        "sample_rate": bundle.sample_rate,
        "hop": bundle.hop,
        "latency": bundle.latency,
        "latency_ms": samples_to_ms(bundle.latency, bundle.sample_rate),
        "stereo": bundle.stereo,
        "styles": [msgspec.to_builtins(style) for style in bundle.styles],
        "parameters": [
            {
                "id": entry.id,
                "minimum": entry.minimum,
                "maximum": entry.maximum,
                "default": entry.default,
                "unit": entry.unit,
            }
            for entry in bundle.parameters.values()
        ],
        "licence": manifest.licence,
        "attribution": manifest.attribution,
        "recipe": manifest.recipe,
        "commit": manifest.commit,
        "files": dict(manifest.files),
        "notes": list(bundle.notes),
        "card": card.read_text(encoding="utf-8", errors="replace") if "card.md" in manifest.files else "",
    }


def _verify(name: str, folder: Path) -> dict[str, Any]:
    from rtstyle.bundle import load_bundle
    from rtstyle.errors import RtstyleError
    from rtstyle.selftest import self_test

    outcome = {"name": name, "path": str(folder), "ok": False, "deviation": None, "backend": None, "notes": []}
    try:
        bundle = load_bundle(folder)
        result = self_test(bundle)
    except RtstyleError as error:
        return {**outcome, "text": str(error)}
    if result is None:
        return {**outcome, "ok": True, "text": "hashes agree; it carries no self-test", "notes": list(bundle.notes)}
    text = (
        f"hashes agree; the self-test deviates by {100 * result.deviation:.4f} % of its peak ({result.backend} runtime)"
        + ("" if result.passed else ", which is too much: get the bundle again or report this machine")
    )
    return {
        **outcome, "ok": result.passed, "deviation": result.deviation, "backend": result.backend, "text": text,
        "notes": list(bundle.notes),
    }  # fmt: skip
