"""One step of a loaded model, compiled: hops in, hops out.

    x -> analyse_hops | stack_hops -> encoder -> AdaIN -> decoder -> synthesise_hops | copy_hops -> tone -> + -> y
            |                            \\--- pass-throughs ---^                                           ^
            +-> pitch -> grains of a recording, where the style has one -------------------------------------+

What the decoder needs of style and amount a conditioner makes, where the model has one: only when they have moved.

A model with two turns then plays what it made, with the table of the second: same graphs, other memory. Chords it plays once.

A call is cut into 2^k hops, largest first, since for those the graphs' tensors are bound. The encoder's pass-throughs
are the decoder's inputs, in the same memory.
"""

from typing import Any, Final

import numpy as np
from numba import carray

from rtstyle.dsp import adain, front, tone
from rtstyle.dsp.denormals import flush_denormals, restore_mode
from rtstyle.dsp.jit import kernel
from rtstyle.dsp.pointers import float32_at, float64_at, int64_at
from rtstyle.params import MAX_STYLES
from rtstyle.runtime import layout as at
from rtstyle.runtime.entry import reset_entry
from rtstyle.runtime.latent import copy_hops, reset_latent, stack_hops
from rtstyle.runtime.recorded import choose_recorded, mix_recorded, reset_recorded
from rtstyle.runtime.session import SLOTS as SESSION_SLOTS
from rtstyle.runtime.session import reset_session, run_session
from rtstyle.runtime.spectral import analyse_hops, reset_spectral, synthesise_hops

CONTROLS: Final = 1 + MAX_STYLES  # float32: amount, then the weight of each style

# What `run_model` returns.
OK: Final = 0
ERROR_SESSION: Final = 1  # ONNX Runtime returned an error
ERROR_NOT_FINITE: Final = 2  # the model made a NaN or an infinite number
ERROR_CLOSED: Final = 3


@kernel
def run_model(table: Any, controls: Any, x: Any, y: Any, own: Any, frames: int) -> int:
    """Run `frames` hops of one stream. `[audio]`

    table: int64, of a LoadedModel. controls: float32[CONTROLS]: amount, clipped to 0..1, then the weight of each
    style; all weights 0 leave the latent as it is. x, y: float32[frames * hop], which may be the same memory. own:
    float32[frames], overwritten: how far, 0..1, the loudness of each hop of y is its own and not to be made the input's.
    Returns OK or an ERROR_* code; then y is zeroed and the model starts afresh. Samples of x that are no numbers are
    taken as 0 and counted. Latency: the bundle's.
    """
    mode = flush_denormals()
    for h in range(frames):
        own[h] = np.float32(0.0)
    in_turns = table[at.NEXT] != 0
    last = carray(int64_at(table[at.NEXT]), (at.SLOTS,)) if in_turns else table
    code = ERROR_CLOSED if table[at.KIND] == at.CLOSED else OK
    if code == OK:
        _set_style(table, controls)
        if in_turns:
            _set_style(last, controls)
        if last[at.TONED] != 0:
            _set_tone(last, controls)
        if table[at.RECORDED] != 0:
            choose_recorded(table, controls[1:])
        if in_turns:
            _divide_amount(table, last)
        if table[at.CONDITIONER] != 0 and not (_condition(table) and (not in_turns or _condition(last))):
            code = ERROR_SESSION
    hop = table[at.HOP]
    level = table[at.LEVELS] - 1
    done = 0
    while code == OK and done < frames:
        while (1 << level) > frames - done:
            level -= 1
        x_now, y_now = x[done * hop : (done + (1 << level)) * hop], y[done * hop : (done + (1 << level)) * hop]
        code = _run_both(table, last, x_now, y_now, level) if in_turns else _run_turn(table, x_now, y_now, level)
        if code == OK and last[at.TONED] != 0:
            tone.colour(carray(float64_at(last[at.FILTERS]), (tone.SIZE,)), y_now, hop)
        if code == OK and table[at.RECORDED] != 0:
            mix_recorded(table, y_now, own[done : done + (1 << level)])
        if code == OK and not _all_finite(y_now):
            code = ERROR_NOT_FINITE
        done += 1 << level
    restore_mode(mode)
    if code != OK:
        for n in range(y.size):
            y[n] = np.float32(0.0)
        table[at.FAILURES] += 1
        if code != ERROR_CLOSED:
            reset_model(table)
    return code


@kernel
def _run_both(table: Any, last: Any, x: Any, y: Any, level: Any) -> int:
    """Run 2^level hops of two turns: its return code, with y as far as it came.

    Many notes at a time are played once, and as late as a line is: what one filter leaves of a chord, another blurs.
    """
    hop, hops, delay = table[at.HOP], 1 << level, table[at.DELAY]
    made = carray(float32_at(table[at.MADE]), (delay + hops * hop,))
    code = _run_turn(table, x, made[delay:], level)
    if code == OK:
        code = _run_turn(last, made[delay:], y, level)
    plurality = carray(float64_at(table[at.PLURALITIES]), (1 + hops,))
    for h in range(hops):
        before, change = plurality[h], (plurality[h + 1] - plurality[h]) / hop
        for i in range(hop):
            once = made[h * hop + i]
            y[h * hop + i] += np.float32(before + change * i) * (once - y[h * hop + i])
    plurality[0] = plurality[hops]
    for n in range(delay):
        made[n] = made[hops * hop + n]
    return code


@kernel
def _run_turn(table: Any, x: Any, y: Any, level: Any) -> int:
    """Run 2^level hops of one turn: its return code, with y as far as it came."""
    kind, hops = table[at.KIND], 1 << level
    if kind == at.SPECTRAL:
        analyse_hops(table, x, hops)
    else:
        stack_hops(table, x, hops)
    if not run_session(carray(int64_at(table[at.ENCODER]), (SESSION_SLOTS,)), level):
        return ERROR_SESSION
    if not _restyle(table, hops):
        return ERROR_NOT_FINITE
    if not run_session(carray(int64_at(table[at.DECODER]), (SESSION_SLOTS,)), level):
        return ERROR_SESSION
    if not _result_is_finite(table, hops):  # asked before the front end, which may hide it
        return ERROR_NOT_FINITE
    if kind == at.SPECTRAL:
        synthesise_hops(table, y, hops)
    else:
        copy_hops(table, y, hops)
    return OK


@kernel
def reset_model(table: Any) -> None:
    """Forget the past: the next call runs as the first. `[audio]` table: int64, of a LoadedModel."""
    _reset_turn(table)
    if table[at.NEXT] != 0:
        _reset_turn(carray(int64_at(table[at.NEXT]), (at.SLOTS,)))


@kernel
def _reset_turn(table: Any) -> None:
    if table[at.KIND] == at.CLOSED:
        return
    reset_session(carray(int64_at(table[at.ENCODER]), (SESSION_SLOTS,)))
    reset_session(carray(int64_at(table[at.DECODER]), (SESSION_SLOTS,)))
    channels = table[at.CHANNELS]
    statistics = carray(float64_at(table[at.STATISTICS]), (1 + 2 * channels,))
    spans = carray(float64_at(table[at.SPANS]), (2,))
    adain.reset(statistics, carray(float32_at(table[at.PRIOR]), (2 * channels,)), spans[0])
    tone.reset(carray(float64_at(table[at.FILTERS]), (tone.SIZE,)))
    carray(float32_at(table[at.CONDITIONED]), (1,))[0] = np.float32(np.nan)
    reset_entry(table)
    if table[at.RECORDED] != 0:
        reset_recorded(table)
    carray(float64_at(table[at.PLURALITIES]), (1,))[0] = 0.0
    made = carray(float32_at(table[at.MADE]), (table[at.DELAY],))
    for n in range(made.size):
        made[n] = np.float32(0.0)
    if table[at.KIND] == at.SPECTRAL:
        reset_spectral(table)
    else:
        reset_latent(table)


@kernel
def hop_of(table: Any) -> Any:
    """Samples per hop of the model behind a table. `[any]`"""
    return table[at.HOP]


@kernel
def _set_style(table: Any, controls: Any) -> None:
    """Write the decoder's `style` and `amount` for this call."""
    channels, styles = table[at.CHANNELS], table[at.STYLES]
    style = carray(float32_at(table[at.STYLE]), (2 * channels,))
    means = carray(float32_at(table[at.MEANS]), (styles, channels))
    deviations = carray(float32_at(table[at.DEVIATIONS]), (styles, channels))
    amount = np.float32(0.0)
    if adain.mix_targets(means, deviations, controls[1:], style):
        if controls[0] > 0.0:  # false for NaN
            amount = min(controls[0], np.float32(1.0))
    else:
        prior = carray(float32_at(table[at.PRIOR]), (2 * channels,))
        for i in range(2 * channels):
            style[i] = prior[i]
    carray(float32_at(table[at.AMOUNT]), (1,))[0] = amount


@kernel
def _divide_amount(table: Any, last: Any) -> None:
    """Write the amount of each of two turns, b of a whole a: 1 - a = (1 - b)^2, so that half way is half way with both."""
    first, second = carray(float32_at(table[at.AMOUNT]), (1,)), carray(float32_at(last[at.AMOUNT]), (1,))
    first[0] = second[0] = np.float32(1.0) - np.sqrt(np.float32(1.0) - first[0])


@kernel
def _condition(table: Any) -> bool:
    """Run the conditioner if style or amount have moved since it ran; False when it fails."""
    size = 2 * table[at.CHANNELS]
    style = carray(float32_at(table[at.STYLE]), (size,))
    amount = carray(float32_at(table[at.AMOUNT]), (1,))[0]
    last = carray(float32_at(table[at.CONDITIONED]), (1 + size,))
    moved = last[0] != amount
    for i in range(size):
        moved |= last[1 + i] != style[i]
    if not moved:
        return True
    last[0] = amount
    for i in range(size):
        last[1 + i] = style[i]
    return run_session(carray(int64_at(table[at.CONDITIONER]), (SESSION_SLOTS,)), 0)


@kernel
def _set_tone(table: Any, controls: Any) -> None:
    """Tune the filters for this call: to the tones of the styles as these are mixed, as far as the amount goes."""
    amount = carray(float32_at(table[at.AMOUNT]), (1,))[0]
    now = carray(float32_at(table[at.TONE]), (tone.BANDS,))
    tones = carray(float32_at(table[at.TONES]), (table[at.STYLES], tone.BANDS))
    mixed = adain.mix_rows(tones, controls[1:], now)
    for band in range(tone.BANDS):
        now[band] = now[band] * amount if mixed else np.float32(0.0)
    tone.tune(carray(float64_at(table[at.FILTERS]), (tone.SIZE,)), now, np.float64(table[at.SAMPLE_RATE]))


@kernel
def _restyle(table: Any, hops: int) -> bool:
    """Latent -> styled, with the statistics of the hops that are played; False if the latent holds no numbers."""
    amount = carray(float32_at(table[at.AMOUNT]), (1,))[0]
    channels = table[at.CHANNELS]
    latent = carray(float32_at(table[at.LATENT]), (hops, channels))
    styled = carray(float32_at(table[at.STYLED]), (hops, channels))
    style = carray(float32_at(table[at.STYLE]), (2 * channels,))
    active = carray(int64_at(table[at.ACTIVE]), (hops,))
    statistics = carray(float64_at(table[at.STATISTICS]), (1 + 2 * channels,))
    memory_frames = carray(float64_at(table[at.SPANS]), (2,))[1]
    for h in range(hops):
        if not _all_finite(latent[h]):
            return False
        if active[h] != 0:
            adain.observe(statistics, latent[h], memory_frames)
        adain.restyle(statistics, latent[h], style, amount, styled[h])
    return True


@kernel
def _result_is_finite(table: Any, hops: int) -> Any:
    width = front.SOURCES * table[at.BANDS] if table[at.KIND] == at.SPECTRAL else table[at.HOP]
    return _all_finite(carray(float32_at(table[at.RESULT]), (hops * width,)))


@kernel
def _all_finite(x: Any) -> Any:
    total = np.float32(0.0)  # 0 * NaN and 0 * infinity are NaN, which no further sum takes away
    for n in range(x.size):
        total += x[n] * np.float32(0.0)
    return total == np.float32(0.0)
