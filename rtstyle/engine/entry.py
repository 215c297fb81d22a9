"""How the chain calls a model: through the address of a C function that takes one pointer.

The chain is compiled once and knows no model. It fills a row of int64 and calls

    int64 entry(int64 *call, 0, 0)       call = [table, its size, controls, x, y, hops, own]

with the addresses that `runtime.model.run_model` needs; hops = 0 resets the model. The result is 0 or an error code.
"""

from typing import Any

from numba import carray, cfunc, types

from rtstyle.dsp.pointers import float32_at, int64_at
from rtstyle.engine.cells import (
    CALL_CONTROLS,
    CALL_HOPS,
    CALL_OWN,
    CALL_SIZE,
    CALL_TABLE,
    CALL_TABLE_SIZE,
    CALL_X,
    CALL_Y,
)
from rtstyle.engine.lane import CONTROLS
from rtstyle.engine.memory import table_at
from rtstyle.runtime.model import hop_of, reset_model, run_model


@cfunc(types.int64(types.int64, types.int64, types.int64), nopython=True, cache=True)
def run_model_entry(call: Any, unused_1: Any, unused_2: Any) -> Any:
    """Run or reset a loaded bundle. `[audio]` or `[worker]`."""
    row = carray(int64_at(call), (CALL_SIZE,))
    table = table_at(row[CALL_TABLE], row[CALL_TABLE_SIZE])
    hops = row[CALL_HOPS]
    if hops == 0:
        reset_model(table)
        return 0
    samples = hops * hop_of(table)
    controls = carray(float32_at(row[CALL_CONTROLS]), (CONTROLS,))
    x = carray(float32_at(row[CALL_X]), (samples,))
    y = carray(float32_at(row[CALL_Y]), (samples,))
    own = carray(float32_at(row[CALL_OWN]), (hops,))
    return run_model(table, controls, x, y, own, hops)
