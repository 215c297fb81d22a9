"""The latent family: a causal variational encoder to a latent at fs / 128, and a styled decoder that filters PQMF bands.

    [x, pulses, noise] -> PQMF -> bands (fs / 16) --------------------------------> filters -> PQMF -> y
                            \\-> log spectrum of each band -> encoder -> latent       ^
                                                                \\-> AdaIN -> StyledUnits -> taps (interpolated over a hop)

The decoder does not draw the waveform: it draws, per hop, a short filter for each band of the input, of the pulses and of the
noise, so that the output keeps the input's pitch and phase and cannot hum by itself. All paths scale with the input. It is told
the pitch (`harmonics.pitch_code`), since sixteen bands do not tell a fundamental from its octave.
Sources: A. Caillon, P. Esling, "RAVE", arXiv 2111.05011 (multiband variational autoencoder); J. Engel et al., "DDSP", ICLR
2020 (filtered harmonic and noise sources).
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from rtstyle.dsp import front
from rtstyle.lab.nets.harmonics import PITCHES, partial_frequency, pitch_code
from rtstyle.lab.nets.pqmf import Pqmf
from rtstyle.lab.nets.streaming import CausalConv, Past, StyledUnit, softplus

COMB_BANDS = 2  # of the pulses, up to 3 kHz: a comb that says where the partials are
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
        skip = torch.cat([per_band, *lowest, described[..., -1:], comb, log_period, chance], dim=2)
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
        self.per_hop = shape.hop // shape.bands
        ramp = torch.arange(1, self.per_hop + 1) / self.per_hop
        self.register_buffer("ramp", ramp[:, None], persistent=False)
        dry = torch.zeros(shape.taps, shape.bands)
        dry[0] = 1.0
        self.register_buffer("dry", dry, persistent=False)
        self.widths = (shape.taps, shape.taps, shape.noise_taps)
        # flutter: chance moves the taps of input and pulses, in every band by as much as the network says
        self.flutter = nn.Linear(c, 2 * shape.bands)
        self.mixtures = nn.Linear(chance, 2 * shape.bands * shape.taps, bias=False)
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
        code = pitch_code(partial_frequency(skip, self.cues))
        h = self.inner(torch.cat([styled, skip, code.to(styled.dtype)], dim=2))
        for unit in self.units:
            h = unit(h, embedded, past)
        h = nn.functional.silu(h)
        taps, logs = self.split(self.out(h).float())
        amounts = softplus(self.flutter(h)).float().chunk(2, dim=2)
        moves = self.mixtures(self.still(skip[..., -self.chance :])).float().chunk(2, dim=2)
        for source, (much, move) in enumerate(zip(amounts, moves, strict=True)):
            taps[source] = taps[source] + much[:, :, None] * rows(move, self.shape.taps, m)
        played = []
        for source, (shape, log) in enumerate(zip(taps, logs, strict=True)):
            width = self.widths[source]
            gain = torch.exp(6.0 * torch.tanh(log / 6.0))
            wet = amount[..., None] * shape * gain[:, :, None]  # (batch, T, width, M)
            if source == 0:  # at amount 0 the input passes unchanged
                wet = wet + (1.0 - amount[..., None]) * self.dry
            now = wet.reshape(wet.shape[0], -1, width * m)
            before = past.extend(f"taps{source}", now, 1)[:, :-1].reshape(wet.shape[0], -1, 1, width, m)
            lagged = self.lagged(f"band{source}", bands[..., source * m : (source + 1) * m], width, past)
            ended, begun = (lagged * wet[:, :, None]).sum(3), (lagged * before).sum(3)  # (batch, T, per_hop, M)
            part = begun + self.ramp * (ended - begun)
            played.append(part.reshape(part.shape[0], -1, m))
        return played[0], played[1], played[2]

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
        chance = self.encoder.chance.width - 1
        skip = shape.bands + 2 * self.encoder.spectrum.bins + 1 + self.encoder.comb.width + 1 + chance
        self.decoder = LatentDecoder(shape, skip=skip, chance=chance)

    @property
    def latency(self) -> int:
        """Samples by which the output is late: the filter bank's pair delay."""
        return self.encoder.pqmf.latency
