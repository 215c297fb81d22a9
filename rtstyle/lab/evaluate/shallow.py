"""The classic reference: optimisation against random filters on the spectrogram, offline and slow.

Amplitudes as channels, one layer of random 1-D convolutions over time; the output's features follow the input's, their
Gram matrix follows the target's; phase by Griffin-Lim. Source: D. Ulyanov, V. Lebedev, "Audio texture synthesis and
style transfer", 2016.
"""

import librosa
import numpy as np
import torch
from numpy.typing import NDArray

RATE = 22050
N_FFT = 1024
FILTERS = 1024
WIDTH = 11


def transfer(
    audio: NDArray[np.float32],
    style: NDArray[np.float32],
    sample_rate: int,
    *,
    steps: int = 60,
    style_weight: float = 30.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Give `audio` the texture of `style` in `steps` of Adam. `[control]` Both mono at `sample_rate`; length as
    `audio`.
    """

    def log_spectrogram(signal: NDArray[np.float32]) -> NDArray[np.float32]:
        low = librosa.resample(signal, orig_sr=sample_rate, target_sr=RATE, res_type="soxr_hq")
        return np.log1p(100.0 * np.abs(librosa.stft(low, n_fft=N_FFT, hop_length=N_FFT // 4)))

    generator = torch.Generator().manual_seed(seed)
    bins = N_FFT // 2 + 1
    kernel = torch.randn(FILTERS, bins, WIDTH, generator=generator) * (2.0 / ((bins + FILTERS) * WIDTH)) ** 0.5

    def features(values: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.nn.functional.conv1d(values, kernel))[0]

    def gram(maps: torch.Tensor) -> torch.Tensor:
        return maps @ maps.T / maps.shape[1]

    content = torch.from_numpy(log_spectrogram(audio))[None]
    with torch.no_grad():
        wanted = features(content)
        texture = gram(features(torch.from_numpy(log_spectrogram(style))[None]))
    result = content.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([result], lr=0.05)
    for _ in range(steps):
        maps = features(result)
        loss = ((maps - wanted) ** 2).mean() / (wanted**2).mean()
        loss = loss + style_weight * ((gram(maps) - texture) ** 2).sum() / (texture**2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    amplitude = np.expm1(np.clip(result.detach().numpy()[0], 0, 12)) / 100.0
    low = librosa.griffinlim(amplitude, n_iter=32, hop_length=N_FFT // 4, n_fft=N_FFT, random_state=seed)
    out = librosa.resample(low, orig_sr=RATE, target_sr=sample_rate, res_type="soxr_hq")
    return np.ascontiguousarray(librosa.util.fix_length(out, size=audio.size), dtype=np.float32)
