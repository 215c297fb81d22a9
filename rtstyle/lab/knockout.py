"""What each piece of a trained network is worth: the loss on held-out libraries when the piece only says its mean.

    python -m rtstyle.lab.knockout CHECKPOINT CORPUS [--batches 12]

A knock-out is no ablation: the rest was trained together with the piece and cannot make up for it. It says what the
network leans on, not what it would have done without.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import cyclopts
import torch
from torch import Tensor, nn

from rtstyle.corpus.pairs import PairCorpus
from rtstyle.lab.train.batches import Batch, Maker
from rtstyle.lab.train.trainer import Plan, Trainer

SEED = 99


def _mean(x: Tensor) -> Tensor:
    return x.mean((0, 1), keepdim=True).expand_as(x)


@contextmanager
def _output_is_mean(module: nn.Module) -> Iterator[None]:
    handle = module.register_forward_hook(lambda _module, _given, output: _mean(output))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _method_is_mean(owner: object, name: str) -> Iterator[None]:
    method: Callable[..., Tensor] = getattr(owner, name)
    with patch.object(owner, name, lambda *given: _mean(method(*given))):
        yield


def pieces(trainer: Trainer) -> dict[str, Callable[[], object]]:
    """By name, what makes a context in which a piece of the network only says its mean. `[control]`"""
    net = trainer.net
    encoder, decoder = net.encoder, net.decoder
    found: dict[str, Callable[[], object]] = {"the latent as a whole": lambda: _output_is_mean(_last(encoder))}
    found["flutter"] = lambda: _output_is_mean(decoder.mixtures)
    if net.kind == "spectral":
        if encoder.has_vgg:
            found["VGG branch of the encoder"] = lambda: _output_is_mean(encoder.vgg[-1])
        if encoder.has_mbconv:
            last = encoder.deeper[-1] if encoder.deeper else encoder.project
            found["MBConv branch of the encoder"] = lambda: _output_is_mean(last)
            found["squeeze-excitation"] = lambda: _output_is_mean(encoder.gate.excite)
        found |= {
            "bands read at the partials": lambda: _method_is_mean(encoder.axis, "at_partials"),
            "gains per partial": lambda: _method_is_mean(decoder.axis, "over_bands"),
        }
    else:
        found |= {
            "comb of the pulses": lambda: _output_is_mean(encoder.comb),
            "taps": lambda: _output_is_mean(decoder.out),
            "gains over frequency and per partial": lambda: _output_is_mean(decoder.gains),
        }
    return found


def _last(encoder: nn.Module) -> nn.Module:
    return encoder.join if hasattr(encoder, "join") else encoder.out


@torch.no_grad()
def held_out_loss(trainer: Trainer, batches: list[Batch], *contexts: object) -> float:
    """Mean loss of the same batches, with the same draws every time. `[control]`"""
    torch.manual_seed(SEED)
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        return sum(float(trainer.loss(batch, sample=False)[0]) for batch in batches) / len(batches)


def knock_out(checkpoint: Path, corpus: Path, count: int) -> list[tuple[str, float]]:
    """(piece, loss) of the whole network first, then without each piece, then with another's style. `[control]`"""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    plan = Plan(**state["plan"])
    trainer = Trainer(plan, PairCorpus(corpus), checkpoint.parent, shape=state["shape"])
    trainer.net.load_state_dict(state["averaged"])
    trainer.net.eval()
    trainer.bank.restore(state["bank"])
    valid = PairCorpus(corpus, "valid", same=0.0)
    listen = Maker(
        valid, trainer.analyser, size=8, seconds=1.0, seed=SEED, identity=0.0, augment=False, styles=plan.styles
    )
    batches = [listen() for _ in range(count)]
    rows = [("nothing", held_out_loss(trainer, batches))]
    rows += [(name, held_out_loss(trainer, batches, make())) for name, make in pieces(trainer).items()]
    for batch in batches:
        batch.examples = batch.examples[1:] + batch.examples[:1]
        for name in ("features", "audio", "active"):
            setattr(batch.style, name, getattr(batch.style, name).roll(-1, 0))
    return [*rows, ("the right style: another one instead", held_out_loss(trainer, batches))]


def main(checkpoint: Path, corpus: Path, *, batches: int = 12) -> None:
    """Print, as a table, the loss of CHECKPOINT on the held-out libraries of CORPUS, whole and with pieces knocked out."""
    rows = knock_out(checkpoint, corpus, batches)
    whole = rows[0][1]
    print("| knocked out | loss | more |\n| --- | --- | --- |")
    for name, loss in rows:
        print(f"| {name} | {loss:.3f} | {100 * (loss / whole - 1):+.1f} % |")


if __name__ == "__main__":
    cyclopts.run(main)
