"""A real FFT of 1024 samples, some three times as fast as the general one: the length that the spectral models use.

The 1024 real samples are 512 complex ones (even samples real, odd ones imaginary), transformed by three passes of radix 4
and one of radix 8, then separated. Every pass of radix 4 reads the numbers t, t + 128, t + 256, t + 384 and writes 4 t to
4 t + 3, whatever its length (constant geometry): real and imaginary parts lie in halves of their own, and the compiler works
on whole vector registers. The passes go back and forth between the caller's two arrays:

    forward    frame -> spectrum -> frame -> spectrum -> frame -> (separate) -> spectrum
    inverse    spectrum -> (join) -> frame -> spectrum -> frame -> spectrum -> frame

Constant geometry leaves frequency k + 64 m at place PLACES[k] + 64 m, the base-4 digits of k reversed; the last step undoes
it. The inverse is the same passes with real and imaginary parts exchanged.

Sources: M. C. Pease, "An adaptation of the fast Fourier transform for parallel processing", J. ACM 15 (1968); the separation
is X[k] = E[k] + exp(-2 pi i k / 1024) O[k] with E and O the transforms of the even and the odd samples.
"""

from typing import Any, Final

import numpy as np

from rtstyle.dsp.jit import kernel

SIZE: Final = 1024
_HALF: Final = 512
_QUARTER: Final = 128
_SECOND: Final = 3 * _QUARTER  # where the twiddle factors of the second and the third pass begin
_THIRD: Final = 6 * _QUARTER
_SQRT_HALF: Final = np.float32(np.sqrt(0.5))

# Of pass i, for every t: exp(-2 pi i j p / length), with length 512 / 4^i, p = t div 4^i and j = 1, 2, 3.
_t = np.arange(_QUARTER)
_turns = [j * (_t // 4**i) * 4**i / 512 for i in range(3) for j in (1, 2, 3)]
_twiddles = np.exp(-2j * np.pi * np.concatenate(_turns))
_TWIDDLE_RE: Final = _twiddles.real.astype(np.float32)
_TWIDDLE_IM: Final = _twiddles.imag.astype(np.float32)
_separation = np.exp(-2j * np.pi * np.arange(_HALF // 2 + 1) / SIZE)
_SEPARATE_RE: Final = _separation.real.astype(np.float32)
_SEPARATE_IM: Final = _separation.imag.astype(np.float32)
_q = np.arange(64)
PLACES: Final = _q // 16 + _q // 4 % 4 * 4 + _q % 4 * 16
_PLACE: Final = np.concatenate([PLACES + 64 * m for m in range(8)])


@kernel
def forward(frame: Any, spectrum: Any) -> None:
    """Transform a real frame. `[audio]`

    frame: float32[1024], contiguous, unspecified afterwards. spectrum: complex64[513], contiguous, overwritten.
    """
    flat = spectrum.view(np.float32)
    frame_re, frame_im = frame[:_HALF], frame[_HALF:]
    flat_re, flat_im = flat[:_HALF], flat[_HALF:SIZE]
    _first_of_pairs(frame, flat_re, flat_im)
    _pass(flat_re, flat_im, frame_re, frame_im, _SECOND)
    _pass(frame_re, frame_im, flat_re, flat_im, _THIRD)
    _last(flat_re, flat_im, frame_re, frame_im)
    _separate(frame_re, frame_im, flat)


@kernel
def inverse(spectrum: Any, frame: Any) -> None:
    """Transform back, scaled by 1 / 1024. `[audio]`

    spectrum: complex64[513], contiguous, unspecified afterwards. frame: float32[1024], contiguous, overwritten.
    """
    flat = spectrum.view(np.float32)
    frame_re, frame_im = frame[:_HALF], frame[_HALF:]
    flat_re, flat_im = flat[:_HALF], flat[_HALF:SIZE]
    _join(flat, frame_re, frame_im)
    _pass(frame_im, frame_re, flat_im, flat_re, 0)
    _pass(flat_im, flat_re, frame_im, frame_re, _SECOND)
    _pass(frame_im, frame_re, flat_im, flat_re, _THIRD)
    _last_to_pairs(flat_im, flat_re, frame)


@kernel
def _radix4(a_re: Any, a_im: Any, b_re: Any, b_im: Any, c_re: Any, c_im: Any, d_re: Any, d_im: Any) -> Any:
    """Transform of four numbers, as eight parts."""
    s_re, s_im, t_re, t_im = a_re + c_re, a_im + c_im, a_re - c_re, a_im - c_im
    u_re, u_im, v_re, v_im = b_re + d_re, b_im + d_im, b_im - d_im, d_re - b_re
    return s_re + u_re, s_im + u_im, t_re + v_re, t_im + v_im, s_re - u_re, s_im - u_im, t_re - v_re, t_im - v_im


@kernel
def _first_of_pairs(x: Any, y_re: Any, y_im: Any) -> None:
    """First pass, of neighbouring (real, imaginary) pairs."""
    for t in range(_QUARTER):
        a, b, c, d = 2 * t, 2 * t + 256, 2 * t + 512, 2 * t + 768
        y0, y1, y2, y3, y4, y5, y6, y7 = _radix4(x[a], x[a + 1], x[b], x[b + 1], x[c], x[c + 1], x[d], x[d + 1])
        y_re[4 * t], y_im[4 * t] = y0, y1
        w_re, w_im = _TWIDDLE_RE[t], _TWIDDLE_IM[t]
        y_re[4 * t + 1], y_im[4 * t + 1] = y2 * w_re - y3 * w_im, y2 * w_im + y3 * w_re
        w_re, w_im = _TWIDDLE_RE[128 + t], _TWIDDLE_IM[128 + t]
        y_re[4 * t + 2], y_im[4 * t + 2] = y4 * w_re - y5 * w_im, y4 * w_im + y5 * w_re
        w_re, w_im = _TWIDDLE_RE[256 + t], _TWIDDLE_IM[256 + t]
        y_re[4 * t + 3], y_im[4 * t + 3] = y6 * w_re - y7 * w_im, y6 * w_im + y7 * w_re


@kernel
def _pass(x_re: Any, x_im: Any, y_re: Any, y_im: Any, offset: Any) -> None:
    """One pass of radix 4, whose twiddle factors begin at `offset`."""
    first_re, first_im = _TWIDDLE_RE[offset : offset + 128], _TWIDDLE_IM[offset : offset + 128]
    second_re, second_im = _TWIDDLE_RE[offset + 128 : offset + 256], _TWIDDLE_IM[offset + 128 : offset + 256]
    third_re, third_im = _TWIDDLE_RE[offset + 256 : offset + 384], _TWIDDLE_IM[offset + 256 : offset + 384]
    for t in range(_QUARTER):
        b, c, d = t + 128, t + 256, t + 384
        y0, y1, y2, y3, y4, y5, y6, y7 = _radix4(x_re[t], x_im[t], x_re[b], x_im[b], x_re[c], x_im[c], x_re[d], x_im[d])
        y_re[4 * t], y_im[4 * t] = y0, y1
        w_re, w_im = first_re[t], first_im[t]
        y_re[4 * t + 1], y_im[4 * t + 1] = y2 * w_re - y3 * w_im, y2 * w_im + y3 * w_re
        w_re, w_im = second_re[t], second_im[t]
        y_re[4 * t + 2], y_im[4 * t + 2] = y4 * w_re - y5 * w_im, y4 * w_im + y5 * w_re
        w_re, w_im = third_re[t], third_im[t]
        y_re[4 * t + 3], y_im[4 * t + 3] = y6 * w_re - y7 * w_im, y6 * w_im + y7 * w_re


@kernel
def _radix8(x_re: Any, x_im: Any, q: Any) -> Any:
    """Of the eight numbers q, q + 64, ..: the transforms of the even and of the twisted odd ones, as parts."""
    a, b, c, d = q + 64, q + 192, q + 320, q + 448
    e0, e1, e2, e3, e4, e5, e6, e7 = _radix4(
        x_re[q], x_im[q], x_re[q + 128], x_im[q + 128], x_re[q + 256], x_im[q + 256], x_re[q + 384], x_im[q + 384]
    )
    o0, o1, o2, o3, o4, o5, o6, o7 = _radix4(x_re[a], x_im[a], x_re[b], x_im[b], x_re[c], x_im[c], x_re[d], x_im[d])
    h = _SQRT_HALF
    return (
        e0, e1, e2, e3, e4, e5, e6, e7,
        o0, o1, (o2 + o3) * h, (o3 - o2) * h, o5, -o4, (o7 - o6) * h, -(o6 + o7) * h,
    )  # fmt: skip


@kernel
def _last(x_re: Any, x_im: Any, y_re: Any, y_im: Any) -> None:
    """Last pass, to separate parts."""
    for q in range(64):
        e0, e1, e2, e3, e4, e5, e6, e7, o0, o1, o2, o3, o4, o5, o6, o7 = _radix8(x_re, x_im, q)
        y_re[q], y_im[q], y_re[q + 256], y_im[q + 256] = e0 + o0, e1 + o1, e0 - o0, e1 - o1
        y_re[q + 64], y_im[q + 64], y_re[q + 320], y_im[q + 320] = e2 + o2, e3 + o3, e2 - o2, e3 - o3
        y_re[q + 128], y_im[q + 128], y_re[q + 384], y_im[q + 384] = e4 + o4, e5 + o5, e4 - o4, e5 - o5
        y_re[q + 192], y_im[q + 192], y_re[q + 448], y_im[q + 448] = e6 + o6, e7 + o7, e6 - o6, e7 - o7


@kernel
def _last_to_pairs(x_re: Any, x_im: Any, y: Any) -> None:
    """Last pass of an exchanged transform, to neighbouring pairs: real parts at odd places, imaginary at even ones."""
    for q in range(64):
        e0, e1, e2, e3, e4, e5, e6, e7, o0, o1, o2, o3, o4, o5, o6, o7 = _radix8(x_re, x_im, q)
        n = 2 * PLACES[q]
        y[n + 1], y[n], y[n + 513], y[n + 512] = e0 + o0, e1 + o1, e0 - o0, e1 - o1
        y[n + 129], y[n + 128], y[n + 641], y[n + 640] = e2 + o2, e3 + o3, e2 - o2, e3 - o3
        y[n + 257], y[n + 256], y[n + 769], y[n + 768] = e4 + o4, e5 + o5, e4 - o4, e5 - o5
        y[n + 385], y[n + 384], y[n + 897], y[n + 896] = e6 + o6, e7 + o7, e6 - o6, e7 - o7


@kernel
def _separate(z_re: Any, z_im: Any, flat: Any) -> None:
    """Transform of the pairs -> spectrum of the real samples, (real, imaginary) pairs of the bins 0 to 512."""
    half = np.float32(0.5)
    flat[0], flat[1] = z_re[0] + z_im[0], np.float32(0.0)
    flat[SIZE], flat[SIZE + 1] = z_re[0] - z_im[0], np.float32(0.0)
    flat[_HALF], flat[_HALF + 1] = z_re[_HALF // 2], -z_im[_HALF // 2]
    for k in range(1, _HALF // 2):
        n = _HALF - k
        i, j = _PLACE[k], _PLACE[n]
        even_re, even_im = (z_re[i] + z_re[j]) * half, (z_im[i] - z_im[j]) * half
        odd_re, odd_im = (z_im[i] + z_im[j]) * half, (z_re[j] - z_re[i]) * half
        w_re, w_im = _SEPARATE_RE[k], _SEPARATE_IM[k]
        turned_re, turned_im = odd_re * w_re - odd_im * w_im, odd_re * w_im + odd_im * w_re
        flat[2 * k], flat[2 * k + 1] = even_re + turned_re, even_im + turned_im
        flat[2 * n], flat[2 * n + 1] = even_re - turned_re, turned_im - even_im


@kernel
def _join(flat: Any, z_re: Any, z_im: Any) -> None:
    """The way back from `_separate`, scaled by 1 / 1024. The imaginary parts of the bins 0 and 512 count as 0."""
    scale = np.float32(1.0 / SIZE)
    z_re[0], z_im[0] = (flat[0] + flat[SIZE]) * scale, (flat[0] - flat[SIZE]) * scale
    double = scale + scale
    z_re[_HALF // 2], z_im[_HALF // 2] = flat[_HALF] * double, -flat[_HALF + 1] * double
    for k in range(1, _HALF // 2):
        n = _HALF - k
        even_re, even_im = (flat[2 * k] + flat[2 * n]) * scale, (flat[2 * k + 1] - flat[2 * n + 1]) * scale
        turned_re, turned_im = (flat[2 * k] - flat[2 * n]) * scale, (flat[2 * k + 1] + flat[2 * n + 1]) * scale
        w_re, w_im = _SEPARATE_RE[k], -_SEPARATE_IM[k]
        odd_re, odd_im = turned_re * w_re - turned_im * w_im, turned_re * w_im + turned_im * w_re
        z_re[k], z_im[k] = even_re - odd_im, even_im + odd_re
        z_re[n], z_im[n] = even_re + odd_im, odd_re - even_im
