"""The table through which compiled code sees a loaded model: int64 numbers and addresses, one slot each.

`model.LoadedModel` fills it; the kernels of `model`, `spectral` and `latent` read it. Shapes: H hop, T the most hops
of one call, C channels of the latent, S styles, F features, B bands, N length of the FFT, K = N / 2 + 1 bins.
"""

from typing import Final

# What the model is.
KIND, HOP, LEVELS, CHANNELS, STYLES, SAMPLE_RATE = range(6)
# Tables of the two sessions (see `session`).
ENCODER, DECODER = 6, 7
# Between the sessions: float32 (T, C), (T, C), (2 C,), (1,); int64 (T,), 1 where the hop is played, not silence.
LATENT, STYLED, STYLE, AMOUNT, ACTIVE = range(8, 13)
# Statistics: float64 (1 + 2 C,), float32 (2 C,), (S, C), (S, C); float64 (2,): frames of the prior, of the memory.
STATISTICS, PRIOR, MEANS, DEVIATIONS, SPANS = range(13, 18)
# Entry of both kinds: float32 (H,) cleaned input, (H,) pulses, (2,) cues; float64 state and float32 table of the
# excitation; uint64 (2,) generators of the noise and of the random walks.
CLEAN, PULSES, CUES, EXCITATION, EXCITATION_SIZE, PULSE_TABLE, SEED = range(18, 25)
# What the model takes and gives: float32 (T, F) or (3, T H); (T, 3 B) or (1, T H).
ENTRY, RESULT = 25, 26
# Spectral: sizes; int64 (K,) and float32 (K,) of the bands; float32 (N,), (M,) windows; float32 (3, N), (M,): histories
# and tail; float32 (N,) frame; int64 (1,) axis; complex64 (T, 3, K) and (K,): spectra of the sources and of the output.
FEATURES, BANDS, N_FFT, SYNTHESIS_SIZE = range(27, 31)
LOWER, WEIGHT, ANALYSIS, SYNTHESIS = range(31, 35)
HISTORIES, TAIL, FRAME, AXIS = range(35, 39)
SPECTRA, MIXED = 39, 40
# Spectral: float64 (1,), sum of the squares of the analysis window. Latent: float64 (1,), level at the last hop's end.
WINDOW_POWER, LEVEL = 41, 42
# Counted for the user: input samples that were NaN or infinite, calls that failed.
BAD_SAMPLES, FAILURES = 43, 44
# Spectral: float32 (N,) window of what is filtered, (H,) noise, (3, B) gains in force; complex64 (K,) of the features'
# frame, (2, K) of the filters; float64 (3,) share of new gains in a hop, of one note at a time and of many, and what
# fades of the loudest power of late.
RISE, NOISE_HOP, GLIDE, SEEN, RESPONSE, PACES = range(45, 51)
# Spectral: float32 (B, K) phase of a filter per log gain; scratch, float32 (2, 2, K) and (3 B,).
TURN, POLAR, WANTED = range(51, 54)
# Spectral: float32 (W,), the random walks among the features, how fast they are, scratch.
WANDERERS, SPEEDS, DRAWS = range(54, 57)
# Spectral, the description (see `dsp.description`): sizes D, L and W; float32 (L, 2, N) past at all rates; int64 (D, 3) and
# float32 (D, W) of its bands; float32 (D,) scratch.
DESCRIBED, DEPTH, SPAN, PAST, PLACE, WEIGHTS, SHARES = range(57, 64)
# Latent: rows of the input.
ENTRY_ROWS = 64
# Tone: whether any style has one; float32 (S, B) of the styles, (B,) now, B of `dsp.tone`; float64 state of the filters.
TONED, TONES, TONE, FILTERS = range(65, 69)
# Turns: table of the next one, which plays what this one made, 0 for the last; how many come after this one; samples of delay
# L of one. Float64 (1 + T,): how far each hop was many notes at a time, behind the last one of the call before. Float32
# (L + T H,): what this one made, behind the L samples before.
NEXT, LEFT, DELAY, PLURALITIES, MADE = range(69, 74)
# Recordings behind captured styles (see `dsp.grains`), in the first turn: how many, 0 for none; float32 (R,) all of them, one
# behind the other; float64 (M, 3) marks and (V, 5) notes; their sizes; int64 (S, 2), first note and notes of each style, and
# float64 (S,), their fall; which style is played, and float64 (1,) how far; samples of delay of all turns. Float64 state and
# float32 rings; float32 (T H,) what is played, and the share of the model beside it.
RECORDED, SOUND, MARKS, NOTES, SOUND_SIZE, MARK_COUNT, NOTE_COUNT = range(74, 81)
NOTES_OF, FALLS, VOICE, VOICE_SHARE, DELAY_OF_ALL, GRAINS, RINGS, GRAINED, KEPT = range(81, 90)
# Conditioner: table of its session, 0 without one; float32 (1 + 2 C,), the amount and the style that it was run with last.
CONDITIONER, CONDITIONED = 90, 91
# Entry: float64 state of the comb (see `dsp.comb`).
COMB = 92
# Spectral: int64 (T,), 1 where a hop is a rest, in which the gains stay; float64 (1,) loudest power of late (see `front.rests`).
RESTS, LOUDEST = 93, 94
SLOTS: Final = 95

# Values of KIND.
CLOSED, SPECTRAL, LATENT_KIND = range(3)

NOISE_SEED: Final = 0x9E3779B97F4A7C15  # the golden ratio: any odd constant would do
WANDER_SEED: Final = 0xB7E151628AED2A6B  # e

# What a step writes before it reads, or `reset` clears.
TRANSIENT: Final = (
    *(LATENT, STYLED, STYLE, AMOUNT, ACTIVE, STATISTICS, CLEAN, PULSES, CUES, EXCITATION, SEED, ENTRY, RESULT),
    *(HISTORIES, TAIL, FRAME, SPECTRA, MIXED, LEVEL, NOISE_HOP, GLIDE, SEEN, RESPONSE, POLAR, WANTED),
    *(WANDERERS, DRAWS, PAST, SHARES, TONE, FILTERS, PLURALITIES, MADE, CONDITIONED),
    *(VOICE_SHARE, GRAINS, RINGS, GRAINED, KEPT, COMB, RESTS, LOUDEST),
)
