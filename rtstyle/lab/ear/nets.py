"""The two networks of musicnn that we listen with, from power spectra to maps.

They take windows of 32 ms every 16 ms as 96 mel bands up to 8 kHz, log10(1 + 10 000 power): a Hann window of 512 samples at
16 kHz, or any other of the same duration, whose bins lie at the same 31.25 Hz.
"""

import librosa
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, max_pool2d, pad, relu

from rtstyle.lab.ear.weights import load_weights

SAMPLE_RATE, N_FFT, HOP, MELS = 16000, 512, 256, 96
BINS = N_FFT // 2 + 1
WINDOW_SECONDS, HOP_SECONDS = N_FFT / SAMPLE_RATE, HOP / SAMPLE_RATE
LEVEL_POWER = 0.01 * N_FFT * (3 * N_FFT / 8) / 2  # of all bins of a window at -20 dBFS, as librosa scales them


class _Ear(nn.Module):
    """Layers by TensorFlow's names; nothing in it is trained."""

    def __init__(self, use: str) -> None:
        super().__init__()
        self.names: dict[str, str] = {}
        for name, value in load_weights(use).items():
            self.names[name] = name.replace("/", "_")
            if name.endswith("kernel") and value.ndim == 4:
                value = value.permute(3, 2, 0, 1).contiguous()
            self.register_buffer(self.names[name], value, persistent=False)
        mel = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=MELS)
        self.register_buffer("mel", torch.from_numpy(mel), persistent=False)

    def weight(self, name: str) -> Tensor:
        return getattr(self, self.names[name])

    def bands(self, power: Tensor) -> Tensor:
        """Powers (batch, frames, BINS), LEVEL_POWER in all for -20 dBFS -> normalised log-mel (batch, 1, frames, MELS)."""
        return self.norm(torch.log10(1.0 + 10_000.0 * (power @ self.mel.T))[:, None], 0)

    def conv(self, x: Tensor, name: str, padding: int | tuple[int, int] = 0) -> Tensor:
        return relu(conv2d(x, self.weight(f"{name}/kernel"), self.weight(f"{name}/bias"), padding=padding))

    def norm(self, x: Tensor, number: int) -> Tensor:
        name = "batch_normalization" + (f"_{number}" if number else "")
        gamma, beta, mean, variance = (
            self.weight(f"{name}/{part}") for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return batch_norm(x, mean, variance, gamma, beta, eps=1e-3)


class TrainingEar(_Ear):
    """The five-layer network trained on the Million Song Dataset; `forward` gives its first four maps."""

    CHANNELS = 128
    POOLS = (((4, 1), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)), ((2, 2), (2, 2)))

    def __init__(self) -> None:
        super().__init__("training")

    def forward(self, power: Tensor) -> list[Tensor]:
        """Powers (batch, frames >= 16, BINS) -> maps (batch, 128, frames / 2.., MELS / 2..)."""
        x, maps = self.bands(power), []
        for layer, (size, stride) in enumerate(self.POOLS, start=1):
            x = max_pool2d(self.norm(self.conv(x, f"{layer}CNN", 1), layer), size, stride)
            maps.append(x)
        return maps


class TaggingEar(_Ear):
    """The network trained on MagnaTagATune, with its tags."""

    TAGS = (
        "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient",
        "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals",
        "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man",
        "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello",
        "no voice", "weird", "country", "metal", "female voice", "choral",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__("tagging")

    def forward(self, power: Tensor) -> Tensor:
        """Powers (batch, frames, BINS), best of three seconds -> probabilities (batch, TAGS)."""
        x = self.bands(power)
        maps = [
            self.norm(self.conv(x, name, (3, 0)), number).amax(3) for number, name in ((1, "conv2d"), (2, "conv2d_1"))
        ]
        for number, frames in ((3, 128), (4, 64), (5, 32)):
            before = (frames - 1) // 2
            around = pad(x, (0, 0, before, frames - 1 - before))
            maps.append(self.norm(self.conv(around, f"conv2d_{number - 1}"), number).amax(3))
        front = torch.cat(maps, 1)
        middle = self.norm(self.conv(_as_image(front), "conv2d_5"), 6)[..., 0]
        maps = [front, middle]
        for number in (7, 8):
            middle = self.norm(self.conv(_as_image(middle), f"conv2d_{number - 1}"), number)[..., 0] + middle
            maps.append(middle)
        every = torch.cat(maps, 1)
        pooled = self.norm(torch.stack([every.amax(2), every.mean(2)], 2).flatten(1), 9)
        hidden = self.norm(relu(self.dense(pooled, "dense")), 10)
        return torch.sigmoid(self.dense(hidden, "dense_1"))

    def dense(self, x: Tensor, name: str) -> Tensor:
        return x @ self.weight(f"{name}/kernel") + self.weight(f"{name}/bias")


def _as_image(maps: Tensor) -> Tensor:
    """Maps (batch, channels, frames), padded in time, with the channels for a height."""
    return pad(maps, (3, 3)).transpose(1, 2)[:, None]
