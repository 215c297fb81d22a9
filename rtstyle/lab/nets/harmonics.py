"""Between a frequency axis and a harmonic axis, by the period that the front end heard.

An instrument's timbre is a function of two axes: formants stand still in frequency, the odd partials of a clarinet and the
weak fundamental of an oboe move with the pitch. A network on bands has to learn a comb for every pitch; on this axis a comb
is one number per partial. Source: the harmonic distribution of J. Engel et al., "DDSP", ICLR 2020.
"""

import math

import torch
from torch import Tensor, nn

from rtstyle.dsp import excitation
from rtstyle.dsp.description import STFT, described_centres

PARTIALS = 16
HALVES = (
    2 * PARTIALS
)  # places of the harmonic axis: half a partial, one, one and a half ..; between two partials is the noise
LN_2 = math.log(2.0)
LOWEST_PITCH, PITCHES = 30, 72  # MIDI notes of the pitch code: 46 Hz to 2.8 kHz


def partial_frequency(features: Tensor, bands: int) -> Tensor:
    """Fundamental in Hz, (batch, T, 1), from the log period among the features (see `excitation.LOG_PERIOD`)."""
    log_period = features[..., bands + excitation.LOG_PERIOD : bands + excitation.LOG_PERIOD + 1].float()
    return 1000.0 * torch.exp(-5.0 * LN_2 * log_period.clamp(-1.0, 1.0))


def pitch_code(fundamental: Tensor) -> Tensor:
    """One number per semitone, near one where the pitch is: (batch, T, 1) in Hz -> (batch, T, PITCHES).

    An instrument's notes differ from one to the next. A network that is told the pitch as one number can only bend its
    timbre slowly along the scale; told by place, it can give every note its own.
    """
    pitch = 69.0 + 12.0 / LN_2 * torch.log(fundamental / 440.0)
    notes = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES, dtype=torch.float32, device=fundamental.device)
    return torch.exp(-(pitch - notes).square())


class HarmonicAxis(nn.Module):
    """Reads band values at the partials, and spreads values given per partial over the bands."""

    def __init__(self, n_fft: int, sample_rate: int, bands: int, analysis: str = STFT) -> None:
        super().__init__()
        centres = described_centres(analysis, n_fft, sample_rate, bands)
        self.bands = centres.size
        self.spacing = sample_rate / n_fft  # of the first bands on the ERB scale; the others are all logarithmic
        self.linear = int((abs(centres[1:] - centres[:-1] - self.spacing) < 1e-6).sum()) if analysis == STFT else 0
        self.corner = float(centres[self.linear])
        self.offset = 1.0 / 4.37e-3 if analysis == STFT else 0.0  # the ERB grows in proportion to frequency + this
        self.ratio = float((centres[-1] + self.offset) / (centres[-2] + self.offset))
        self.register_buffer("centres", torch.from_numpy(centres).float(), persistent=False)
        self.register_buffer("places", torch.arange(1, HALVES + 1).float() / 2.0, persistent=False)

    def position(self, frequency: Tensor) -> Tensor:
        """Place of a frequency in Hz on the axis of bands, 0 .. bands - 1."""
        above = torch.log((frequency.clamp(min=self.corner) + self.offset) / (self.corner + self.offset))
        below = frequency.clamp(max=self.corner) / self.spacing if self.linear else 0.0
        return (below + above / torch.log(torch.tensor(self.ratio))).clamp(0.0, self.bands - 1.001)

    def at_partials(self, shares: Tensor, fundamental: Tensor) -> Tensor:
        """Band values (batch, T, bands) at half a partial, one, one and a half ..: (batch, T, HALVES)."""
        return read(shares, self.position(fundamental * self.places), self.bands)

    def over_bands(self, values: Tensor, fundamental: Tensor) -> Tensor:
        """Values (batch, T, 2 HALVES) at half a partial, one .. for two filters, over the bands of both, 0 above the last:
        (batch, T, 2 bands).
        """
        return over_frequencies(values, fundamental, self.centres, 2)


def read(values: Tensor, position: Tensor, count: int) -> Tensor:
    """Linear interpolation of values (batch, T, count) at positions (batch, T, M), all within 0 .. count - 1.

    count: said and not asked of the values, since an exported graph would ask it anew in every call.
    """
    low = torch.floor(position)
    index = low.long().clamp(0, count - 2)  # whatever a broken feature said
    part = position - low
    return torch.gather(values, -1, index) * (1.0 - part) + torch.gather(values, -1, index + 1) * part


def over_frequencies(values: Tensor, fundamental: Tensor, frequencies: Tensor, filters: int) -> Tensor:
    """Values (batch, T, filters * HALVES) at half a partial, one .. read at M frequencies in Hz, 0 above the last:
    (batch, T, filters * M), one filter after the other. fundamental: (batch, T, 1) in Hz.

    With values between the partials a filter can take away what an input has there: its bow, its breath, its room.
    """
    width, last = HALVES + 2, filters * HALVES  # of one filter, with its first value before it and a 0 behind it
    firsts = range(0, last, HALVES)
    order = torch.tensor([place for first in firsts for place in (first, *range(first, first + HALVES), last)])
    padded = torch.cat([values, 0.0 * values[..., :1]], dim=-1).index_select(-1, order.to(values.device))
    starts = torch.arange(0.0, filters * width, width, device=values.device).repeat_interleave(frequencies.shape[0])
    place = (2.0 * frequencies.repeat(filters) / fundamental).clamp(0.0, HALVES + 0.999)
    return read(padded, place + starts, filters * width)
