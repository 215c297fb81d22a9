"""The training loop: time budget, resume, checkpoints, JSONL and TensorBoard logs, one device.

A checkpoint holds everything that training and export need: shape, weights, averaged weights, optimiser, the statistics
bank of the styles, the step, the seed and the corpus it saw.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from rtstyle.corpus.pairs import PairCorpus
from rtstyle.lab.nets.latent import LatentNet, LatentShape
from rtstyle.lab.nets.spectral import SpectralNet, SpectralShape, band_spread
from rtstyle.lab.nets.streaming import Past, adapt
from rtstyle.lab.train import together
from rtstyle.lab.train.adversary import Adversary, EarDiscriminator, SpectrumDiscriminator
from rtstyle.lab.train.batches import Analyser, Batch, Batches, Clip, Maker
from rtstyle.lab.train.log import Log
from rtstyle.lab.train.losses import (
    FREE_BITS,
    STRIDE_SECONDS,
    flutter_loss,
    frame_loss,
    free_bits,
    hearing,
    over_time,
    power_of,
    relative_powers,
    share_of_pulses,
)
from rtstyle.lab.train.stage import Stage
from rtstyle.lab.train.style_bank import StyleBank, clip_statistics

if TYPE_CHECKING:
    from rtstyle.lab.origin import Origin

Net = SpectralNet | LatentNet
SHAPES = {"spectral": SpectralShape, "latent": LatentShape}
NETS: dict[str, Callable[..., Net]] = {"spectral": SpectralNet, "latent": LatentNet}

WINDOWS = (2048, 1024, 512)  # of the loss
ADVERSARY_WINDOW = 1024
SEEDS_APART = 1_000_003  # of the batches of two processes
SNAPSHOTS = "snapshots"  # folder of a run: STEP.pt
STYLES = ("violin", "flute", "cello", "trumpet", "clarinet", "saxophone", "voice")  # what most steps aim at


@dataclass(frozen=True)
class Plan:
    """What one run does; written into the checkpoint and the card."""

    kind: str
    minutes: float = 45.0
    steps: int = 0  # equal ones to compare what takes unequal time; 0: as many as fit into the minutes
    batch: int = 12
    seconds: float = 1.0
    rate: float = 2e-3
    warm_up: int = 200  # steps in which the rate rises
    seed: int = 0
    kl: float = 1e-4
    free_bits: float = FREE_BITS  # nats of a unit of the latent that cost nothing
    average: float = 0.999
    flutter: float = 2.0  # weight of the flutter of the bands
    pulses: float = 0.4  # price of the pulses where the input would do as well
    adversary_from: float = 0.3  # share of the minutes after which the discriminators play along; 1: never
    fooling: float = 0.8  # weight of a discriminator's score
    matching: float = 2.0  # weight of the distance of its maps
    styles: tuple[str, ...] = STYLES
    focus: float = 0.75  # share of the targets that are of the styles
    heard: float = 0.4  # share of the styles that are of a clip, not of all that was heard of the voice so far
    makers: int = 0  # threads that make batches; 0: as many as keep a GPU busy, one beside a processor
    snapshots: int = 0  # steps between weights that are kept for good, the last ones too; 0: none


def encode(net: Net, clip: Clip, sample: bool = False) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """Latent of a clip, what the decoder takes besides it, and the divergence from the prior, (batch, T, units).

    A spectral latent has no prior: 0.
    """
    if isinstance(net, SpectralNet):
        latent, skip = net.encoder(clip.features, Past())
        return latent.float(), {"skip": skip}, torch.zeros(1, 1, 1)
    mean, log_variance, bands, skip = net.encoder(clip.audio, Past())
    mean, log_variance = mean.float(), log_variance.float().clamp(-10.0, 4.0)
    divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0)
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
        shape: dict[str, int | str] | None = None,
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
        self.analyser = self._listen(plan.seed + 1)
        self.stage = Stage(self.shape).to(device) if isinstance(self.shape, SpectralShape) else None
        self.valid = valid
        self.adversaries: dict[str, Adversary] = {}

    # -- one step ------------------------------------------------------------------------------------------------------

    def play(self, batch: Batch, sample: bool) -> tuple[Tensor, Tensor, Tensor]:
        """What is heard, (batch, samples), the divergence from the prior, and the share of the pulses.

        With `sample`, the styles and the prior of the statistics are drawn as in training.
        """
        with torch.autocast(self.device, torch.bfloat16):
            content, extra, divergence = encode(self.net, batch.x, sample)
            example, _, _ = encode(self.net, batch.style)
        mean, std = clip_statistics(example, batch.style.active)
        own_mean, own_std = clip_statistics(content, batch.x.active)
        if sample:
            for i, name in enumerate(batch.examples):
                self.bank.update(name, mean[i : i + 1], std[i : i + 1])
            self.bank.update("", own_mean.mean(0, keepdim=True), own_std.square().mean(0, keepdim=True).sqrt())
        chosen_mean, chosen_std = [], []
        for i, name in enumerate(batch.examples):
            known = name in self.bank.mean
            from_bank = known and (not sample or torch.rand(()) >= self.plan.heard)
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
        past = Past()
        with torch.autocast(self.device, torch.bfloat16):
            if self.stage is not None:
                gains = self.net.decoder(styled, style, amount, *extra.values(), past)
            else:
                parts = self.net.decoder.parts(styled, style, amount, *extra.values(), past)
                out = self.net.decoder.pqmf.synthesise(parts[0] + parts[1] + parts[2], past)
        if self.stage is not None:
            played, of_sources = self.stage(gains.float(), batch.x.audio)
            return played, divergence, share_of_pulses(*of_sources)
        per_band = [avg_pool1d(part.float().square().transpose(1, 2), 64).transpose(1, 2) for part in parts]
        return out.float(), divergence, share_of_pulses(*per_band)

    def powers(
        self, played: Tensor, target: Tensor, n_fft: int, first: int = 0, seconds: float = STRIDE_SECONDS
    ) -> tuple[Tensor, Tensor]:
        """Powers of played and target in Hann windows of n_fft samples, (batch, windows, bins).

        first: samples by which the first window is moved; the windows follow every `seconds`. A clip's begin counts: every
        stream begins from empty states, and a network that was never asked about them begins with a crack.
        """
        stride = round(seconds * self.shape.sample_rate)
        window = torch.hann_window(n_fft, device=self.device) * (8.0 / 3.0) ** 0.5  # as much energy as no window
        late = self.net.latency if isinstance(self.net, LatentNet) else 0
        heard = played[:, first + late :], target[:, first : target.shape[1] - late]
        of_played, of_target = (power_of(torch.fft.rfft(x.unfold(-1, n_fft, stride) * window)) for x in heard)
        return of_played, of_target

    @lru_cache  # noqa: B019 - a trainer lives as long as its process
    def ear(self, n_fft: int) -> tuple[Tensor, Tensor]:
        """Bands and weights of `frame_loss` for a window, the same for both families."""
        rate = self.shape.sample_rate
        return band_spread(n_fft, SpectralShape(sample_rate=rate)).to(self.device), hearing(n_fft, rate).to(self.device)

    def loss(self, batch: Batch, sample: bool, weights: Plan | None = None) -> tuple[Tensor, dict[str, float]]:
        """Loss of one batch, weighed as in this run's plan or in `weights`, and its parts.

        The adversary's is added once it has begun.
        """
        plan = weights or self.plan
        played, divergence, pulses = self.play(batch, sample)
        first = int(torch.randint(round(STRIDE_SECONDS * self.shape.sample_rate), ())) if sample else 0
        total, parts = torch.zeros((), device=self.device), {}
        for n_fft in WINDOWS:
            power_y, power_t = self.powers(played, batch.target, n_fft, first)
            spread, weight = self.ear(n_fft)
            part, parts = frame_loss(*relative_powers(over_time(power_y), over_time(power_t)), spread, weight)
            flutter = flutter_loss(*relative_powers(power_y, power_t), spread)
            parts["flutter"] = float(flutter.detach())
            total = total + (part + plan.flutter * flutter) / len(WINDOWS)
            if n_fft == ADVERSARY_WINDOW and self.adversaries and sample:
                total = total + self.against("spectrum", power_y, power_t, batch)
        if self.adversaries and sample:
            net = self.adversaries["ear"].net
            heard = self.powers(played, batch.target, net.n_fft, first, net.stride)
            total = total + self.against("ear", *heard, batch)
        parts["pulses"] = float(pulses.detach())
        total = total + plan.pulses * pulses
        if sample:
            for adversary in self.adversaries.values():
                parts |= adversary.last
        if plan.kind == "latent":
            kl = free_bits(divergence, plan.free_bits)
            parts["kl"] = float(kl.detach())
            total = total + plan.kl * kl
        return total, parts

    def against(self, name: str, power_y: Tensor, power_t: Tensor, batch: Batch) -> Tensor:
        """What one adversary adds to the loss."""
        fooled, matched = self.adversaries[name].play_against(power_y, power_t, batch.voices)
        return self.plan.fooling * fooled + self.plan.matching * matched

    def begin_adversaries(self) -> None:
        """Put the discriminators in place; from now on `loss` trains them and is judged by them."""
        rate, voices = self.shape.sample_rate, self.corpus.voices
        for name, net in (
            ("spectrum", SpectrumDiscriminator(voices, ADVERSARY_WINDOW, rate)),
            ("ear", EarDiscriminator(voices, rate)),
        ):
            self.adversaries[name] = Adversary(net, self.device, name)
            together.same_weights(self.adversaries[name].net)

    def begin_with(self, origin: "Origin") -> None:
        """Take over a trained network before the first step.

        Discriminators, if the plan has any, are those of the origin; where it has none, new ones learn first what it plays,
        then it learns from them.
        """
        self.net.load_state_dict(origin.net.state_dict())
        self.averaged = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.bank.restore(origin.bank.state(), self.device)
        if self.plan.adversary_from < 1.0:
            self.begin_adversaries()
            for name, heard in origin.adversaries.items():
                self.adversaries[name].take_over(heard)

    def _acquaint(self, batches: Iterator[Batch], log: Log | None) -> None:
        """Train new discriminators alone until their word has full weight."""
        while (heard := min(adversary.steps for adversary in self.adversaries.values())) < Adversary.EASE_STEPS:
            self.loss(next(batches).to(self.device), sample=True)
            if log is not None and (heard + 1) % 50 == 0:
                log.write({"step": 0, "listened": heard + 1})

    def train(self, report: Callable[[dict[str, float]], None] | None = None) -> None:
        """Train until the plan's steps or minutes are used up, counting those of earlier runs of the same folder.

        Under `together.launch` every process calls it; the first one reports and saves.
        """
        plan, first = self.plan, together.rank() == 0
        together.same_weights(self.net)
        torch.manual_seed(plan.seed + self.step + together.rank())
        batches = Batches([self._maker(number) for number in range(plan.makers or together.makers(self.device))])
        log = Log(self.folder, report) if first else None
        try:
            drawn = iter(batches)
            if self.step == 0 and self.adversaries:
                self._acquaint(drawn, log)
            self._go_on(drawn, log)
        finally:  # also when `report` ends the run
            batches.close()
            if log is not None:
                log.close()

    def _maker(self, number: int) -> Maker:
        """One of those that make this process' batches from now on."""
        plan = self.plan
        return Maker(
            self.corpus,
            self.analyser if number == 0 else self._listen(plan.seed + 1 + number),
            size=plan.batch,
            seconds=plan.seconds,
            seed=(plan.seed * 1000 + self.step + SEEDS_APART * together.rank(), number),
            styles=plan.styles,
            focus=plan.focus,
        )

    def _listen(self, seed: int) -> Analyser:
        """What hears clips as the network is to."""
        shape = self.shape
        seen = (shape.n_fft, shape.bands, shape.analysis) if isinstance(shape, SpectralShape) else ()
        return Analyser(self.plan.kind, shape.hop, shape.sample_rate, *seen, seed=seed)

    def _go_on(self, batches: Iterator[Batch], log: Log | None) -> None:
        plan = self.plan
        total: dict[str, float] = {}
        last = saved = time.monotonic()
        begun = self.trained_seconds
        start = time.monotonic()
        for batch in batches:
            self.trained_seconds = together.of_first(self.trained_seconds, self.device)
            progress = self.step / plan.steps if plan.steps else self.trained_seconds / (plan.minutes * 60)
            if progress >= 1.0:
                break
            if plan.snapshots and self.step % plan.snapshots == 0 and log is not None:
                self.snapshot()
            if not self.adversaries and progress >= plan.adversary_from:
                self.begin_adversaries()
            scale = min(1.0, (self.step + 1) / plan.warm_up) * max(
                0.02, 0.5 * (1 + torch.cos(torch.tensor(progress * torch.pi)).item())
            )
            for group in self.optimiser.param_groups:
                group["lr"] = plan.rate * scale
            loss, parts = self.loss(batch.to(self.device), sample=True)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            together.mean_gradients(self.net.parameters())
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
            if self.step % 50 == 0 and log is not None:
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
                log.write(row)
                if now - saved > 120:
                    self.save()
                    saved = now
        if log is not None:
            self.save()
            if plan.snapshots:
                self.snapshot()

    @torch.no_grad()
    def validate(self, count: int = 4) -> dict[str, float]:
        """Loss on held-out libraries and scores with the averaged weights, its parts weighed alike in all runs of a family."""
        assert self.valid is not None
        make = Maker(
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
        self.net.eval()
        alike = Plan(self.plan.kind)
        total = [float(self.loss(make().to(self.device), sample=False, weights=alike)[0]) for _ in range(count)]
        self.net.train()
        self.net.load_state_dict(kept)
        return {"valid": round(sum(total) / len(total), 4)}

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def result(self) -> dict[str, Any]:
        """What an export reads."""
        return {
            "plan": vars(self.plan),
            "shape": self.shape.as_dict(),
            "averaged": self.averaged,
            "bank": self.bank.state(),
            "step": self.step,
            "trained_seconds": self.trained_seconds,
        }

    def snapshot(self) -> None:
        """Keep the result as it is now, a third of a checkpoint: it exports like one, and a new run may begin with it."""
        folder = self.folder / SNAPSHOTS
        folder.mkdir(exist_ok=True)
        heard = {name: adversary.ears() for name, adversary in self.adversaries.items()}
        torch.save({**self.result(), "adversaries": heard}, folder / f"{self.step}.pt")

    def save(self) -> None:
        """Write the checkpoint; an interruption leaves the former one."""
        temporary = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                **self.result(),
                "net": self.net.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "adversaries": {name: adversary.state() for name, adversary in self.adversaries.items()},
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
        if state["adversaries"]:
            self.begin_adversaries()
            for name, kept in state["adversaries"].items():
                self.adversaries[name].restore(kept)
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
