"""The latent family: a causal variational encoder to a latent at fs / 128, and a styled decoder that filters PQMF bands.

    [x, pulses, noise] -> PQMF -> bands (fs / 16) --------------------------------> filters -> PQMF -> y
                            \\-> log spectrum of each band -> encoder -> latent       ^
                                                                \\-> AdaIN -> StyledUnits -> filters (interpolated over a hop)

The decoder does not draw the waveform: it draws, per hop, a short filter for each band of the input, of the pulses and of the
noise, so that the output keeps the input's pitch and phase and cannot hum by itself. All paths scale with the input. It is told
the pitch (`harmonics.pitch_code`), since sixteen bands do not tell a fundamental from its octave. Those filters are short taps,
for the input and the pulses followed by gains over frequency and per partial as filters of least phase (`BandFilters`): taps
alone are hard to find by gradients, and gains alone cannot turn a phase.
Sources: A. Caillon, P. Esling, "RAVE", arXiv 2111.05011 (multiband variational autoencoder); J. Engel et al., "DDSP", ICLR
2020 (filtered harmonic and noise sources).
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from rtstyle.dsp import bands as erb
from rtstyle.dsp import front
from rtstyle.lab.nets.harmonics import HALVES, PITCHES, over_frequencies, partial_frequency, pitch_code, read
from rtstyle.lab.nets.pqmf import Pqmf
from rtstyle.lab.nets.streaming import CausalConv, Past, StyledUnit, softplus

COMB_BANDS = 2  # of the pulses, up to 3 kHz: a comb that says where the partials are
FILTERED = 2  # sources that are filtered by gains: input and pulses
CHANCE_BANDS = 2  # of the noise: the flutter of its spectrum, of which the decoder makes that of the target


@dataclass(frozen=True)
class LatentShape:
    """Sizes of a latent network; all of them travel in the checkpoint."""

    bands: int = 16
    attenuation_db: int = 40
    channels: int = 256
    latent: int = 64
    style: int = 96
    units: int = 4
    taps: int = 16
    noise_taps: int = 4
    gains: int = 80
    hop: int = 128
    sample_rate: int = 48000

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def rows(flat: Tensor, count: int, width: int) -> Tensor:
    """(batch, T, count * width) -> (batch, T, count, width) with T symbolic; a vector (count * width) -> (count, width)."""
    return flat.reshape(flat.shape[0], -1, count, width) if flat.dim() == 3 else flat.view(count, width)


class BandSpectrum(nn.Module):
    """Log power spectrum inside each band over the last WINDOW band frames, relative to the total, once per hop.

    (batch, frames, M) -> (batch, frames / per_hop, M * WINDOW / 2 + 1); the last feature is the level. The last bin is left
    out: rows of a power of two are summed alike however many hops a call has, so that no bit depends on the block.
    """

    WINDOW = 64  # band frames: 21 ms, 47 Hz at fs / 16 = 3 kHz
    FALL = 12  # of them: recent past weighs most, but what ends at once leaks into all bins

    def __init__(self, name: str, bands: int, per_hop: int) -> None:
        super().__init__()
        self.name, self.bands, self.per_hop = name, bands, per_hop
        n = torch.arange(self.WINDOW, dtype=torch.float64)
        sides = self.WINDOW - self.FALL, self.FALL
        rise, fall = (torch.sin(0.5 * torch.pi * (n[:size] + 0.5) / size) ** 2 for size in sides)
        window = torch.cat([rise, fall.flip(0)])
        window = window / window.square().sum().sqrt()
        k = torch.arange(self.WINDOW // 2, dtype=torch.float64)[:, None]
        angle = 2 * torch.pi * k * n / self.WINDOW
        self.bins = k.shape[0]
        self.register_buffer(
            "dft", torch.cat([window * torch.cos(angle), window * torch.sin(angle)]).float(), persistent=False
        )

    @property
    def width(self) -> int:
        return self.bands * self.bins + 1

    def forward(self, x: Tensor, past: Past) -> Tensor:
        context = self.WINDOW - self.per_hop
        joined = past.extend(self.name, x, context)
        hops = joined.reshape(joined.shape[0], -1, self.per_hop, self.bands)
        extra = context // self.per_hop
        stacked = torch.cat([hops[:, i : i - extra or None] for i in range(extra + 1)], dim=2)
        both = self.dft @ stacked  # (batch, hops, 2 bins, M)
        power = both[:, :, : self.bins].square() + both[:, :, self.bins :].square()
        power = power.reshape(power.shape[0], -1, self.bins * self.bands)
        total = power.sum(2, keepdim=True)
        share = 1.0 + 0.125 * torch.log(power / (total + 1e-7) + 1e-7)
        level = 1.0 + 0.2 * torch.log10(total / self.bins + 1e-10)
        return torch.cat([share, level], dim=2)


def places(bands: int, rate: int) -> tuple[Tensor, Tensor]:
    """Frequencies in Hz up to rate / 2, one per BandSpectrum bin, and where bin k of band m lies among them, (bins + 1, M).

    Decimation turns every other band around.
    """
    bins = BandSpectrum.WINDOW // 2
    k, m = torch.arange(bins + 1)[:, None], torch.arange(bands)[None, :]
    return torch.arange(bins * bands + 1) * (rate / 2 / (bins * bands)), bins * (m + m % 2) + k * (1 - 2 * (m % 2))


class BandFilters(nn.Module):
    """Taps per band followed by gains over frequency, as one filter per band of input and pulses.

    The gains are log gains at bands on the ERB scale and at and between the partials. In each band they become a filter of
    least phase, whose phase is the Hilbert transform of its log magnitude (see `dsp.minphase`), times the transform of the taps.
    Gains of 1 leave the taps as they are.
    """

    RANGE = 6.0  # natural logarithm: gains within +-52 dB

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        size = BandSpectrum.WINDOW
        self.width, self.gains = size // 2, shape.gains
        frequencies, where = places(shape.bands, shape.sample_rate)
        n_fft = 2 * (frequencies.shape[0] - 1)
        centres = erb.band_centres(n_fft, shape.sample_rate, shape.gains)
        spread = erb.band_spread(*erb.place_bins(n_fft, shape.sample_rate, centres), shape.gains)
        n, k = torch.arange(size, dtype=torch.float64), torch.arange(size // 2 + 1, dtype=torch.float64)[:, None]
        turn = 2 * torch.pi * k * n / size
        dft = torch.cat([torch.cos(turn), -torch.sin(turn)])  # of real sequences: real parts, then imaginary ones
        mirrored = torch.full((size // 2 + 1,), 2.0, dtype=torch.float64)
        mirrored[0] = mirrored[-1] = 1.0
        back = (dft * mirrored.repeat(2)[:, None]).T / size
        causal = torch.cat([mirrored, torch.zeros(size // 2 - 1)])  # what a cepstrum is times for the least phase
        phase = dft[size // 2 + 1 :] @ (causal[:, None] * back[:, : size // 2 + 1])
        for name, value in (
            ("frequencies", frequencies),
            ("spread", torch.from_numpy(spread.T.copy())),
            ("dft", dft[:, : shape.taps]),
            ("back", back[: self.width]),
            ("phase", phase),
        ):
            self.register_buffer(name, value.float(), persistent=False)
        both = torch.cat([where, where + frequencies.shape[0]], dim=1)
        self.register_buffer("where", both.reshape(-1), persistent=False)

    def forward(self, taps: Tensor, gains: Tensor, fundamental: Tensor) -> Tensor:
        """taps (batch, T, taps, 2 M), gains (batch, T, 2 (gains + HALVES)) -> (batch, T, width, 2 M)."""
        count = gains.shape[0]
        over_bands, partials = gains.reshape(count, -1, FILTERED, self.gains + HALVES).split(
            [self.gains, HALVES], dim=3
        )
        at_partials = over_frequencies(partials.flatten(2), fundamental, self.frequencies, FILTERED)
        logs = self.RANGE * torch.tanh(((over_bands @ self.spread).flatten(2) + at_partials) / self.RANGE)
        logs = rows(logs.index_select(2, self.where), self.width + 1, taps.shape[3])
        turn, level = self.phase @ logs, torch.exp(logs)
        real, imaginary = level * torch.cos(turn), level * torch.sin(turn)
        of_real, of_imaginary = (self.dft @ taps).split(self.width + 1, dim=2)
        product = real * of_real - imaginary * of_imaginary, real * of_imaginary + imaginary * of_real
        return self.back @ torch.cat(product, dim=2)


class LatentEncoder(nn.Module):
    """audio (batch, ROWS, samples) -> mean and log variance (batch, T, C), bands (batch, T * 8, 48), skip (batch, T, width)."""

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.shape = shape
        c = shape.channels
        self.pqmf = Pqmf(shape.bands, shape.attenuation_db)
        self.spectrum = BandSpectrum("spectrum", shape.bands, shape.hop // shape.bands)
        self.comb = BandSpectrum("comb", COMB_BANDS, shape.hop // shape.bands)
        self.chance = BandSpectrum("chance", CHANCE_BANDS, shape.hop // shape.bands)
        self.stem = CausalConv("stem", self.spectrum.width + self.comb.width, c, 1)
        self.convs = nn.ModuleList([CausalConv("encoder1", c, c, 2), CausalConv("encoder2", c, c, 4)])
        self.out = nn.Linear(c, 2 * shape.latent)
        # mean over the bins of each band, as a product: a reduction sums in another order when there is but one hop
        self.register_buffer("average", torch.eye(shape.bands).tile(self.spectrum.bins, 1) / self.spectrum.bins, False)
        # the bins of all bands from the lowest frequency to the highest; the last bin of a band is missing, so take the one below
        frequencies, where = places(shape.bands, shape.sample_rate)
        order = torch.zeros(frequencies.shape[0], dtype=torch.long)
        for k in range(self.spectrum.bins, -1, -1):
            order[where[k]] = min(k, self.spectrum.bins - 1) * shape.bands + torch.arange(shape.bands)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("halves", torch.arange(1, HALVES + 1) / (2.0 * float(frequencies[1])), persistent=False)

    @property
    def skip_width(self) -> int:
        """Width of what the encoder hands on besides latent and bands."""
        return HALVES + self.shape.bands + 2 * self.spectrum.bins + 1 + self.comb.width + 1 + self.chance.width - 1

    def forward(self, audio: Tensor, past: Past) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        silu = nn.functional.silu
        bands = self.pqmf.analyse(audio[:, : front.SOURCES], past)
        log_period = audio[:, front.SOURCES].reshape(audio.shape[0], -1, self.shape.hop)[..., :1]
        described = self.spectrum(bands[..., : self.shape.bands], past)
        noise = bands[..., 2 * self.shape.bands : 2 * self.shape.bands + CHANCE_BANDS]
        chance = self.chance(noise, past)[..., :-1]
        comb = self.comb(bands[..., self.shape.bands : self.shape.bands + COMB_BANDS], past)
        h = silu(self.stem(torch.cat([described, comb], dim=2), past))
        for conv in self.convs:
            h = h + silu(conv(h, past))
        mean, log_variance = self.out(h).chunk(2, dim=2)
        bins, count = self.spectrum.bins, self.shape.bands
        coarse = described[..., :-1].reshape(described.shape[0], -1, bins, count)
        # per band its mean log share, in the two lowest bands every bin: where the source has its energy
        per_band = described[..., :-1] @ self.average
        lowest = [coarse[..., 0], coarse[..., 1]]
        fundamental = partial_frequency(log_period, 0)
        position = (fundamental * self.halves).clamp(0.0, self.order.shape[0] - 1.001)
        partials = read(described.index_select(2, self.order), position, self.order.shape[0])
        skip = torch.cat([partials, per_band, *lowest, described[..., -1:], comb, log_period, chance], dim=2)
        return mean, log_variance, bands, skip


class LatentDecoder(nn.Module):
    """styled (batch, T, C), style (batch, 1, 2 C), amount (batch, 1, 1), bands, skip -> audio (batch, T * hop)."""

    def __init__(self, shape: LatentShape, skip: int, chance: int) -> None:
        super().__init__()
        self.shape, self.chance = shape, chance
        c = shape.channels
        self.pqmf = Pqmf(shape.bands, shape.attenuation_db)
        self.embed = nn.Sequential(
            nn.Linear(2 * shape.latent, shape.style), nn.SiLU(), nn.Linear(shape.style, shape.style)
        )
        self.cues = skip - chance - 1  # where the skip has the log period
        self.inner = nn.Linear(shape.latent + skip + PITCHES, c)
        self.units = nn.ModuleList([StyledUnit(f"unit{i}", c, shape.style, 2**i) for i in range(shape.units)])
        self.filters = BandFilters(shape)
        self.per_hop = shape.hop // shape.bands
        ramp = torch.arange(1, self.per_hop + 1) / self.per_hop
        self.register_buffer("ramp", ramp[:, None], persistent=False)
        dry = torch.zeros(self.filters.width, FILTERED * shape.bands)
        dry[0, : shape.bands] = 1.0
        self.register_buffer("dry", dry, persistent=False)
        self.widths = (shape.taps, shape.taps, shape.noise_taps)
        self.gains = nn.Linear(c, FILTERED * (shape.gains + HALVES))
        nn.init.zeros_(self.gains.weight)
        nn.init.zeros_(self.gains.bias)
        # flutter: chance moves the taps of input and pulses, in every band by as much as the network says
        self.flutter = nn.Linear(c, FILTERED * shape.bands)
        self.mixtures = nn.Linear(chance, FILTERED * shape.bands * shape.taps, bias=False)
        self.still = nn.LayerNorm(chance, elementwise_affine=False)
        nn.init.constant_(self.flutter.bias, -2.25)  # a tenth
        nn.init.normal_(self.mixtures.weight, std=(chance * shape.taps) ** -0.5)
        self.out = nn.Linear(c, shape.bands * (sum(self.widths) + front.SOURCES))
        nn.init.normal_(self.out.weight, std=0.02 / c**0.5)
        with torch.no_grad():
            self.out.bias.zero_()
            taps, logs = self.split(self.out.bias)
            for row in taps:
                row[0] = 1.0
            for row, start in zip(logs, (-0.5, -2.0, -3.5), strict=True):
                row.fill_(start)

    def split(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Views of the flat output: per source the taps (..., width, M) and the log gain (..., M)."""
        m, taps, start = self.shape.bands, [], 0
        for width in self.widths:
            taps.append(rows(flat[..., start : start + m * width], width, m))
            start += m * width
        logs = [flat[..., start + i * m : start + (i + 1) * m] for i in range(front.SOURCES)]
        return taps, logs

    def forward(self, styled: Tensor, style: Tensor, amount: Tensor, bands: Tensor, skip: Tensor, past: Past) -> Tensor:
        of_input, of_pulses, of_noise = self.parts(styled, style, amount, bands, skip, past)
        return self.pqmf.synthesise(of_input + of_pulses + of_noise, past)

    def parts(
        self, styled: Tensor, style: Tensor, amount: Tensor, bands: Tensor, skip: Tensor, past: Past
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What input, pulses and noise come to, as band signals (batch, T * per_hop, M) each."""
        m = self.shape.bands
        embedded = self.embed(style)
        fundamental = partial_frequency(skip, self.cues)
        h = self.inner(torch.cat([styled, skip, pitch_code(fundamental).to(styled.dtype)], dim=2))
        for unit in self.units:
            h = unit(h, embedded, past)
        h = nn.functional.silu(h)
        taps, logs = self.split(self.out(h).float())
        moves = self.mixtures(self.still(skip[..., -self.chance :])).float().chunk(FILTERED, dim=2)
        move = torch.cat([rows(each, self.shape.taps, m) for each in moves], dim=3)
        moved = torch.cat(taps[:FILTERED], dim=3) + softplus(self.flutter(h)).float()[:, :, None] * move
        filters = self.filters(moved, self.gains(h).float(), fundamental)
        gain = torch.exp(6.0 * torch.tanh(torch.cat(logs, dim=2) / 6.0))[:, :, None] * amount[..., None]
        # at amount 0 the input passes unchanged
        wet = filters * gain[..., : FILTERED * m] + (1.0 - amount[..., None]) * self.dry
        filtered = self.filter("", bands[..., : FILTERED * m], wet, self.filters.width, past)
        noise = self.filter(
            "_noise", bands[..., FILTERED * m :], taps[-1] * gain[..., FILTERED * m :], self.widths[-1], past
        )
        return filtered[..., :m], filtered[..., m:], noise

    def filter(self, name: str, signal: Tensor, taps: Tensor, width: int, past: Past) -> Tensor:
        """Band signals (batch, T * per_hop, N) through taps (batch, T, width, N) that are reached at the end of each hop."""
        count = signal.shape[2]
        now = taps.reshape(taps.shape[0], -1, width * count)
        before = past.extend(f"taps{name}", now, 1)[:, :-1].reshape(taps.shape[0], -1, 1, width, count)
        lagged = self.lagged(f"band{name}", signal, width, past)
        ended, begun = (lagged * taps[:, :, None]).sum(3), (lagged * before).sum(3)  # (batch, T, per_hop, N)
        return (begun + self.ramp * (ended - begun)).reshape(taps.shape[0], -1, count)

    def lagged(self, name: str, signal: Tensor, width: int, past: Past) -> Tensor:
        """(batch, T * per_hop, M) -> (batch, T, per_hop, width, M): the last `width` frames at each frame of a hop."""
        extra = -(-(width - 1) // self.per_hop)
        joined = past.extend(name, signal.float(), extra * self.per_hop)
        hops = joined.reshape(joined.shape[0], -1, self.per_hop, joined.shape[2])
        context = torch.cat([hops[:, i : i - extra or None] for i in range(extra + 1)], dim=2)
        j = torch.arange(self.per_hop)[:, None]
        index = (extra * self.per_hop + j - torch.arange(width)).reshape(-1).to(signal.device)
        return context.index_select(2, index).reshape(context.shape[0], -1, self.per_hop, width, context.shape[3])


class LatentNet(nn.Module):
    """Encoder and decoder of one latent model."""

    kind = "latent"

    def __init__(self, shape: LatentShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = LatentEncoder(shape)
        self.decoder = LatentDecoder(shape, skip=self.encoder.skip_width, chance=self.encoder.chance.width - 1)

    @property
    def latency(self) -> int:
        """Samples by which the output is late: the filter bank's pair delay."""
        return self.encoder.pqmf.latency
