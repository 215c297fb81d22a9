"""The bundle: the folder that carries a trained model from the lab to the stage.

    bundle.toml    what `Manifest` says, with the SHA-256 of every other file
    encoder.onnx   features (T, F) or audio (3, T hop), states -> latent (T, C), pass-throughs, states
    decoder.onnx   styled (T, C), style (1, 2 C), amount (1, 1), pass-throughs, states
                   -> gains (T, 3 B) or audio (1, T hop), states
    recogniser.onnx  in some: log-mel patches (P, 96, 64) -> probabilities (P, S + 1) of the trained styles and of none of them
    styles.npz     per style the statistics of the latent; golden.npz: a self-test; card.md, sounds and pictures

T, the number of hops in a call, is symbolic: a graph gives the same result however T is split. A bundle is data.
Everything in it is checked here, before anything of it reaches a library that could trip over it, and nothing is
executed.
"""

from rtstyle.bundle.content import Bundle, Golden
from rtstyle.bundle.load import default_bundle, find_bundle, find_bundles, load_bundle
from rtstyle.bundle.manifest import (
    Adain,
    Frontend,
    Manifest,
    ParameterRange,
    Pass,
    State,
    Style,
    read_manifest,
)
from rtstyle.bundle.write import golden_bytes, update_bundle, write_bundle

__all__ = [
    "Adain",
    "Bundle",
    "Frontend",
    "Golden",
    "Manifest",
    "ParameterRange",
    "Pass",
    "State",
    "Style",
    "default_bundle",
    "find_bundle",
    "find_bundles",
    "golden_bytes",
    "load_bundle",
    "read_manifest",
    "update_bundle",
    "write_bundle",
]
