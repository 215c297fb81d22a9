"""How the judge is made: `rtstyle evaluate --train-judge`, or `python -m rtstyle.lab.evaluate.judge_training RECORDINGS`.

Three trainings: one on all sources, which is kept, and two that each leave out other sample libraries, to see how well the
judge does on a library that it has never heard. All figures go into the record beside the weights.
"""

import argparse
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rtstyle.dsp import mel
from rtstyle.errors import FileError
from rtstyle.lab.evaluate.clips import INSTRUMENTS, RATE, Clip, find_clips, soundfont_clips
from rtstyle.lab.evaluate.judge import CLASSES, WEIGHTS, Judge, JudgeNet, save_judge
from rtstyle.lab.evaluate.judge_material import FAMILIES, Material, learns_from, make_pieces, tests_on
from rtstyle.lab.evaluate.melodies import play

# Sources that are left out together: a library of several instruments goes as a whole, so that its rooms and microphones
# do not give an instrument away.
FOLDS = (
    ("/mtg", "flute/ixox", "clarinet/vsco2", "voice/berklee"),
    (
        "violin/vsco2",
        "flute/vsco2",
        "trumpet/vsco2",
        "cello/bigcat",
        "saxophone/weresax",
        "clarinet/fluidr3",
        "voice/fluidr3",
    ),
)
LINE_SECONDS = 6.0
LINES = 6  # of each source's notes
STEPS = 4000
FOLD_STEPS = 2000
BATCH = 64


def colour(patches: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """dB patches `(batch, PATCH, MELS)`, coloured at random: equaliser, band limits, noise floor, dynamics, masks."""
    batch, frames, mels = patches.shape

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=generator)

    axis = torch.arange(mels) / mels
    orders = torch.arange(1, 9)
    shapes = torch.cos(torch.pi * (orders[:, None] * axis[None]))
    amount = torch.randn(batch, 8, generator=generator) * uniform(0.5, 9.0, 1) / orders**0.6
    patches = patches + (amount @ shapes)[:, None]
    cut = torch.where(torch.rand(batch, 1, generator=generator) < 0.3, uniform(0.5, 1.0, 1), torch.ones(batch, 1))
    patches = patches - (120.0 * (axis[None] - cut).clamp(min=0))[:, None]
    low = torch.where(torch.rand(batch, 1, generator=generator) < 0.25, uniform(0.0, 0.15, 1), torch.zeros(batch, 1))
    patches = patches - (120.0 * (low - axis[None]).clamp(min=0))[:, None]
    patches = patches + (torch.linspace(-1, 1, frames)[None] * uniform(-6, 6, 1))[:, :, None]
    peak = patches.amax(dim=(1, 2), keepdim=True)
    floor = (
        peak
        + uniform(-95.0, -35.0, 1, 1)
        + uniform(-25, 15, 1, 1) * axis
        + 2.5 * torch.randn(patches.shape, generator=generator)
    )
    patches = torch.logaddexp(patches * 0.2302585, floor * 0.2302585) / 0.2302585
    for axis_size, dim in ((frames, 1), (mels, 2)):
        at = (torch.rand(batch, generator=generator) * axis_size)[:, None]
        width = (torch.rand(batch, generator=generator) * axis_size * 0.15)[:, None]
        places = torch.arange(axis_size)[None]
        masked = (places >= at) & (places < at + width) & (torch.rand(batch, 1, generator=generator) < 0.4)
        patches = torch.where(masked.unsqueeze(3 - dim), peak - mel.FLOOR_DB, patches)
    peak = patches.amax(dim=(1, 2), keepdim=True)
    return (patches - peak).clamp(min=-mel.FLOOR_DB) / (mel.FLOOR_DB / 2) + 1.0


class Patches:
    """Draws patches with sound in them: class by class, and within a class source by source."""

    def __init__(
        self, material: Material, held_out: frozenset[str], rng: np.random.Generator, classes: Sequence[str] = CLASSES
    ) -> None:
        self.rng = rng
        self.pools: list[list[tuple[NDArray[np.float16], NDArray[np.int64]]]] = []
        self.shares: list[NDArray[np.float64]] = []
        for name in classes:
            pool = []
            for source, levels in material.get(name, {}).items():
                if source in held_out:
                    continue
                loud = levels.max(axis=1).astype(np.float32) > -55.0
                count = np.convolve(loud, np.ones(mel.PATCH), "valid")
                starts = np.flatnonzero(count > mel.PATCH * 0.4)
                if starts.size:
                    pool.append((levels, starts))
            # A library counts by the square root of its material: big ones do not drown small ones.
            weight = np.array([starts.size for _, starts in pool]) ** 0.5
            self.pools.append(pool)
            self.shares.append(weight / max(weight.sum(), 1.0))

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which classes have material, `(classes,)`."""
        return np.array([bool(pool) for pool in self.pools])

    def draw(self, label: int) -> NDArray[np.float16]:
        """One patch `(PATCH, MELS)` of a class."""
        pool = self.pools[label]
        levels, starts = pool[int(self.rng.choice(len(pool), p=self.shares[label]))]
        start = int(starts[self.rng.integers(starts.size)])
        return levels[start : start + mel.PATCH]


def train(
    material: Material,
    steps: int,
    batch: int,
    seed: int,
    held_out: frozenset[str] = frozenset(),
    say: Callable[[str], None] = lambda text: None,
    *,
    classes: Sequence[str] = CLASSES,
    favoured: Collection[str] = INSTRUMENTS,
) -> JudgeNet:
    """Train on class-balanced patches with label smoothing and a one-cycle rate. `[control]`

    favoured: classes with twice the share of the rest.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    patches = Patches(material, held_out, rng, classes)
    net = JudgeNet(classes=len(classes)).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.15)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.05)
    share = np.array([2.0 if name in favoured else 1.0 for name in classes]) * patches.present
    mean_loss = 0.0
    for step in range(steps):
        labels = rng.choice(len(classes), size=batch, p=share / share.sum())
        levels = np.stack([patches.draw(label) for label in labels]).astype(np.float32)
        net.train()
        inputs = colour(torch.from_numpy(levels), generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits, _ = net(inputs)
        loss = loss_of(logits.float(), torch.from_numpy(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        mean_loss += (loss.item() - mean_loss) / min(step + 1, 100)
        if (step + 1) % 200 == 0:
            say(f"step {step + 1}/{steps} loss {mean_loss:.3f}")
    return net.to(memory_format=torch.contiguous_format).eval()


def test_lines(clips: Iterable[Clip]) -> list[tuple[str, str, NDArray[np.float32]]]:
    """(instrument, split/source, audio) of LINE_SECONDS: recorded phrases as they are, notes of a source played as lines."""
    groups: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        groups.setdefault((clip.instrument, f"{clip.split}/{clip.source}"), []).append(clip)
    lines = []
    length = int(LINE_SECONDS * RATE)
    for (instrument, source), group in sorted(groups.items()):
        notes = [clip for clip in group if clip.kind == "note"]
        for number in range(LINES if notes else 0):
            rng = np.random.default_rng([77, number])
            lines.append((instrument, source, play(notes, rng, LINE_SECONDS, semitones=0.5, vibrato=False)))
        for clip in group:
            if clip.kind != "note":
                audio = clip.audio(RATE)
                starts = range(0, max(1, audio.size - length // 2), length)
                lines += [(instrument, source, audio[start : start + length]) for start in starts]
    return lines


def examine(judge: Judge, clips: Iterable[Clip]) -> dict[str, dict[str, Any]]:
    """By instrument and source: the share of lines named rightly, the share of their seconds, and what else was heard."""
    found: dict[str, list[tuple[str, bool, float, str]]] = {}
    for instrument, source, audio in test_lines(clips):
        verdict = judge(audio, RATE)
        found.setdefault(instrument, []).append(
            (source, verdict.label == instrument, verdict.share(instrument), verdict.label)
        )
    report = {}
    for instrument, entries in sorted(found.items()):
        wrong = [label for _, right, _, label in entries if not right]
        report[instrument] = {
            "lines": len(entries),
            "accuracy": round(float(np.mean([right for _, right, _, _ in entries])), 4),
            "seconds": round(float(np.mean([share for _, _, share, _ in entries])), 4),
            "heard_instead": {name: wrong.count(name) for name in sorted(set(wrong))},
            "by_source": {
                source: round(float(np.mean([right for name, right, _, _ in entries if name == source])), 4)
                for source in sorted({entry[0] for entry in entries})
            },
        }
    return report


def make_judge(
    recordings: Path,
    out: Path = WEIGHTS,
    *,
    soundfont: Path | None = None,
    seed: int = 1,
    minutes: float = 4.0,
    steps: int = STEPS,
    fold_steps: int = FOLD_STEPS,
    work: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> str:
    """Train the judge, test it, save weights and record; returns the table as text. `[control]`

    minutes: of material per source, at most. work: folder that keeps the material for another run. fold_steps 0: without
    the trainings that leave libraries out. Raises FileError where an instrument has no recordings.
    """
    started = time.process_time()
    clips = find_clips(recordings)
    if soundfont is not None:
        clips += soundfont_clips(soundfont, frozenset(FAMILIES))
    learnt = [clip for clip in clips if learns_from(clip)]
    missing = sorted(set(INSTRUMENTS) - {clip.instrument for clip in learnt})
    if missing:
        raise FileError(
            f"{recordings} has no training recordings of {', '.join(missing)}; the judge needs {', '.join(INSTRUMENTS)}."
        )
    cache = work / f"material-{minutes:g}-{seed}-{mel.HOP}-{len(learnt)}.pt" if work else None
    if cache and cache.is_file():
        material: Material = torch.load(cache, weights_only=False)
    else:
        material = make_pieces(learnt, minutes, seed, say)
        if cache:
            cache.parent.mkdir(parents=True, exist_ok=True)
            torch.save(material, cache)
    say(f"material after {time.process_time() - started:.0f} s of processor time")
    judge = Judge(train(material, steps, BATCH, seed, say=say))
    judge.record = {
        "trained_on": sorted({clip.key for clip in learnt}),
        "settings": {"seed": seed, "minutes": minutes, "steps": steps, "fold_steps": fold_steps, "batch": BATCH},
        "rebuild": "rtstyle evaluate --train-judge --recordings FOLDER",
        "held_out": examine(judge, [clip for clip in clips if tests_on(clip)]),
        "other_libraries": {},
    }
    save_judge(judge, out)
    for number, fold in enumerate(FOLDS if fold_steps else ()):
        away = {name for name in judge.record["trained_on"] if _in_fold(name, fold)}
        other = Judge(train(material, fold_steps, BATCH, seed, frozenset(away), say=say))
        tests = [clip for clip in clips if clip.key in away and (learns_from(clip) or tests_on(clip))]
        judge.record["other_libraries"][f"fold {number + 1}"] = examine(other, tests)
        save_judge(judge, out)
    judge.record["processor_seconds"] = round(time.process_time() - started)
    save_judge(judge, out)
    lines = []
    for title, table in (("recordings kept back", judge.record["held_out"]), *judge.record["other_libraries"].items()):
        for name, row in table.items():
            lines.append(
                f"{title}: {name} {row['accuracy']:.2f} of {row['lines']} lines, {row['seconds']:.2f} of seconds"
            )
            lines.append(f"    {row['by_source']}; else {row['heard_instead']}")
    return "\n".join(lines)


def _in_fold(name: str, fold: tuple[str, ...]) -> bool:
    return name.split("/")[0] in INSTRUMENTS and any(part in name for part in fold)


def main(arguments: list[str] | None = None) -> int:
    """The command line: the same without the rest of rtstyle."""
    parser = argparse.ArgumentParser(description="Train the judge of instruments.")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--soundfont", type=Path, help="FluidR3_GM.sf2, as one more library")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--fold-steps", type=int, default=FOLD_STEPS)
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args(arguments))
    torch.set_num_threads(1)
    print(make_judge(options.pop("recordings"), **options, say=lambda text: print(text, file=sys.stderr, flush=True)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
