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
    gains = np.array([6.0, -12.0, 3.0, 0.0, -5.0, 2.0, -8.0, 4.0, 0.0, 1.0, 9.0, -3.0, -3.0, 5.0, 2.0])
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


def spectrum(slope: float, rate: float) -> np.ndarray:
    """Power over frequency that falls by `slope` dB per octave from 500 Hz on, as `mean_power` gives it."""
    octaves = np.maximum(np.log2(np.maximum(np.arange(tone.N_FFT // 2 + 1) * rate / tone.N_FFT, 1.0) / 500.0), 0.0)
    return 10.0 ** (-0.1 * slope * octaves)


@pytest.mark.parametrize("slope", [0.0, 12.0, 24.0])
@pytest.mark.parametrize("rate", [48_000, 44_100, 96_000, 22_050])
def test_a_fit_changes_the_bands_as_it_is_asked(rate: int, slope: float) -> None:
    wanted = np.array([-6.0, -3.0, 0.0, 3.0, 6.0, 3.0, 0.0, -3.0, -3.0, -6.0, -9.0, -12.0, -9.0, -6.0, -3.0])
    there = np.array(tone.CENTRES_HZ) <= tone.HIGHEST * rate
    power = spectrum(slope, rate)
    gains = tone.fit(power, wanted, rate)
    filtered = power * 10.0 ** (0.1 * tone.response_db(gains, rate, np.arange(power.size) * rate / tone.N_FFT))
    level = 10.0 * np.log10(filtered.sum() / power.sum())
    change = tone.balance(filtered, rate) - tone.balance(power, rate) + level
    audible = there & (tone.balance(power, rate) > -50.0)
    # the last filter of a low rate is squeezed against the rate's end, and reaches what it can
    tolerance = np.where(np.array(tone.CENTRES_HZ) > 0.35 * rate, 1.1, 0.3)
    assert (np.abs(change - wanted) < tolerance)[audible].all()
    assert not gains[~there].any()


def test_a_fit_of_what_cannot_be_is_within_bounds() -> None:
    zigzag = np.array([-12.0, 9.0] * 7 + [-12.0])
    for power in (spectrum(30.0, RATE), np.zeros(tone.N_FFT // 2 + 1)):
        assert np.abs(tone.fit(power, zigzag, RATE)).max() <= tone.MOST_DB


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
    def balance(x: np.ndarray) -> np.ndarray:
        return tone.balance(tone.mean_power(x), RATE)

    x = noise(10 * RATE)
    wanted = np.repeat([0.0, -6.0, 0.0, 6.0, 0.0], 3)
    change = balance(coloured(x, tone.fit(tone.mean_power(x), wanted, RATE), (4096,))) - balance(x)
    assert change - change[6] == pytest.approx(wanted, abs=1.0)
    sos = scipy.signal.butter(8, [1000 / 2**0.25, 1000 * 2**0.25], "bandpass", fs=RATE, output="sos")
    half_octave = balance(scipy.signal.sosfilt(sos, x).astype(np.float32))
    assert half_octave.argmax() == tone.CENTRES_HZ.index(1000.0)
    assert half_octave.max() > -0.7
    gapped = np.concatenate([np.zeros(RATE, np.float32), 0.1 * x, np.zeros(RATE, np.float32)])
    assert balance(gapped) == pytest.approx(balance(x), abs=0.3)
    assert np.isfinite(balance(np.zeros(100, np.float32))).all()


def test_gains_that_glide_from_hop_to_hop_make_no_clicks() -> None:
    time = np.arange(RATE) / RATE
    y = (0.5 * np.sin(2 * np.pi * 440.0 * time)).astype(np.float32)
    ends = np.array([[-12.0, 6.0] * 7 + [-12.0], [6.0, -12.0] * 7 + [6.0]])
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
