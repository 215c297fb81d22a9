"""The compiled chain. Import its parts by their modules; importing `rtstyle.engine.engine` compiles it, or loads the cache.

    from rtstyle.engine.engine import Engine

    engine = Engine()
    engine.prepare(sample_rate=48_000, block=128, channels=2, driver="tight")    tight | safe | offline; block 0: any
    engine.load(model)                         runtime.model.LoadedModel: one (all channels summed), or one per channel
    engine.load(model, weights=[...])          later: gapless, with the new model's own style mix
    engine.set("mix", 0.5)                     ids and units of params.PARAMETERS; any thread, ramped on the audio side
    engine.set_styles([1, 0, 0])               convex weights of the styles
    engine.start_worker()                      driver safe only, after prepare; stop_worker() before the next prepare

    engine.latency().total                     samples; .items has name and samples of each stage
    engine.process(x)                          float32 (channels, frames) -> the same, late by that total

A device's callback needs two numbers: `engine.function`, a C function

    int32 function(int64 table, int64 in, int64 out, int64 channels, int64 room, int64 frames)

and the table's address, `engine.table.ctypes.data`; in and out are addresses of float32 (channels, room). It returns 0.
While it runs, call `engine.service()` ten times a second or more: it puts up what `load` queued and returns the models that
nothing uses any more, to be closed. `prepare`, `reset` and `close` need the callback to be away.

`engine.set_patient(True)` for freewheel: time does not count then. `engine.meters()`, `faults()` and `jitter()` are plain
values. `offline.render` plays a whole array and lines the result up with it.
"""
