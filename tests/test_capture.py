"""Captured styles: the statistics are those of the encoder while it listens, and bad recordings say why."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tomli_w
from numpy.typing import NDArray

from rtstyle import paths
from rtstyle.bundle import Bundle, load_bundle, update_bundle
from rtstyle.bundle.manifest import PATCH
from rtstyle.capture import HIGHEST_DB, LOWEST_DB, OWN, capture_style, lean_on, measure_tone
from rtstyle.dsp import mel, tone
from rtstyle.errors import BundleError, FileError
from rtstyle.params import MAX_STYLES
from rtstyle.runtime.model import load_model
from tests.dsp.test_marks import tone as note
from tests.fixtures_bundles import (
    CHANNELS,
    HOPS,
    SAMPLE_RATE,
    make_identity_bundle,
    make_network_bundle,
    rewritten,
    tilt_recogniser,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RTSTYLE_HOME", str(tmp_path / "home"))
    return tmp_path


def noise(seconds: float, rate: int = SAMPLE_RATE, level: float = 0.1, channels: int = 1) -> NDArray[np.float32]:
    samples = np.random.default_rng(2).normal(0.0, level, (round(seconds * rate), channels))
    return samples.astype(np.float32)


def record(place: Path, audio: NDArray[Any], rate: int = SAMPLE_RATE, name: str = "sound.wav") -> Path:
    soundfile.write(place / name, audio, rate, subtype="FLOAT")
    return place / name


def test_the_statistics_are_those_of_the_latent(home: Path) -> None:
    """The latent of the identity bundle is the hop's power times 1, 2, 3 and 4."""
    bundle = make_identity_bundle(home / "identity", "latent")
    audio = noise(3.2)
    style = capture_style(bundle, record(home, audio), "Some Noise")
    hop = HOPS["latent"]
    power = np.square(audio[: len(audio) // hop * hop].astype(np.float64)).reshape(-1, hop).mean(axis=1)
    factors = np.arange(1, CHANNELS + 1)
    expected = power.mean() * factors
    assert style.mean == pytest.approx(expected, rel=1e-3)
    assert style.std == pytest.approx(np.sqrt((power.std() * factors) ** 2 + 1e-4), rel=1e-3), "as the lab measures it"
    assert style.seconds == pytest.approx(3.2, abs=0.02) and style.id == "some-noise"


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_silence_in_a_recording_does_not_count(home: Path, kind: str) -> None:
    bundle = make_network_bundle(home / "network", kind)
    sound = noise(3.0)
    whole = capture_style(bundle, record(home, sound), "whole")
    gap = np.zeros((2 * SAMPLE_RATE, 1), np.float32)
    gapped = capture_style(bundle, record(home, np.concatenate([gap, sound, gap])), "gapped")
    assert gapped.seconds == pytest.approx(whole.seconds, abs=0.1)
    assert gapped.mean == pytest.approx(whole.mean, abs=0.03)
    assert gapped.std == pytest.approx(whole.std, abs=0.05)


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_a_captured_style_is_usable_at_once(home: Path, kind: str) -> None:
    bundle = make_network_bundle(home / "network", kind)
    capture_style(bundle, record(home, noise(3.0)), "mine")
    again = load_bundle(home / "network")
    number = again.style_index("mine")
    assert number == len(bundle.styles)
    model = load_model(again)
    x = noise(0.1)[: 32 * model.hop, 0]
    outputs = []
    for style in range(len(again.styles)):
        model.reset()
        outputs.append(model.step(x, model.controls(style)))
    model.close()
    assert all(np.abs(outputs[number] - other).max() > 1e-4 for other in outputs[:number])


@pytest.mark.parametrize(("rate", "channels", "name"), [(44100, 2, "a.wav"), (48000, 1, "a.flac"), (22050, 1, "a.ogg")])
def test_any_recording_of_three_seconds_will_do(home: Path, rate: int, channels: int, name: str) -> None:
    bundle = make_network_bundle(home / "network")
    soundfile.write(home / name, noise(3.01234, rate, channels=channels), rate)  # no whole number of hops
    style = capture_style(bundle, home / name, "x")
    assert style.recording == name and style.seconds == pytest.approx(3.01, abs=0.05)


def test_the_same_name_replaces(home: Path) -> None:
    bundle = make_network_bundle(home / "network")
    first = capture_style(bundle, record(home, noise(3.0)), "Mine")
    second = capture_style(
        load_bundle(home / "network"), record(home, np.cumsum(noise(3.0, level=0.002), axis=0)), "mine"
    )
    styles = load_bundle(home / "network").styles
    assert [style.name for style in styles if style.source == "captured"] == ["mine"]
    assert first.mean != second.mean


def test_recordings_that_will_not_do_say_why(home: Path) -> None:
    bundle = make_network_bundle(home / "network")
    short, silent, faint = noise(2.9), np.zeros((4 * SAMPLE_RATE, 1)), noise(4.0, level=1e-4)
    broken = noise(4.0)
    broken[1000] = np.nan
    text = home / "text.wav"
    text.write_text("this is no recording")
    for recording, reason in (
        (record(home, short, name="short.wav"), "lasts 2.9 s"),
        (record(home, silent, name="silent.wav"), "sound above -60 dBFS"),
        (record(home, faint, name="faint.wav"), "sound above -60 dBFS"),
        (record(home, broken, name="broken.wav"), "no numbers"),
        (record(home, np.zeros((0, 1)), name="empty.wav"), "lasts 0.0 s"),
        (text, "Cannot read"),
        (home / "missing.wav", "no such file"),
        (home, "Cannot read"),
    ):
        with pytest.raises(FileError, match=reason) as caught:
            capture_style(bundle, recording, "x")
        assert str(recording) in str(caught.value)
    assert not paths.user_styles("network").exists(), "nothing is saved"


def test_a_name_that_is_taken_or_has_no_room_is_refused(home: Path) -> None:
    bundle = make_network_bundle(home / "network", styles=MAX_STYLES)
    recording = record(home, noise(3.0))
    with pytest.raises(BundleError, match="style-1"):
        capture_style(bundle, recording, "Style 1")
    with pytest.raises(BundleError, match="32 styles"):
        capture_style(bundle, recording, "another")
    with pytest.raises(FileError, match="another name"):
        capture_style(bundle, recording, "///")


@pytest.fixture
def listening(home: Path) -> Bundle:
    """Three styles; dark recordings are heard as the first, bright ones as the second."""
    make_network_bundle(home / "network")
    return update_bundle(home / "network", {"recogniser.onnx": tilt_recogniser(3)})


def tilted(bright: bool) -> NDArray[np.float32]:
    sound = noise(3.0, level=0.03)[:, 0].astype(np.float64)
    changed = np.diff(sound, 3, prepend=[0.0] * 3) if bright else np.convolve(sound, np.hanning(40), "same")
    return np.asarray(changed, np.float32)[:, None]


@pytest.mark.parametrize(("bright", "voice"), [(False, 0), (True, 1)])
def test_a_style_leans_on_the_one_that_it_is_heard_as(home: Path, listening: Bundle, bright: bool, voice: int) -> None:
    recording = record(home, tilted(bright))
    alone = capture_style(listening, recording, "alone", like="none")
    leaning = capture_style(listening, recording, "leaning")
    assert leaning.like == f"style-{voice}" and 0.5 < leaning.likelihood <= 1.0
    assert leaning.mean == pytest.approx(OWN * np.array(alone.mean) + (1 - OWN) * listening.mean[voice], abs=1e-6)
    assert leaning.std == pytest.approx(OWN * np.array(alone.std) + (1 - OWN) * listening.std[voice], abs=1e-6)


def test_a_recording_like_none_of_the_styles_is_all_its_own(home: Path, listening: Bundle) -> None:
    plain = record(home, noise(3.0))
    heard, alone = (capture_style(listening, plain, "x", like) for like in (None, "none"))
    assert heard.like == alone.like == "none" and heard.mean == alone.mean
    assert 0.5 < heard.likelihood <= 1.0 and alone.likelihood == 1.0


def test_the_player_may_know_better(home: Path, listening: Bundle) -> None:
    """Also where the bundle has no recogniser; what the model lacks is refused and nothing is saved."""
    dark = record(home, tilted(False))
    told = capture_style(listening, dark, "told", like="style-2")
    assert (told.like, told.likelihood) == ("style-2", 1.0)
    deaf = update_bundle(listening.path, {}, remove=["recogniser.onnx"])
    assert capture_style(deaf, dark, "heard").like == "none"
    assert capture_style(deaf, dark, "told again", like="style-2").mean == told.mean
    with pytest.raises(BundleError, match=r"no trained style 'style-9'.*style-"):
        capture_style(deaf, dark, "lost", like="style-9")
    assert not (paths.user_styles("network") / "lost.toml").exists()


def test_only_what_is_likelier_than_all_others_together_is_leant_on() -> None:
    ids = ["a", "b", "none"]
    assert lean_on(ids, np.array([0.51, 0.4, 0.09])) == ("a", 0.51)
    assert lean_on(ids, np.array([0.48, 0.4, 0.12])) == ("none", 0.12)
    assert lean_on(ids, np.array([0.0, 0.4, 0.12]))[0] == "b", "as when a is left out"
    assert lean_on(ids, np.array([0.1, 0.2, 0.7])) == ("none", 0.7)


def test_what_the_model_colours_is_taken_out_within_limits(home: Path) -> None:
    """A model that only colours: its tone, turned round, but never louder than HIGHEST_DB nor softer than LOWEST_DB."""
    identity = make_identity_bundle(home / "identity", "latent")
    frequencies = np.arange(tone.N_FFT // 2 + 1) * SAMPLE_RATE / tone.N_FFT

    def taken_out(low: float, high: float, recording: NDArray[np.float32]) -> NDArray[np.float64]:
        """Change of every band by the tone of a model that plays it `low` dB louder below 2 kHz and `high` above 8 kHz."""
        power = tone.mean_power(recording[:, 0])
        own = tone.fit(power, np.interp(np.arange(tone.BANDS), [8, 12], [low, high]), SAMPLE_RATE)
        model = rewritten(identity, tone=np.tile(own, (len(identity.styles), 1)).astype(np.float32))
        played = power * 10.0 ** (0.1 * tone.response_db(own, SAMPLE_RATE, frequencies))
        found = measure_tone(model, recording[:, 0])
        after = played * 10.0 ** (0.1 * tone.response_db(found, SAMPLE_RATE, frequencies))
        level = 10.0 * np.log10(after.sum() / played.sum())
        return tone.balance(after, SAMPLE_RATE) - tone.balance(played, SAMPLE_RATE) + level

    little = taken_out(-2.0, 3.0, noise(4.0))
    assert little[2:8].mean() - little[12:].mean() == pytest.approx(5.0, abs=0.5)
    assert taken_out(0.0, -24.0, noise(4.0))[12:].max() == pytest.approx(HIGHEST_DB, abs=0.5)
    assert taken_out(-24.0, 0.0, noise(4.0))[2:8].max() == pytest.approx(HIGHEST_DB, abs=0.5)
    assert taken_out(0.0, 20.0, tilted(False))[12:].min() == pytest.approx(LOWEST_DB, abs=0.5)


def test_a_tone_stays_with_its_style_and_trained_ones_have_none(home: Path) -> None:
    bundle = make_network_bundle(home / "network")
    style = capture_style(bundle, record(home, tilted(True)), "mine")
    again = load_bundle(bundle.path)
    assert np.abs(style.tone).max() > 0.1
    assert again.tone[again.style_index("mine")] == pytest.approx(style.tone, abs=1e-4)
    assert not again.tone[: len(bundle.styles)].any()


def test_a_style_that_was_kept_without_a_tone_has_none(home: Path) -> None:
    bundle = make_network_bundle(home / "network")
    capture_style(bundle, record(home, noise(3.0)), "old")
    file = paths.user_styles("network") / "old.toml"
    kept = tomllib.loads(file.read_text())
    del kept["tone"]
    file.write_text(tomli_w.dumps(kept))
    again = load_bundle(bundle.path)
    assert not again.notes and not again.tone.any()


@pytest.mark.parametrize("gains", [[0.0] * 14, [0.0] * 16, [0.0] * 14 + [41.0], [0.0] * 14 + [float("nan")], "loud"])
def test_a_tone_that_is_none_is_noted_and_passed_over(home: Path, gains: Any) -> None:
    bundle = make_network_bundle(home / "network")
    capture_style(bundle, record(home, noise(3.0)), "bad")
    file = paths.user_styles("network") / "bad.toml"
    file.write_text(tomli_w.dumps({**tomllib.loads(file.read_text()), "tone": gains}))
    again = load_bundle(bundle.path)
    assert len(again.styles) == len(bundle.styles)
    assert "bad.toml" in again.notes[0] and "capture it again" in again.notes[0]


def test_what_it_leans_on_stays_with_the_style(home: Path, listening: Bundle) -> None:
    style = capture_style(listening, record(home, tilted(True)), "kept")
    again = load_bundle(listening.path)
    assert again.mean[again.style_index("kept")] == pytest.approx(np.array(style.mean), abs=1e-6)
    assert 'like = "style-1"' in (paths.user_styles("network") / "kept.toml").read_text()


def notes() -> NDArray[np.float32]:
    """A line of three notes, 3.3 s."""
    return np.concatenate([note(pitch, 1.1) for pitch in (220.0, 330.0, 262.0)])[:, None]


def test_a_recording_that_is_like_no_style_is_played_itself_if_it_holds_notes(home: Path) -> None:
    bundle = make_network_bundle(home / "network")
    assert capture_style(bundle, record(home, notes()), "line").sound
    assert not capture_style(bundle, record(home, noise(3.3)), "rain").sound
    again = load_bundle(bundle.path)
    assert list(again.sounds) == ["line"]
    plain, played = load_model(rewritten(again, sounds={})), load_model(again)
    x = note(294.0, 0.8)
    x = x[: x.size // played.hop * played.hop]
    line, rain = (played.controls(again.style_index(name)) for name in ("line", "rain"))
    assert np.abs(played.step(x, line) - plain.step(x, line)).max() > 0.01
    for model in (plain, played):
        model.reset()
    assert np.array_equal(played.step(x, rain), plain.step(x, rain))


def test_what_is_plucked_leans_on_no_style_whatever_it_sounds_like(home: Path, listening: Bundle) -> None:
    held = notes()
    time = np.arange(len(held) // 3) / SAMPLE_RATE
    plucked = held * np.tile(10.0 ** (-time), 3)[:, None].astype(np.float32)  # 20 dB a second
    assert capture_style(listening, record(home, held), "held").like == "style-0"
    guitar = capture_style(listening, record(home, plucked), "plucked")
    assert guitar.like == "none" and guitar.sound
    assert capture_style(listening, record(home, plucked), "told", like="style-1").like == "style-1"


def test_a_style_that_leans_on_a_trained_one_is_not_played_from_its_recording(home: Path) -> None:
    bundle = make_network_bundle(home / "network")
    assert not capture_style(bundle, record(home, notes()), "mine", like="style-1").sound


def test_listening_leaves_denormal_numbers_as_they_are(home: Path, listening: Bundle) -> None:
    """The sessions of the stage make them zero in their thread; here they are the control thread's."""
    capture_style(listening, record(home, tilted(True)), "x")
    assert np.nextafter(0.0, 1.0) * 1.0 > 0.0


def test_a_recogniser_sees_what_mel_cuts() -> None:
    patches, audible = mel.cut(mel.log_mel(noise(2.0, mel.SAMPLE_RATE)[:, 0]))
    assert patches.shape[1:] == PATCH and audible.all()
