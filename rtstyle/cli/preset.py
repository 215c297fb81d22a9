"""`rtstyle preset`: whole set-ups by name, for `rtstyle live --preset` and for program changes."""

from typing import Annotated

from cyclopts import App, Parameter

app = App(name="preset", help="Save, load and list presets.")

Json = Annotated[bool, Parameter(negative="", help="Print JSON on stdout.")]


@app.default
@app.command(name="list")
def list_all(*, json: Json = False) -> None:
    """List the presets with their program numbers."""
    from rtstyle.cli.output import emit_json, table
    from rtstyle.presets import list_presets

    presets, problems = list_presets()
    if json:
        entries = [
            {"name": found.name, "program": found.program, "model": found.model, "values": dict(found.values)}
            for found in presets
        ]
        emit_json({"presets": entries, "problems": problems})
        return
    if presets:
        rows = [(found.name, found.program, found.model or "any", len(found.values)) for found in presets]
        print(table(rows, ("preset", "program", "model", "values")))
    else:
        print("There are no presets: rtstyle preset save NAME --style STYLE --mix 80%")
    for problem in problems:
        print(problem)


@app.command
def show(name: str, *, json: Json = False) -> None:
    """Show what a preset holds.

    Parameters
    ----------
    name
        Name of a preset.
    """
    from rtstyle.cli.output import emit_json, table
    from rtstyle.presets import load_preset

    found = load_preset(name)
    if json:
        values = dict(found.values)
        emit_json({"name": found.name, "program": found.program, "model": found.model, "values": values})
        return
    program = "" if found.program is None else f", program {found.program}"
    print(f"{found.name} (model {found.model or 'any'}{program})")
    print(table(list(found.values.items()), indent=2))


@app.command
def save(
    name: str,
    *,
    model: str | None = None,
    style: str | None = None,
    mix: str | None = None,
    amount: str | None = None,
    value: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    program: int | None = None,
    replace: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Save a preset. What it does not name stays as it is when it is recalled.

    Parameters
    ----------
    name
        What to call it.
    model
        Play this model with it; the one that plays otherwise.
    style
        Style by id or name, of that model or of the first one.
    mix
        Dry to wet, 0 to 1 or in percent.
    amount
        From the instrument's own timbre to the style's.
    value
        Any parameter, as ID=VALUE; may be given several times: --set "gate.threshold_db=-60 dB".
    program
        MIDI program number, 0 to 127, that recalls it.
    replace
        Write over a preset of the same name.
    """
    from rtstyle.cli.offline import pick_bundle
    from rtstyle.cli.render import settings
    from rtstyle.errors import ParameterError
    from rtstyle.params import parameter
    from rtstyle.presets import preset_from_state, save_preset

    bundle = pick_bundle(model)
    styles = [known.id for known in bundle.styles]
    state = settings(bundle, style=style, mix=mix, amount=amount)
    for text in value or []:
        id, equals, wanted = text.partition("=")
        if not equals:
            raise ParameterError(f"--set {text} is not ID=VALUE; give for example --set gate.threshold_db=-60.")
        state[id.strip()] = parameter(id.strip(), bundle.parameters).parse(wanted, styles)
    if not state:
        raise ParameterError("The preset would hold nothing; give --style, --mix, --amount or --set ID=VALUE.")
    preset = preset_from_state(name, state, styles, model=bundle.name if model else None, program=program)
    print(f"saved {save_preset(preset, replace=replace)}")


@app.command
def delete(name: str) -> None:
    """Delete a preset.

    Parameters
    ----------
    name
        Name of a preset.
    """
    from rtstyle.presets import delete_preset

    delete_preset(name)
    print(f"deleted {name}")
