"""Adaptive instance normalisation of a latent stream with running statistics.

    styled = z + amount ((z - mean) / std * target_std + target_mean - z)

X. Huang, S. Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", ICCV 2017, Eq. 8.
There the mean and deviation are those of a whole image; a stream has only its past. So they run, frame by frame:

    n = min(n + 1, memory)        mean += (z - mean) / n        square += (z z - square) / n
    std = sqrt(max(square - mean^2, EPSILON))

which is the plain mean of all frames so far until the memory is full, and an exponential one from then on. A prior
counts as some frames already seen, so the first frames are not divided by a deviation of nothing. The recursion goes
frame by frame, so the size of a block does not matter.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rtstyle.dsp.jit import kernel

EPSILON: Final = 1e-4  # least variance; the lab trains with the same

# The state, float64[1 + 2 C]: frames seen n, then the means, then the mean squares.
COUNT: Final = 0


def new_state(channels: int) -> NDArray[np.float64]:
    """State of one stream of `channels` channels; `reset` makes it ready. `[control]`"""
    return np.zeros(1 + 2 * channels, dtype=np.float64)


@kernel
def reset(state: Any, prior: Any, prior_frames: float) -> None:
    """Start from the prior. `[audio]`

    state: float64[1 + 2 C]. prior: float32[2 C], mean then std, which count as `prior_frames` frames already seen.
    """
    channels = prior.size // 2
    state[COUNT] = prior_frames
    for c in range(channels):
        mean = np.float64(prior[c])
        deviation = np.float64(prior[channels + c])
        state[1 + c] = mean
        state[1 + channels + c] = deviation * deviation + mean * mean


@kernel
def observe(state: Any, z: Any, memory_frames: float) -> None:
    """Take one frame into the running statistics. `[audio]`

    state: float64[1 + 2 C]. z: float32[C], finite. memory_frames: the number of frames after which old ones fade, >= 1.
    """
    channels = z.size
    count = max(min(state[COUNT] + 1.0, memory_frames), 1.0)
    state[COUNT] = count
    share = 1.0 / count
    for c in range(channels):
        value = np.float64(z[c])
        state[1 + c] += (value - state[1 + c]) * share
        state[1 + channels + c] += (value * value - state[1 + channels + c]) * share


@kernel
def mix_rows(rows: Any, weights: Any, mixed: Any) -> bool:
    """mixed, float32[C], becomes the mean of rows, float32[S, C], by weights as in `mix_targets`; False if it stays. `[audio]`"""
    styles, width = rows.shape
    total = np.float32(0.0)
    for s in range(styles):
        if weights[s] > 0.0:
            total += weights[s]
    if not (total > 0.0 and np.isfinite(total)):
        return False
    for c in range(width):
        mixed[c] = np.float32(0.0)
    for s in range(styles):
        if weights[s] > 0.0:
            weight = weights[s] / total
            for c in range(width):
                mixed[c] += weight * rows[s, c]
    return True


@kernel
def mix_targets(means: Any, deviations: Any, weights: Any, target: Any) -> bool:
    """Mix the styles' statistics by convex weights. `[audio]`

    means, deviations: float32[S, C]. weights: float32, at least S long; negative and NaN ones count as 0, the rest is
    scaled to sum to 1. target: float32[2 C], overwritten with mean then std unless all weights are 0. Returns True if
    it was written.
    """
    channels = means.shape[1]
    return mix_rows(means, weights, target[:channels]) and mix_rows(deviations, weights, target[channels:])


@kernel
def restyle(state: Any, z: Any, target: Any, amount: float, styled: Any) -> None:
    """Give one frame the target's statistics in place of its own. `[audio]`

    state: float64[1 + 2 C]. z: float32[C]. target: float32[2 C], mean then std. amount: 0 returns z, 1 the styled
    frame. styled: float32[C], overwritten.
    """
    channels = z.size
    for c in range(channels):
        mean = state[1 + c]
        deviation = np.sqrt(max(state[1 + channels + c] - mean * mean, EPSILON))
        value = np.float64(z[c])
        wanted = (value - mean) / deviation * target[channels + c] + target[c]
        styled[c] = np.float32(value + amount * (wanted - value))
