"""The autoencoders of several sources: equal sizes, no look ahead, units that stay in use, and measures of known answers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rtstyle.lab.multisource.material import draw, kind_of
from rtstyle.lab.multisource.measure import Listener, active_units, distance_db, relative_db, use_of
from rtstyle.lab.multisource.nets import (
    MEMORY_HOPS,
    SLOW_HOPS,
    Level,
    Pooling,
    Vae,
    VaeShape,
    bin_numbers,
    decibels,
    standard,
)
from rtstyle.lab.multisource.training import PLAIN, ROWS, Plan, bin_weights, objective, train
from rtstyle.lab.nets.streaming import Past
from rtstyle.lab.train.losses import free_bits

SMALL = VaeShape(channels=12, latent=6)
SHAPES = {"plain": SMALL, "attention": replace(SMALL, slow=5), "mean": replace(SMALL, slow=5, pooling="mean")}
FRAMES = 100


def make(name: str) -> Vae:
    torch.manual_seed(3)
    net = Vae(SHAPES[name])
    for parameter in net.parameters():  # a prior that starts at zero would hide a wrong one
        parameter.data += 0.05 * torch.randn_like(parameter)
    return net.eval()


def noise(frames: int = FRAMES) -> torch.Tensor:
    torch.manual_seed(4)
    return 0.1 * torch.randn(1, frames * SMALL.hop)


@torch.no_grad()
def play(net: Vae, audio: torch.Tensor, splits: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Reconstruction and all means of the latents, in blocks of so many hops."""
    before, parts, means, start = None, [], [], 0
    for count in splits:
        past = Past(before)
        now = audio[:, start * net.shape.hop : (start + count) * net.shape.hop]
        found, levels = net(net.describe(now, past), past)
        parts.append(found)
        means.append(torch.cat([level.surprise() for level in levels], dim=2))
        before, start = past.kept, start + count
    return torch.cat(parts, dim=1), torch.cat(means, dim=1)


def test_all_rows_have_the_same_number_of_parameters() -> None:
    counts = [row.net(0).parameter_count for row in {row.shape: row for row in ROWS}.values()]
    assert max(counts) / min(counts) < 1.02
    assert len({row.shape.latent for row in ROWS}) == 1


@pytest.mark.parametrize("name", SHAPES)
def test_splits_do_not_matter(name: str) -> None:
    net, audio = make(name), noise()
    whole = play(net, audio, [FRAMES])
    assert whole[0].std() > 0.01
    for splits in ([1] * FRAMES, [4] * (FRAMES // 4), [33, 1, 30, 7, 29]):
        for found, wanted in zip(play(net, audio, splits), whole, strict=True):
            assert torch.allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_the_future_does_not_change_the_past(name: str) -> None:
    net, audio = make(name), noise()
    poisoned = audio.clone()
    poisoned[:, 70 * SMALL.hop :] = torch.nan
    for found, wanted in zip(play(net, poisoned, [FRAMES]), play(net, audio, [FRAMES]), strict=True):
        assert torch.allclose(found[:, :70], wanted[:, :70], atol=1e-4)
        assert found[:, 70:].isnan().any()


@torch.no_grad()
def test_a_slow_latent_holds_and_knows_what_ended_before_it() -> None:
    net, audio = make("attention"), noise()
    other = audio.clone()
    other[:, 40 * SMALL.hop :] *= 0.1
    slow, changed = (net(net.describe(x, Past()), Past())[1][0].mean[0] for x in (audio, other))
    for start in range(0, FRAMES - SLOW_HOPS, SLOW_HOPS):
        assert torch.equal(slow[start], slow[start + SLOW_HOPS - 1])
        assert not torch.equal(slow[start], slow[start + SLOW_HOPS])
    assert torch.equal(slow[: 2 * SLOW_HOPS], changed[: 2 * SLOW_HOPS])
    assert not torch.equal(slow[2 * SLOW_HOPS], changed[2 * SLOW_HOPS])


@torch.no_grad()
def test_attention_chooses_frames_and_forgets_them() -> None:
    torch.manual_seed(0)
    pooling = Pooling("pooling", 2, attention=True)
    pooling.query.weight.copy_(torch.tensor([[9.0, 0.0]]).expand(4, 2))  # type: ignore[union-attr]
    pooling.query.bias.fill_(-9.0)  # type: ignore[union-attr]
    x = torch.zeros(1, 2 * MEMORY_HOPS, 2)
    x[0, 10] = torch.tensor([2.0, 1.0])  # one frame that is asked for
    found = pooling(x, Past())[0]
    quiet, loud = pooling.value(x[0, 0]), pooling.value(x[0, 10])
    share = math.exp(8 * math.tanh(9 / 4))
    at = 10 + MEMORY_HOPS - 1
    assert torch.allclose(found[at], (share * loud + (MEMORY_HOPS - 1) * quiet) / (share + MEMORY_HOPS - 1), atol=1e-4)
    assert torch.allclose(found[at + 1], quiet, atol=1e-4)
    assert torch.allclose(found[5], quiet, atol=1e-4)  # the empty past has no weight


def test_noise_of_a_slow_latent_holds_as_long_as_it_does() -> None:
    torch.manual_seed(0)
    drawn = standard(torch.zeros(2, 70, 8), SLOW_HOPS).sample()
    assert torch.equal(drawn[:, 0], drawn[:, SLOW_HOPS - 1])
    assert not torch.equal(drawn[:, 0], drawn[:, SLOW_HOPS])


def test_divergence_is_that_of_two_normal_distributions() -> None:
    torch.manual_seed(0)
    level = Level(*torch.randn(4, 1, 5, 3))
    posterior = torch.distributions.Normal(level.mean, torch.exp(0.5 * level.log_variance))
    prior = torch.distributions.Normal(level.prior_mean, torch.exp(0.5 * level.prior_log_variance))
    assert torch.allclose(level.divergence(), torch.distributions.kl_divergence(posterior, prior), atol=1e-5)


def test_free_bits_count_from_their_number_on_and_0_changes_nothing() -> None:
    divergence = torch.tensor([[[0.1, 0.9], [0.1, 2.9]]])
    assert free_bits(divergence, 0.0) == pytest.approx(2.0)
    assert free_bits(divergence, 0.5) == pytest.approx(2.4)
    assert free_bits(divergence, 5.0) == pytest.approx(10.0)


def toy_active_units(free: float) -> int:
    """Train a linear autoencoder on factors that explain too little to be worth their nats; count what stays in use."""
    torch.manual_seed(0)
    mixing = torch.linalg.qr(torch.randn(12, 4))[0] * 0.6
    encoder, decoder = torch.nn.Linear(12, 8), torch.nn.Linear(4, 12)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-2)
    for _ in range(250):
        x = torch.randn(1, 128, 4) @ mixing.T
        level = standard(encoder(x))
        error = 0.5 * (decoder(level.sample()) - x).square().sum(2).mean()
        optimiser.zero_grad()
        (error + free_bits(level.divergence(), free)).backward()
        optimiser.step()
    x = torch.randn(1, 512, 4) @ mixing.T
    return active_units(standard(encoder(x)).mean[0])


def test_free_bits_keep_units_in_use_that_collapse_without() -> None:
    assert toy_active_units(0.0) == 0
    assert toy_active_units(0.3) == 4


def test_active_units_are_those_whose_mean_moves() -> None:
    torch.manual_seed(0)
    means = torch.randn(4000, 3) * torch.tensor([1.0, 0.2, 0.05])
    assert active_units(means) == 2
    level = Level(means[None], *torch.zeros(3, 1, 4000, 3))
    assert use_of([level], 0, 100.0).nats_per_second == pytest.approx(100.0 * 0.5 * (1.0 + 0.04 + 0.0025), rel=0.05)
    prior = replace(level, prior_mean=level.mean)
    assert use_of([prior], 0, 100.0).active == 0  # what the prior says is no news


def test_distances_of_known_spectra() -> None:
    torch.manual_seed(0)
    wanted = 5.0 * torch.randn(20, 64) - 40.0
    assert distance_db(wanted + 6.0, wanted) == pytest.approx(6.0, abs=1e-4)
    assert distance_db(wanted, wanted) == 0.0
    assert relative_db(wanted - 20 * math.log10(2), wanted) == pytest.approx(-20 * math.log10(2), abs=1e-4)
    silent, below = wanted.clone(), wanted.clone()
    silent[:, 7], below[:, 7] = -200.0, -150.0
    assert distance_db(below, silent) == 0.0  # nobody hears either
    assert distance_db(wanted, silent) > 1.0  # a sound that should not be there
    assert distance_db(wanted, silent) == pytest.approx(distance_db(wanted, below))  # nor how far below


def test_a_tone_has_its_level_at_its_bin() -> None:
    net, time = Vae(SMALL), torch.arange(60 * SMALL.hop) / SMALL.sample_rate
    numbers = bin_numbers(SMALL.bands)
    for frequency in (440.0, 2200.0, 7300.0):
        tone = 0.3 * torch.sin(2 * torch.pi * frequency * time)[None]
        level = decibels(net.describe(tone, Past()))[0, 20:]
        loudest = numbers[level.mean(0).argmax()] * SMALL.sample_rate / 1024
        assert loudest == pytest.approx(frequency, abs=47.0)
        quiet = decibels(net.describe(0.1 * tone, Past()))[0, 20:]
        assert (level.amax(1) - quiet.amax(1)).mean() == pytest.approx(20.0, abs=0.1)


def test_weights_of_the_bins_fall_with_frequency_whatever_their_order() -> None:
    weight, numbers = bin_weights(PLAIN), bin_numbers(PLAIN.bands)
    assert torch.all(weight[numbers.argsort()].diff() <= 0)
    assert float(weight.mean()) == pytest.approx(1.0, abs=1e-5)


def test_a_listener_knows_the_same_from_another() -> None:
    listener = Listener(SMALL.bands, SMALL.hop, SMALL.sample_rate)
    torch.manual_seed(0)
    net = Vae(SMALL)
    time = torch.arange(200 * SMALL.hop) / SMALL.sample_rate
    tones = sum(torch.sin(2 * torch.pi * 330 * k * time) / k for k in range(1, 10))[None] * 0.1
    hiss = 0.05 * torch.randn(1, 200 * SMALL.hop)
    a, b = (decibels(net.describe(x, Past()))[0, 20:] for x in (tones, hiss))
    same, other = listener.compare(a, a), listener.compare(b, a)
    assert same.distance_db == 0.0
    assert same.similarity == pytest.approx(100.0, abs=1e-3)
    assert same.ear_similarity == pytest.approx(100.0, abs=1e-3)
    assert other.ear_similarity < 90.0
    assert other.similarity < 90.0
    assert other.distance_db > 10.0


def test_training_lowers_the_bound_and_a_seed_repeats_it() -> None:
    torch.set_num_threads(1)
    net = Vae(PLAIN)
    with torch.no_grad():
        material = torch.cat([net.describe(noise(40), Past())] * 2).half()
    row = ROWS[2]
    nets = [train(row, material, Plan(steps=steps, batch=2, frames=40), 0) for steps in (3, 3, 30)]
    first, again = (net.out.weight for net in nets[:2])
    assert torch.equal(first, again)
    weight = bin_weights(PLAIN)

    @torch.no_grad()
    def loss(net: Vae) -> float:
        found, levels = net(material.float(), Past())
        return float(objective(found, net.wanted(material.float()), levels, weight, 0.0))

    assert loss(nets[2]) < 0.7 * loss(nets[0])


class Names:
    """A corpus whose clips say which instrument they are."""

    names = ("violin", "drums", "voice", "cello", "mix")
    instruments = ("cello", "violin", "voice")
    phrase_instruments = ("drums", "mix", "violin")

    def clip(self, name: str) -> np.ndarray:
        return np.full(4, self.names.index(name), np.float32)

    def phrase(self, rng, seconds, voice=None):  # type: ignore[no-untyped-def]
        return self.clip(voice), voice

    def style_clip(self, rng, voice, seconds):  # type: ignore[no-untyped-def]
        return self.clip(voice)


def test_sources_are_drawn_evenly_by_kind_or_from_one_alone() -> None:
    rng = np.random.default_rng(0)
    corpus = Names()
    kinds = [kind_of(corpus.names[int(draw(corpus, rng, 1.0, None)[0])]) for _ in range(300)]  # type: ignore[arg-type]
    for kind in ("instrument", "voice", "percussion"):
        assert kinds.count(kind) == pytest.approx(100, abs=25)
    assert {int(draw(corpus, rng, 1.0, ("violin",))[0]) for _ in range(20)} == {0}  # type: ignore[arg-type]
