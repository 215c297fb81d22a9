"""Reading the corpus while training: aligned pairs, style clips and real phrases, straight from memory-mapped files."""

from array import array
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.shards import FULL_SCALE, finished, open_array, read_shard
from rtstyle.errors import FileError, ParameterError

SILENT_RMS = 10.0 ** (-45.0 / 20.0)
TRIES = 30
OPEN_SHARDS = 256

Audio = NDArray[np.float32]


class _Index:
    """Where the performances or phrases of one split lie, in flat arrays: millions of them fit into memory.

    A *seat* is one player of one item; a *voice* is "instrument/library". `first[i]` is the first seat of item i.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = folder
        self.shards = finished(folder)
        shard, offset, samples, first, voice = array("i"), array("q"), array("q"), array("q", [0]), array("i")
        names: dict[str, int] = {}
        for number, name in enumerate(self.shards):
            for row in read_shard(folder, name):
                if row["split"] != split:
                    continue
                shard.append(number)
                offset.append(row["offset"])
                samples.append(row["samples"])
                for player in row.get("players", (row,)):
                    key = f"{player['instrument']}/{player['library']}"
                    voice.append(names.setdefault(key, len(names)))
                first.append(len(voice))
        self.names = list(names)
        self.count = len(samples)
        self.shard, self.offset = np.array(shard, np.int32), np.array(offset, np.int64)
        self.samples, self.first = np.array(samples, np.int64), np.array(first, np.int64)
        self.voice = np.array(voice, np.int32)
        self._seats = lru_cache(maxsize=None)(self._find_seats)
        self._shard_audio = lru_cache(maxsize=OPEN_SHARDS)(lambda name: open_array(folder, name, "audio"))

    @property
    def instruments(self) -> tuple[str, ...]:
        return tuple(sorted({name.split("/")[0] for name in self.names}))

    def seats(self, name: str) -> NDArray[np.int64]:
        """All seats of a voice, or of an instrument whatever its library."""
        return self._seats(name)

    def _find_seats(self, name: str) -> NDArray[np.int64]:
        wanted = [k for k, voice in enumerate(self.names) if name in (voice, voice.split("/")[0])]
        return np.flatnonzero(np.isin(self.voice, wanted))

    def item_of(self, seat: int) -> int:
        return int(np.searchsorted(self.first, seat, side="right")) - 1

    def voices_of(self, item: int) -> list[str]:
        return [self.names[k] for k in self.voice[self.first[item] : self.first[item + 1]]]

    def audio(self, item: int) -> NDArray[np.int16]:
        """All players of one item, int16 (players, samples), mapped into memory."""
        players, samples = int(self.first[item + 1] - self.first[item]), int(self.samples[item])
        begin = int(self.offset[item])
        flat = self._shard_audio(self.shards[self.shard[item]])[begin : begin + players * samples]
        return np.asarray(flat).reshape(players, samples)


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
        self._performances = _Index(self.folder / "performances", self.split)
        self._phrases = _Index(self.folder / "phrases", self.split)
        if not self._performances.count:
            raise FileError(f"{self.folder} holds no '{self.split}' performances; run `rtstyle corpus build` first.")

    @property
    def instruments(self) -> tuple[str, ...]:
        """Every instrument that plays in a performance of this split, sorted."""
        return self._performances.instruments

    @property
    def minutes(self) -> float:
        """Minutes of performances, each counted once whoever plays."""
        return float(self._performances.samples.sum()) / SAMPLE_RATE / 60.0

    @property
    def phrase_instruments(self) -> tuple[str, ...]:
        """Every instrument of which there is a real phrase in this split, sorted."""
        return self._phrases.instruments

    @property
    def voices(self) -> tuple[str, ...]:
        """Every "instrument/library" of the performances and phrases of this split, sorted."""
        return tuple(sorted({*self._performances.names, *self._phrases.names}))

    def count(self, name: str) -> int:
        """Return in how many performances an instrument or a voice plays (each of its players counts)."""
        return int(self._performances.seats(name).size)

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

        The target is drawn evenly among `targets`, instruments or voices, the source among the other players of the drawn
        performance that `sources` allows; voice is the target's "instrument/library". Both have sound in them.
        Raises ParameterError for names that no performance has, or when no performance joins such a source and target.
        """
        self._known(sources)
        names = sorted(self._known(targets, self._performances.names))
        index = self._performances
        for _ in range(20 * TRIES):
            target = names[int(rng.integers(len(names)))]
            seats = index.seats(target)
            seat = int(seats[rng.integers(seats.size)])
            item = index.item_of(seat)
            row, voices = seat - int(index.first[item]), index.voices_of(item)
            players = [voice.split("/")[0] for voice in voices]
            source = self._partner(rng, players, row, sources)
            if source is None:
                continue
            audio = index.audio(item)
            length = round(seconds * SAMPLE_RATE)
            for _ in range(TRIES):
                firsts = rng.integers(0, max(1, audio.shape[1] - length + 1), moments)
                x = _together(audio[source], firsts, length)
                y = _together(audio[row], firsts, length)
                if min(_rms(x), _rms(y)) > SILENT_RMS:
                    return x, y, players[source], voices[row]
        raise ParameterError(f"No performance has a source among {sources} and a target among {targets} with sound.")

    def style_clip(self, rng: np.random.Generator, voice: str, seconds: float) -> Audio:
        """Return `seconds` of a voice, "instrument/library", drawn at random; "instrument" means any of its libraries.

        Raises ParameterError for an unknown voice.
        """
        index = self._performances
        seats = index.seats(voice)
        if not seats.size and self._phrases.seats(voice).size:
            return self.phrase(rng, seconds, voice)[0]
        if not seats.size:
            there = ", ".join((*self.instruments, *self.voices))
            raise ParameterError(f"No performance or phrase has {voice}; there are {there}.")
        length = round(seconds * SAMPLE_RATE)
        x = np.zeros(length, dtype=np.float32)
        for _ in range(TRIES):
            seat = int(seats[rng.integers(seats.size)])
            item = index.item_of(seat)
            row = index.audio(item)[seat - index.first[item]]
            x = _cut(row, int(rng.integers(0, max(1, row.size - length + 1))), length)
            if _rms(x) > SILENT_RMS:
                break
        return x

    def phrase(self, rng: np.random.Generator, seconds: float, voice: str | None = None) -> tuple[Audio, str]:
        """Return (audio, voice) of a real phrase; instruments are drawn evenly, phrases by their length.

        voice: "instrument" or "instrument/source", None for any. Raises ParameterError when there is none.
        """
        index, names = self._phrases, self.phrase_instruments
        wanted = voice or (names[int(rng.integers(len(names)))] if names else "")
        items = index.seats(wanted)  # a phrase has one player
        if not items.size:
            raise ParameterError(
                f"There is no real phrase of {voice or 'any instrument'} in the '{self.split}' split; "
                f"there are phrases of {', '.join(self.phrase_instruments) or 'none'}."
            )
        weight = index.samples[items] / index.samples[items].sum()
        length = round(seconds * SAMPLE_RATE)
        x, item = np.zeros(length, dtype=np.float32), int(items[0])
        for _ in range(TRIES):
            item = int(rng.choice(items, p=weight))
            row = index.audio(item)[0]
            x = _cut(row, int(rng.integers(0, max(1, row.size - length + 1))), length)
            if _rms(x) > SILENT_RMS:
                break
        return x, index.voices_of(item)[0]

    def _partner(
        self, rng: np.random.Generator, players: Sequence[str], row: int, sources: Collection[str] | None
    ) -> int | None:
        allowed = [k for k, name in enumerate(players) if sources is None or name in sources]
        if rng.random() < self.same and (sources is None or players[row] in sources):
            twins = [k for k in allowed if players[k] == players[row] and k != row]
            return twins[int(rng.integers(len(twins)))] if twins and rng.random() < 0.6 else row
        others = [k for k in allowed if players[k] != players[row]]
        return others[int(rng.integers(len(others)))] if others else None

    def _known(self, names: Collection[str] | None, besides: Collection[str] = ()) -> Collection[str]:
        if names is None:
            return self.instruments
        unknown = sorted(set(names) - set(self.instruments) - set(besides))
        if unknown or not names:
            there = ", ".join(self.instruments)
            raise ParameterError(f"No performance has {unknown or 'no instrument'}; there are {there}.")
        return names


def _cut(row: NDArray[np.int16], first: int, length: int) -> Audio:
    part = np.zeros(length, dtype=np.float32)
    piece = row[first : first + length]
    part[: len(piece)] = piece
    part *= np.float32(1.0 / FULL_SCALE)
    return part


def _together(row: NDArray[np.int16], firsts: NDArray[np.int64], length: int) -> Audio:
    parts = np.stack([_cut(row, int(first), length) for first in firsts])
    return np.asarray(parts.sum(0) / np.float32(np.sqrt(len(parts))))


def _rms(x: Audio) -> float:
    return float(np.sqrt(np.mean(x * x)))
