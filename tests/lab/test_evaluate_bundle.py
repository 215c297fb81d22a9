"""A bundle is judged as it plays: through the compiled chain, in blocks, lined up with its input."""

import json
from contextlib import closing

import numpy as np
import pytest

from rtstyle.bundle import Style, load_bundle, write_bundle
from rtstyle.cli import app as cli
from rtstyle.errors import BundleError, ParameterError
from rtstyle.lab.evaluate.bundle_run import CAPTURED, BundleRun
from rtstyle.lab.evaluate.bundle_table import evaluate_bundle
from tests.fixtures_bundles import make_identity_bundle
from tests.lab.evaluate_tones import RATE, melody, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle")
    make_identity_bundle(path / "echo", "latent", name="echo", delay=107, style_gains=(1.0, 0.5))
    return path / "echo"


@pytest.mark.parametrize("block", [64, 128, 441])
def test_the_output_lines_up_with_the_input_whatever_the_block(folder, block):
    run = BundleRun(folder, block=block)
    tune = melody(8)[: RATE + 13]
    for style, amount, gain in ((0, 1.0, 1.0), (1, 1.0, 0.5), (1, 0.0, 1.0)):
        output = run(tune, run.styles[style], amount)
        assert output.shape == tune.shape
        lags = [np.sum(output[50:-50] * np.roll(tune, lag)[50:-50]) for lag in range(-3, 4)]
        assert np.argmax(lags) == 3
        # The chain's filter against direct current turns the lowest tone by two degrees.
        assert np.sum((output - gain * tune) ** 2) < 0.01 * np.sum((gain * tune) ** 2)
    assert run.cost()["blocks"] >= 3 * tune.size // block
    run.close()


def test_a_render_does_not_depend_on_what_was_rendered_before(folder):
    run = BundleRun(folder)
    tune = melody(8)[:RATE]
    first = run(tune, run.styles[1], 0.5)
    run(np.ones(5000, np.float32), run.styles[0], 1.0)
    np.testing.assert_array_equal(run(tune, run.styles[1], 0.5), first)
    run.close()


def test_switching_plays_each_style_in_turn(folder):
    run = BundleRun(folder)
    level = np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE).astype(np.float32) * 0.2
    switched, places = run.switching(level, run.styles, 1.0)
    assert places == [RATE, 2 * RATE]
    peaks = [np.abs(switched[at + RATE // 2 : at + RATE - 100]).max() for at in (0, *places)]
    assert peaks == pytest.approx([0.2, 0.1, 0.2], abs=0.002)
    run.close()


def test_the_itemised_latency_adds_up(folder):
    run = BundleRun(folder, block=128)
    latency = run.latency_ms()
    parts = sum(value for name, value in latency.items() if name not in ("total", "block"))
    assert latency["total"] == pytest.approx(parts, abs=0.01)
    assert latency["block"] == pytest.approx(1000 * 128 / RATE, abs=0.001)
    run.close()


def test_a_captured_style_plays_without_being_saved(folder):
    run = BundleRun(folder)
    tune = melody(8)[:RATE]
    noise = np.random.default_rng(0).normal(0.0, 0.5, 3 * RATE).astype(np.float32)
    with closing(run.captured(noise)) as player:  # the identity's gain is the style's power
        output = player(tune, CAPTURED, 1.0)
    run.close()
    assert np.sum((output - 0.25 * tune) ** 2) < 0.01 * np.sum((0.25 * tune) ** 2)
    assert [style.source for style in load_bundle(folder).styles] == ["trained", "trained"]


def test_an_unknown_style_or_bundle_is_one_clear_error(folder, tmp_path):
    run = BundleRun(load_bundle(folder))
    with pytest.raises(ParameterError, match="theremin"):
        run(np.zeros(100, np.float32), "theremin", 1.0)
    run.close()
    with pytest.raises(BundleError):
        evaluate_bundle(tmp_path, tmp_path)


def test_the_command_names_what_is_missing(folder, tmp_path, capsys):
    assert cli.run(["evaluate", str(folder), "--recordings", str(tmp_path / "none")]) == cli.FAILED
    assert "no folder" in capsys.readouterr().err
    assert cli.run(["evaluate", "--recordings", str(tmp_path)]) == cli.FAILED
    assert "rtstyle models" in capsys.readouterr().err


def test_the_command_judges_a_bundle_and_writes_table_and_pictures(folder, tmp_path, capsys):
    sounds = write_folder(tmp_path / "r", {"violin": [melody(30, slope=0.7)], "flute": [melody(3, slope=3.0)]})
    echo, duo = load_bundle(folder), tmp_path / "duo"
    write_bundle(
        duo,
        name="duo",
        kind=echo.kind,
        sample_rate=echo.sample_rate,
        hop=echo.hop,
        latency=echo.latency,
        encoder=echo.encoder,
        decoder=echo.decoder,
        styles=[Style("violin", "Violin"), Style("flute", "Flute")],
        mean=np.ones_like(echo.mean),
        std=echo.std,
        neutral_mean=echo.neutral_mean,
        neutral_std=echo.neutral_std,
    )
    command = ["evaluate", str(duo), "--recordings", str(sounds), "--quick", "--json", "--out", str(tmp_path / "out")]
    assert cli.run(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["copy-content"]["pitch_accuracy"]["mean"] == 1.0
    assert document["summary"]["amount 1"]["pitch_accuracy"]["mean"] > 0.99
    assert document["quiet"]["silence_out_db"] < -100
    assert set(document["cost"]) == {"latency_ms", "time_of_block", "peak_memory_mb"}
    pictures = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert pictures == {"pairs.png", *(f"{s}-to-{t}.png" for s in ("violin", "flute") for t in ("violin", "flute"))}
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".md", ".png"}
