"""A run begins with a bundle or with another run's checkpoint, and with nothing else."""

from pathlib import Path

import pytest
import torch

from rtstyle.bundle import update_bundle
from rtstyle.cli.lab import train
from rtstyle.errors import FileError, ParameterError
from rtstyle.lab.export.bundle import export_tiny
from rtstyle.lab.export.graphs import Graphs, export_graphs
from rtstyle.lab.origin import find_origin
from rtstyle.lab.train.adversary import PER_VOICE, Adversary, SpectrumDiscriminator
from rtstyle.lab.train.trainer import ADVERSARY_WINDOW, NETS, SHAPES, SNAPSHOTS, Plan, Trainer
from tests.lab.test_training import SMALL, Tones


class OtherTones(Tones):
    """The same two instruments in another order, and a third."""

    instruments = voices = ("dull", "hollow", "bright")


def test_a_run_begins_with_the_snapshot_of_another_and_its_discriminators_know_the_voices_by_name(
    tmp_path: Path,
) -> None:
    torch.set_num_threads(1)
    plan = Plan("spectral", steps=2, batch=2, seconds=0.4, styles=(), adversary_from=0.0, snapshots=2)
    trainer = Trainer(plan, Tones(), tmp_path / "first", shape=SMALL)
    trainer.train()
    snapshot = tmp_path / "first" / SNAPSHOTS / "2.pt"
    assert snapshot.stat().st_size < 0.6 * trainer.checkpoint.stat().st_size
    origin = find_origin(str(snapshot))
    again = Trainer(plan, OtherTones(), tmp_path / "second", shape=SMALL)
    again.begin_with(origin)
    assert all(torch.equal(value, trainer.averaged[name]) for name, value in again.net.state_dict().items())
    assert all(torch.equal(value, trainer.bank.mean[name]) for name, value in again.bank.mean.items())
    for role, adversary in again.adversaries.items():
        known = trainer.adversaries[role]
        assert adversary.steps == known.steps > 0
        for name, value in adversary.net.state_dict().items():
            was = known.net.state_dict()[name]
            assert torch.equal(value[[2, 0]] if name.split(".")[0] in PER_VOICE else value, was), name
    stranger = SpectrumDiscriminator(["drone"], ADVERSARY_WINDOW, 48000)
    own = stranger.voice.weight.clone()
    Adversary(stranger, "cpu", "spectrum").take_over(origin.adversaries["spectrum"])
    assert torch.equal(stranger.voice.weight, own)
    assert torch.equal(stranger.score.weight, trainer.adversaries["spectrum"].net.score.weight)
    older = torch.load(snapshot, weights_only=True)
    del older["adversaries"]["ear"]["voices"]
    torch.save(older, tmp_path / "older.pt")
    with pytest.raises(FileError, match=r"older\.pt.*earlier version"):
        find_origin(str(tmp_path / "older.pt"))


def drawn(folder: Path, seed: int) -> Graphs:
    """The graphs of a small network of which no two weights are equal, in a bundle in `folder`."""
    shape = {"channels": 16, "latent": 8, "style": 8, "units": 2}
    export_tiny("spectral", folder, name="tiny", shape=shape)
    torch.manual_seed(seed)
    net = NETS["spectral"](SHAPES["spectral"](**shape))
    for value in net.state_dict().values():
        value += 0.05 * torch.rand_like(value)
    graphs = export_graphs(net)
    files = {"encoder.onnx": graphs.encoder, "conditioner.onnx": graphs.conditioner, "decoder.onnx": graphs.decoder}
    update_bundle(folder, files, remove=["golden.npz"])
    return graphs


def test_the_identity_of_a_bundle_is_that_of_all_its_weights_and_of_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "one"
    one, other = drawn(place, 1), drawn(tmp_path / "other", 2)
    identity = find_origin(str(place)).identity
    for piece in ("encoder", "conditioner", "decoder"):
        update_bundle(place, {f"{piece}.onnx": getattr(other, piece)})
        assert find_origin(str(place)).identity != identity
        update_bundle(place, {f"{piece}.onnx": getattr(one, piece), "card.md": piece.encode()})
        assert find_origin(str(place)).identity == identity


@pytest.mark.parametrize("kind", ["missing", "no checkpoint", "another pickle"])
def test_what_is_no_checkpoint_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "some.pt"
    if kind == "no checkpoint":
        file.write_bytes(b"RIFF" * 100)
    elif kind == "another pickle":
        torch.save([1.0, 2.0], file)
    with pytest.raises(FileError, match=r"some\.pt.*checkpoint\.pt"):
        find_origin(str(file))


def test_a_run_begins_only_with_a_bundle_of_its_family(tmp_path: Path) -> None:
    bundle = export_tiny("latent", tmp_path / "tiny", name="tiny")
    with pytest.raises(ParameterError, match="tiny is not spectral"):
        train("spectral", tmp_path / "corpus", tmp_path / "run", begin_with=str(bundle.path))
    assert not (tmp_path / "run").exists()
