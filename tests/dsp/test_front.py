"""Features describe timbre and not gain; noise has the level it is asked for; gains act on the source they name."""

import numpy as np
import pytest

from rtstyle.dsp import bands, description, front, stft
from rtstyle.dsp.minphase import phase_per_gain

BANDS = 80
LOWER, WEIGHT = bands.band_layout(1024, 48000.0, BANDS)
WANDERERS = np.zeros(front.WANDERERS, np.float32)
TURN = phase_per_gain(bands.band_spread(LOWER, WEIGHT, BANDS))
LAYOUT = description.layout("stft", 1024, 48000.0, BANDS)
WINDOW = stft.describing_window(1024, 64)
WINDOW_POWER = float(np.sum(WINDOW.astype(np.float64) ** 2))


def spectrum_of(x: np.ndarray) -> np.ndarray:
    return np.fft.rfft(x * WINDOW).astype(np.complex64)


def features_of(x: np.ndarray) -> np.ndarray:
    spectrum = spectrum_of(x)
    features = np.zeros(front.feature_width(BANDS), np.float32)
    power = front.frame_power(spectrum, WINDOW_POWER)
    shares, still = np.zeros(BANDS, np.float32), np.zeros(2, np.float32)
    past, frame, axis = np.zeros((1, 2, 1024), np.float32), np.zeros(1024, np.float32), np.zeros(1, np.int64)
    description.band_shares(
        x[-64:], power, WINDOW, WINDOW_POWER, frame, spectrum, past, LAYOUT.place, LAYOUT.weights, shares, axis
    )
    front.describe(shares, power, still, WANDERERS, features)
    return features


def test_frame_power_is_the_mean_square() -> None:
    x = np.random.default_rng(0).normal(0, 0.1, 1024).astype(np.float32)
    assert np.isclose(front.frame_power(spectrum_of(x), WINDOW_POWER), 0.01, rtol=0.15)


def test_bands_of_the_features_do_not_change_with_gain_but_the_level_does() -> None:
    x = np.random.default_rng(1).normal(0, 0.1, 1024).astype(np.float32)
    loud, quiet = features_of(x), features_of(0.1 * x)
    assert np.abs(loud[:BANDS] - quiet[:BANDS]).max() < 5e-3
    level = BANDS + front.CUES - 1
    assert np.isclose(loud[level] - quiet[level], 0.4, atol=1e-3)


def test_wanderers_have_power_one_at_their_own_pace() -> None:
    seed, speeds = np.array([99], np.uint64), front.wander_speeds(64, 48000)
    draws, wanderers = np.zeros(front.WANDERERS, np.float32), np.zeros(front.WANDERERS, np.float32)
    seen = np.empty((40000, front.WANDERERS), np.float32)
    for row in seen:
        front.wander(seed, speeds, draws, wanderers)
        row[:] = wanderers
    late = seen[1000:]
    assert np.allclose(np.square(late).mean(0), 1.0, rtol=0.3)
    lag = round(0.02 * 48000 / 64)
    remembered = (late[lag:] * late[:-lag]).mean(0).reshape(3, -1).mean(1)
    assert np.allclose(remembered, np.exp(-lag * 64 / 48000 / np.array(front.WANDER_SECONDS)), atol=0.1)
    assert np.abs(np.corrcoef(late[:, :8].T) - np.eye(8)).max() < 0.15


def test_silence_has_finite_features() -> None:
    assert np.all(np.isfinite(features_of(np.zeros(1024, np.float32))))


def test_noise_is_white_of_power_one_and_never_repeats() -> None:
    seed, noise = np.array([12345], np.uint64), np.zeros(65536, np.float32)
    front.white(seed, noise)
    assert np.isclose(np.mean(noise**2), 1.0, rtol=0.02)
    assert abs(np.mean(noise)) < 0.02
    assert np.abs(np.correlate(noise[:4096], noise[:4096], "full")[:4000]).max() < 0.1 * 4096
    again = np.zeros_like(noise)
    front.white(seed, again)
    assert not np.array_equal(noise, again)


def mixed_with(gains: np.ndarray, spectra: np.ndarray, hops: int = 200) -> np.ndarray:
    glide = np.zeros((2, 3, BANDS), np.float32)
    front.reset_glide(glide)
    wanted, polar = np.zeros(3 * BANDS, np.float32), np.zeros((2, 2, 513), np.float32)
    response, mixed = np.zeros((2, 513), np.complex64), np.zeros(513, np.complex64)
    for _ in range(hops):
        front.mix_sources(gains, 0.3, glide, spectra, LOWER, WEIGHT, TURN, wanted, polar, response, mixed)
    return mixed


def test_each_third_of_the_gains_acts_on_its_source() -> None:
    spectra = np.stack([np.full(513, value, np.complex64) for value in (1.0, 10.0, 100.0)])
    for third in range(3):
        gains = np.zeros(3 * BANDS, np.float32)
        gains[third * BANDS : (third + 1) * BANDS] = 2.0
        assert np.allclose(mixed_with(gains, spectra), 2.0 * spectra[third], rtol=1e-3, atol=1e-3)


def test_gains_are_magnitudes_of_a_filter_that_only_looks_back() -> None:
    gains = np.concatenate([np.exp(np.sin(np.arange(BANDS) / 5.0)), np.zeros(2 * BANDS)]).astype(np.float32)
    spectra = np.zeros((3, 513), np.complex64)
    spectra[0] = 1.0
    response = mixed_with(gains, spectra)
    wanted = np.exp(np.log(gains[LOWER]) * (1 - WEIGHT) + np.log(gains[LOWER + 1]) * WEIGHT)
    assert np.allclose(np.abs(response), wanted, rtol=1e-3)
    impulse = np.fft.irfft(response)
    assert np.sum(impulse[512:] ** 2) < 1e-4 * np.sum(impulse**2)
    assert np.argmax(np.abs(impulse)) == 0


@pytest.mark.parametrize(("hertz", "least_db", "most_db"), [(100.0, -22.0, -20.0), (5.0, -1.0, 0.0)])
def test_gains_follow_a_player_and_not_the_beat_of_the_partials(hertz: float, least_db: float, most_db: float) -> None:
    share = front.glide_share(64, 48000, front.GLIDE_SECONDS)
    glide = np.zeros((2, 3, BANDS), np.float32)
    front.reset_glide(glide)
    spectra, mixed = np.ones((3, 513), np.complex64), np.zeros(513, np.complex64)
    wanted, polar = np.zeros(3 * BANDS, np.float32), np.zeros((2, 2, 513), np.float32)
    response = np.zeros((2, 513), np.complex64)
    moved = 0.5 * np.sin(2 * np.pi * hertz * np.arange(1500) * 64 / 48000)
    heard = []
    for log in moved:
        gains = np.full(3 * BANDS, np.exp(log), np.float32)
        front.mix_sources(gains, share, glide, spectra, LOWER, WEIGHT, TURN, wanted, polar, response, mixed)
        heard.append(glide[1, 0, 0])
    left_db = 20 * np.log10(np.std(heard[300:]) / np.std(moved[300:]))
    assert least_db < left_db < most_db


def rests_of(powers: np.ndarray) -> np.ndarray:
    loudest, fade = np.zeros(1), front.rest_fade(64, 48_000.0)
    return np.array([front.rests(loudest, power, fade) for power in powers], bool)


def test_a_pause_is_a_rest_and_soft_notes_are_none() -> None:
    second = 750  # hops
    note, pause, soft = np.full(second, 1e-2), np.full(second // 2, 1e-5), np.full(2 * second, 5e-5)
    assert not rests_of(np.concatenate([soft, note])).any()
    heard = rests_of(np.concatenate([note, pause, note, soft]))
    assert heard[second : second + pause.size].all()
    assert not heard[second + pause.size : 2 * second + pause.size].any()
    assert not heard[-second:].any()  # who goes on softly is followed again within a second


def test_silence_is_a_rest_and_steady_hiss_is_none() -> None:
    assert rests_of(np.zeros(100)).all()
    assert not rests_of(np.full(100, 1e-6)).any()
    assert rests_of(np.concatenate([np.full(100, 1e-2), np.full(20_000, 5e-7)]))[100:].all()  # however long it lasts


def test_at_amount_0_the_input_passes_as_it_is() -> None:
    gains = np.concatenate([np.ones(BANDS), np.zeros(2 * BANDS)]).astype(np.float32)
    rng = np.random.default_rng(3)
    spectra = (rng.normal(size=(3, 513)) + 1j * rng.normal(size=(3, 513))).astype(np.complex64)
    assert np.abs(mixed_with(gains, spectra) - spectra[0]).max() < 1e-5


def test_noise_of_a_latent_model_rises_with_the_level() -> None:
    audio, seed = np.zeros((3, 4800), np.float32), np.array([99], np.uint64)
    x = np.arange(4800, dtype=np.float32)
    front.stack_sources(x, -x, np.float32(0.25), 0.0, 1.0, seed, audio)
    assert np.array_equal(audio[0], x)
    assert np.array_equal(audio[1], -x)
    assert np.std(audio[2, :400]) < 0.1
    assert 0.8 < np.std(audio[2, -480:]) < 1.1


def test_a_latent_model_is_told_the_pitch_in_the_last_of_its_rows() -> None:
    told, x = np.zeros((front.ROWS, 128), np.float32), np.ones(128, np.float32)
    front.stack_sources(x, -x, np.float32(0.25), 0.0, 1.0, np.array([99], np.uint64), told)
    assert np.all(told[front.SOURCES] == np.float32(0.25))
    plain = np.zeros((front.SOURCES, 128), np.float32)
    front.stack_sources(x, -x, np.float32(0.25), 0.0, 1.0, np.array([99], np.uint64), plain)
    assert np.array_equal(plain, told[: front.SOURCES])
