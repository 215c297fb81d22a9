"""The rows that are compared, each an autoencoder, its sources and its objective, and how one of them is trained.

All rows have the same number of parameters, steps, batches and of minutes to draw from, and the same likelihood.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rtstyle.lab.multisource.nets import Level, Vae, VaeShape, bin_numbers, of_equal_size
from rtstyle.lab.nets.latent import BandSpectrum
from rtstyle.lab.nets.streaming import Past
from rtstyle.lab.train.losses import FREE_BITS, free_bits, hearing

PLAIN = VaeShape()
HIERARCHICAL = VaeShape(slow=32)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    shape: VaeShape
    several: bool = True  # sources: all, or the one instrument
    free_bits: float = 0.0  # nats per unit

    def net(self, seed: int) -> Vae:
        torch.manual_seed(seed)
        return Vae(self.shape if self.shape == PLAIN else of_equal_size(self.shape, PLAIN))


@dataclass(frozen=True)
class Plan:
    """What every row's training has in common."""

    steps: int = 500
    batch: int = 8
    frames: int = 192
    rate: float = 2e-3


ROWS = (
    Row("plain, one source", PLAIN, several=False),
    Row("plain, several sources", PLAIN),
    Row("improved, several sources", HIERARCHICAL, free_bits=FREE_BITS),
    Row("improved without free bits", HIERARCHICAL),
    Row("improved without attention", VaeShape(slow=32, pooling="mean"), free_bits=FREE_BITS),
    Row("plain with free bits", PLAIN, free_bits=FREE_BITS),
)


def bin_weights(shape: VaeShape) -> Tensor:
    """`hearing` for the bins of the band spectra, mean one."""
    half = BandSpectrum.WINDOW // 2
    weight = hearing(2 * shape.bands * half, shape.sample_rate)[bin_numbers(shape.bands)]
    return weight / weight.mean()


def objective(found: Tensor, wanted: Tensor, levels: list[Level], weight: Tensor, free: float) -> Tensor:
    """Negative evidence bound in nats per hop, under a normal likelihood of unit variance and up to its constant."""
    error = 0.5 * ((found - wanted).square() * weight).sum(2).mean()
    return error + sum(free_bits(one.divergence(), free) / one.hops for one in levels)


@torch.no_grad()
def bound(net: Vae, features: Tensor) -> float:
    """The objective without free bits for one clip of band spectra (T, width), latents drawn once."""
    torch.manual_seed(0)
    found, levels = net(features[None], Past(), sample=True)
    return float(objective(found, net.wanted(features[None]), levels, bin_weights(net.shape), 0.0))


def train(row: Row, material: Tensor, plan: Plan, seed: int) -> Vae:
    """Train a row on described clips (clips, frames, width)."""
    net = row.net(seed)
    weight = bin_weights(row.shape)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate, betas=(0.9, 0.98), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=plan.steps, pct_start=0.1)
    order = torch.Generator().manual_seed(seed)
    for _ in range(plan.steps):
        features = material[torch.randint(len(material), (plan.batch,), generator=order)].float()
        with torch.autocast("cpu", torch.bfloat16):
            found, levels = net(features, Past(), sample=True)
        loss = objective(found, net.wanted(features), levels, weight, row.free_bits)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 50.0)
        optimiser.step()
        schedule.step()
    return net.eval()
