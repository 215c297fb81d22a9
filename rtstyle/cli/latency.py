"""`rtstyle latency`: where every millisecond of delay comes from, computed and, on request, measured."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from rtstyle.bundle import Bundle


def latency(
    *,
    model: str | None = None,
    block: int = 128,
    rate: int = 48_000,
    driver: Literal["auto", "tight", "safe"] = "auto",
    loopback: bool = False,
    backend: Literal["auto", "jack", "portaudio"] = "auto",
    input: str | None = None,
    output: str | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Show the delay from input to output, stage by stage.

    What the chain adds is exact: it is what an impulse measures, to the sample. What the device adds is estimated as
    one block on each side; a loop-back measures it.

    Parameters
    ----------
    model
        Name of a model or folder of a bundle; orchestra-spectral otherwise.
    block
        Frames per callback.
    rate
        Sample rate of the device in Hz.
    driver
        auto measures for a moment which one this machine needs.
    loopback
        Also measure: plug a cable from the output to the input first. Under JACK the chain is measured as well, through
        ports of a running client.
    backend
        What to measure through.
    input
        Device to measure with: number or piece of a name.
    output
        Device to measure with.
    json
        Print JSON.
    """
    from rtstyle.cli.offline import pick_bundle
    from rtstyle.cli.output import emit_json

    report = latency_report(pick_bundle(model), rate=rate, block=block, driver=driver)
    if loopback:
        report["measured"] = measure(report, backend=backend, input=input, output=output)
    if json:
        emit_json(report)
    else:
        print(describe(report))
    return 1 if loopback and not report["measured"]["heard"] else 0


def latency_report(bundle: "Bundle", *, rate: int, block: int, driver: str = "auto") -> dict[str, Any]:
    """The itemised delay as plain data: samples and milliseconds per stage, with and without the device. `[control]`"""
    from rtstyle.backends.driver import choose_driver
    from rtstyle.cli.offline import OfflineChain
    from rtstyle.runtime.model import load_model

    reason = "as asked for"
    if driver == "auto":
        probe = load_model(bundle)
        try:
            choice = choose_driver("auto", [probe], rate, block)
        finally:
            probe.close()
        driver, reason = choice.driver, choice.reason
    chain = OfflineChain(bundle, sample_rate=rate, block=block, driver=driver)
    try:
        found = chain.latency
    finally:
        chain.close()

    def entry(name: str, samples: float, kind: str) -> dict[str, Any]:
        return {"name": name, "samples": samples, "ms": 1000.0 * samples / rate, "kind": kind}

    items = [entry("device in", block, "estimated")]
    items += [entry(item.name, item.samples, "exact") for item in found.items]
    items += [entry("device out", block, "estimated")]
    total = found.total + 2 * block
    return {
        "model": bundle.name,
        "sample_rate": rate,
        "block": block,
        "driver": driver,
        "driver_reason": reason,
        "items": items,
        "chain": {"samples": found.total, "ms": found.milliseconds},
        "total": {"samples": total, "ms": 1000.0 * total / rate},
    }


def describe(report: dict[str, Any]) -> str:
    """The report as text. `[any]`"""
    from rtstyle.cli.output import table

    rate = report["sample_rate"]
    rows: list[tuple[Any, ...]] = [
        (item["name"], round(float(item["samples"]), 2), item["ms"], item["kind"]) for item in report["items"]
    ]
    rows += [
        ("chain", float(report["chain"]["samples"]), report["chain"]["ms"], "exact"),
        ("in to out", float(report["total"]["samples"]), report["total"]["ms"], "estimated"),
    ]
    measured = report.get("measured")
    if measured:
        for name in ("cable", "chain"):
            if measured[name] is not None:
                rows.append(
                    (
                        f"{name}, measured",
                        float(measured[name]),
                        1000.0 * measured[name] / measured["sample_rate"],
                        "measured",
                    )
                )
    head = f"{report['model']} at {rate} Hz, {report['block']} frames, driver {report['driver']}"
    head += f" ({report['driver_reason']})"
    lines = [head, table(rows, ("stage", "samples", "ms", ""), indent=2)]
    if measured and measured["cable"] is None:
        lines.append("Nothing came back from the output: plug a cable from the output to the input.")
    return "\n".join(lines)


def measure(report: dict[str, Any], *, backend: str, input: str | None, output: str | None) -> dict[str, Any]:
    """Measure the cable, and under JACK the chain too, at the device's own rate and block. `[control]`

    cable: samples from the device's output to its input, None where nothing came back. chain: samples through a running
    client. heard: whether anything was.
    """
    from rtstyle.errors import DeviceError

    if backend != "portaudio":
        try:
            return _measure_jack(report["model"])
        except (DeviceError, OSError):
            if backend == "jack":
                raise
    from rtstyle.backends.devices import list_devices, pick_device
    from rtstyle.cli.loopback import measure_device

    devices = list_devices()
    source, target = pick_device(input, "input", devices), pick_device(output, "output", devices)
    rate = report["sample_rate"]
    cable = measure_device(source.number, target.number, rate)
    return {"backend": "portaudio", "sample_rate": rate, "cable": cable, "chain": None, "heard": cable is not None}


def _measure_jack(model: str) -> dict[str, Any]:
    from rtstyle.cli.loopback import JackProbe
    from rtstyle.rig import Rig, Setup

    probe = JackProbe()
    try:
        own = probe.measure(["self"], ["self"])
        playback, capture = probe.hardware()
        cable = probe.measure(playback, capture) if playback and capture else None
        setup = Setup(model=model, mix=0.0, backend="jack", input="none", output="none", midi="none")
        with Rig(setup) as rig:
            rig.open()
            rig.set("gate.threshold_db", -96.0)
            rig.start()
            name = rig.player.backend.label.removeprefix("JACK client ")
            through = probe.measure([f"{name}:in_1"], [f"{name}:out_1"])
            declared = rig.engine.latency().total
    finally:
        probe.close()
    chain = None if through is None or own is None else through - own
    return {
        "backend": "jack",
        "sample_rate": probe.sample_rate,
        "block": probe.period,
        "cable": cable,
        "chain": chain,
        "chain_declared": declared,
        "heard": chain is not None,
    }
