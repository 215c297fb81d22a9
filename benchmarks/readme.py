"""Fill the README's tables from benchmarks/results.jsonl and the shipped bundles: `python -m benchmarks.readme`.

A figure that has not been measured is left out. Of several lines about the same thing the newest counts; a benchmark run for
less than a minute per figure does not replace a longer one.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from benchmarks.measure import RESULTS, ROOT
from rtstyle.bundle import load_bundle

README = ROOT / "README.md"
Line = dict[str, Any]


def read_results() -> list[Line]:
    """Every line of the results file, oldest first."""
    if not RESULTS.is_file():
        return []
    return [json.loads(text) for text in RESULTS.read_text(encoding="utf-8").splitlines() if text.strip()]


def newest(lines: list[Line], benchmark: str, *keys: str) -> list[Line]:
    """The newest line of a benchmark for every combination of these conditions, in the order of first appearance."""
    found: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        if line["benchmark"] == benchmark:
            key = tuple(line["conditions"].get(name) for name in keys)
            before = found.get(key)
            enough = min(float(line["conditions"].get("seconds", 0)), 60.0)
            if before is None or enough >= min(float(before["conditions"].get("seconds", 0)), 60.0):
                found[key] = line
    return list(found.values())


def rows(head: tuple[str, ...], body: list[tuple[Any, ...]]) -> str:
    """A table in Markdown; a sentence in its place when there is nothing to show."""
    if not body:
        return "Not measured yet.\n"
    lines = [head, ("---",) * len(head), *body]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def latency(lines: list[Line]) -> str:
    """Set-ups with what is declared, what was measured and the whole way."""
    body = []
    for line in newest(lines, "latency", "model", "sample_rate", "block", "driver"):
        where, figures = line["conditions"], line["figures"]
        body.append(
            (
                where["model"], f"{where['sample_rate'] / 1000:g} kHz", where["block"], where["driver"],
                f"{figures['chain_ms']:.2f} ms", f"{figures['declared_samples']} / {figures['measured_samples']}",
                f"{figures['in_to_out_ms']:.2f} ms",
            )
        )  # fmt: skip
    head = (
        "model",
        "rate",
        "block",
        "driver",
        "chain adds",
        "samples declared / measured",
        "in to out, device estimated",
    )
    text = rows(head, body)
    through = newest(lines, "latency through JACK", "model", "block")
    if through:
        right = sum(line["figures"]["declared_samples"] == line["figures"]["measured_samples"] for line in through)
        text += f"\nThrough ports of a real JACK server {right} of {len(through)} set-ups measured exactly what is declared.\n"
    return text


def table_of_figures(lines: list[Line]) -> str:
    """One row per claim."""
    body: list[tuple[Any, ...]] = []

    def add(benchmark: str, keys: tuple[str, ...], make: Callable[[Line, Line], list[tuple[str, str]]]) -> None:
        for line in newest(lines, benchmark, *keys):
            for what, value in make(line["conditions"], line["figures"]):
                body.append((what, value, f"{line['machine']['processor']}, {line['commit']}"))

    add("bundles", ("model", "block"), _bundle)
    add("offline", ("model",), _offline)
    add("brave", (), _brave)
    add("accuracy", ("kind",), _accuracy)
    add("unison", (), _unison)
    add("same_notes", (), _same_notes)
    add("captured", ("model",), _captured)
    add("kernels", (), _kernels)
    add("chain", ("model",), _chain)
    add("runtime_call", (), _runtime_call)
    add("callback", ("period",), _callback)
    add("startup", (), _startup)
    add("soak", ("model",), _soak)
    return rows(("what", "measured", "processor, commit"), body)


def _bundle(where: Line, found: Line) -> list[tuple[str, str]]:
    lasted = f"{where['seconds'] / 60:g} min" if where["seconds"] >= 60.0 else f"{where['seconds']:g} s"
    what = f"{where['model']}, block {where['block']}: share of one core, {lasted}"
    value = f"median {found['median_percent']} %, p99 {found['p99_percent']} %, p99.9 {found['p999_percent']} %"
    return [(what, f"{value}, {found['misses']} of {found['blocks']} late")]


def _offline(where: Line, found: Line) -> list[tuple[str, str]]:
    return [(f"{where['model']}: rendering a file on one core", f"{found['times_real_time']:g} x real time")]


def _brave(where: Line, found: Line) -> list[tuple[str, str]]:
    value = f"{found['torchscript_over_ours']} x, {found['torchscript_frozen_over_ours']} x after freezing"
    return [("BRAVE's network, block 128: time of TorchScript over ours", value)]


def _accuracy(where: Line, found: Line) -> list[tuple[str, str]]:
    def change(split: str) -> str:
        first, last = found["snapshots"][0][split], found["snapshots"][-1][split]
        return f"{split} {first:.2f} to {last:.2f} (real ones {found['themselves'][split]:.2f})"

    first, last = found["steps"][0], found["steps"][-1]
    what = f"{where['kind']}, step {first} to {last}: share of converted clips taken for their style"
    told = [(what, ", ".join(change(split) for split in ("train", "valid")))]
    if bundle := found.get("bundle"):
        text = f"train {bundle['train']:.2f}, valid {bundle['valid']:.2f}"
        told.append((f"{bundle['name']}, the same clips: share taken for their style", text))
    return told


def _captured(where: Line, found: Line) -> list[tuple[str, str]]:
    what = f"{where['model']}, an instrument that no style has, captured from ten seconds: share judged it, against their own"
    shares = found["outside"]
    each = ", ".join(
        f"{name} {rows['captured style']['mean']:.2f}"
        for name, rows in found.items()
        if "the ten seconds" in rows and "trained style" not in rows
    )
    others = ", ".join(
        f"{short} {shares[row]:.2f}"
        for short, row in (("their own notes in a sampler", "their notes, by the sampler"), ("equaliser", "EQ match"))
    )
    kept = ", ".join(
        f"{short} {found['kept'][name]['mean']:.2f}"
        for short, name in (("pitch", "pitch_accuracy"), ("onsets F1", "onset_f1"), ("loudness r", "loudness_r"))
    )
    value = f"{shares['captured style']:.2f} ({each}), {others}; of the player, by recordings alone: {kept}"
    if taken := found.get("median_share_of_block"):
        value += f"; a block takes {100 * taken['recording']:.1f} %, without a recording {100 * taken['without']:.1f} %"
    return [(what, value)]


def _unison(where: Line, found: Line) -> list[tuple[str, str]]:
    names = {
        "pitch_accuracy": "pitch",
        "onset_f1": "onsets F1",
        "loudness_r": "loudness r",
        "judge_share": "judged target",
    }
    value = ", ".join(f"{name} {found[key]['mean']:.2f}" for key, name in names.items())
    return [("two real players of the same notes, by the measures of the models' cards", value)]


def _same_notes(where: Line, found: Line) -> list[tuple[str, str]]:
    themselves = found["sections"]
    value = (
        f"{themselves['judged target']['mean']:.2f}, within their range {themselves['within its range']['mean']:.2f}; "
        f"{themselves['failed']} of {len(themselves['directions'])} directions below 0.70"
    )
    apart = found["two of one instrument"]
    distance, drift = (f"{apart[name]['mean']:.1f} dB" for name in ("log_spectral_db", "worst_drift_db"))
    return [
        ("the instruments themselves, on the notes of the lines in the models' cards: share judged them", value),
        (
            "two libraries of one instrument, on the same notes",
            f"log-spectral {distance}, worst drift at 2-10 kHz {drift}",
        ),
    ]


def _kernels(where: Line, found: Line) -> list[tuple[str, str]]:
    value = f"{found['scipy_over_kernel']} x and {found['torch_over_kernel']} x"
    share = f"{found['round_trip_percent_of_block']} % of its block"
    return [
        ("one STFT frame of 1024: time of scipy.fft and of torch.stft over ours", value),
        ("STFT and overlap-add, 1024 / 64", share),
    ]


def _chain(where: Line, found: Line) -> list[tuple[str, str]]:
    value = (
        f"network {found['network_percent_of_block']} %, its front end {found['front_end_percent_of_block']} %, "
        f"all the rest {found['without_a_model_percent_of_block']} %"
    )
    return [(f"{where['model']}, block {where['block']}: shares of the block's time, median", value)]


def _runtime_call(where: Line, found: Line) -> list[tuple[str, str]]:
    value = (
        f"{found['iobinding_minus_native_us']} us less than IOBinding, {found['run_minus_native_us']} us less than run"
    )
    return [("one call of a graph", value)]


def _callback(where: Line, found: Line) -> list[tuple[str, str]]:
    busy, python = found["native_busy"], found["python_busy"]
    beside = busy["pass_through"]["lost"]
    value = (
        f"p99 of the period {found['native_busy_p99_over_quiet']} x the quiet one, {busy['lost']} of "
        f"{busy['callbacks'] + busy['lost']} lost (pass-through client beside it: {beside}); "
        f"the same chain in a Python callback: {python['lost']} of {python['callbacks'] + python['lost']} lost"
    )
    return [
        (
            f"JACK, period {where['period']}, beside busy Python threads, collections and 10 000 MIDI messages a second",
            value,
        )
    ]


def _startup(where: Line, found: Line) -> list[tuple[str, str]]:
    return [
        (
            "from the command to the first sound",
            f"{found['to_first_sound_s']} s; live under JACK {found['to_live_s']} s",
        ),
        ("memory while live", f"{found['live_memory_mib']} MiB"),
    ]


def _soak(where: Line, found: Line) -> list[tuple[str, str]]:
    value = f"{found['fallbacks']} fallbacks in {found['blocks']} blocks"
    return [(f"{where['model']}: {where['seconds'] / 60:g} min live, a new style every half second", value)]


def models() -> str:
    """The bundles in models/."""
    body = []
    for file in sorted((ROOT / "models").glob("*/bundle.toml")):
        bundle = load_bundle(file.parent)
        styles = ", ".join(style.name for style in bundle.styles if style.source != "captured")
        added = f"{1000 * bundle.latency / bundle.sample_rate:.2f} ms"
        card = f"[{bundle.name}](models/{file.parent.name})"
        body.append((card, bundle.kind, added, styles))
    return rows(("model", "kind", "adds", "styles"), body)


def picture() -> str:
    """The first shipped bundle's spectrogram."""
    for file in sorted((ROOT / "models").glob("*/spectrogram.png")):
        name = file.parent.name
        return f"![{name}: spectrograms before and after](models/{name}/spectrogram.png)\n"
    return ""


def fill(text: str) -> str:
    """The README with its tables made anew."""
    lines = read_results()
    blocks = {
        "picture": picture(),
        "latency": latency(lines),
        "figures": table_of_figures(lines),
        "models": models(),
    }
    for name, content in blocks.items():
        block = re.compile(rf"(<!-- results: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not block.search(text):
            raise SystemExit(f"README.md has no block 'results: {name}'")
        text = block.sub(lambda match, content=content: f"{match[1]}\n{content}\n{match[2]}", text)
    return text


if __name__ == "__main__":
    README.write_text(fill(README.read_text(encoding="utf-8")), encoding="utf-8")
    print(README)
