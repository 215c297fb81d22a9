"""A performance: a score with its pitch curve and dynamics, the same whoever plays it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.pitch import HOP
from rtstyle.corpus.score import Event

LEAD_IN = 0.15  # seconds of silence before the first note
TAIL = 0.5  # seconds for the last release
RELEASE = (0.08, 0.3)  # seconds
OVERLAP = 0.025  # seconds that a note may still fade under the next one
TUNING_CENTS = 30.0
VIBRATO_CENTS = 40.0


@dataclass(frozen=True)
class Performance:
    """Frames are HOP samples apart.

    chains: the events that are slurred together; targets: one pitch curve in Hz per chain, held beyond its ends;
    releases: the seconds in which the last note of each chain falls silent; f0: the sounding pitch, 0 in rests;
    dynamics_db: what the leader does; layer: of all players, from their softest recordings (0) to their loudest (1).
    """

    events: tuple[Event, ...]
    chains: tuple[tuple[int, ...], ...]
    targets: tuple[NDArray[np.float64], ...]
    releases: tuple[float, ...]
    f0: NDArray[np.float32]
    dynamics_db: NDArray[np.float64]
    layer: float
    samples: int


def chain(events: list[Event]) -> list[list[int]]:
    """Return the indices of events, grouped into slurs. `[any]`"""
    groups: list[list[int]] = []
    for k, event in enumerate(events):
        if event.slurred and groups:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def pitch_curve(
    events: list[Event], seconds: NDArray[np.float64], vibrato: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the MIDI pitch of one slur over `seconds`: notes, short glides, delayed vibrato. `[any]`"""
    curve = np.full(len(seconds), events[0].midi)
    depth = np.zeros(len(seconds))
    for k, event in enumerate(events):
        if k:
            glide = rng.uniform(0.012, 0.045)
            share = np.clip((seconds - event.time) / glide + 0.5, 0.0, 1.0)
            curve += (event.midi - events[k - 1].midi) * share * share * (3.0 - 2.0 * share)
        curve += (rng.normal(0.0, 0.03)) * (seconds >= event.time)
        delay, rise = rng.uniform(0.05, 0.35), rng.uniform(0.1, 0.4)
        if event.duration > 0.25:
            grown = np.clip((seconds - event.time - delay) / rise, 0.0, 1.0)
            depth = np.where(seconds >= event.time, grown, depth)
        else:
            depth = np.where(seconds >= event.time, 0.0, depth)
    return curve + depth * vibrato


def slow_curve(rng: np.random.Generator, frames: int, rate_hz: float, depth: float) -> NDArray[np.float64]:
    """Return a smooth random curve with a standard deviation near `depth` and `rate_hz` knots a second. `[any]`"""
    knots = int(frames * HOP / SAMPLE_RATE * rate_hz) + 3
    at = np.linspace(0.0, frames - 1.0, knots)
    return np.interp(np.arange(frames), at, rng.normal(0.0, depth, knots))


def perform(events: list[Event], rng: np.random.Generator) -> Performance:
    """Design the pitch and dynamics of a score (times in seconds from 0). `[any]`"""
    events = [Event(e.time + LEAD_IN, e.duration, e.midi, e.accent_db, e.slurred) for e in events]
    samples = round((events[-1].time + events[-1].duration + TAIL) * SAMPLE_RATE) // HOP * HOP
    frames = samples // HOP + 1
    seconds = np.arange(frames) * HOP / SAMPLE_RATE
    tuning = rng.uniform(-TUNING_CENTS, TUNING_CENTS) / 100.0
    depth = 0.0 if rng.random() < 0.35 else rng.uniform(5.0, VIBRATO_CENTS) / 100.0
    rate = rng.uniform(4.5, 6.5) + slow_curve(rng, frames, 0.7, 0.15)
    vibrato = depth * np.sin(2.0 * np.pi * np.cumsum(rate) * HOP / SAMPLE_RATE)
    drift = slow_curve(rng, frames, 1.5, 0.03)
    groups = chain(events)
    f0 = np.zeros(frames, dtype=np.float32)
    targets = []
    for group in groups:
        own = [events[k] for k in group]
        midi = pitch_curve(own, seconds, vibrato, rng) + tuning + drift
        hz = 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
        sounding = (seconds >= own[0].time) & (seconds < own[-1].time + own[-1].duration)
        f0[sounding] = hz[sounding]
        targets.append(hz)
    dynamics = slow_curve(rng, frames, 0.5, rng.uniform(0.5, 4.0))
    for event in events:
        inside = (seconds >= event.time) & (seconds < event.time + event.duration)
        swell = rng.normal(0.0, 3.0) * min(1.0, event.duration)
        turn = np.clip((seconds[inside] - event.time) / event.duration, 0.0, 1.0)
        dynamics[inside] += event.accent_db + swell * np.sin(np.pi * turn)
    kernel = np.hanning(9) / np.hanning(9).sum()
    dynamics = np.convolve(np.pad(dynamics, 4, mode="edge"), kernel, mode="valid")
    releases = rng.spawn(1)[0].uniform(*RELEASE, len(groups))
    for k in range(len(groups) - 1):  # a monophonic instrument ends one note when it begins the next
        last, following = events[groups[k][-1]], events[groups[k + 1][0]]
        gap = following.time - last.time - last.duration
        releases[k] = min(releases[k], max(0.0, gap) + OVERLAP)
    return Performance(
        events=tuple(events),
        chains=tuple(map(tuple, groups)),
        targets=tuple(targets),
        releases=tuple(map(float, releases)),
        f0=f0,
        dynamics_db=dynamics,
        layer=float(rng.spawn(1)[0].uniform()),
        samples=samples,
    )
