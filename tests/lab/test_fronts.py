"""Every front end of the spectral family trains, exports, streams and is as late as it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace as replace_field

from rtstyle.errors import BundleError
from rtstyle.lab.evaluate.bundle_run import BundleRun
from rtstyle.lab.export.bundle import export_tiny
from rtstyle.lab.train.batches import Maker
from rtstyle.lab.train.trainer import Plan, Trainer
from rtstyle.runtime.model import load_model
from tests.contract import lag_of, noise_signal, verify_latency, verify_streaming
from tests.lab.test_training import SMALL, Tones

FRONTS = {
    "stft 1024/64": {},
    "stft 1024/128": {"hop": 128},
    "stft 2048/128": {"n_fft": 2048, "hop": 128},
    "constant-q": {"analysis": "constant-q"},
    "constant-q 512/32": {"analysis": "constant-q", "n_fft": 512, "hop": 32},
}
fronts = pytest.mark.parametrize("shape", FRONTS.values(), ids=FRONTS.keys())


@fronts
def test_a_front_end_plays_as_torch_does_and_keeps_the_streaming_contract(shape: dict, tmp_path: Path) -> None:
    bundle = export_tiny("spectral", tmp_path / "tiny", name="tiny", seed=4, shape=shape)  # holds it to torch itself
    model = load_model(bundle)
    try:
        controls, dry = model.controls(0, 1.0), model.controls(0, 0.0)
        verify_streaming(lambda x: model.step(x, controls), model.reset, hop=model.hop, blocks=150)
        x = noise_signal(150 * model.hop, seed=2)
        assert model.latency == shape.get("hop", 64)
        verify_latency(lambda x: model.step(x, dry), model.reset, x, model.latency)
        model.reset()
        wanted = model.step(x, controls)
        model.poison()
        model.reset()
        assert np.array_equal(model.step(x, controls), wanted)
    finally:
        model.close()


@fronts
def test_the_chain_is_as_late_as_it_says(shape: dict, tmp_path: Path) -> None:
    run = BundleRun(export_tiny("spectral", tmp_path / "tiny", name="tiny", seed=4, shape=shape), block=128)
    try:
        x = noise_signal(128 * 100)
        y = run(x, run.styles[0], 0.0)
        assert lag_of(x, y) == lag_of(y, x) == 0
        assert np.corrcoef(x, y)[0, 1] > 0.99
    finally:
        run.close()


@fronts
def test_a_front_end_learns(shape: dict, tmp_path: Path) -> None:
    trainer = Trainer(Plan("spectral", batch=2, seconds=0.5, styles=()), Tones(), tmp_path, shape=SMALL | shape)
    batch = Maker(Tones(), trainer.analyser, size=2, seconds=0.5, seed=1, identity=0.0, augment=False)()
    losses = []
    for _ in range(12):
        loss, _ = trainer.loss(batch, sample=False)
        trainer.optimiser.zero_grad()
        loss.backward()
        trainer.optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]


def test_a_run_ends_after_its_steps_however_long_they_take(tmp_path: Path) -> None:
    plan = Plan("spectral", minutes=1e-9, steps=3, batch=1, seconds=0.3, styles=(), adversary_from=2.0)
    trainer = Trainer(plan, Tones(), tmp_path, shape=SMALL)
    trainer.train()
    assert trainer.step == 3


def test_a_bundle_that_asks_for_what_its_analysis_does_not_give_is_refused(tmp_path: Path) -> None:
    made = export_tiny("spectral", tmp_path / "tiny", name="tiny")

    def ask(hop: int, features: int) -> None:
        frontend = replace_field(made.frontend, analysis="constant-q", features=features)
        load_model(replace(made, manifest=replace_field(made.manifest, hop=hop, frontend=frontend)))

    with pytest.raises(BundleError, match=r"makes 234 features of 207 bands \(constant-q\)"):
        ask(64, made.frontend.features)
    with pytest.raises(BundleError, match="hop = 36 does not fit frontend"):
        ask(36, 234)
