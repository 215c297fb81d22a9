"""A bundle that plays twice: what it made of the input is its input again."""

from collections.abc import Sequence
from pathlib import Path

from rtstyle.bundle import Bundle, write_bundle
from rtstyle.bundle.manifest import RECOGNISER, ParameterRange
from rtstyle.errors import BundleError
from rtstyle.lab.export.bundle import add_self_test, commit_of


def in_turns(
    bundle: Bundle,
    folder: Path,
    *,
    name: str,
    turns: int,
    description: str,
    recipe: str,
    parameters: Sequence[ParameterRange] = (),
) -> Bundle:
    """Write the trained styles of `bundle` as a bundle of so many turns, with its self-test. `[control]`

    Its delay is theirs together. parameters: in the place of those of `bundle`, if any. Raises BundleError for a bundle
    without a self-test, or one that has turns already.
    """
    if bundle.golden is None or bundle.turns != 1:
        raise BundleError(f"{bundle.path} plays in turns already or has no self-test; give a bundle as it is exported.")
    count = len(bundle.manifest.styles)
    made = write_bundle(
        folder,
        name=name,
        kind=bundle.kind,
        sample_rate=bundle.sample_rate,
        hop=bundle.hop,
        latency=turns * bundle.latency,
        encoder=bundle.encoder,
        decoder=bundle.decoder,
        conditioner=bundle.conditioner,
        styles=bundle.manifest.styles,
        mean=bundle.mean[:count],
        std=bundle.std[:count],
        neutral_mean=bundle.neutral_mean,
        neutral_std=bundle.neutral_std,
        frontend=bundle.frontend,
        adain=bundle.adain,
        turns=turns,
        stereo=bundle.stereo,
        passes=bundle.passes,
        parameters=parameters or bundle.manifest.parameters,
        documents={RECOGNISER: bundle.recogniser} if bundle.recogniser else {},
        description=description,
        licence=bundle.manifest.licence,
        attribution=bundle.manifest.attribution,
        recipe=recipe,
        commit=commit_of(Path(__file__).parent),
    )
    return add_self_test(made, bundle.golden.audio_in, bundle.golden.style, bundle.golden.amount)
