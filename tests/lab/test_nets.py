"""The networks stream: however the frames are split, and by torch or ONNX Runtime, the result is the same."""

import numpy as np
import pytest
import torch

from rtstyle.dsp import bands, front
from rtstyle.dsp.minphase import phase_per_gain
from rtstyle.errors import ParameterError
from rtstyle.lab.nets.harmonics import HALVES, LOWEST_PITCH, PARTIALS, HarmonicAxis, pitch_code
from rtstyle.lab.nets.latent import FILTERED, BandFilters, BandSpectrum, LatentNet, LatentShape, places
from rtstyle.lab.nets.pqmf import Pqmf
from rtstyle.lab.nets.spectral import SpectralNet, SpectralShape, band_spread
from rtstyle.lab.nets.streaming import Past, adapt, softplus

SMALL = {"channels": 16, "latent": 8, "style": 8, "units": 2}
FRAMES = 24
WIDTH = front.feature_width(80)


def make(kind: str) -> SpectralNet | LatentNet:
    torch.manual_seed(3)
    net = SpectralNet(SpectralShape(**SMALL)) if kind == "spectral" else LatentNet(LatentShape(**SMALL))
    for parameter in net.parameters():  # outputs that start at zero would hide a wrong state
        parameter.data += 0.05 * torch.randn_like(parameter)
    return net.eval()


def entry(net: SpectralNet | LatentNet) -> torch.Tensor:
    torch.manual_seed(4)
    if net.kind == "latent":
        return torch.randn(1, front.ROWS, FRAMES * net.shape.hop) * 0.1
    return torch.randn(1, FRAMES, WIDTH)


@torch.no_grad()
def play(
    net: SpectralNet | LatentNet, x: torch.Tensor, splits: list[int], style: torch.Tensor, amount: float
) -> torch.Tensor:
    latent, hop = net.kind == "latent", net.shape.hop
    before: tuple[dict, dict] | tuple[None, None] = (None, None)
    parts, start = [], 0
    for count in splits:
        now = x[:, :, start * hop : (start + count) * hop] if latent else x[:, start : start + count]
        first, second = Past(before[0]), Past(before[1])
        z, *rest = net.encoder(now, first)
        rest = rest[1:] if latent else rest
        parts.append(net.decoder(z, style, torch.full((1, 1, 1), amount), *rest, second))
        before, start = (first.kept, second.kept), start + count
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_splits_do_not_matter(kind: str) -> None:
    net = make(kind)
    x, style = entry(net), torch.randn(1, 1, 16)
    whole = play(net, x, [FRAMES], style, 1.0)
    assert whole.std() > 0
    for splits in ([1] * FRAMES, [2] * (FRAMES // 2), [5, 1, 7, 3, 8]):
        assert torch.allclose(play(net, x, splits, style, 1.0), whole, atol=1e-5)


@pytest.mark.parametrize("kind", ["spectral", "latent"])
def test_the_style_changes_the_output_and_amount_0_does_not_hear_it(kind: str) -> None:
    net = make(kind)
    x, one, other = entry(net), torch.randn(1, 1, 16), torch.randn(1, 1, 16)
    assert (play(net, x, [FRAMES], one, 1.0) - play(net, x, [FRAMES], other, 1.0)).abs().max() > 1e-4
    assert torch.allclose(play(net, x, [FRAMES], one, 0.0), play(net, x, [FRAMES], other, 0.0), atol=1e-6)


def test_spectral_amount_0_is_the_input_alone() -> None:
    net = make("spectral")
    gains = play(net, entry(net), [FRAMES], torch.randn(1, 1, 16), 0.0)
    assert torch.all(gains[..., :80] == 1.0)
    assert torch.all(gains[..., 80:] == 0.0)


def test_latent_amount_0_is_the_input_late_by_the_filter_bank() -> None:
    net = make("latent")
    x = torch.randn(1, front.ROWS, 96 * 128) * 0.1
    y = play(net, x, [96], torch.randn(1, 1, 16), 0.0)[0]
    error = (y[net.latency :] - x[0, 0, : -net.latency])[1024:]
    assert 10 * torch.log10(x[0, 0].var() / error.var()) > 30


def test_filter_bank_reconstructs_after_its_least_delay() -> None:
    bank = Pqmf(16, 40.0)
    assert bank.latency == 107
    x = torch.randn(1, 1, 16 * 600)
    y = bank.synthesise(bank.analyse(x, Past()), Past())[0]
    error = (y[107:] - x[0, 0, :-107])[1000:]
    assert 10 * torch.log10(x.var() / error.var()) > 32


def test_filter_bank_puts_a_tone_into_its_band() -> None:
    bank = Pqmf(16, 40.0)
    for band in (0, 5, 15):
        frequency = (band + 0.5) / 32
        x = torch.sin(2 * torch.pi * frequency * torch.arange(16 * 300))[None, None]
        power = bank.analyse(x, Past())[0, 50:].square().mean(0)
        assert int(power.argmax()) == band
        assert power[band] / power.sum() > 0.99


def test_a_steady_tone_stands_still_in_the_spectra_of_the_bands() -> None:
    time = torch.arange(188 * 128) / 48_000
    tone = sum(torch.sin(2 * torch.pi * 880 * k * time + k * k) / k for k in range(1, 11))
    tone = 0.1 * tone + 1e-4 * torch.randn(tone.shape, generator=torch.Generator().manual_seed(0))
    bank, spectrum = Pqmf(16, 40), BandSpectrum("spectrum", 16, 8)
    bands = bank.analyse(tone.expand(1, 3, -1).contiguous(), Past())[..., :16]
    decibels = 8.0 / 0.23026 * spectrum(bands, Past())[0, 20:, :64]  # the lowest bins of all bands
    assert decibels.std(0).mean() < 1.2  # 2.1 under a window that ends at once


def band_responses(over_bands: torch.Tensor, partials: torch.Tensor, fundamental: float) -> torch.Tensor:
    """Gains in dB (513,) from 0 Hz to 24 kHz of the input's filters for taps that change nothing."""
    shape = LatentShape(**SMALL)
    filters = BandFilters(shape)
    taps = torch.zeros(1, 1, shape.taps, FILTERED * shape.bands)
    taps[:, :, 0] = 1.0
    gains = torch.cat([over_bands, partials, torch.zeros(shape.gains + HALVES)])[None, None]
    played = filters(taps, gains, torch.full((1, 1, 1), fundamental))[0, 0]
    assert torch.allclose(played[:, shape.bands :], taps.new_ones(1) * (torch.arange(32) == 0)[:, None], atol=1e-5)
    found = torch.fft.rfft(played[:, : shape.bands], 64, dim=0).abs()
    frequencies, where = places(shape.bands, shape.sample_rate)
    heard = torch.zeros(frequencies.shape[0])
    heard[where] = 20 * torch.log10(found)
    return heard


def test_band_filters_have_the_gains_that_were_asked_for() -> None:
    centres = bands.band_centres(1024, 48000, 80)
    asked = torch.from_numpy(np.sin(np.log(centres + 200.0) * 2.0)).float()  # natural logarithm, +-8.7 dB
    heard = band_responses(asked, torch.zeros(HALVES), 200.0)
    frequency = np.arange(513) * 46.875
    wanted = 8.686 * np.interp(frequency, centres, asked.numpy())
    assert np.abs(heard.numpy() - wanted)[5:-5].max() < 1.0


def test_band_filters_move_single_partials() -> None:
    partials = torch.zeros(HALVES)
    partials[2 * 3 - 1] = 2.0  # the third
    heard = band_responses(torch.zeros(80), partials, 937.5)
    third, second, between = heard[60], heard[40], heard[50]
    assert third > 14.0
    assert abs(float(second)) < 1.5
    assert abs(float(between)) < 3.0


def test_band_filters_are_of_least_phase() -> None:
    assert np.allclose(
        BandFilters(LatentShape(**SMALL)).phase.numpy().T, phase_per_gain(np.eye(33, dtype=np.float32)), atol=1e-5
    )


def test_the_latent_decoder_hears_what_lies_at_the_partials() -> None:
    net = make("latent")
    fundamental, time = 440.0, torch.arange(60 * 128) / 48_000
    x = torch.zeros(1, front.ROWS, time.numel())
    x[0, 0] = 0.1 * sum(torch.sin(2 * torch.pi * fundamental * k * time) for k in (1, 2, 3, 5, 6, 8))
    x[0, front.SOURCES] = np.log2(1000.0 / fundamental) / 5.0
    with torch.no_grad():
        skip = net.encoder(x, Past())[3]
    at = skip[0, 40:, :HALVES].mean(0)[1::2]  # the whole partials
    there, missing = at[[0, 1, 2, 4, 5, 7]], at[[3, 6]]
    assert there.min() > missing.max() + 0.2  # an eighth of a natural logarithm: 7 dB


def test_a_spectral_network_needs_no_batch_axis() -> None:
    net = make("spectral")
    x, style, amount = entry(net), torch.randn(1, 1, 16), torch.ones(1, 1, 1)
    with torch.no_grad():
        latent, skip = net.encoder(x[0], Past())
        alone = net.decoder(latent, style[0], amount[0], skip, Past())
    assert torch.allclose(alone, play(net, x, [FRAMES], style, 1.0)[0], atol=1e-6)


def test_adapted_latents_take_the_targets_statistics() -> None:
    torch.manual_seed(0)
    z = 3.0 + 2.0 * torch.randn(1, 4000, 4)
    mean, std = torch.tensor([[[1.0, -1.0, 0.0, 5.0]]]), torch.tensor([[[0.5, 1.0, 2.0, 0.1]]])
    prior = (torch.zeros(1, 1, 4), torch.ones(1, 1, 4))
    styled = adapt(z, mean, std, prior, torch.ones(1, 4000, 1), torch.full((1, 1, 1), 10.0))[:, 2000:]
    assert torch.allclose(styled.mean(1), mean[:, 0], atol=0.1)
    assert torch.allclose(styled.std(1), std[:, 0], rtol=0.1)


def test_silent_frames_teach_the_statistics_nothing() -> None:
    z = torch.randn(1, 200, 4)
    active = torch.zeros(1, 200, 1)
    prior = (torch.zeros(1, 1, 4), torch.ones(1, 1, 4))
    style = (torch.zeros(1, 1, 4), torch.ones(1, 1, 4))
    assert torch.allclose(adapt(z, *style, prior, active, torch.full((1, 1, 1), 50.0)), z, atol=1e-5)


def test_two_layers_may_not_share_a_state() -> None:
    past = Past()
    past.extend("a", torch.zeros(1, 2, 3), 1)
    with pytest.raises(ValueError, match="'a'"):
        past.extend("a", torch.zeros(1, 2, 3), 1)


def test_log_gains_stay_finite_for_wild_input() -> None:
    net = make("spectral")
    gains = play(net, torch.full((1, FRAMES, WIDTH), 50.0), [FRAMES], torch.full((1, 1, 16), 100.0), 1.0)
    assert np.isfinite(gains.numpy()).all()


def test_bands_of_the_loss_are_those_of_the_stage() -> None:
    lower, weight = bands.band_layout(1024, 48000, 80)
    assert np.array_equal(bands.band_spread(lower, weight, 80), band_spread(1024, SpectralShape(**SMALL)).numpy())


def test_pitch_code_has_its_top_at_the_semitone() -> None:
    notes = torch.arange(40.0, 95.0)
    code = pitch_code(440.0 * 2.0 ** ((notes[None, :, None] - 69.0) / 12.0))[0]
    assert torch.equal(code.argmax(1) + LOWEST_PITCH, notes.long())
    assert torch.allclose(code.amax(1), torch.ones(55), atol=1e-3)
    between = pitch_code(torch.tensor([[440.0 * 2.0 ** (0.5 / 12.0)]]))[0]
    assert between[69 - LOWEST_PITCH] == pytest.approx(float(between[70 - LOWEST_PITCH]), rel=1e-3)


def test_softplus_is_torchs_own() -> None:
    x = torch.linspace(-30.0, 15.0, 200)
    assert torch.allclose(softplus(x), torch.nn.functional.softplus(x), atol=2e-6)


def test_partials_are_read_where_they_are_on_the_constant_q_axis() -> None:
    axis = HarmonicAxis(1024, 48000, 80, "constant-q")
    centres = axis.centres[None, None]
    assert axis.bands == 207
    assert torch.allclose(axis.position(centres[..., :-1]), torch.arange(206.0), atol=2e-3)
    read = axis.at_partials(centres, torch.full((1, 1, 1), 440.0))[0, 0]
    assert torch.allclose(read, 220.0 * torch.arange(1.0, 33.0), rtol=2e-3)
    assert (axis.at_partials(centres, torch.full((1, 1, 1), 40.0))[0, 0, :2] == 55.0).all(), "below the lowest band"


def test_flat_gains_answer_a_peak_of_the_input_where_it_is_whatever_describes_it() -> None:
    for analysis in ("stft", "constant-q"):
        decoder = SpectralNet(SpectralShape(**SMALL, analysis=analysis)).decoder
        described = torch.from_numpy(decoder_centres(analysis))
        gained = torch.from_numpy(decoder_centres("stft"))
        for pitch in (440.0, 3000.0):
            skip = torch.zeros(decoder.flatten.in_features)
            skip[(described - pitch).abs().argmin()] = 1.0
            damped = decoder.flatten(skip).detach()
            assert damped.max() <= 0.0
            assert (gained[damped.argmin()] / pitch).log2().abs() < 0.15


def decoder_centres(analysis: str) -> np.ndarray:
    return SpectralShape(analysis=analysis).centres


def test_a_shape_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ParameterError, match="analysis is 'cqt'; choose one of stft, constant-q"):
        SpectralShape(analysis="cqt")
    with pytest.raises(ParameterError, match="hop is 60; constant-q needs a multiple of 8"):
        SpectralShape(analysis="constant-q", hop=60)


def test_a_checkpoint_from_before_the_choice_of_analysis_means_the_stft() -> None:
    known = SpectralShape().as_dict()
    del known["analysis"]
    assert SpectralShape(**known) == SpectralShape(analysis="stft")


def test_partials_are_read_and_written_where_they_are() -> None:
    axis = HarmonicAxis(1024, 48000, 80)
    centres = axis.centres[None, None]
    assert torch.allclose(axis.position(centres), torch.arange(80.0), atol=2e-3)
    fundamental = torch.full((1, 1, 1), 440.0)
    read = axis.at_partials(centres, fundamental)[0, 0]
    assert torch.allclose(read, 220.0 * torch.arange(1.0, 33.0), rtol=2e-3)
    odd = torch.tensor([0.0, 1.0, 0.0, 0.0] * 8).expand(1, 1, HALVES)  # half a partial, one, one and a half, two ..
    between = torch.tensor([1.0, 0.0] * PARTIALS).expand(1, 1, HALVES)
    comb, valleys = axis.over_bands(torch.cat([odd, between], dim=-1), fundamental)[0, 0].split(axis.bands)
    assert comb[(axis.centres - 440.0).abs().argmin()] > 0.9
    assert comb[(axis.centres - 880.0).abs().argmin()] < 0.1
    assert comb[(axis.centres - 1320.0).abs().argmin()] > 0.85
    assert (comb[axis.centres > 17 * 440.0] == 0.0).all()
    assert valleys[axis.centres < 200.0].min() > 0.99, "below the fundamental"
    assert valleys[(axis.centres - 440.0).abs().argmin()] < 0.1
    assert valleys[(axis.centres - 660.0).abs().argmin()] > 0.85
