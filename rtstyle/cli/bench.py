"""`rtstyle bench`: what this machine can play, measured within a minute."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from rtstyle.bundle import Bundle

BLOCKS = (64, 128, 256)
RATE = 48_000
COMFORTABLE = 0.5  # of a block, for the slowest block in a thousand: room for the rest of the machine
TIGHT = 0.85


def bench(
    *,
    model: str | None = None,
    quick: Annotated[bool, Parameter(negative="")] = False,
    seconds: float | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Play every model at the pace of a device, at 64, 128 and 256 frames, and say what this machine can do.

    Exit code 1 when no model can be played at any of these blocks.

    Parameters
    ----------
    model
        One model alone.
    quick
        Share a minute among all measurements; without it each takes a minute.
    seconds
        Seconds for each measurement.
    json
        Print the figures as JSON.
    """
    import numpy as np
    import soundfile

    from rtstyle.bundle import find_bundle, find_bundles, load_bundle
    from rtstyle.cli.output import emit_json, table
    from rtstyle.errors import BundleError
    from rtstyle.performance import PERFORMANCE

    folders = [find_bundle(model)] if model is not None else list(find_bundles().values())
    if not folders:
        raise BundleError("There is no model to play: install the wheel or the checkout again, which ship some.")
    if seconds is None:
        seconds = 50.0 / (len(folders) * len(BLOCKS)) if quick else 60.0
    audio, _ = soundfile.read(PERFORMANCE, dtype="float32", always_2d=True)
    figures = []
    for folder in folders:
        bundle = load_bundle(folder)
        for block in BLOCKS:
            figures.append(measure(bundle, np.ascontiguousarray(audio.T), block=block, seconds=seconds))
    best = verdict(figures)
    if json:
        emit_json({"sample_rate": RATE, "seconds": seconds, "figures": figures, "verdict": best})
    else:
        head = ("model", "block", "median %", "p99 %", "p99.9 %", "late", "delay ms", "verdict")
        keys = ("model", "block", "median_percent", "p99_percent", "p999_percent", "misses", "chain_ms", "verdict")
        print(table([tuple(figure[key] for key in keys) for figure in figures], head))
        print("\nShares of a block's time that the whole chain takes; late: blocks that took longer than they last.")
        print(best["text"])
    return 0 if best["playable"] else 1


def measure(bundle: "Bundle", audio: Any, *, block: int, seconds: float, rate: int = RATE) -> dict[str, Any]:
    """Figures of one model at one block, driver tight. `[control]`"""
    from rtstyle.cli.offline import OfflineChain
    from rtstyle.cli.pacing import pace

    chain = OfflineChain(bundle, sample_rate=rate, block=block, driver="tight")
    try:
        found = pace(chain.engine, audio, block=block, seconds=seconds)
        faults = chain.engine.faults()
        delay = chain.latency.milliseconds
    finally:
        chain.close()
    slowest = found.share(99.9)
    # A wake-up that came late is the machine's doing, but a player hears it all the same.
    words = "comfortable" if slowest <= COMFORTABLE else "tight" if slowest <= TIGHT else "too slow"
    return {
        "model": bundle.name,
        "block": block,
        "blocks": len(found.costs),
        "median_percent": round(100 * found.share(50), 2),
        "p99_percent": round(100 * found.share(99), 2),
        "p999_percent": round(100 * slowest, 2),
        "max_percent": round(100 * found.share(100), 2),
        "misses": found.misses,
        "own_misses": found.own_misses,
        "woken_late": found.woken_late,
        "fallbacks": faults.late + faults.underflow + faults.model_error + faults.nonfinite_out,
        "realtime": found.realtime,
        "chain_ms": round(delay, 2),
        "verdict": words,
    }


def verdict(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """One sentence for the player, and the block to take for each model. `[any]`"""
    models: dict[str, int | None] = {}
    for figure in figures:
        models.setdefault(figure["model"], None)
        if models[figure["model"]] is None and figure["verdict"] == "comfortable":
            models[figure["model"]] = figure["block"]
    tight = {figure["model"] for figure in figures if figure["verdict"] == "tight"}
    parts = []
    for name, block in models.items():
        if block is not None:
            parts.append(f"{name} at {block} frames and more")
        elif name in tight:
            parts.append(f"{name} just so: prefer --driver safe")
        else:
            parts.append(f"{name} not live: render files with it")
    playable = any(block is not None for block in models.values()) or bool(tight)
    return {"text": f"This machine plays {'; '.join(parts)}.", "blocks": models, "playable": playable}
