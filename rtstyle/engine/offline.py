"""A whole array through the chain: the result lines up with it and is as long."""

import numpy as np
from numpy.typing import NDArray

from rtstyle.engine.engine import Engine


def render(engine: Engine, audio: NDArray[np.float32], block: int = 8192) -> NDArray[np.float32]:
    """Play float32 (channels, frames) or (frames,) from silence; the same shape comes back. `[control]`

    engine: prepared, best with the driver "offline", which takes any block; it is reset first. The same audio and settings
    give the same samples, however they are cut into blocks. The latency is fed as silence and taken off the front.
    """
    x = np.atleast_2d(np.asarray(audio, dtype=np.float32))
    engine.reset()
    late = engine.latency().total
    frames = x.shape[1] + late
    padded = np.pad(x, ((0, 0), (0, late)))
    y = [engine.process(padded[:, start : start + block]) for start in range(0, frames, block)]
    return np.concatenate(y, axis=1)[:, late:].reshape(np.shape(audio))
