"""The recordings that captured styles are played with: beside the networks, at the same pitch (see `dsp.grains`)."""

from typing import Any

import numpy as np
from numba import carray

from rtstyle.bundle.content import Bundle
from rtstyle.dsp import grains, marks
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import float32_at, float64_at, int64_at
from rtstyle.runtime import layout as at
from rtstyle.runtime.memory import Memory


def prepare_recorded(memory: Memory, bundle: Bundle, hops: int) -> None:
    """Find the marks of all recordings and allocate what plays them in calls of at most `hops` hops. `[control]`"""
    samples, marked, notes = np.zeros(0, np.float32), np.zeros((0, 3)), np.zeros((0, 5))
    spans, falls = np.zeros((len(bundle.styles), 2), np.int64), np.zeros(len(bundle.styles))
    for number, style in enumerate(bundle.styles):
        if style.id in bundle.sounds:
            one = marks.find_marks(bundle.sounds[style.id], bundle.sample_rate)
            spans[number], falls[number] = (len(notes), len(one.notes)), one.fall
            notes = np.concatenate([notes, one.notes + np.array([len(marked)] * 3 + [0, 0])])
            marked = np.concatenate([marked, one.marks + np.array([samples.size, 0, 0])])
            samples = np.concatenate([samples, one.audio])
    memory.numbers({at.RECORDED: int(spans[:, 1].astype(bool).sum()), at.DELAY_OF_ALL: bundle.latency})
    memory.numbers({at.SOUND_SIZE: samples.size, at.MARK_COUNT: len(marked), at.NOTE_COUNT: len(notes)})
    for slot, array in (
        (at.SOUND, samples),
        (at.MARKS, marked),
        (at.NOTES, notes),
        (at.NOTES_OF, spans),
        (at.FALLS, falls),
    ):
        memory.keep(slot, array)
    state, rings = grains.new_state()
    memory.keep(at.GRAINS, state)
    memory.keep(at.RINGS, rings)
    memory.zeros(at.VOICE_SHARE, (1,), np.float64)
    for slot in (at.GRAINED, at.KEPT):
        memory.zeros(slot, (hops * bundle.hop,), np.float32)


@kernel
def choose_recorded(table: Any, weights: Any) -> None:
    """Choose the recording for this call: of the style with the most weight among those that have one. `[audio]`

    table: see `layout`, with the amount set. weights: float32, at least S long, as in `adain.mix_targets`.
    """
    spans = carray(int64_at(table[at.NOTES_OF]), (table[at.STYLES], 2))
    amount = carray(float32_at(table[at.AMOUNT]), (1,))[0]
    total, most = 0.0, 0.0
    for style in range(table[at.STYLES]):
        weight = max(weights[style], np.float32(0.0))  # 0 for NaN
        total += weight
        if spans[style, 1] > 0 and weight > most:
            most, table[at.VOICE] = weight, style
    heard = total > 0.0 and np.isfinite(total)
    carray(float64_at(table[at.VOICE_SHARE]), (1,))[0] = amount * most / total if heard else 0.0


@kernel
def play_recorded(table: Any, h: int, excited: Any) -> None:
    """Play hop `h` of a call. `[audio]` excited: state of `excitation.excite` after that hop."""
    hop, voice = table[at.HOP], table[at.VOICE]
    span = carray(int64_at(table[at.NOTES_OF]), (table[at.STYLES], 2))[voice]
    recording = grains.Recording(
        carray(float32_at(table[at.SOUND]), (table[at.SOUND_SIZE],)),
        carray(float64_at(table[at.MARKS]), (table[at.MARK_COUNT], 3)),
        carray(float64_at(table[at.NOTES]), (table[at.NOTE_COUNT], 5)),
        span[0],
        span[1],
        carray(float64_at(table[at.FALLS]), (table[at.STYLES],))[voice],
    )
    grains.play(
        carray(float64_at(table[at.GRAINS]), (grains.SIZE,)),
        carray(float32_at(table[at.RINGS]), (2, grains.RING)),
        recording,
        carray(float64_at(table[at.VOICE_SHARE]), (1,))[0],
        table[at.DELAY_OF_ALL],
        np.float64(table[at.SAMPLE_RATE]),
        excited,
        carray(float32_at(table[at.GRAINED]), ((h + 1) * hop,))[h * hop :],
        carray(float32_at(table[at.KEPT]), ((h + 1) * hop,))[h * hop :],
    )


@kernel
def mix_recorded(table: Any, y: Any, own: Any) -> None:
    """Add what was played in this call to y, what the model made of it, float32[hops * H]. `[audio]`

    own: float32[hops], overwritten: how far each hop falls as what was struck in the recording, not as the input.
    """
    played = carray(float32_at(table[at.GRAINED]), (y.size,))
    kept = carray(float32_at(table[at.KEPT]), (y.size,))
    for n in range(y.size):
        y[n] = kept[n] * y[n] + played[n]
    struck = carray(float64_at(table[at.FALLS]), (table[at.STYLES],))[table[at.VOICE]] < 0.0
    hop = table[at.HOP]
    for h in range(own.size):
        own[h] = np.float32(1.0) - kept[(h + 1) * hop - 1] if struck else np.float32(0.0)


@kernel
def reset_recorded(table: Any) -> None:
    """Forget the past. `[audio]`"""
    grains.reset(
        carray(float64_at(table[at.GRAINS]), (grains.SIZE,)), carray(float32_at(table[at.RINGS]), (2, grains.RING))
    )
