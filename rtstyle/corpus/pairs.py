"""Reading the corpus while training: aligned pairs, style clips and real phrases, straight from memory-mapped files."""

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.shards import read_lines
from rtstyle.errors import FileError, ParameterError

SILENT_RMS = 10.0 ** (-45.0 / 20.0)
TRIES = 30

Audio = NDArray[np.float32]


class PairCorpus:
    """The performances and phrases of one split of a corpus folder. `[control]`

    same: the share of pairs whose source and target are one instrument: another library of it where the
    performance has one, else the very same audio, which teaches that a violin stays a violin.
    """

    def __init__(self, folder: Path | str, split: str = "train", same: float = 0.15) -> None:
        """Open the corpus. Raises FileError when the folder holds no performances of this split."""
        self.folder = Path(folder)
        self.split = split
        self.same = same
        self.refresh()

    def refresh(self) -> None:
        """Read the manifests again: a build may still be adding performances."""
        entries = [e for e in read_lines(self.folder / "performances.jsonl") if e["split"] == self.split]
        if not entries:
            raise FileError(f"{self.folder} holds no '{self.split}' performances; run `rtstyle corpus build` first.")
        self.performances = [(e["id"], tuple(p["instrument"] for p in e["players"]), e["samples"]) for e in entries]
        self._voices = [tuple(f"{p['instrument']}/{p['library']}" for p in e["players"]) for e in entries]
        self._by_instrument: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, (_, players, _) in enumerate(self.performances):
            for row, instrument in enumerate(players):
                self._by_instrument[instrument].append((index, row))
        self._by_voice: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, voices in enumerate(self._voices):
            for row, voice in enumerate(voices):
                self._by_voice[voice].append((index, row))
        self._phrases: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
        for e in read_lines(self.folder / "phrases.jsonl"):
            if e["split"] == self.split and e["samples"] > 0:
                voice = f"{e['instrument']}/{e['source']}"
                self._phrases[e["instrument"]].append((e["id"], voice, e["samples"]))

    @property
    def instruments(self) -> tuple[str, ...]:
        """Every instrument that plays in a performance of this split, sorted."""
        return tuple(sorted(self._by_instrument))

    @property
    def minutes(self) -> float:
        """Minutes of performances, each counted once whoever plays."""
        return float(sum(samples for _, _, samples in self.performances)) / SAMPLE_RATE / 60.0

    @property
    def phrase_instruments(self) -> tuple[str, ...]:
        """Every instrument of which there is a real phrase in this split, sorted."""
        return tuple(sorted(self._phrases))

    @property
    def voices(self) -> tuple[str, ...]:
        """Every "instrument/library" of the performances and "instrument/source" of the phrases of this split, sorted."""
        return tuple(sorted({*self._by_voice, *(v for listed in self._phrases.values() for _, v, _ in listed)}))

    def count(self, instrument: str) -> int:
        """Return in how many performances an instrument plays (each of its players counts)."""
        return len(self._by_instrument.get(instrument, ()))

    def sample(
        self,
        rng: np.random.Generator,
        seconds: float,
        sources: Collection[str] | None = None,
        targets: Collection[str] | None = None,
        moments: int = 1,
    ) -> tuple[Audio, Audio, str, str]:
        """Return (x, y, source, voice): the same notes by two players, float32, aligned to the sample.

        moments: how many of the performance are heard at once; two make a chord of notes of one melody, as loud as one.

        The target's instrument is drawn evenly among `targets`, the source among the other players of the drawn
        performance that `sources` allows; voice is the target's "instrument/library". Both have sound in them.
        Raises ParameterError for names that no performance has, or when no performance joins such a source and target.
        """
        self._known(sources)
        names = sorted(self._known(targets))
        for _ in range(20 * TRIES):
            target = names[int(rng.integers(len(names)))]
            index, row = self._draw(rng, self._by_instrument[target])
            players = self.performances[index][1]
            source = self._partner(rng, players, row, sources)
            if source is None:
                continue
            audio = self._open("audio", self.performances[index][0])
            length = round(seconds * SAMPLE_RATE)
            for _ in range(TRIES):
                firsts = rng.integers(0, max(1, audio.shape[1] - length + 1), moments)
                x = self._together(audio[source], firsts, length)
                y = self._together(audio[row], firsts, length)
                if min(_rms(x), _rms(y)) > SILENT_RMS:
                    return x, y, players[source], self._voices[index][row]
        raise ParameterError(f"No performance has a source among {sources} and a target among {targets} with sound.")

    def style_clip(self, rng: np.random.Generator, voice: str, seconds: float) -> Audio:
        """Return `seconds` of a voice, "instrument/library", drawn at random; "instrument" means any of its libraries.

        Raises ParameterError for an unknown voice.
        """
        instrument = voice.split("/")[0]
        places = (self._by_instrument if voice == instrument else self._by_voice).get(voice)
        if not places and any(listed == voice for _, listed, _ in self._phrases.get(instrument, ())):
            return self.phrase(rng, seconds, voice)[0]
        if not places:
            there = ", ".join((*self.instruments, *self.voices))
            raise ParameterError(f"No performance or phrase has {voice}; there are {there}.")
        length = round(seconds * SAMPLE_RATE)
        x = np.zeros(length, dtype=np.float32)
        for _ in range(TRIES):
            index, row = self._draw(rng, places)
            audio = self._open("audio", self.performances[index][0])
            first = int(rng.integers(0, max(1, audio.shape[1] - length + 1)))
            x = self._cut(audio[row], first, length)
            if _rms(x) > SILENT_RMS:
                break
        return x

    def phrase(self, rng: np.random.Generator, seconds: float, voice: str | None = None) -> tuple[Audio, str]:
        """Return (audio, voice) of a real phrase; instruments are drawn evenly, phrases by their length.

        voice: "instrument" or "instrument/source", None for any. Raises ParameterError when there is none.
        """
        names = [voice.split("/")[0]] if voice is not None else list(self.phrase_instruments)
        name = names[int(rng.integers(len(names)))] if names else ""
        listed = [entry for entry in self._phrases.get(name, ()) if voice in (None, name, entry[1])]
        if not listed:
            raise ParameterError(
                f"There is no real phrase of {voice or 'any instrument'} in the '{self.split}' split; "
                f"there are phrases of {', '.join(self.phrase_instruments) or 'none'}."
            )
        weight = np.array([samples for _, _, samples in listed], dtype=np.float64)
        length = round(seconds * SAMPLE_RATE)
        x, found = np.zeros(length, dtype=np.float32), ""
        for _ in range(TRIES):
            key, found, samples = listed[int(rng.choice(len(listed), p=weight / weight.sum()))]
            audio = self._open("phrases", key)
            x = self._cut(audio, int(rng.integers(0, max(1, samples - length + 1))), length)
            if _rms(x) > SILENT_RMS:
                break
        return x, found

    def f0(self, performance: str) -> NDArray[np.float32]:
        """Return a performance's designed pitch in Hz at every 256th sample, 0 in rests."""
        return np.asarray(self._open("f0", performance), dtype=np.float32)

    def _partner(
        self, rng: np.random.Generator, players: tuple[str, ...], row: int, sources: Collection[str] | None
    ) -> int | None:
        allowed = [k for k, name in enumerate(players) if sources is None or name in sources]
        if rng.random() < self.same and (sources is None or players[row] in sources):
            twins = [k for k in allowed if players[k] == players[row] and k != row]
            return twins[int(rng.integers(len(twins)))] if twins and rng.random() < 0.6 else row
        others = [k for k in allowed if players[k] != players[row]]
        return others[int(rng.integers(len(others)))] if others else None

    def _draw(self, rng: np.random.Generator, places: list[tuple[int, int]]) -> tuple[int, int]:
        return places[int(rng.integers(len(places)))]

    def _known(self, names: Collection[str] | None) -> Collection[str]:
        if names is None:
            return self.instruments
        unknown = sorted(set(names) - set(self._by_instrument))
        if unknown or not names:
            there = ", ".join(self.instruments)
            raise ParameterError(f"No performance has {unknown or 'no instrument'}; there are {there}.")
        return names

    def _open(self, kind: str, key: str) -> NDArray[np.int16]:
        return np.asanyarray(np.load(self.folder / kind / f"{key}.npy", mmap_mode="r"))

    def _cut(self, row: NDArray[np.int16], first: int, length: int) -> Audio:
        part = np.zeros(length, dtype=np.float32)
        piece = row[first : first + length]
        part[: len(piece)] = piece
        part *= np.float32(1.0 / 32767.0)
        return part

    def _together(self, row: NDArray[np.int16], firsts: NDArray[np.int64], length: int) -> Audio:
        parts = np.stack([self._cut(row, int(first), length) for first in firsts])
        return np.asarray(parts.sum(0) / np.float32(np.sqrt(len(parts))))


def _rms(x: Audio) -> float:
    return float(np.sqrt(np.mean(x * x)))
