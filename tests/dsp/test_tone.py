"""The tone filters have the response that they are asked for, delay nothing, and change no bit where nothing is asked."""

import numpy as np
import pytest
import scipy.signal

from rtstyle.dsp import tone

RATE = 48_000


def noise(size: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0.0, 0.1, size).astype(np.float32)


def coloured(x: np.ndarray, gains: np.ndarray, sizes: tuple[int, ...], rate: float = RATE) -> np.ndarray:
    state, y, start, turn = tone.new_state(), x.copy(), 0, 0
    tone.tune(state, gains.astype(np.float32), float(rate))
    while start < y.size:
        end = start + sizes[turn % len(sizes)]
        tone.colour(state, y[start:end], 64)
        start, turn = end, turn + 1
    return y


def test_the_response_is_that_of_an_independent_filter() -> None:
    gains = np.array([6.0, -12.0, 3.0, 0.0, -5.0, 2.0, -8.0, 4.0])
    impulse = np.zeros(1 << 15, np.float32)
    impulse[0] = 1.0
    spectrum = np.abs(np.fft.rfft(coloured(impulse, gains, (64,)).astype(np.float64)))
    at = np.array([60, 125, 300, 1000, 2100, 5000, 9000, 18000.0])
    bins = np.round(at * impulse.size / RATE).astype(int)
    assert 20 * np.log10(spectrum[bins]) == pytest.approx(
        tone.response_db(gains, RATE, bins * RATE / impulse.size), abs=0.01
    )
    for band, gain in enumerate(gains):  # alone, a filter has its gain at its centre and none far away
        alone = np.zeros(tone.BANDS)
        alone[band] = gain
        centre = tone.CENTRES_HZ[band]
        found = tone.response_db(alone, RATE, np.array([centre, centre / 64, min(64 * centre, 23_990.0)]))
        assert found[0] == pytest.approx(gain, abs=1e-4)
        assert np.abs(found[1:]).max() < 0.6


@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000, 22_050])
def test_a_fit_has_the_levels_at_the_centres(rate: int) -> None:
    wanted = np.array([-12.0, 6.0, -3.0, 0.0, 6.0, -12.0, 6.0, 6.0])
    there = np.array(tone.CENTRES_HZ) <= tone.HIGHEST * rate
    gains = tone.fit(wanted, rate)
    found = tone.response_db(gains, rate, np.array(tone.CENTRES_HZ)[there])
    assert found == pytest.approx(wanted[there], abs=0.1)
    assert not gains[~there].any()
    assert np.abs(gains).max() < 40.0


def test_no_gain_changes_no_bit_and_numbers_that_are_none_count_as_no_gain() -> None:
    x = noise(3000)
    assert np.array_equal(coloured(x, np.zeros(tone.BANDS), (64,)), x)
    assert np.array_equal(coloured(x, np.full(tone.BANDS, np.nan), (64,)), x)


def test_the_result_does_not_depend_on_the_block() -> None:
    gains, x = np.linspace(-12, 6, tone.BANDS), noise(5000)
    assert np.array_equal(coloured(x, gains, (64,)), coloured(x, gains, (1, 7, 128, 1000)))


def test_a_reset_forgets_the_past_alone() -> None:
    state, x = tone.new_state(), noise(640)
    tone.tune(state, np.full(tone.BANDS, 6.0, np.float32), float(RATE))
    first, second = x.copy(), x.copy()
    tone.colour(state, first, 64)
    tone.reset(state)
    tone.colour(state, second, 64)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, x)


def test_a_balance_is_known_for_a_filter_and_ignores_level_and_silence() -> None:
    x = noise(10 * RATE)
    wanted = np.array([0.0, -6.0, -6.0, 0.0, 3.0, 6.0, 0.0, 0.0])
    change = tone.balance(coloured(x, tone.fit(wanted, RATE), (4096,)), RATE) - tone.balance(x, RATE)
    sos = scipy.signal.butter(8, [1000 / 2**0.5, 1000 * 2**0.5], "bandpass", fs=RATE, output="sos")
    assert change - change[3] == pytest.approx(wanted, abs=1.5)
    octave = tone.balance(scipy.signal.sosfilt(sos, x).astype(np.float32), RATE)
    assert octave.argmax() == 3
    assert octave[3] > -0.5
    gapped = np.concatenate([np.zeros(RATE, np.float32), 0.1 * x, np.zeros(RATE, np.float32)])
    assert tone.balance(gapped, RATE) == pytest.approx(tone.balance(x, RATE), abs=0.3)
    assert np.isfinite(tone.balance(np.zeros(100, np.float32), RATE)).all()


def test_gains_that_glide_from_hop_to_hop_make_no_clicks() -> None:
    time = np.arange(RATE) / RATE
    y = (0.5 * np.sin(2 * np.pi * 440.0 * time)).astype(np.float32)
    ends = np.array([[-12.0, 6.0] * 4, [6.0, -12.0] * 4])
    state, share = tone.new_state(), 0.0
    for start in range(0, y.size, 64):
        target = float(start >= RATE // 2)
        share += (target - share) * (1.0 - np.exp(-64 / (0.025 * RATE)))  # as the engine moves styles
        tone.tune(state, ((1.0 - share) * ends[0] + share * ends[1]).astype(np.float32), float(RATE))
        tone.colour(state, y[start : start + 64], 64)
    sos = scipy.signal.butter(8, 4000.0, "highpass", fs=RATE, output="sos")
    high = scipy.signal.sosfilt(sos, y[4800:])
    around = slice(RATE // 2 - 4800 - 480, RATE // 2)
    assert np.abs(high[around]).max() < 1e-3 * np.abs(y).max()
