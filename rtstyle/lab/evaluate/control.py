"""Control: more amount gives more style, and a switch of style makes no click."""

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
TOLERANCE = 0.02
SWITCH_WINDOW_MS = 30


def monotonic(scores: list[float]) -> dict[str, float]:
    """How a timbre score follows rising amounts: rise (last - first), worst step down, and 1 where none exceeds
    0.02.
    """
    steps = np.diff(np.asarray(scores, np.float64))
    worst = float(max(0.0, -steps.min(initial=0.0)))
    return {"rise": float(scores[-1] - scores[0]), "worst_drop": worst, "monotonic": float(worst <= TOLERANCE)}


def switch_clicks(switched: Audio, steady: list[Audio], switches: list[int], sample_rate: int) -> dict[str, float]:
    """Whether switching added jumps. `[control]`

    switched: the render in which the style changes at the samples `switches`; steady: renders of the same input in
    each of the styles, unswitched. A jump is |y[n] - y[n-1]|; the limit is the larger of the steady renders' 99.99th
    percentiles and of what they do themselves in the same 30 ms. clicks: switches whose largest jump exceeds the
    limit; worst_ratio: the largest jump against its limit.
    """
    length = min(switched.size, *(s.size for s in steady))
    jumps = np.abs(np.diff(switched[:length]))
    calm = [np.abs(np.diff(s[:length])) for s in steady]
    usual = max(float(np.quantile(c, 0.9999)) for c in calm)
    window = sample_rate * SWITCH_WINDOW_MS // 1000
    worst, clicks = 0.0, 0
    for at in switches:
        span = slice(max(0, at - 1), at + window)
        if not jumps[span].size:
            continue
        limit = max(usual, *(float(c[span].max(initial=0.0)) for c in calm))
        ratio = float(jumps[span].max()) / max(limit, 1e-9)
        worst = max(worst, ratio)
        clicks += ratio > 1.0
    return {"switches": float(len(switches)), "clicks": float(clicks), "worst_ratio": worst}
