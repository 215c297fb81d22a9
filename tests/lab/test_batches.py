"""Batches come in turn from their makers, the same every time, and a maker's failure is not kept silent."""

import pytest
import torch

from rtstyle.lab.reference import analyser_of
from rtstyle.lab.train import together
from rtstyle.lab.train.batches import Batches, Maker
from rtstyle.lab.train.trainer import NETS, SHAPES
from tests.lab.test_training import SMALL, Tones


def test_several_makers_take_turns_and_make_the_same_batches_every_time() -> None:
    net = NETS["spectral"](SHAPES["spectral"](**SMALL))

    def makers() -> list[Maker]:
        return [Maker(Tones(), analyser_of(net), size=2, seconds=0.3, seed=(5, number)) for number in range(3)]

    alone = [[maker() for _ in range(2)] for maker in makers()]
    expected = [made[turn].target for turn in range(2) for made in alone]
    batches = Batches(makers())
    found = [batch.target for batch, _ in zip(batches, range(6), strict=False)]
    batches.close()
    assert not any(thread.is_alive() for thread in batches.threads)  # a process that ends over one at work is aborted
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not torch.equal(found[0], found[1])
    assert together.makers("cpu") == 1 <= together.makers("cuda:0")


def test_what_goes_wrong_while_a_batch_is_made_ends_the_training() -> None:
    class Broken(Tones):
        def sample(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise OSError("a shard is gone")

    net = NETS["spectral"](SHAPES["spectral"](**SMALL))
    whole, broken = (Maker(corpus, analyser_of(net), size=8, seconds=0.3, seed=1) for corpus in (Tones(), Broken()))
    batches = Batches([whole, broken])
    with pytest.raises(OSError, match="a shard is gone"):
        for _ in zip(range(4), batches, strict=False):
            pass
    batches.close()
