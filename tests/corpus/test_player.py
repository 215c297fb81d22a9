"""The sampler's kernel: pitch, loops, ends."""

import numpy as np
import pytest

from rtstyle.corpus.note import Note, measure
from rtstyle.corpus.pitch import HOP, track
from rtstyle.corpus.player import play, read_at, sinc_table
from tests.corpus.tones import RATE, cents, tone

TABLE = sinc_table()


def played(
    note: Note, target: np.ndarray, seconds: float, off: float, fade_out: int = 9600, looped: int = 1, released: int = 1
) -> np.ndarray:
    out = np.zeros(round(seconds * RATE), np.float32)
    dice = np.random.default_rng(3).random(16)
    let_go = round(off * RATE)
    end = let_go + fade_out
    start, gain = float(note.start), 0.1 / note.level
    play(
        out, note.audio, note.f0, TABLE, target, 0, let_go, end, start, note.body, note.stop, looped, released, 240,
        fade_out, 1680, gain, dice,
    )  # fmt: skip
    return out


def steady(midi: float, seconds: float) -> np.ndarray:
    return np.full(round(seconds * RATE) // HOP + 1, 440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def known(midi: float, seconds: float = 1.2, **options: float) -> Note:
    note = measure(tone(midi, seconds, **options), midi, "x")
    assert note is not None
    return note


def test_interpolation_is_cleaner_than_minus_75_db() -> None:
    x = np.sin(2 * np.pi * 3000.0 * np.arange(4800) / RATE).astype(np.float32)
    at = np.linspace(100.0, 3000.0, 2000) + 0.3
    y = np.array([read_at(x, p, TABLE) for p in at])
    error = y - np.sin(2 * np.pi * 3000.0 * at / RATE)
    assert 20 * np.log10(np.abs(error).max()) < -75.0


@pytest.mark.parametrize("shift", [-3, 0, 3])
def test_the_wanted_pitch_replaces_the_recorded_one(shift: int) -> None:
    note = known(62.0, vibrato_cents=30.0, rate_hz=5.9)
    frames = np.arange(4 * RATE // HOP + 1)
    midi = 62.0 + shift + 0.25 * np.sin(2 * np.pi * 4.7 * frames * HOP / RATE)
    target = 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
    out = played(note, target, 4.0, 3.5)
    f0, _ = track(out, float(np.median(target)), RATE)
    held = (frames > 40) & (frames < 3.4 * RATE / HOP)
    error = np.abs(cents(f0[: len(frames)][held], target[held]))
    assert np.median(error) < 1.5
    assert np.percentile(error, 99) < 6.0


def test_a_looped_note_holds_its_level_without_clicks() -> None:
    out = played(known(62.0), steady(63.0, 8.0), 8.0, 7.5)
    power = (out[RATE // 2 : 7 * RATE].reshape(-1, 480) ** 2).mean(axis=1)
    assert 10 * np.log10(power.max() / power.min()) < 2.0
    once = np.abs(np.diff(out[RATE // 4 : RATE // 2])).max()
    assert np.abs(np.diff(out)).max() < 1.5 * once


@pytest.mark.parametrize("looped", [0, 1])
@pytest.mark.parametrize("cut", [0.0, 0.03, 0.08])
def test_a_recording_that_was_cut_short_ends_without_a_jump(cut: float, looped: int) -> None:
    note = measure(tone(62, 0.9)[: round((0.9 + cut) * RATE)], 62.0, "x")
    assert note is not None
    for off in (0.3, 0.5, 0.75, 1.1):
        out = played(note, steady(62.0, 2.0), 2.0, off, looped=looped)
        last = int(np.flatnonzero(np.abs(out) > 1e-6)[-1])
        assert np.abs(out[last - 20 : last + 1]).max() < 0.02 * np.abs(out).max()
        if looped:
            fading = out[round((off + 0.04) * RATE) : round((off + 0.06) * RATE)]
            assert np.sqrt(np.mean(fading**2)) > 0.05  # of 0.1: held until the fade is through


def test_a_partner_holds_a_note_that_a_leader_lets_ring() -> None:
    dry = tone(62, 1.0)
    ring = np.concatenate([dry[:-2400], np.zeros(RATE, np.float32)])
    echo = 0.02 * np.roll(tone(62, 2.0)[: len(ring)], 4800)
    note = measure((ring + echo).astype(np.float32), 62.0, "x")
    assert note is not None
    level = []
    for released in (0, 1):
        out = played(note, steady(62.0, 2.0), 2.0, 0.5, fade_out=14_400, released=released)
        after = out[round(0.65 * RATE) : round(0.68 * RATE)]
        level.append(20 * np.log10(np.sqrt(np.mean(after**2))))
    assert level[0] > -26.0  # 0.1 under a fade that is half way down by 3 dB
    assert level[1] < level[0] - 10.0


def test_nothing_is_written_outside_the_output() -> None:
    note = known(62.0)
    target = np.full(400, 300.0)
    out = np.zeros(3 * 4800, np.float32)
    part = out[4800:9600]
    start, dice = float(note.start), np.zeros(4)
    play(
        part, note.audio, note.f0, TABLE, target, -500, 4700, 20_000, start, note.body, note.stop, 1, 1, 240, 4800,
        1680, 1.0, dice,
    )  # fmt: skip
    assert not out[:4800].any()
    assert not out[9600:].any()
    assert np.isfinite(part).all()
