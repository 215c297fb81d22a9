"""Fidelity figures are 0 for a copy and grow with the right kind of damage."""

import numpy as np
import pytest

from rtstyle.lab.evaluate import content, control, fidelity, spectrum
from tests.lab.evaluate_tones import RATE, melody, tone


@pytest.fixture(scope="module")
def tune():
    return melody(20)


def steady_f0(seconds: float, hz: float) -> np.ndarray:
    return np.full(int(seconds * content.PITCH_RATE / content.PITCH_HOP) + 1, hz)


def test_a_copy_is_at_no_distance(tune):
    assert fidelity.multi_resolution_distance(tune, tune) == 0.0
    assert fidelity.log_spectral_distance(tune, tune) == 0.0
    assert set(fidelity.band_drift_db(tune, tune, RATE).values()) == {0.0}


def test_distances_grow_with_noise(tune):
    noise = np.random.default_rng(0).standard_normal(tune.size).astype(np.float32)
    distances = [
        (
            fidelity.multi_resolution_distance(tune, tune + g * noise),
            fidelity.log_spectral_distance(tune, tune + g * noise),
        )
        for g in (1e-4, 1e-3, 1e-2)
    ]
    assert distances == sorted(distances)
    assert distances[0][0] > 0.01


def test_a_treble_boost_drifts_in_the_treble_alone(tune):
    spectra = np.fft.rfft(tune)
    frequencies = np.fft.rfftfreq(tune.size, 1 / RATE)
    boosted = np.fft.irfft(np.where((frequencies > 2000) & (frequencies < 5000), 2.0, 1.0) * spectra, tune.size)
    drift = fidelity.band_drift_db(tune, boosted.astype(np.float32), RATE)
    assert drift["2000-5000"] == pytest.approx(6.02, abs=0.3)
    assert abs(drift["5000-10000"]) < 0.3


def test_louder_is_no_drift(tune):
    assert max(abs(v) for v in fidelity.band_drift_db(tune, 2 * tune, RATE).values()) < 0.05


def test_energy_of_a_tone_lies_near_its_harmonics_and_noise_lies_between():
    f0 = steady_f0(1.0, 300.0)
    clean = tone(300.0, 1.0, 30, 0.5)
    noise = np.random.default_rng(0).standard_normal(clean.size).astype(np.float32)
    pure, hazy, only = (
        fidelity.harmonicity(x.astype(np.float32), RATE, f0) for x in (clean, clean + 0.02 * noise, 0.1 * noise)
    )
    assert pure["harmonic_share_high"] > 0.99
    assert pure["harmonic_share_high"] > hazy["harmonic_share_high"] > only["harmonic_share_high"]
    # 60 Hz of every 300 Hz count as near: noise has that share there.
    assert only["harmonic_share_high"] == pytest.approx(0.2, abs=0.04)
    assert pure["haze_db"] < -40 < hazy["haze_db"] < only["haze_db"]
    assert only["haze_db"] == pytest.approx(0.0, abs=1.0)


def test_partials_of_another_pitch_are_not_near():
    share = fidelity.harmonicity(tone(345.0, 1.0, 20), RATE, steady_f0(1.0, 300.0))["harmonic_share_low"]
    assert share < 0.3


def test_a_gliding_pitch_gives_no_figure():
    f0 = np.geomspace(200, 800, steady_f0(1.0, 1.0).size)
    assert np.isnan(fidelity.harmonicity(tone(300.0, 1.0, 5), RATE, f0)["haze_db"])


def test_levels_are_in_dbfs():
    assert spectrum.level_db(np.zeros(100, np.float32)) == -120.0
    assert spectrum.level_db(np.full(100, 0.1, np.float32)) == pytest.approx(-20.0, abs=1e-4)
    sine = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    assert spectrum.loudness_db(sine, RATE, 960).max() == pytest.approx(
        spectrum.loudness_db(0.1 * sine, RATE, 960).max() + 20, abs=0.01
    )


def test_a_hard_switch_is_a_click_and_a_ramped_one_is_none():
    low, high = tone(200.0, 3.0, 4), -tone(200.0, 3.0, 4)
    at = [RATE + 60, 2 * RATE + 60]  # a quarter of a period into the tone, where both are far apart
    pick = np.zeros(low.size)
    pick[at[0] : at[1]] = 1.0
    hard = np.where(pick > 0, high, low).astype(np.float32)
    ramp = np.convolve(pick, np.ones(960) / 960)[: low.size]
    soft = ((1 - ramp) * low + ramp * high).astype(np.float32)
    assert control.switch_clicks(hard, [low, high], at, RATE)["clicks"] == 2
    assert control.switch_clicks(soft, [low, high], at, RATE)["clicks"] == 0


def test_scores_that_fall_are_not_monotonic():
    assert control.monotonic([0.0, 0.2, 0.2, 0.5])["monotonic"] == 1.0
    fallen = control.monotonic([0.0, 0.5, 0.3, 0.6])
    assert fallen["monotonic"] == 0.0
    assert fallen["worst_drop"] == pytest.approx(0.2)
    assert fallen["rise"] == pytest.approx(0.6)


def test_what_is_no_partial_of_a_chord_lies_between_its_partials():
    chord = sum(tone(hz, 1.0, 12) for hz in (220.0, 277.2, 329.6))
    partials = fidelity.find_partials(chord, RATE)
    noise = np.random.default_rng(0).standard_normal(chord.size).astype(np.float32)
    tilted = np.cumsum(chord - chord.mean()).astype(np.float32)
    added = {"nothing": 0.0, "hiss": 0.005 * noise, "more hiss": 0.05 * noise, "a note of nobody": tone(41.0, 1.0, 100)}
    found = {name: fidelity.between_partials_db(chord + more, RATE, partials) for name, more in added.items()}
    assert found["nothing"] < -40.0
    assert found["nothing"] + 10.0 < found["hiss"] < found["more hiss"] - 10.0
    assert found["a note of nobody"] > found["nothing"] + 20.0
    assert fidelity.between_partials_db(tilted, RATE, partials) < -40.0
    assert np.isnan(fidelity.between_partials_db(noise, RATE, np.zeros_like(partials)))
