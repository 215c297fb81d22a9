"""Where everything of the chain lies: slots of its table, cells of its states, the parameters that it takes.

Cells are aligned numbers that one thread writes and any may read. Parameters: float32, in linear units, written by the
control side; the audio side ramps towards them.
"""

from typing import Final

import numpy as np

from rtstyle.engine.memory import STRIDE

# --- parameters: indices into PARAMETERS, float32 -----------------------------------------------------------------------
MIX, AMOUNT, INPUT_GAIN, GATE_LEVEL, OUTPUT_GAIN, CEILING, BYPASS, DYNAMICS = range(8)
PARAMETER_COUNT: Final = 8
RAMPED: Final = 4  # per-sample ramps, rows of the scratch: mix, input gain, output gain, bypass
RAMP_MIX, RAMP_INPUT, RAMP_OUTPUT, RAMP_BYPASS = range(RAMPED)
CELL_OF: Final = {
    "mix": MIX,
    "style.amount": AMOUNT,
    "input.trim_db": INPUT_GAIN,
    "gate.threshold_db": GATE_LEVEL,
    "output.trim_db": OUTPUT_GAIN,
    "output.ceiling_db": CEILING,
    "bypass": BYPASS,
    "dynamics": DYNAMICS,
}

# --- slots of the chain's table -----------------------------------------------------------------------------------------
PARAMETERS = 0 * STRIDE  # float32[PARAMETER_COUNT]
STATE = 1 * STRIDE  # int64[STATE_SIZE], cells below
SETUP = 2 * STRIDE  # float64[SETUP_SIZE], constants of one preparation
RAMPS = 3 * STRIDE  # float64[RAMPED, ramp.STATE_SIZE]
RAMP_SCRATCH = 4 * STRIDE  # float32[RAMPED, MAX_BLOCK]
FEED = 5 * STRIDE  # float32[channels, ring]: input for the lanes, by absolute position
FEED_INDEX = 6 * STRIDE  # int64[ring.INDEX_SIZE]
DRY = 7 * STRIDE  # float32[channels, ring]: input as it came, by absolute position
DC = 8 * STRIDE  # float64[channels, 2]
GATE = 9 * STRIDE  # float64[dynamics.GATE_SIZE]
LIMITER = 10 * STRIDE  # float64[dynamics.LIMITER_SIZE]
LIMITER_LINE = 11 * STRIDE  # float32[channels, look-ahead + 1]
LIMITER_HISTORY = 12 * STRIDE  # float32[2, look-ahead + 1]
INPUT_METERS = 13 * STRIDE  # float64[channels, meters.ROW_SIZE]
OUTPUT_METERS = 14 * STRIDE
WORK = 15 * STRIDE  # float32[channels, MAX_BLOCK], scratch
DRY_NOW = 16 * STRIDE  # float32[channels, MAX_BLOCK], scratch: dry at the current voice's latency
DRY_NEXT = 17 * STRIDE  # at the next voice's
VOICE_SCRATCH = 18 * STRIDE  # float32[2 * (channels + 1), MAX_BLOCK]: wet channels and weight of the two voices
LANES = 19 * STRIDE  # int64[2]: addresses of the lanes' tables
NATIVE = 20 * STRIDE  # int64[NATIVE_SIZE]: function pointers and what they take
ENTRIES = 21 * STRIDE  # int64[ENTRY_BINS]: how often process was entered how far from its time
CHAIN_SLOTS: Final = 22

# --- cells of STATE -----------------------------------------------------------------------------------------------------
DRIVER = 0  # TIGHT, SAFE or OFFLINE
PATIENT = 1  # 1: never skip the model, wait for the worker (offline, freewheel)
CURRENT = 2  # the lane that sounds, -1 before the first model; audio thread
NEXT = 3  # the lane to go to, -1 none; set by the control thread, cleared by the audio thread
PHASE = 4  # STEADY, PREROLL, FADE
FADE_DONE = 5  # samples of the crossfade that are over
PREROLL_LENGTH = 6
FADE_LENGTH = 7
SWAPS = 8  # crossfades completed
WET_ROUNDS = 9  # rounds of the thread that runs the lanes
STOP = 10  # asks the worker to leave
WORKING = 11  # 1 while a worker is inside its function
LATE = 12  # fault counters: see Faults
MODEL_ERROR = 13
NONFINITE_IN = 14
NONFINITE_OUT = 15
UNDERFLOW = 16
DRY_FRAMES = 17  # frames that were dry because of a fault
BLOCK_CHANGED = 18
BLOCKS = 19  # calls of process
LAST_FRAMES = 20
PREPARED_BLOCK = 21
MODEL_NS = 22  # time inside the model, in total
CHAIN_NS = 23  # time inside process, in total
LAST_ERROR = 24  # code of the last failed run
ENTERED_NS = 25  # clock when process was entered last
LATEST_ENTRY_NS = 26  # largest deviation of an entry from its time
STATE_SIZE: Final = 32

TIGHT, SAFE, OFFLINE = range(3)
STEADY, PREROLL, FADE = range(3)

# --- cells of SETUP -----------------------------------------------------------------------------------------------------
SAMPLE_RATE = 0
DC_POLE = 1
GATE_FALL = 2  # per sample
GATE_HOLD = 3  # samples
GATE_ATTACK = 4  # per sample
GATE_RELEASE = 5
LIMITER_RELEASE = 6
FAULT_STEP = 7  # change of a voice's weight per sample when it fails or returns
DEBT_LIMIT_NS = 8
RAMP_LENGTH = 9  # samples
BYPASS_LENGTH = 10
CORRELATION = 11  # of the two voices, measured while the next one warms up
PRODUCT, POWER_NOW, POWER_NEXT = 12, 13, 14
FOLLOW_GLIDE = 15  # per sample, as the two below
FOLLOW_POLE = 16
FOLLOW_SMOOTH = 17
SETUP_SIZE: Final = 18

# --- cells of NATIVE ----------------------------------------------------------------------------------------------------
CLOCK = 0  # C function clock_gettime or QueryPerformanceCounter
CLOCK_ID = 1  # its first argument, or -1 for the second function
CLOCK_RATE = 2  # ticks per second of the second function
POST = 3  # C function that posts the semaphore
WAIT = 4  # C function that waits for it
SEMAPHORE = 5
SLEEP = 6  # C function usleep or Sleep
SLEEP_TIME = 7  # its argument for the shortest sleep
AUDIO_TIME = 8  # scratch of the clock, one pair of numbers for each thread
WORKER_TIME = 12
RUN_LANES = 14  # C function hops.lanes_entry
NATIVE_SIZE: Final = 16

# --- slots of a lane's table --------------------------------------------------------------------------------------------
L_STATE = 0 * STRIDE  # int64[LANE_STATE_SIZE]
L_CONTROLS = 1 * STRIDE  # float32[2, CONTROLS]: as they are now; as they shall be
L_STAGE = 2 * STRIDE  # float32[channels, CHUNK]: host rate; row 0 becomes the sum where the models are linked
L_X = 3 * STRIDE  # float32[models, room]: model rate, waiting for whole hops
L_Y = 5 * STRIDE  # float32[models, max_frames * hop]
L_HOST = 6 * STRIDE  # float32[channels + 1, room]: wet and weight at host rate
L_DOWN = 7 * STRIDE  # host -> model: float32[up, taps]
L_DOWN_BUFFER = 8 * STRIDE
L_DOWN_STATE = 9 * STRIDE
L_UP = 10 * STRIDE  # model -> host
L_UP_BUFFER = 11 * STRIDE
L_UP_STATE = 12 * STRIDE
L_WET = 13 * STRIDE  # float32[channels + 1, ring]: wet and weight by absolute position
L_WET_INDEX = 14 * STRIDE  # int64[ring.INDEX_SIZE]
L_READER = 15 * STRIDE  # float64[READER_SIZE]: the audio thread's view of this lane
L_CALLS = 16 * STRIDE  # int64[models, CALL_SIZE]: arguments of the model's entry, one row per instance
L_WANTED = 17 * STRIDE  # float32[channels, room], scratch: the input that the wet samples stand for
L_FOLLOWER = 18 * STRIDE  # float64[models, dynamics.FOLLOWER_SIZE]
L_OWN = 19 * STRIDE  # float32[models, max_frames]: how far the loudness of each hop in L_Y is the model's own
LANE_SLOTS: Final = 20

# --- cells of a lane's L_STATE ------------------------------------------------------------------------------------------
ACTIVE = 0  # audio thread sets, the thread that runs the lanes obeys
ORIGIN = 1  # absolute position of the lane's first sample
TAKEN = 2  # absolute position up to which the feed was read
WAITING = 3  # samples in L_X
HOP = 4
MODEL_LATENCY = 5  # samples at model rate
MODEL_RATE = 6
MAX_FRAMES = 7  # hops per run
MODELS = 8  # instances: 1 (linked) or one per channel
RESAMPLES = 9  # 1 where host and model rate differ
ENTRY = 10  # C function, see `entry.run_model_entry`
LATENCY = 11  # total of this lane's voice at host rate, without the limiter
DOWN_STEP = 12  # `down` of the resampler host -> model
UP_STEP = 13
SKIP = 14  # samples of the model's output to drop before the first wet sample
LAST_BAD = 15  # absolute position after the last sample without weight
MUTED_UNTIL = 16  # absolute wet position until which the model rests after a fault
BACKOFF = 17  # length of the next rest
RESET_DUE = 18  # 1: reset the model before it runs again
SPENT_NS = 19  # in this block
DEBT_NS = 20  # by how much the blocks were too long, less what was made up since
GOOD = 21  # samples at model rate since the last fault
SHORT_BACKOFF = 22  # samples
LONG_BACKOFF = 23
UNHEARD = 25  # samples at model rate that the model still runs unheard after a rest, until it has a past again
STRIKES = 26  # hops that came too late, of late (safe)
OVERRUNS = 27  # blocks for which it took too long, since the debt was last paid (tight)
TARGETS_SEEN = 24  # 0 until the controls jumped to their first targets
LANE_STATE_SIZE: Final = 32

MODE, WEIGHT, MIRROR = range(3)  # cells of L_READER
READER_SIZE: Final = 4
SOUNDING, MIRRORING, SILENT = range(3)  # MODE

CALL_TABLE, CALL_TABLE_SIZE, CALL_CONTROLS, CALL_X, CALL_Y, CALL_HOPS, CALL_OWN = range(7)
CALL_SIZE: Final = 8

MAX_BLOCK: Final = 16_384
CHUNK: Final = 4096  # host samples that a lane takes at a time
MAX_MODELS: Final = 16
ENTRY_BINS: Final = 1024
ENTRY_BIN_NS: Final = 10_000
SETTLING_BLOCKS: Final = 4  # after a start, memory is cold: no model is sent to rest for that

LOUDEST: Final = np.float32(1.0e4)  # a sample above counts as broken, like NaN
MOST_STRIKES: Final = 3  # so many hops too late send a model to rest: one stall of the system makes fewer
FORGIVE_SECONDS: Final = 0.25  # of hops in time, after which the count starts anew
WARM_SECONDS: Final = 0.020  # beyond its latency, that a model runs unheard after a rest
TRUST_SECONDS: Final = 2.0  # of faultless sound, after which a model's next rest is short again
