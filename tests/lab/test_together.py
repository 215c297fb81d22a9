"""Processes that train together stay one network, and learn from the batches of all."""

import os
from pathlib import Path

import pytest
import torch

from rtstyle.errors import ParameterError
from rtstyle.lab.train import together
from rtstyle.lab.train.trainer import Plan, Trainer
from tests.lab.test_training import SMALL, Tones

PLAN = Plan("spectral", minutes=0.1, batch=2, seconds=0.4, adversary_from=0.0, styles=("bright",))


def train(folder: Path, device: str) -> None:
    trainer = Trainer(PLAN, Tones(), folder, shape=SMALL, device=device)
    trainer.train()
    kept = {"net": trainer.net.state_dict(), "step": trainer.step}
    kept |= {name: adversary.net.state_dict() for name, adversary in trainer.adversaries.items()}
    torch.save(kept, folder / f"process-{together.rank()}.pt")


def average(folder: Path, device: str) -> None:
    weights = [
        torch.nn.Parameter(torch.zeros(3)),
        torch.nn.Parameter(torch.zeros(2, 2)),
        torch.nn.Parameter(torch.zeros(1)),
    ]
    for weight in weights[: 2 + together.rank()]:  # the last one has a gradient in the second process alone
        weight.grad = torch.full_like(weight, float(together.rank()))
    together.mean_gradients(weights)
    assert [float(weight.grad.mean()) for weight in weights] == [0.5, 0.5, 0.5]
    assert together.of_first(7.0 + together.rank(), device) == 7.0
    (folder / str(together.rank())).touch()


def refuse(folder: Path, device: str) -> None:
    if together.rank() == 1:
        raise ValueError("not with me")


def test_gradients_are_averaged_and_the_first_clock_counts(tmp_path: Path) -> None:
    together.launch(2, average, tmp_path, device="cpu")
    assert sorted(os.listdir(tmp_path)) == ["0", "1"]


def test_two_processes_end_with_the_same_networks_and_one_checkpoint(tmp_path: Path) -> None:
    together.launch(2, train, tmp_path, device="cpu")
    one, other = (torch.load(tmp_path / f"process-{k}.pt", weights_only=True) for k in range(2))
    assert one["step"] == other["step"] > 0
    begun = Trainer(PLAN, Tones(), tmp_path / "begun", shape=SMALL).net.state_dict()
    assert any(not torch.equal(value, begun[name]) for name, value in one["net"].items())
    for part in ("net", "spectrum", "ear"):
        assert all(torch.equal(value, other[part][name]) for name, value in one[part].items())
    again = Trainer(PLAN, Tones(), tmp_path, shape=SMALL)
    assert again.resume()
    assert again.step == one["step"]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_one_process_needs_no_group(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.ones(1)
    together.mean_gradients([weight])
    assert weight.grad == 1.0
    assert (together.rank(), together.size(), together.of_first(3.0, "cpu")) == (0, 1, 3.0)


def test_what_one_process_raises_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="not with me"):
        together.launch(2, refuse, tmp_path, device="cpu")


def test_more_processes_than_gpus_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [together.processes(wanted, "cuda") for wanted in (0, 1, 2)] == [2, 1, 2]
    assert [together.processes(wanted, "cpu") for wanted in (0, 3)] == [1, 3]
    with pytest.raises(ParameterError, match="2 GPUs"):
        together.processes(3, "cuda")
