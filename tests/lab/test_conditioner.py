"""What a decoder makes of style and amount alone is parted from it, computed when they move, and heard as before."""

import ctypes
from pathlib import Path

import numpy as np
import onnx
import pytest

from rtstyle.bundle import load_bundle, update_bundle
from rtstyle.bundle.manifest import CONDITIONER, DECODER
from rtstyle.errors import BundleError
from rtstyle.lab.export.bundle import export_tiny
from rtstyle.runtime.model import LoadedModel, load_model
from rtstyle.runtime.session import RUN
from tests.contract import noise_signal, verify_streaming
from tests.fixtures_bundles import in_two_turns, make_network_bundle, parted

KINDS = ["spectral", "latent"]


def sweep(model: LoadedModel, x: np.ndarray) -> np.ndarray:
    """x in parts of four hops while style and amount move, rest and move again."""
    moves = [(0, 1.0), (0, 1.0), (1, 1.0), (1, 0.3), (1, 0.3), (2, 0.0), (0, 0.0), (0, 0.6)]
    size = 4 * model.hop
    parts = [
        model.step(x[n * size : (n + 1) * size], model.controls(*moves[n % len(moves)])) for n in range(x.size // size)
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_parted_decoder_is_heard_as_the_whole_one(kind: str, turns: int, tmp_path: Path) -> None:
    whole = make_network_bundle(tmp_path / "m", kind)
    both = [whole, parted(whole)]
    assert both[0].condition == 0 < both[1].condition
    played = []
    for bundle in both:
        model = load_model(in_two_turns(bundle) if turns == 2 else bundle)
        played.append(sweep(model, noise_signal(128 * model.hop)))
        model.close()
    assert played[1] == pytest.approx(played[0], abs=1e-6) and np.std(played[0]) > 1e-3


@pytest.mark.parametrize("prefer", ["native", "python"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_with_a_conditioner_keeps_the_streaming_contract(kind: str, prefer: str, tmp_path: Path) -> None:
    model = load_model(parted(make_network_bundle(tmp_path / "m", kind)), prefer=prefer)
    controls = model.controls(style=1, amount=0.7)
    verify_streaming(lambda x: model.step(x, controls), model.reset, hop=model.hop, latency=None, blocks=100)
    model.close()


@pytest.mark.parametrize("kind", KINDS)
def test_the_conditioner_runs_when_style_or_amount_have_moved_and_after_a_reset(kind: str, tmp_path: Path) -> None:
    model = load_model(parted(make_network_bundle(tmp_path / "m", kind)))
    table = model.sessions[2].table
    signature = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    graph, runs = signature(int(table[RUN])), []

    def run(handle: int, options: int, binding: int) -> int:
        runs.append(binding)
        return int(graph(handle, options, binding))

    counted = signature(run)
    table[RUN] = ctypes.cast(counted, ctypes.c_void_p).value
    x = noise_signal(4 * model.hop)
    for style, amount, total in ((1, 0.5, 1), (1, 0.5, 1), (1, 0.6, 2), (2, 0.6, 3), (2, 0.6, 3), (1, 0.5, 4)):
        model.step(x, model.controls(style, amount))
        assert len(runs) == total
    model.reset()
    model.step(x, model.controls(1, 0.5))
    assert len(runs) == 5
    model.close()


def test_a_conditioner_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    bundle = parted(make_network_bundle(tmp_path / "m"))
    other = parted(make_network_bundle(tmp_path / "other", "latent"))
    assert bundle.conditioner is not None and other.conditioner is not None
    with pytest.raises(BundleError, match="'condition' has shape"):
        update_bundle(bundle.path, {CONDITIONER: other.conditioner})
    with pytest.raises(BundleError, match="lacks the input 'amount'"):
        update_bundle(bundle.path, {}, remove=[CONDITIONER])
    with pytest.raises(BundleError, match="unexpected input 'amount'"):
        update_bundle(bundle.path, {DECODER: make_network_bundle(tmp_path / "whole").decoder})
    assert load_bundle(bundle.path).conditioner == bundle.conditioner, "and the bundle is as it was"


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_network_has_a_conditioner_with_weights_of_its_own(kind: str, tmp_path: Path) -> None:
    bundle = export_tiny(kind, tmp_path / "tiny", name="tiny")
    assert bundle.conditioner is not None
    names = [
        {weight.name for weight in onnx.load_from_string(graph).graph.initializer} for graph in bundle.graphs.values()
    ]
    weights = [{name for name in held if name.startswith("net.")} for held in names]
    assert weights[2] and not weights[2] & weights[1]
