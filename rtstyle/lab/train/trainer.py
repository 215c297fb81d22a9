"""The training loop: time budget, resume, checkpoints, JSONL and TensorBoard logs, one device.

A checkpoint holds everything that training and export need: shape, weights, averaged weights, optimiser, the statistics
bank of the styles, the step, the seed and the corpus it saw.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rtstyle.corpus.pairs import PairCorpus
from rtstyle.lab.nets.latent import LatentNet, LatentShape
from rtstyle.lab.nets.spectral import SpectralNet, SpectralShape, band_spread, glide, minimum_phase
from rtstyle.lab.nets.streaming import Past, adapt
from rtstyle.lab.train.batches import STRIDE, Analyser, Batch, Batches, Clip
from rtstyle.lab.train.losses import MultiResolution, frame_loss

Net = SpectralNet | LatentNet
SHAPES = {"spectral": SpectralShape, "latent": LatentShape}
NETS: dict[str, Callable[..., Net]] = {"spectral": SpectralNet, "latent": LatentNet}


STYLES = ("violin", "flute", "cello", "trumpet", "clarinet", "saxophone", "voice")  # what most steps aim at


@dataclass(frozen=True)
class Plan:
    """What one run does; written into the checkpoint and the card."""

    kind: str
    minutes: float = 45.0
    batch: int = 12
    seconds: float = 1.0
    rate: float = 2e-3
    seed: int = 0
    kl: float = 1e-4
    average: float = 0.999
    styles: tuple[str, ...] = STYLES


class StyleBank:
    """Running statistics of the latents, per instrument and over all inputs (the neutral prior)."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.mean: dict[str, Tensor] = {}
        self.square: dict[str, Tensor] = {}

    def update(self, name: str, mean: Tensor, std: Tensor, rate: float = 0.02) -> None:
        mean, square = mean.detach().float(), (std.square() + mean.square()).detach().float()
        if name not in self.mean:
            self.mean[name], self.square[name] = mean.clone(), square.clone()
        self.mean[name] += rate * (mean - self.mean[name])
        self.square[name] += rate * (square - self.square[name])

    def get(self, name: str) -> tuple[Tensor, Tensor]:
        mean = self.mean[name]
        return mean, torch.sqrt(torch.clamp(self.square[name] - mean.square(), min=1e-4))

    def state(self) -> dict[str, Any]:
        return {"mean": self.mean, "square": self.square}

    def restore(self, state: dict[str, Any]) -> None:
        self.mean, self.square = dict(state["mean"]), dict(state["square"])


def clip_statistics(latent: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel over the active frames: (batch, 1, C) each."""
    weight = active / active.sum(1, keepdim=True).clamp(min=1.0)
    mean = (latent * weight).sum(1, keepdim=True)
    variance = ((latent - mean).square() * weight).sum(1, keepdim=True)
    return mean, torch.sqrt(variance + 1e-4)


def encode(net: Net, clip: Clip, sample: bool = False) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Latent of a clip, what the decoder takes besides it, and the divergence from the prior (0 for spectral)."""
    if isinstance(net, SpectralNet):
        latent, skip = net.encoder(clip.features, Past())
        return latent.float(), {"skip": skip}, torch.zeros(())
    mean, log_variance, bands, skip = net.encoder(clip.audio, Past())
    mean, log_variance = mean.float(), log_variance.float().clamp(-10.0, 4.0)
    divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(2).mean()
    latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance) if sample else mean
    return latent, {"bands": bands, "skip": skip}, divergence


class Trainer:
    """One run of one family on one corpus."""

    def __init__(
        self,
        plan: Plan,
        corpus: PairCorpus,
        folder: Path,
        *,
        shape: dict[str, int] | None = None,
        device: str = "cpu",
        valid: PairCorpus | None = None,
    ) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.corpus, self.folder, self.device = plan, corpus, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        self.shape = SHAPES[plan.kind](**(shape or {}))
        self.net = NETS[plan.kind](self.shape).to(device)
        self.averaged = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=1e-4)
        self.bank = StyleBank(self.shape.latent)
        self.step, self.trained_seconds = 0, 0.0
        count = getattr(self.shape, "bands", 80)
        self.analyser = Analyser(
            plan.kind, self.shape.hop, self.shape.sample_rate, getattr(self.shape, "n_fft", 1024), count, plan.seed + 1
        )
        self.valid = valid
        if plan.kind == "spectral":
            spread = band_spread(self.shape.n_fft, self.shape.sample_rate, self.shape.bands)
            self.spread = spread.to(device)
        else:
            self.distance = MultiResolution((2048, 1024, 512, 256), device)

    # -- one step ------------------------------------------------------------------------------------------------------

    def loss(self, batch: Batch, sample: bool) -> tuple[Tensor, dict[str, float]]:
        """Loss of one batch and its parts. With `sample`, the styles and the prior are drawn as in training."""
        plan = self.plan
        with torch.autocast(self.device, torch.bfloat16):
            content, extra, divergence = encode(self.net, batch.x, sample)
            example, _, _ = encode(self.net, batch.style)
        mean, std = clip_statistics(example, batch.style.active)
        own_mean, own_std = clip_statistics(content, batch.x.active)
        if sample:
            for i, name in enumerate(batch.instruments):
                self.bank.update(name, mean[i : i + 1], std[i : i + 1])
            self.bank.update("", own_mean.mean(0, keepdim=True), own_std.square().mean(0, keepdim=True).sqrt())
        chosen_mean, chosen_std = [], []
        for i, name in enumerate(batch.instruments):
            known = name in self.bank.mean
            from_bank = known and (not sample or torch.rand(()) < 0.6)
            pair = self.bank.get(name) if from_bank else (mean[i : i + 1], std[i : i + 1])
            chosen_mean.append(pair[0])
            chosen_std.append(pair[1])
        target_mean, target_std = torch.cat(chosen_mean), torch.cat(chosen_std)
        count = content.shape[0]
        neutral = [v.expand(count, -1, -1) for v in self.bank.get("")] if "" in self.bank.mean else [own_mean, own_std]
        warm = (torch.rand(count, 1, 1, device=self.device) < 0.5).float()
        prior = (warm * own_mean + (1 - warm) * neutral[0], warm * own_std + (1 - warm) * neutral[1])
        rate = self.shape.sample_rate / self.shape.hop
        seen = torch.exp(torch.empty(count, 1, 1, device=self.device).uniform_(-1.6, 0.7)) * rate  # 0.2 .. 2 s
        styled = adapt(content, target_mean, target_std, prior, batch.x.active, seen)
        style = torch.cat([target_mean, target_std], dim=2)
        amount = torch.ones(count, 1, 1, device=self.device)
        with torch.autocast(self.device, torch.bfloat16):
            out = self.net.decoder(styled, style, amount, *extra.values(), Past())
        if plan.kind == "latent":
            delay = self.net.latency
            loss, parts = self.distance(
                out.float()[:, 2048 + delay :], batch.target[:, 2048 : batch.target.shape[1] - delay]
            )
            parts["kl"] = float(divergence.detach())
            return loss + plan.kl * divergence, parts
        logs = glide(out.float(), self.shape.hop, self.shape.sample_rate)[:, batch.offset :: STRIDE]
        filtered = minimum_phase(logs[:, :, :2] @ self.spread.T) * batch.x.sources[:, :, :2]
        noise = torch.exp(logs[:, :, 2]) @ self.spread.T * batch.x.sources[:, :, 2]
        played = filtered.sum(2) + noise
        return frame_loss(played, batch.target, self.spread)

    def train(self, report: Callable[[dict[str, float]], None] | None = None) -> None:
        """Train until the plan's minutes are used up, counting those of earlier runs of the same folder."""
        from torch.utils.tensorboard import SummaryWriter

        plan = self.plan
        batches = Batches(
            self.corpus,
            self.analyser,
            size=plan.batch,
            seconds=plan.seconds,
            seed=plan.seed * 1000 + self.step,
            styles=plan.styles,
        )
        board = SummaryWriter(str(self.folder / "tensorboard"))
        log = (self.folder / "log.jsonl").open("a", encoding="utf-8")
        total: dict[str, float] = {}
        last = saved = time.monotonic()
        begun = self.trained_seconds
        start = time.monotonic()
        for batch in batches:
            progress = self.trained_seconds / (plan.minutes * 60)
            if progress >= 1.0:
                break
            scale = min(1.0, (self.step + 1) / 200) * max(
                0.02, 0.5 * (1 + torch.cos(torch.tensor(progress * torch.pi)).item())
            )
            for group in self.optimiser.param_groups:
                group["lr"] = plan.rate * scale
            loss, parts = self.loss(batch.to(self.device), sample=True)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 2.0)
            if torch.isfinite(norm):
                self.optimiser.step()
            self.step += 1
            keep = min(plan.average, self.step / (self.step + 10))
            with torch.no_grad():
                for name, value in self.net.state_dict().items():
                    self.averaged[name].lerp_(value, 1 - keep)
            self.trained_seconds = begun + time.monotonic() - start
            for key, value in {"loss": float(loss.detach()), **parts}.items():
                total[key] = total.get(key, 0.0) + value
            if self.step % 50 == 0:
                now = time.monotonic()
                row = {
                    "step": self.step,
                    "minutes": round(self.trained_seconds / 60, 2),
                    "s_per_step": round((now - last) / 50, 3),
                    **{k: round(v / 50, 4) for k, v in total.items()},
                }
                last, total = now, {}
                if self.valid is not None and self.step % 500 == 0:
                    row |= self.validate()
                log.write(json.dumps(row) + "\n")
                log.flush()
                for key, value in row.items():
                    board.add_scalar(key, value, self.step)
                if report is not None:
                    report(row)
                if now - saved > 120:
                    self.save()
                    saved = now
        batches.close()
        self.save()
        log.close()
        board.close()

    @torch.no_grad()
    def validate(self, count: int = 4) -> dict[str, float]:
        """Loss on held-out libraries and scores with the averaged weights."""
        assert self.valid is not None
        batches = Batches(
            self.valid,
            self.analyser,
            size=self.plan.batch,
            seconds=self.plan.seconds,
            seed=99,
            identity=0.0,
            augment=False,
            styles=self.plan.styles,
            focus=1.0,
        )
        kept = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.net.load_state_dict(self.averaged)
        total = [float(self.loss(batches.make().to(self.device), sample=False)[0]) for _ in range(count)]
        self.net.load_state_dict(kept)
        return {"valid": round(sum(total) / len(total), 4)}

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint; an interruption leaves the former one."""
        temporary = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "plan": vars(self.plan),
                "shape": self.shape.as_dict(),
                "net": self.net.state_dict(),
                "averaged": self.averaged,
                "optimiser": self.optimiser.state_dict(),
                "bank": self.bank.state(),
                "step": self.step,
                "trained_seconds": self.trained_seconds,
                "instruments": list(self.corpus.instruments),
            },
            temporary,
        )
        temporary.replace(self.checkpoint)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.averaged = state["averaged"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.bank.restore(state["bank"])
        self.step, self.trained_seconds = state["step"], state["trained_seconds"]
        return True


def load_net(checkpoint: Path) -> tuple[Net, StyleBank, dict[str, Any]]:
    """The averaged network of a checkpoint, its style statistics, and the whole checkpoint."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = NETS[state["plan"]["kind"]](SHAPES[state["plan"]["kind"]](**state["shape"]))
    net.load_state_dict(state["averaged"])
    net.eval()
    bank = StyleBank(net.shape.latent)
    bank.restore(state["bank"])
    return net, bank, state
