"""Every choice of the encoder streams, exports and plays alike, and each normalisation removes what it says."""

import itertools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from rtstyle.dsp import front
from rtstyle.errors import ParameterError
from rtstyle.lab.export.bundle import write_net
from rtstyle.lab.export.graphs import export_graphs
from rtstyle.lab.nets import normalisation as norms
from rtstyle.lab.nets.normalisation import NORMS, OverBatch, OverTime, normalisation
from rtstyle.lab.nets.spectral import BRANCHES, SpectralNet, SpectralShape, scaled
from rtstyle.lab.nets.streaming import Past
from rtstyle.lab.search.space import FRONTS

SMALL = {"channels": 16, "latent": 8, "style": 8, "units": 1, "bands": 40}
FRAMES = 24
# every norm and every kind of branch, at depths with and without further blocks
CHOICES = [(norm, "both", 3) for norm in NORMS] + [
    ("switchable", branch, depth) for branch in BRANCHES for depth in (1, 3)
]


def shaken(**choices: int | str) -> SpectralNet:
    """A network whose every parameter and statistic matters: scales of one and shifts of zero would hide a wrong one."""
    torch.manual_seed(3)
    net = SpectralNet(SpectralShape(**{**SMALL, **choices}))
    for parameter in net.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for name, statistic in net.named_buffers():
        if name.endswith(("moments.0.mean", "moments.2.mean")):
            statistic += 0.2 * torch.randn_like(statistic)
    return net.eval()


@torch.no_grad()
def encode(net: SpectralNet, x: torch.Tensor, splits: list[int]) -> torch.Tensor:
    kept, parts, start = None, [], 0
    for count in splits:
        past = Past(kept)
        parts.append(net.encoder(x[:, start : start + count], past)[0])
        kept, start = past.kept, start + count
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize(("norm", "branches", "depth"), CHOICES)
def test_splits_do_not_matter_and_no_frame_hears_a_later_one(norm: str, branches: str, depth: int) -> None:
    net = shaken(norm=norm, branches=branches, depth=depth)
    x = torch.randn(1, FRAMES, front.feature_width(40))
    whole = encode(net, x, [FRAMES])
    assert whole.std() > 0
    for splits in ([1] * FRAMES, [5, 1, 7, 3, 8]):
        assert torch.allclose(encode(net, x, splits), whole, atol=2e-5)
    x[:, FRAMES // 2 :] = torch.nan
    assert torch.allclose(encode(net, x, [FRAMES])[:, : FRAMES // 2], whole[:, : FRAMES // 2], atol=2e-5)


EXPORTED = [{"norm": norm, "branches": branches, "depth": depth} for norm, branches, depth in CHOICES]


@pytest.mark.parametrize("choices", [*EXPORTED, *({"norm": "instance", **shape} for shape in FRONTS.values())], ids=str)
def test_exported_choices_play_as_torch_does_at_every_block(choices: dict[str, int | str], tmp_path: Path) -> None:
    net = shaken(**choices)
    rng = np.random.default_rng(0)
    styles = [(rng.normal(0, 0.3, 8).astype(np.float32), rng.uniform(0.2, 0.6, 8).astype(np.float32)) for _ in range(2)]
    made = write_net(  # raises BundleError where torch on the whole clip and the stage block by block differ
        net,
        tmp_path / "tiny",
        name="tiny",
        styles=["violin"],
        statistics=styles[:1],
        neutral=styles[1],
        description="",
        recipe="",
    )
    assert made.golden is not None
    assert np.abs(made.golden.audio_out).max() > 1e-3


@pytest.mark.parametrize("norm", NORMS)
def test_an_untrained_network_is_exported_whole(norm: str) -> None:
    graphs = export_graphs(SpectralNet(SpectralShape(**SMALL, norm=norm)))
    session = onnxruntime.InferenceSession(graphs.encoder)  # it refuses a graph that lacks a parameter
    assert session.get_outputs()[0].name == "latent"


@pytest.mark.parametrize("norm", [norm for norm in NORMS if norm != "none"])
def test_what_is_loud_in_all_frames_is_normalised_away(norm: str) -> None:
    torch.manual_seed(0)
    layer = normalisation(norm, "x", 16).train()
    x = 5.0 + 3.0 * torch.randn(2, 800, 16)
    y = layer(x, Past())[:, 400:]
    assert abs(float(y.mean().detach())) < 0.7  # the prior of the running statistics still counts for a little
    assert 0.7 < float(y.std().detach()) < 1.4


def test_running_statistics_are_those_of_a_fading_sum() -> None:
    torch.manual_seed(1)
    x = torch.randn(300, 3)
    mean, var = OverTime("x", 3)(x, Past())
    keep, prior = 1.0 - 1.0 / norms.MEMORY_FRAMES, norms.PRIOR_FRAMES
    total, squares, count = np.zeros(3), np.zeros(3), 0.0
    for frame in x.numpy().astype(np.float64):
        total, squares, count = keep * total + frame * keep, keep * squares + frame**2 * keep, keep * count + keep
    wanted = total / (count + prior)
    assert np.abs(mean[-1].numpy() - wanted).max() < 1e-5
    assert np.abs(var[-1].numpy() - ((squares + prior) / (count + prior) - wanted**2)).max() < 1e-5


def test_batch_statistics_are_learnt_in_training_and_constant_afterwards() -> None:
    torch.manual_seed(2)
    layer = OverBatch(4)
    for _ in range(400):
        layer(2.0 + 0.5 * torch.randn(4, 50, 4), Past())
    layer.eval()
    mean, var = layer(torch.full((1, 9, 4), 1e3), Past())
    assert torch.allclose(mean, torch.full((4,), 2.0), atol=0.05)
    assert torch.allclose(var, torch.full((4,), 0.25), atol=0.03)


def test_the_default_is_the_network_of_the_shipped_checkpoints() -> None:
    names = [name for name, _ in SpectralNet(SpectralShape(**SMALL)).encoder.named_parameters()]
    layers = ["stem.linear", "vgg.0.linear", "vgg.1.linear", "expand", "gate.squeeze", "gate.excite", "project", "join"]
    wanted = [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]
    assert sorted(names) == sorted([*wanted, "depthwise.weight"])


def test_scaling_by_one_doubles_the_arithmetic_and_by_nothing_changes_nothing() -> None:
    base = SpectralShape()
    assert scaled(0.0) == {"depth": base.depth, "channels": base.channels, "bands": base.bands}
    sizes = [scaled(phi) for phi in (-4.0, -2.0, 0.0, 2.0, 4.0)]
    for smaller, larger in itertools.pairwise(sizes):
        assert all(smaller[name] <= larger[name] for name in smaller)
    cost = [size["depth"] * size["channels"] ** 2 * size["bands"] ** 2 for size in (scaled(0.0), scaled(4.0))]
    assert 8.0 < cost[1] / cost[0] < 32.0


@pytest.mark.parametrize(("name", "value"), [("norm", "batsch"), ("branches", "three"), ("depth", 0)])
def test_unknown_choices_are_refused(name: str, value: int | str) -> None:
    with pytest.raises(ParameterError, match=name):
        SpectralShape(**{name: value})
