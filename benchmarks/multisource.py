"""A variational autoencoder on one source, on several, and an improved one on several: errors, similarity, active units.

    python -m benchmarks.multisource --corpus FOLDER [--recordings FOLDER] [--steps 500] [--seeds 3] [--checkpoint FILE]

All rows have the same parameters (within 2 %), steps, batches and minutes of material. Held out: the corpus' valid split,
and a folder of recordings that no training saw. A recording is one sample of the bootstrap. With a checkpoint of the latent
family, the use of its latent is counted on the valid split as well.
"""

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.measure import ROOT, record
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.lab.evaluate.bootstrap import Figure, figure
from rtstyle.lab.multisource.material import KINDS, described, draw, held_out
from rtstyle.lab.multisource.measure import Errors, Listener, Use, latent_use, reconstruct, use_of
from rtstyle.lab.multisource.nets import Level, Vae, decibels
from rtstyle.lab.multisource.training import PLAIN, ROWS, Plan, Row, bound, train

STUDY = ROOT / "benchmarks" / "study"
SECONDS = 2.0  # of a held-out stretch
WARM_HOPS = 32  # of it that do not count: the first slow latent comes then
MEASURES = ("distance_db", "relative_db", "similarity", "ear_similarity", "bound")
CLAIMED = "claimed: 23 dB and 10 dB less error, 18 and 5 points more similarity"
COMPARED = ("plain, one source", "plain, several sources")  # what the improved row is held against
IMPROVED = "improved, several sources"
SHOWN = ("vocadito", "arovane")  # recordings in the picture, as far as they are there

Each = dict[str, list[Errors]]  # per recording, its stretches


class Bench:
    """The material of one run, described once, and the measure of one network on it."""

    def __init__(self, corpus: Path, recordings: Path | None, one: str, minutes: float, frames: int) -> None:
        rng = np.random.default_rng(1)
        self.front, self.listener = Vae(PLAIN), Listener(PLAIN.bands, PLAIN.hop, PLAIN.sample_rate)
        self.rate = PLAIN.sample_rate / PLAIN.hop
        seconds = frames / self.rate
        count = round(60.0 * minutes / seconds)
        train_split = PairCorpus(corpus)

        def material(only: tuple[str, ...] | None) -> Tensor:
            return described(self.front, [draw(train_split, rng, seconds, only) for _ in range(count)], frames)

        self.several, self.alone = material(None), material((one,))
        self.stretches = held_out(PairCorpus(corpus, "valid"), recordings, SECONDS)
        audio = [stretch.audio for stretch in self.stretches]
        self.tests = described(self.front, audio, round(SECONDS * self.rate) + WARM_HOPS)

    def features(self, number: int) -> Tensor:
        """Band spectra of one held-out stretch, without the padding behind it."""
        return self.tests[number, : int(self.stretches[number].audio.size / PLAIN.hop)].float()

    def measure(self, net: Vae) -> tuple[Each, list[Use]]:
        """Errors of every stretch by recording, and the use of each level of latents, slow before fast."""
        errors: Each = defaultdict(list)
        levels: list[list[Level]] = []
        for number, stretch in enumerate(self.stretches):
            features = self.features(number)
            found, wanted, used = reconstruct(net, features)
            compared = self.listener.compare(found[WARM_HOPS:], wanted[WARM_HOPS:])
            errors[stretch.recording].append(replace(compared, bound=bound(net, features)))
            levels.append(used)
        return errors, [use_of(list(level), WARM_HOPS, self.rate) for level in zip(*levels, strict=True)]

    def constant(self) -> Each:
        """Errors of the mean spectrum of all material, whatever is heard: what no network should exceed."""
        mean = decibels(self.several.float().mean((0, 1)))
        errors: Each = defaultdict(list)
        for number, stretch in enumerate(self.stretches):
            wanted = decibels(self.features(number))[WARM_HOPS:]
            errors[stretch.recording].append(self.listener.compare(mean.expand_as(wanted), wanted))
        return errors


def by_recording(errors: Each, measure: str) -> dict[str, float]:
    """Mean of one measure over the stretches of each recording."""
    return {name: float(np.mean([getattr(one, measure) for one in found])) for name, found in errors.items()}


def summary(runs: list[Each], chosen: Callable[[str], bool]) -> dict[str, Any]:
    """Of one row's seeds: each measure's mean over recordings with its interval, and the mean of each seed."""
    result = {}
    for measure in MEASURES:
        each = [{name: v for name, v in by_recording(run, measure).items() if chosen(name)} for run in runs]
        over_seeds = [float(np.mean([run[name] for run in each])) for name in each[0]]
        means = [float(np.mean(list(run.values()))) for run in each]
        seeds = [None if mean != mean else round(mean, 3) for mean in means]
        result[measure] = {**figure(over_seeds).as_dict(), "seeds": seeds}
    return result


def difference(a: list[Each], b: list[Each], measure: str) -> Figure:
    """Mean of a - b over recordings, each over the seeds."""
    first, second = ([by_recording(run, measure) for run in runs] for runs in (a, b))
    return figure(float(np.mean([r[name] for r in first]) - np.mean([r[name] for r in second])) for name in first[0])


def print_table(rows: Mapping[str, Mapping[str, Any]]) -> None:
    """The rows for people: mean over recordings and, behind +-, the standard deviation over seeds."""
    print(
        f"{'row':30} {'distance dB':>13} {'relative dB':>13} {'similar %':>13} {'ear %':>13} {'bound':>13}  active  nats/s"
    )
    for name, row in rows.items():
        cells = []
        for measure in MEASURES:
            seeds = row["all"][measure]["seeds"]
            if None in seeds:
                cells.append(f"{'-':>13}")
                continue
            cells.append(f"{np.mean(seeds):6.2f} +-{np.std(seeds, ddof=1) if len(seeds) > 1 else 0.0:5.2f}")
        used = "+".join(f"{np.mean(level['active']):.0f}/{level['units']}" for level in row["latents"])
        nats = sum(float(np.mean(level["nats_per_second"])) for level in row["latents"])
        print(f"{name:30} {' '.join(cells)}  {used}  {nats:.0f}")


def draw_picture(bench: Bench, nets: Mapping[str, Vae], rows: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """One PNG: the distance of each seed by row, and spectrograms before and as each row has it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    shown = [
        next((n for n, stretch in enumerate(bench.stretches) if word in stretch.recording), None) for word in SHOWN
    ]
    numbers = [n for n in shown if n is not None] or [0]
    names = list(nets)
    canvas = Canvas(figsize=(3.4 * len(numbers) + 3.6, 1.45 * (len(names) + 1)), layout="constrained")
    FigureCanvasAgg(canvas)
    grid = canvas.add_gridspec(len(names) + 1, len(numbers) + 1, width_ratios=[1.1, *[1.0] * len(numbers)])
    points = canvas.add_subplot(grid[:, 0])
    for y, name in enumerate(rows):
        values = rows[name]["all"]["distance_db"]["seeds"]
        points.plot(values, [y] * len(values), "o", color="C0", alpha=0.7)
        points.text(0.03, y - 0.15, name, fontsize=8, transform=points.get_yaxis_transform())
    points.set(xlabel="log-spectral distance, dB; a point per seed", yticks=[], ylim=(len(rows) - 0.4, -0.6))
    order = bench.listener.order[bench.listener.frequency[bench.listener.order] < 8000.0]
    for column, number in enumerate(numbers, start=1):
        panels = [("heard", decibels(bench.features(number)))]
        panels += [(name, reconstruct(nets[name], bench.features(number))[0]) for name in names]
        top = float(panels[0][1].max())
        for row, (name, level) in enumerate(panels):
            axes = canvas.add_subplot(grid[row, column])
            image = level[:, order].T.numpy()
            extent = (0.0, level.shape[0] / bench.rate, 0.0, 8.0)
            axes.imshow(image, aspect="auto", origin="lower", extent=extent, vmin=top - 70.0, vmax=top, cmap="magma")
            axes.set_title(bench.stretches[number].recording if row == 0 else name, fontsize=7, loc="left")
            axes.tick_params(labelsize=6)
    path.parent.mkdir(exist_ok=True)
    drawn = io.BytesIO()
    canvas.savefig(drawn, dpi=72)
    Image.open(drawn).convert("RGB").quantize(128).save(path, optimize=True)


def told(row: Row, uses: list[list[Use]], parameters: int) -> dict[str, Any]:
    """What a row is and how its latents are used, per level and seed."""
    levels = [
        {
            "units": seeds[0].units,
            "active": [use.active for use in seeds],
            "nats_per_second": [round(use.nats_per_second, 1) for use in seeds],
        }
        for seeds in zip(*uses, strict=True)
    ]
    return {"parameters": parameters, "free_bits": row.free_bits, "latents": levels}


def main() -> None:
    """Train and measure every row for every seed; record them in one line, and a picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder of a built corpus; nothing is measured without")
    parser.add_argument("--recordings", type=Path, help="folder of recordings that no training saw")
    parser.add_argument("--one", default="violin", help="the instrument of the row with one source")
    parser.add_argument("--minutes", type=float, default=15.0, help="of material that each row draws from")
    parser.add_argument("--seconds", type=float, default=600.0, help="scales the steps where they are not given")
    parser.add_argument("--steps", type=int, help="of each run; 500 for 600 seconds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--checkpoint", type=Path, help="of a latent model, whose active units are counted")
    arguments = parser.parse_args()
    if arguments.corpus is None:
        print("left out: give --corpus, the folder of a corpus made by `rtstyle corpus build`")
        return
    torch.set_num_threads(1)
    plan = Plan(steps=arguments.steps or max(20, round(500 * arguments.seconds / 600.0)))
    started = time.monotonic()
    bench = Bench(arguments.corpus, arguments.recordings, arguments.one, arguments.minutes, plan.frames)
    kinds = {stretch.recording: stretch.kind for stretch in bench.stretches}
    own = {stretch.recording for stretch in bench.stretches if stretch.instrument == arguments.one}
    print(
        f"{len(bench.stretches)} stretches of {len(kinds)} recordings, {len(own)} of them {arguments.one}", flush=True
    )

    def figures(runs: list[Each]) -> dict[str, Any]:
        by_kind = {kind: summary(runs, lambda name, kind=kind: kinds[name] == kind) for kind in KINDS}
        return {"all": summary(runs, lambda name: True), **by_kind, "own": summary(runs, own.__contains__)}

    rows: dict[str, dict[str, Any]] = {"mean spectrum": {"latents": [], **figures([bench.constant()])}}
    errors: dict[str, list[Each]] = {row.name: [] for row in ROWS}
    uses: dict[str, list[list[Use]]] = {row.name: [] for row in ROWS}
    nets: dict[str, Vae] = {}
    for seed in range(arguments.seeds):  # all rows of a seed first: what stands early is comparable
        for row in ROWS:
            net = train(row, bench.several if row.several else bench.alone, plan, seed)
            found, use = bench.measure(net)
            errors[row.name].append(found)
            uses[row.name].append(use)
            nets.setdefault(row.name, net)
            rows[row.name] = {**told(row, uses[row.name], net.parameter_count), **figures(errors[row.name])}
            print(f"{row.name}, seed {seed}: {rows[row.name]['all']['distance_db']['seeds'][-1]} dB", flush=True)
        print(f"after {seed + 1} seed(s), {(time.monotonic() - started) / 60.0:.1f} minutes")
        print_table(rows)
        print(CLAIMED, flush=True)
    compared = {
        f"{IMPROVED} - {name}": {m: difference(errors[IMPROVED], errors[name], m).as_dict() for m in MEASURES}
        for name in COMPARED
    }
    if arguments.checkpoint is not None:
        use = latent_use(arguments.checkpoint, PairCorpus(arguments.corpus, "valid"))
        rows["latent family, trained"] = {"latents": [asdict(use)]}
    draw_picture(bench, nets, {name: row for name, row in rows.items() if name in nets}, STUDY / "multisource.png")
    record(
        "multisource",
        {**rows, **compared},
        one=arguments.one,
        steps=plan.steps,
        batch=plan.batch,
        hops_per_clip=plan.frames,
        minutes=arguments.minutes,
        seeds=arguments.seeds,
        recordings=len(kinds),
        spent_minutes=round((time.monotonic() - started) / 60.0, 1),
    )


if __name__ == "__main__":
    main()
