"""Training lowers its loss, keeps what it needs to go on, and what it exports plays as torch does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rtstyle.lab.export.bundle import export_tiny
from rtstyle.lab.reference import BLOCKS, analyser_of, parity
from rtstyle.lab.train.batches import Batches
from rtstyle.lab.train.losses import MultiResolution, frame_loss
from rtstyle.lab.train.trainer import NETS, SHAPES, Plan, Trainer, load_net

SMALL = {"channels": 24, "latent": 8, "style": 8, "units": 2}


class Tones:
    """A corpus of two instruments: a dull and a bright tone on the same pitches."""

    instruments = ("bright", "dull")

    @staticmethod
    def tone(pitch: float, seconds: float, decay: float) -> np.ndarray:
        time = np.arange(int(seconds * 48000)) / 48000
        return (0.1 * sum(np.sin(2 * np.pi * pitch * k * time) / k**decay for k in range(1, 12))).astype(np.float32)

    def sample(self, rng, seconds, sources=None, targets=None):  # type: ignore[no-untyped-def]
        pitch = 220.0 * 2 ** rng.uniform(0, 2)
        return self.tone(pitch, seconds, 3.0), self.tone(pitch, seconds, 0.5), "dull", "bright"

    def style_clip(self, rng, instrument, seconds):  # type: ignore[no-untyped-def]
        return self.tone(220.0 * 2 ** rng.uniform(0, 2), seconds, 0.5 if instrument == "bright" else 3.0)

    def phrase(self, rng, seconds, instrument=None):  # type: ignore[no-untyped-def]
        return self.style_clip(rng, "bright", seconds), "bright"


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_loss_falls_on_a_batch_seen_again_and_again(kind: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = Trainer(Plan(kind, batch=3, seconds=0.4, styles=()), Tones(), tmp_path, shape=SMALL)
    batch = Batches(Tones(), trainer.analyser, size=3, seconds=0.4, seed=1, identity=0.0).make()
    first = float(trainer.loss(batch, sample=False)[0].detach())
    for group in trainer.optimiser.param_groups:
        group["lr"] = 5e-3
    for _ in range(30):
        loss, _ = trainer.loss(batch, sample=True)
        trainer.optimiser.zero_grad()
        loss.backward()
        trainer.optimiser.step()
    assert float(trainer.loss(batch, sample=False)[0].detach()) < 0.8 * first


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    plan = Plan("spectral", minutes=0.04, batch=2, seconds=0.3, styles=())
    trainer = Trainer(plan, Tones(), tmp_path, shape=SMALL)
    trainer.train()
    assert trainer.step > 0
    again = Trainer(plan, Tones(), tmp_path, shape=SMALL)
    assert again.resume()
    assert again.step == trainer.step
    assert again.trained_seconds >= plan.minutes * 60
    for name, value in again.net.state_dict().items():
        assert torch.equal(value, trainer.net.state_dict()[name])
    net, bank, state = load_net(trainer.checkpoint)
    assert state["plan"]["kind"] == net.kind == "spectral"
    assert "bright" in bank.mean
    assert (tmp_path / "log.jsonl").exists()


def test_batches_repeat_with_their_seed() -> None:
    net = NETS["spectral"](SHAPES["spectral"](**SMALL))
    one, two = (Batches(Tones(), analyser_of(net), size=2, seconds=0.3, seed=5).make() for _ in range(2))
    assert torch.equal(one.x.features, two.x.features)
    assert one.instruments == two.instruments


def test_losses_are_least_for_the_target_itself() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 16384), torch.randn(2, 16384)
    distance = MultiResolution((1024, 256))
    assert float(distance(x, x)[0]) < 0.01 < float(distance(x, y)[0])
    bins, spread = torch.randn(2, 5, 513, dtype=torch.complex64), torch.ones(513, 1)
    assert float(frame_loss(bins, bins, spread)[0]) < 0.01 < float(frame_loss(2 * bins, bins, spread)[0])


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_exported_graphs_play_as_torch_does_at_every_block(kind: str, tmp_path: Path) -> None:
    bundle = export_tiny(kind, tmp_path / f"tiny-{kind}", name=f"tiny-{kind}", seed=2)
    assert bundle.golden is not None
    torch.manual_seed(2)
    small = {"channels": 16, "latent": 8, "style": 8, "units": 2}
    net = NETS[kind](SHAPES[kind](**small)).eval()
    rng = np.random.default_rng(5)
    x = Tones.tone(311.0, 1.0, 1.0) + (0.01 * rng.standard_normal(48000)).astype(np.float32)
    style, neutral = (bundle.mean[0], bundle.std[0]), (bundle.neutral_mean, bundle.neutral_std)
    apart = parity(net, bundle, style, neutral, x)
    assert set(apart) == {block for block in BLOCKS if block % bundle.hop == 0}
    assert max(apart.values()) < 1e-4
