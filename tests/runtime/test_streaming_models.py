"""Loaded models of both kinds keep the streaming contract, natively and through ONNX Runtime's Python session."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtstyle.bundle import Bundle
from rtstyle.dsp import tone
from rtstyle.params import TONE_BANDS
from rtstyle.runtime.model import LoadedModel, load_model
from tests.contract import noise_signal, verify_splits, verify_streaming
from tests.dsp.test_marks import silence
from tests.dsp.test_marks import tone as tone_of
from tests.fixtures_bundles import in_two_turns, make_identity_bundle, make_network_bundle, rewritten

KINDS = ("spectral", "latent")
MODELS = [
    "spectral-identity",
    "latent-identity",
    "latent-delay",
    *(f"{k}-{w}" for k in KINDS for w in ("network", "toned", "turns", "recorded")),
]


def toned(bundle: Bundle) -> Bundle:
    """The bundle with a tone for every style but the first."""
    tone = np.random.default_rng(4).uniform(-12.0, 6.0, (len(bundle.styles), TONE_BANDS)).astype(np.float32)
    tone[0] = 0.0
    return rewritten(bundle, tone=tone)


def recorded(bundle: Bundle) -> Bundle:
    """The bundle with a recording of a note behind its second style."""
    note = np.concatenate([silence(0.1), tone_of(220.0, 0.6), silence(0.1)])
    return replace(bundle, sounds={bundle.styles[1].id: note})


def make(folder: Path, model: str, prefer: str = "native") -> LoadedModel:
    kind, what = model.split("-")
    if what == "toned":
        return load_model(toned(make_network_bundle(folder / model, kind)), prefer=prefer)
    if what == "turns":
        return load_model(in_two_turns(toned(make_network_bundle(folder / model, kind))), prefer=prefer)
    if what == "recorded":
        return load_model(recorded(in_two_turns(toned(make_network_bundle(folder / model, kind)))), prefer=prefer)
    if what == "network":
        return load_model(make_network_bundle(folder / model, kind), prefer=prefer)
    return load_model(make_identity_bundle(folder / model, kind, delay=107 if what == "delay" else 0), prefer=prefer)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoadedModel]:
    loaded = make(tmp_path, request.param)
    yield loaded
    loaded.close()


def test_every_model_keeps_the_streaming_contract(model: LoadedModel) -> None:
    network = model.name.endswith(("network", "toned", "turns", "recorded"))
    controls = model.controls(style=1, amount=0.7)
    verify_streaming(
        lambda x: model.step(x, controls),
        model.reset,
        hop=model.hop,
        latency=None if network else model.latency,
        blocks=200,
    )


@pytest.mark.parametrize("kind, delay", [("spectral", 0), ("latent", 0), ("latent", 107)])
def test_an_identity_is_its_input_late_by_the_latency(kind: str, delay: int, tmp_path: Path) -> None:
    model = load_model(make_identity_bundle(tmp_path / "identity", kind, delay=delay))
    x = noise_signal(300 * model.hop)
    y = model.step(x, model.controls())
    late = model.latency
    assert late == (64 if kind == "spectral" else delay)
    assert np.abs(y[late:] - x[: x.size - late]).max() < 1e-5
    assert not late or np.abs(y[:late]).max() < 1e-5


@pytest.mark.parametrize("kind, delay", [("spectral", 0), ("latent", 107)])
def test_an_identity_in_two_turns_is_late_by_both(kind: str, delay: int, tmp_path: Path) -> None:
    bundle = in_two_turns(make_identity_bundle(tmp_path / "identity", kind, delay=delay))
    model = load_model(bundle)
    x = noise_signal(300 * model.hop)
    y = model.step(x, model.controls())
    assert model.latency == 2 * (delay or model.hop)
    assert np.abs(y[model.latency :] - x[: x.size - model.latency]).max() < 1e-5


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_native_and_python_sessions_agree_to_the_last_bit(kind: str, tmp_path: Path) -> None:
    native, python = (make(tmp_path / prefer, f"{kind}-network", prefer) for prefer in ("native", "python"))
    assert (native.backend, python.backend) == ("native", "python")
    x = noise_signal(333 * native.hop, seed=3)
    controls = native.controls(style=2, amount=0.9)
    assert np.array_equal(native.step(x, controls), python.step(x, controls))
    assert np.array_equal(native.step(x, controls), python.step(x, controls))  # the states too


@pytest.mark.parametrize("what", ["toned", "turns", "recorded"])
@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_poison_in_memory_that_is_written_before_it_is_read_never_leaks(kind: str, what: str, tmp_path: Path) -> None:
    model = make(tmp_path, f"{kind}-{what}")
    x = noise_signal(100 * model.hop)
    wanted = model.step(x, model.controls(1))
    model.poison()
    model.reset()
    assert np.array_equal(model.step(x, model.controls(1)), wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tone_is_heard_behind_the_model_as_far_as_style_and_amount_go(kind: str, tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "network", kind)
    plain, coloured = load_model(bundle), load_model(toned(bundle))
    gains = toned(bundle).tone
    x = noise_signal(200 * plain.hop)

    def play(model: LoadedModel, *weights: float, amount: float = 1.0) -> np.ndarray:
        controls = model.controls(amount=amount)
        controls[1 : 1 + len(weights)] = weights
        model.reset()
        return model.step(x, controls)

    def behind(y: np.ndarray, gains: np.ndarray) -> np.ndarray:
        state = tone.new_state()
        tone.tune(state, gains.astype(np.float32), float(bundle.sample_rate))
        tone.colour(state, y, 64)
        return y

    assert np.array_equal(play(coloured, 1.0, 0.0), play(plain, 1.0, 0.0))
    assert np.array_equal(play(coloured, 0.0, 1.0, amount=0.0), play(plain, 0.0, 1.0, amount=0.0))
    whole = behind(play(plain, 0.0, 1.0), gains[1])
    assert np.array_equal(play(coloured, 0.0, 1.0), whole)
    assert np.abs(whole - play(plain, 0.0, 1.0)).max() > 1e-3
    half = behind(play(plain, 1.0, 3.0, amount=0.5), 0.5 * 0.75 * gains[1])
    assert play(coloured, 1.0, 3.0, amount=0.5) == pytest.approx(half, abs=1e-5)


def test_the_tone_of_a_style_is_heard_once_behind_the_last_turn(tmp_path: Path) -> None:
    bundle = make_identity_bundle(tmp_path / "identity", "latent")
    gains = np.full((len(bundle.styles), TONE_BANDS), 6.0, np.float32)
    once, twice = load_model(rewritten(bundle, tone=gains)), load_model(in_two_turns(rewritten(bundle, tone=gains)))
    x = noise_signal(100 * once.hop)
    assert np.abs(once.step(x, once.controls()) - twice.step(x, twice.controls())).max() < 1e-6


def line(hops: int, hop: int) -> np.ndarray:
    """Notes and a rest: what makes a recording play."""
    x = np.concatenate([tone_of(330.0, 0.25), tone_of(440.0, 0.25), silence(0.1), tone_of(196.0, 0.4)])
    return x[: hops * hop]


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_that_plays_is_the_same_in_blocks_of_any_size(kind: str, tmp_path: Path) -> None:
    model = make(tmp_path, f"{kind}-recorded")
    x = line(600, model.hop)
    controls = model.controls(1, 0.9)
    verify_splits(lambda part: model.step(part, controls), model.reset, x, model.hop, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_is_heard_in_its_style_alone_and_as_far_as_the_amount_goes(kind: str, tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "network", kind)
    plain, played = load_model(bundle), load_model(recorded(bundle))
    x = line(600, plain.hop)

    def both(style: int, amount: float) -> tuple[np.ndarray, np.ndarray]:
        controls = plain.controls(style, amount)
        for model in (plain, played):
            model.reset()
        return plain.step(x, controls), played.step(x, controls)

    for style, amount in ((0, 1.0), (2, 1.0), (1, 0.0)):
        without, beside = both(style, amount)
        assert np.array_equal(without, beside)
    apart = [float(np.std(np.subtract(*both(1, amount)))) for amount in (0.1, 0.5, 1.0)]
    assert 0.0 < apart[0] < apart[1] < apart[2]


def test_two_recordings_are_told_apart_by_their_styles(tmp_path: Path) -> None:
    bundle = make_network_bundle(tmp_path / "network")
    low, high = (np.concatenate([tone_of(pitch, 0.6), silence(0.1)]) for pitch in (110.0, 880.0))
    first, second = bundle.styles[0].id, bundle.styles[1].id
    both = load_model(replace(bundle, sounds={first: low, second: high}))
    x = line(600, both.hop)
    for style, (id, sound) in enumerate(((first, low), (second, high))):
        alone = load_model(replace(bundle, sounds={id: sound}))
        both.reset()
        alone.reset()
        assert both.step(x, both.controls(style)) == pytest.approx(alone.step(x, alone.controls(style)), abs=1e-6)
