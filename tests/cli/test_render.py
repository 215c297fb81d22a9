"""Files through the chain: lined up, as long, the same whatever the block, steered by text and by MIDI files."""

import json
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from rtstyle.bundle import find_bundle, find_bundles, load_bundle
from rtstyle.cli import app as cli
from rtstyle.cli.offline import OfflineChain
from rtstyle.cli.render import render
from rtstyle.errors import BundleError, FileError, ParameterError
from rtstyle.performance import PERFORMANCE
from tests.fixtures_bundles import make_identity_bundle, make_network_bundle

RATE = 48_000


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    make_identity_bundle(folder / "spectral", "spectral", name="spectral", style_gains=(1.0, 0.5))
    make_identity_bundle(folder / "latent", "latent", name="latent", delay=107)
    make_network_bundle(folder / "network", "latent", name="network")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "in.wav", noise(1.0))


def noise(seconds: float, rate: int = RATE, channels: int = 1, seed: int = 3) -> np.ndarray:
    """Noise from 500 Hz to 8 kHz, away from the DC blocker and the resampler's edge: float32 (channels, frames)."""
    white = np.random.default_rng(seed).standard_normal((channels, int(seconds * rate)))
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(white.shape[1], 1 / rate)
    spectrum[:, (hz < 500) | (hz > 8000)] = 0
    shaped = np.fft.irfft(spectrum, white.shape[1])
    return (0.4 * shaped / np.abs(shaped).max()).astype(np.float32)


def write(path: Path, audio: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, audio.T, rate, subtype="FLOAT")
    return path


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Power of the difference over the power of what was expected."""
    return float(np.mean((found - expected) ** 2) / np.mean(expected**2))


@pytest.mark.parametrize("model", ["spectral", "latent"])
def test_an_identity_comes_back_lined_up_and_as_long(bundles: Path, source: Path, tmp_path: Path, model: str) -> None:
    render(source, tmp_path / "out.wav", model=str(bundles / model))
    before, after = read(source), read(tmp_path / "out.wav")
    assert after.shape == before.shape
    steady = slice(RATE // 10, None)  # the DC blocker and the gate settle first
    assert relative_error(after[:, steady], before[:, steady]) < 1e-3
    assert relative_error(after[:, steady], np.roll(before, 1, 1)[:, steady]) > 1e-2


@pytest.mark.parametrize("rate", [44_100, 96_000, 22_050])
def test_any_rate_keeps_its_rate_length_and_place(bundles: Path, tmp_path: Path, rate: int) -> None:
    audio = noise(1.0, rate)
    source = write(tmp_path / "in.wav", audio, rate)
    render(source, tmp_path / "out.wav", model=str(bundles / "latent"))
    after = read(tmp_path / "out.wav")
    assert soundfile.info(tmp_path / "out.wav").samplerate == rate
    assert after.shape == audio.shape
    middle = slice(rate // 4, -rate // 4)
    lags = range(-3, 4)
    errors = [relative_error(np.roll(after, lag, 1)[:, middle], audio[:, middle]) for lag in lags]
    assert lags[int(np.argmin(errors))] == 0
    assert min(errors) < 1e-3


def test_the_block_does_not_change_the_sound(bundles: Path, source: Path, tmp_path: Path) -> None:
    for block in (4096, 128, 441):
        render(source, tmp_path / f"{block}.wav", model=str(bundles / "network"), block=block)
    reference = read(tmp_path / "4096.wav")
    assert np.abs(reference).max() > 1e-3
    for block in (128, 441):
        assert np.abs(read(tmp_path / f"{block}.wav") - reference).max() < 1e-5


def test_stereo_stays_stereo(bundles: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "in.wav", noise(0.3, channels=2))
    render(source, tmp_path / "out.flac", model=str(bundles / "latent"))
    assert read(tmp_path / "out.flac").shape == (2, int(0.3 * RATE))


def test_style_mix_and_amount_are_heard(bundles: Path, source: Path, tmp_path: Path) -> None:
    model = str(bundles / "spectral")
    before = read(source)[:, RATE // 10 :]

    def level(name: str, **options: str) -> float:
        render(source, tmp_path / f"{name}.wav", model=model, **options)
        after = read(tmp_path / f"{name}.wav")[:, RATE // 10 :]
        return float(np.sqrt(np.mean(after**2) / np.mean(before**2)))

    assert level("wet", style="style-1") == pytest.approx(0.5, abs=0.02)
    assert level("half", style="Style 1", mix="50%") == pytest.approx(0.75, abs=0.02)
    assert level("dry", style="style-1", mix="0") == pytest.approx(1.0, abs=0.02)
    assert level("own", style="style-1", amount="0") == pytest.approx(1.0, abs=0.02)
    assert level("followed", style="style-1", dynamics="1") == pytest.approx(1.0, abs=0.02)


def test_a_midi_file_moves_parameters_at_their_time(bundles: Path, source: Path, tmp_path: Path) -> None:
    track = mido.MidiTrack(
        [
            mido.Message("control_change", control=1, value=127),
            mido.Message("control_change", control=1, value=0, time=480),  # half a second at 120 beats a minute
        ]
    )
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(tmp_path / "moves.mid")
    render(source, tmp_path / "out.wav", model=str(bundles / "spectral"), style="style-1", midi=tmp_path / "moves.mid")
    before, after = read(source), read(tmp_path / "out.wav")

    def level(start: float, stop: float) -> float:
        part = slice(int(start * RATE), int(stop * RATE))
        return float(np.sqrt(np.mean(after[:, part] ** 2) / np.mean(before[:, part] ** 2)))

    assert level(0.2, 0.48) == pytest.approx(0.5, abs=0.02)
    assert level(0.6, 1.0) == pytest.approx(1.0, abs=0.02)


def test_json_keys_are_stable(bundles: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.run(["render", str(source), str(tmp_path / "o.wav"), "--model", str(bundles / "latent"), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert set(report) == {
        "input", "output", "model", "style", "sample_rate", "channels", "frames", "latency_samples", "backend", "faults",
        "seconds", "elapsed_s", "times_real_time",
    }  # fmt: skip
    assert (report["frames"], report["faults"], report["style"]) == (RATE, 0, "style-0")


def test_mistakes_are_named(bundles: Path, source: Path, tmp_path: Path) -> None:
    model, target = str(bundles / "latent"), tmp_path / "o.wav"
    with pytest.raises(FileError, match="no file"):
        render(tmp_path / "none.wav", target, model=model)
    with pytest.raises(FileError, match="itself"):
        render(source, source, model=model)
    with pytest.raises(FileError, match="xyz"):
        render(source, tmp_path / "o.xyz", model=model)
    with pytest.raises(BundleError, match="harp"):
        render(source, target, model=model, style="harp")
    with pytest.raises(BundleError, match="nothing-like-it"):
        render(source, target, model="nothing-like-it")
    with pytest.raises(ParameterError, match="mix"):
        render(source, target, model=model, mix="2")
    with pytest.raises(ParameterError, match="block"):
        render(source, target, model=model, block=0)
    assert not target.exists()


def test_a_chain_without_a_clock_has_no_late_blocks(bundles: Path) -> None:
    chain = OfflineChain(load_bundle(bundles / "network"), sample_rate=RATE)
    chain.render(noise(0.5))
    faults = chain.engine.faults()
    chain.close()
    assert (faults.late, faults.underflow, faults.dry_frames) == (0, 0, 0)


@pytest.mark.parametrize("name", sorted(find_bundles()))
def test_a_stream_that_begins_in_mid_note_begins_without_a_crack(name: str) -> None:
    audio, rate = soundfile.read(PERFORMANCE, dtype="float32")
    chain = OfflineChain(load_bundle(find_bundle(name)), sample_rate=rate, values={"mix": 1.0})
    sounding = audio[None, rate : rate + rate // 2].copy()
    played = chain.render(sounding)
    chain.close()
    assert np.abs(played[:, : rate // 20]).max() < 1.5 * np.abs(played[:, rate // 10 :]).max()
