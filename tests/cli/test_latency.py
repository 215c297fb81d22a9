"""The delay that is shown is the delay that is there."""

import json
from pathlib import Path

import numpy as np
import pytest

from rtstyle.bundle import load_bundle
from rtstyle.cli import app as cli
from rtstyle.cli.latency import describe, latency_report, measure
from rtstyle.cli.loopback import JackProbe, burst, find_delay
from rtstyle.cli.offline import OfflineChain
from tests.fixtures_bundles import make_identity_bundle
from tests.jack_server import JackServer

RATE = 48_000


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    make_identity_bundle(folder / "spectral", "spectral", name="spectral")
    make_identity_bundle(folder / "latent", "latent", name="latent", delay=107)
    return folder


@pytest.mark.parametrize("delay", [0, 1, 336, 20_000])
@pytest.mark.parametrize("gain", [0.5, -0.01])
def test_a_burst_is_found_to_the_sample_in_noise(delay: int, gain: float) -> None:
    sent = burst()
    heard = np.random.default_rng(5).normal(0, 0.001, RATE).astype(np.float32)
    heard[delay : delay + len(sent)] += gain * sent
    assert find_delay(sent, heard) == delay


def test_silence_and_noise_are_not_taken_for_a_burst() -> None:
    assert find_delay(burst(), np.zeros(RATE, np.float32)) is None
    assert find_delay(burst(), np.random.default_rng(6).normal(0, 0.1, RATE).astype(np.float32)) is None


@pytest.mark.parametrize(
    ("model", "block", "rate", "driver"),
    [
        ("spectral", 64, 48_000, "tight"),
        ("spectral", 441, 44_100, "safe"),
        ("latent", 128, 48_000, "tight"),
        ("latent", 480, 96_000, "tight"),
    ],
)
def test_what_is_listed_adds_up_to_what_a_burst_measures(
    bundles: Path, model: str, block: int, rate: int, driver: str
) -> None:
    bundle = load_bundle(bundles / model)
    report = latency_report(bundle, rate=rate, block=block, driver=driver)
    exact = [item["samples"] for item in report["items"] if item["kind"] == "exact"]
    assert sum(exact) == pytest.approx(report["chain"]["samples"], abs=1e-6)
    assert report["total"]["samples"] == report["chain"]["samples"] + 2 * block
    values = {"gate.threshold_db": -96.0}
    chain = OfflineChain(bundle, sample_rate=rate, block=block, driver=driver, values=values)
    chain.engine.set_patient(True)
    sent = np.zeros((1, rate // block * block), np.float32)
    sent[0, rate // 4 : rate // 4 + 2048] = burst()
    out = [chain.engine.process(sent[:, i : i + block]) for i in range(0, sent.shape[1], block)]
    chain.close()
    heard = np.concatenate(out, axis=1)[0, rate // 4 :]
    found = find_delay(burst(), heard)
    assert found is not None and abs(found - report["chain"]["samples"]) <= 1


def test_report_as_text_and_as_json_say_the_same(bundles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["latency", "--model", str(bundles / "latent"), "--block", "64", "--driver", "tight"]
    assert cli.run([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {
        "model", "sample_rate", "block", "driver", "driver_reason", "items", "chain", "total",
    }  # fmt: skip
    assert cli.run(words) == 0
    text = capsys.readouterr().out
    assert f"{report['total']['ms']:.2f}" in text and "block adaptation" in text
    assert describe(report) == text.rstrip("\n")


@pytest.mark.jack
def test_a_loop_through_a_running_client_measures_what_is_declared(bundles: Path) -> None:
    with JackServer(period=128):
        report = latency_report(load_bundle(bundles / "latent"), rate=RATE, block=128, driver="tight")
        report["model"] = str(bundles / "latent")
        found = measure(report, backend="jack", input=None, output=None)
    assert found["chain"] == found["chain_declared"]
    assert found["cable"] is None  # the server of the tests has no cable
    assert found["block"] == 128


@pytest.mark.jack
def test_the_probe_itself_is_one_period_late() -> None:
    with JackServer(period=256):
        probe = JackProbe()
        try:
            assert probe.measure(["self"], ["self"]) == 256
        finally:
            probe.close()
