"""A delay line returns what was written at a position, across its seam and before the stream's start."""

import numpy as np

from rtstyle.dsp import delay


def test_every_delay_up_to_the_length_reads_back() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 1000)).astype(np.float32)
    line = delay.new_line(2, 100)
    assert line.shape == (2, 128)
    out = np.zeros((2, 64), np.float32)
    position = 0
    while position < 900:
        frames = int(rng.integers(1, 60))
        delay.write(line, position, x[:, position : position + frames].copy(), frames)
        position += frames
        back = int(rng.integers(frames, 128))
        count = min(back, 64)
        delay.read(line, position - back, out, count)
        wanted = np.stack(
            [[x[c, n] if n >= 0 else 0.0 for n in range(position - back, position - back + count)] for c in range(2)]
        )
        assert np.array_equal(out[:, :count], wanted)


def test_rows_that_the_line_has_not_are_ignored() -> None:
    line = delay.new_line(1, 8)
    delay.write(line, 6, np.arange(8, dtype=np.float32).reshape(2, 4), 4)
    assert line[0].tolist() == [2, 3, 0, 0, 0, 0, 0, 1]
