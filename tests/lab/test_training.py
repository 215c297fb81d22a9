"""Training lowers its loss, keeps what it needs to go on, and what it exports plays as torch does."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from rtstyle.errors import BundleError
from rtstyle.lab.export.bundle import export_tiny
from rtstyle.lab.export.graphs import export_graphs, net_of
from rtstyle.lab.knockout import held_out_loss, pieces
from rtstyle.lab.nets.spectral import SpectralShape, band_spread
from rtstyle.lab.origin import Origin
from rtstyle.lab.reference import BLOCKS, analyser_of, filter_sources, parity, sources_of
from rtstyle.lab.train.adversary import (
    DEPTH_DB,
    FLOOR_DB,
    TOP_HZ,
    Adversary,
    Discriminator,
    EarDiscriminator,
    SpectrumDiscriminator,
    colour,
    discriminator_loss,
)
from rtstyle.lab.train.batches import Analyser, Augment, Maker
from rtstyle.lab.train.losses import flutter_loss, frame_loss, hearing, power_of, relative_powers
from rtstyle.lab.train.stage import Stage
from rtstyle.lab.train.style_bank import StyleBank
from rtstyle.lab.train.trainer import (
    NETS,
    SHAPES,
    SNAPSHOTS,
    Plan,
    Trainer,
    load_net,
)

SMALL = {"channels": 24, "latent": 8, "style": 8, "units": 2}


class Tones:
    """A corpus of two instruments: a dull and a bright tone on the same pitches."""

    instruments = voices = ("bright", "dull")

    def count(self, name: str) -> int:
        return int(name in (*self.instruments, *self.voices))

    @staticmethod
    def tone(pitch: float, seconds: float, decay: float) -> np.ndarray:
        time = np.arange(int(seconds * 48000)) / 48000
        return (0.1 * sum(np.sin(2 * np.pi * pitch * k * time) / k**decay for k in range(1, 12))).astype(np.float32)

    def sample(self, rng, seconds, sources=None, targets=None, moments=1):  # type: ignore[no-untyped-def]
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
    batch = Maker(Tones(), trainer.analyser, size=3, seconds=0.4, seed=1, identity=0.0)()
    first = float(trainer.loss(batch, sample=False)[0].detach())
    for group in trainer.optimiser.param_groups:
        group["lr"] = 5e-3
    for _ in range(30):
        loss, _ = trainer.loss(batch, sample=True)
        trainer.optimiser.zero_grad()
        loss.backward()
        trainer.optimiser.step()
    assert float(trainer.loss(batch, sample=False)[0].detach()) < 0.8 * first


def test_a_room_is_heard_after_the_direct_sound_and_never_louder() -> None:
    augment = Augment(np.random.default_rng(0))
    for _ in range(20):
        response = augment.room(24_000)
        assert response.shape == (24_000,)
        assert response[0] == 1.0
        assert not response[1:48].any()
        assert 0.0 < (response[1:] ** 2).sum() < 10 ** (-0.59)


def test_input_and_target_share_room_and_gain() -> None:
    x = np.random.default_rng(1).standard_normal(24_000).astype(np.float32)
    augment = Augment(np.random.default_rng(2))
    changed = [augment(x, x) for _ in range(40)]
    plain = [y for heard, y in changed if np.allclose(heard, y, atol=1e-6)]  # neither microphone nor noise
    assert any(abs(np.corrcoef(x, y)[0, 1]) < 0.999 for y in plain)
    assert any(abs(np.corrcoef(x, y)[0, 1]) > 0.99999 for y in plain)


class Libraries(Tones):
    """The same two, one library each, by the names that a corpus gives them."""

    instruments = ("bright", "dull")
    voices = ("bright/mine", "dull/mine")

    def sample(self, rng, seconds, sources=None, targets=None, moments=1):  # type: ignore[no-untyped-def]
        return (*super().sample(rng, seconds)[:2], "dull/mine", "bright/mine")

    def phrase(self, rng, seconds, instrument=None):  # type: ignore[no-untyped-def]
        return super().phrase(rng, seconds)[0], "bright/mine"


def test_an_example_of_a_relative_counts_for_the_instrument_alone(tmp_path: Path) -> None:
    trainer = Trainer(Plan("spectral", batch=4, seconds=0.4, styles=()), Libraries(), tmp_path, shape=SMALL)
    given = {"size": 4, "seconds": 0.4, "seed": 1, "identity": 0.0}
    batch = Maker(Libraries(), trainer.analyser, **given, relatives=1.0)()
    assert [example.split("/")[0] for example in batch.examples] == [voice.split("/")[0] for voice in batch.voices]
    trainer.play(batch, sample=True)
    assert set(trainer.bank.mean) - {""} <= {"bright", "dull"}
    own = Maker(Libraries(), trainer.analyser, **given, relatives=1.0, augment=False)()
    assert own.examples == own.voices


def test_another_recording_differs_in_colour_and_room_and_not_in_its_notes() -> None:
    augment, tone = Augment(np.random.default_rng(3)), Tones.tone(440.0, 0.5, 0.5)
    heard = [np.abs(np.fft.rfft(augment.recording(tone))) for _ in range(20)]
    partials = np.arange(1, 12) * 220  # bins of 2 Hz
    assert all(found[partials].sum() > 5.0 * found[partials + 110].sum() for found in heard)
    balance = [20 * np.log10(found[partials[6:]].sum() / found[partials[:3]].sum()) for found in heard]
    assert np.ptp(balance) > 6.0


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    plan = Plan("spectral", minutes=0.04, batch=2, seconds=0.4, styles=())
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


def test_a_run_begins_with_a_trained_network_to_which_its_discriminators_listen_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(Adversary, "EASE_STEPS", 2)
    trained = NETS["spectral"](SHAPES["spectral"](**SMALL))
    trainer = Trainer(Plan("spectral", steps=1, batch=2, seconds=0.4, styles=()), Tones(), tmp_path, shape=SMALL)
    trainer.begin_with(Origin(trained, StyleBank(SMALL["latent"]), tmp_path, "untrained"))
    before: list[dict[str, torch.Tensor]] = []

    def watch(*given: object, **named: object) -> tuple[torch.Tensor, dict[str, float]]:
        before.append({name: value.clone() for name, value in trainer.net.state_dict().items()})
        return loss(*given, **named)  # type: ignore[arg-type]

    loss = trainer.loss
    monkeypatch.setattr(trainer, "loss", watch)
    trainer.train()
    assert trainer.step == 1
    assert len(before) == 3  # two to listen, one to learn
    for state in before:
        assert all(torch.equal(value, trained.state_dict()[name]) for name, value in state.items())
    assert all(adversary.steps == 3 for adversary in trainer.adversaries.values())
    assert any(not torch.equal(value, trained.state_dict()[name]) for name, value in trainer.net.state_dict().items())


def test_units_of_a_latent_that_say_less_than_the_free_bits_cost_the_same_as_those_at_them(tmp_path: Path) -> None:
    torch.manual_seed(2)
    given = {"size": 2, "seconds": 0.4, "seed": 1, "identity": 0.0}
    costs = []
    for bits in (0.0, 1e3):
        plan = Plan("latent", batch=2, seconds=0.4, styles=(), free_bits=bits)
        trainer = Trainer(plan, Tones(), tmp_path, shape=SMALL)
        costs.append(trainer.loss(Maker(Tones(), trainer.analyser, **given)(), sample=False)[1]["kl"])
    assert 0.0 < costs[0] < SMALL["latent"] * 1e3 == costs[1]


def test_snapshots_are_the_results_on_the_way(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    plan = Plan("spectral", minutes=0.04, batch=2, seconds=0.4, styles=(), snapshots=1)
    trainer = Trainer(plan, Tones(), tmp_path, shape=SMALL)
    start = {name: value.clone() for name, value in trainer.averaged.items()}
    trainer.train()
    files = sorted((tmp_path / SNAPSHOTS).iterdir(), key=lambda file: int(file.stem))
    assert [file.name for file in files] == [f"{step}.pt" for step in range(trainer.step + 1)]
    first, _, state = load_net(files[0])
    assert all(torch.equal(value, start[name]) for name, value in first.state_dict().items())
    assert (state["step"], state["trained_seconds"]) == (0, 0.0)
    assert files[0].stat().st_size < 0.5 * trainer.checkpoint.stat().st_size


def test_batches_repeat_with_their_seed() -> None:
    net = NETS["spectral"](SHAPES["spectral"](**SMALL))
    one, two = (Maker(Tones(), analyser_of(net), size=2, seconds=0.3, seed=5)() for _ in range(2))
    assert torch.equal(one.x.features, two.x.features)
    assert one.voices == two.voices


def test_loss_is_least_for_the_target_itself_and_knows_haze() -> None:
    torch.manual_seed(0)
    spread, weight = band_spread(1024, SpectralShape()), hearing(1024, 48000)
    tone = torch.from_numpy(Tones.tone(330.0, 0.5, 1.0))[None]
    frames = torch.hann_window(1024) * tone.unfold(1, 1024, 320)
    hazy = frames + 3e-4 * torch.randn_like(frames)
    target = torch.fft.rfft(frames)

    def distance(played: torch.Tensor) -> float:
        powers = relative_powers(power_of(torch.fft.rfft(played)), power_of(target))
        return float(frame_loss(*powers, spread, weight)[0])

    assert distance(frames) < 0.01 < distance(hazy) < distance(frames.flip(1).cumsum(2))
    assert distance(frames) < distance(0.5 * frames)


def test_flutter_is_compared_in_amount_not_in_time() -> None:
    torch.manual_seed(0)
    spread = band_spread(1024, SpectralShape())
    steady = torch.ones(1, 400, 513)
    one, two = (torch.exp(torch.randn(1, 400, 1)) * steady for _ in range(2))
    assert float(flutter_loss(one, two, spread)) < 0.15 * float(flutter_loss(steady, two, spread))


# of the noise the level is ramped in the lab and stepped on stage
@pytest.mark.parametrize(("noise", "apart"), [(-30.0, 1e-10), (-2.0, 1e-4)])
def test_training_hears_what_the_stage_plays(noise: float, apart: float) -> None:
    torch.manual_seed(0)
    shape = SpectralShape(**SMALL)
    lab, on_stage = (Analyser("spectral", shape.hop, shape.sample_rate) for _ in range(2))  # the same noise twice
    x = Tones.tone(330.0, 0.5, 1.0)[None]
    at_rest = torch.tensor([0.0] * 80 + [-1.0] * 80 + [noise] * 80)
    gains = torch.exp(torch.randn(1, x.shape[1] // 64, 240) + at_rest)  # nothing that a window could take as constant
    found = Stage(shape)(gains, lab.clip(x).audio)[0][0, :-64].numpy()
    played = filter_sources(shape, gains[0].numpy(), sources_of(on_stage, x[0]))
    wanted = played[64:]  # on stage it comes a hop later
    settled = 100 * 64  # no gains were in force before
    assert np.square(found - wanted)[settled:].sum() < apart * np.square(wanted[settled:]).sum()


def test_the_stage_knows_how_each_gain_changes_what_is_heard() -> None:
    torch.manual_seed(0)
    shape = SpectralShape(bands=12, n_fft=128, hop=16)
    stage = Stage(shape).double()
    sources, wanted = torch.randn(1, 3, 160, dtype=torch.float64), torch.randn(1, 160, dtype=torch.float64)
    logs = torch.randn(1, 10, 36, dtype=torch.float64, requires_grad=True)

    def heard(logs: torch.Tensor) -> torch.Tensor:
        played, of_sources = stage(torch.exp(logs), sources)
        return (played * wanted).sum() + sum(part.sum() for part in of_sources)

    assert torch.autograd.gradcheck(heard, (logs,))


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_adversaries_join_in_and_survive_a_resume(kind: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    plan = Plan(kind, minutes=0.05, batch=2, seconds=0.4, styles=(), adversary_from=0.0)
    trainer = Trainer(plan, Tones(), tmp_path, shape=SMALL)
    trainer.train()
    assert set(trainer.adversaries) == {"spectrum", "ear"}
    again = Trainer(plan, Tones(), tmp_path, shape=SMALL)
    assert again.resume()
    for role, adversary in trainer.adversaries.items():
        assert again.adversaries[role].steps == adversary.steps
        for name, value in again.adversaries[role].net.state_dict().items():
            assert torch.equal(value, adversary.net.state_dict()[name])
    assert trainer.adversaries["ear"].steps > 0


@pytest.mark.parametrize(
    "make", [lambda voices: SpectrumDiscriminator(voices, 1024, 48000), lambda voices: EarDiscriminator(voices, 48000)]
)
def test_discriminators_learn_which_voice_they_hear(make: Callable[[Sequence[str]], Discriminator]) -> None:
    torch.manual_seed(1)
    net = make(Tones.voices)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
    power = torch.stack([torch.rand(32, net.bins) * torch.linspace(1, end, net.bins) for end in (1e-4, 1.0)])
    labels = net.labels(["bright", "dull"])
    real, fake = (net.hear(net.level(one, one)[0]) for one in (power, power.flip(2)))
    for _ in range(60):
        optimiser.zero_grad()
        discriminator_loss(net, fake, real, labels).backward()
        optimiser.step()
    with torch.no_grad():
        scores, named, _ = net(real, labels)
        others = net(real, labels.flip(0))[0]
        assert all(score.mean() > other.mean() + 0.5 for score, other in zip(scores, others, strict=True))
        assert torch.equal(named.argmax(1), labels)


def test_discriminator_hears_every_clip_through_an_equaliser_of_its_own() -> None:
    torch.manual_seed(4)
    gain, floor = colour(1000, TOP_HZ, 64)
    assert gain.shape == (64, 1, 1000)
    level = 10 * torch.log10(gain)
    assert 1.0 < level.std(0).mean() < 2 * DEPTH_DB
    assert level.diff(dim=2).abs().max() < 1.5  # dB in 11 Hz: partials keep their shape
    assert not torch.allclose(level[0], level[1], atol=0.5)
    floor_db = 10 * torch.log10(floor)
    low, high = FLOOR_DB
    assert low <= floor_db.min() < low + 5.0 < high - 5.0 < floor_db.max() <= high  # each clip its own


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


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_the_network_of_a_bundle_is_the_one_that_was_exported(kind: str, tmp_path: Path) -> None:
    shape = {"channels": 24, "latent": 8, "style": 12, "units": 3}
    if kind == "spectral":
        shape |= {"norm": "batch", "depth": 3}
    net = NETS[kind](SHAPES[kind](**shape))
    for value in net.state_dict().values():  # of equal ones, as zeros are, torch's exporter keeps one
        value += 0.05 * torch.rand_like(value)
    graphs = export_graphs(net)
    tiny = export_tiny(kind, tmp_path / "tiny", name="tiny", shape=shape)
    bundle = replace(tiny, encoder=graphs.encoder, decoder=graphs.decoder, conditioner=graphs.conditioner)
    again = net_of(bundle)
    assert again.shape == net.shape
    assert {name: value.tolist() for name, value in again.state_dict().items()} == {
        name: value.tolist() for name, value in net.state_dict().items()
    }


def test_a_bundle_that_does_not_say_its_shape_cannot_be_gone_on_from(tmp_path: Path) -> None:
    bundle = export_tiny("spectral", tmp_path / "tiny", name="tiny")
    encoder = onnx.load_from_string(bundle.encoder)
    del encoder.metadata_props[:]
    with pytest.raises(BundleError, match="does not say the shape"):
        net_of(replace(bundle, encoder=encoder.SerializeToString()))
    lacking = onnx.load_from_string(bundle.decoder)
    lacking.graph.initializer.pop(0)
    with pytest.raises(BundleError, match="lacks weights"):
        net_of(replace(bundle, decoder=lacking.SerializeToString()))


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_knocking_a_piece_out_tells_and_leaves_the_network_as_it_was(kind: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    trainer = Trainer(Plan(kind, batch=2, seconds=0.3, styles=()), Tones(), tmp_path, shape=SMALL)
    for parameter in trainer.net.parameters():  # outputs that start at zero would hide a piece
        parameter.data += 0.02 * torch.randn_like(parameter)
    batches = [Maker(Tones(), trainer.analyser, size=2, seconds=0.3, seed=1, identity=0.0)()]
    whole = held_out_loss(trainer, batches)
    for name, make in pieces(trainer).items():
        assert held_out_loss(trainer, batches, make()) != whole, name
    assert held_out_loss(trainer, batches) == whole


def test_the_neutral_prior_of_a_bundle_is_taken_over_where_training_is() -> None:
    mean, std = np.array([0.5, -1.0], np.float32), np.array([0.3, 2.0], np.float32)
    bank = StyleBank(2)
    bank.take_neutral(mean, std)
    taken = bank.get("")
    np.testing.assert_allclose([value.numpy().reshape(-1) for value in taken], [mean, std], rtol=1e-4)
    elsewhere = StyleBank(2)
    elsewhere.restore(bank.state(), "meta")
    assert {value.device.type for value in elsewhere.get("")} == {"meta"}
