"""Batches of aligned pairs, seen through the same kernels as on stage, made ahead by threads.

A batch holds the input (described by `dsp.front` and `dsp.excitation`), the aligned target and a clip of the target's voice
(one library of an instrument) from elsewhere, whose statistics are the style.
"""

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.pairs import PairCorpus
from rtstyle.dsp import comb, description, excitation, front, stft
from rtstyle.dsp.jit import kernel

Samples = NDArray[np.float32]


@dataclass
class Clip:
    """What a network sees of a batch of clips. Fields that a family does not use stay empty."""

    features: Tensor  # (batch, T, F): spectral
    audio: Tensor  # (batch, 3, samples): input, pulses and noise, latent also pitch; empty for a spectral style
    active: Tensor  # (batch, T, 1)

    def to(self, device: str) -> "Clip":
        return Clip(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass
class Batch:
    """Input, target, and style of one step."""

    x: Clip
    style: Clip
    target: Tensor  # (batch, samples)
    voices: list[str]  # of the targets
    examples: list[str]  # of the style clips: the target's voice, or its instrument where any library of it was heard

    def to(self, device: str) -> "Batch":
        return Batch(self.x.to(device), self.style.to(device), self.target.to(device), self.voices, self.examples)


@kernel
def _describe_clip(
    x, hop, sample_rate, window, table, amount, past, place, weights, seed, speeds, features, active, audio, heard
):
    """Fill features and activity of one clip, as `front.listen` hears it, and, if `heard`, its three sources. `[any]`"""
    n_fft = window.size
    window_power = 0.0
    for i in range(n_fft):
        window_power += np.float64(window[i]) * window[i]
    state, teeth = np.zeros(excitation.STATE_LENGTH), np.zeros(comb.STATE_LENGTH)
    history = np.zeros(n_fft, dtype=np.float32)
    frame = np.zeros(n_fft, dtype=np.float32)
    seen = np.zeros(n_fft // 2 + 1, dtype=np.complex64)
    train, shares = np.zeros(hop, dtype=np.float32), np.zeros(place.shape[0], dtype=np.float32)
    wanderers, draws = np.zeros(front.WANDERERS, dtype=np.float32), np.zeros(front.WANDERERS, dtype=np.float32)
    cues, axis = np.zeros(excitation.CUES, dtype=np.float32), np.zeros(1, dtype=np.int64)
    before = 0.0
    for t in range(x.size // hop):
        chunk = x[t * hop : (t + 1) * hop].copy()
        excitation.excite(state, table, sample_rate, chunk, train, cues)
        comb.comb(teeth, state, amount, sample_rate, chunk)
        stft.analyse(history, chunk, window, frame, seen, axis)
        power = front.frame_power(seen, window_power)
        front.wander(seed[1:], speeds, draws, wanderers)
        description.band_shares(chunk, power, window, window_power, frame, seen, past, place, weights, shares, axis)
        front.describe(shares, power, cues, wanderers, features[t])
        active[t] = np.float32(1.0) if power > front.ACTIVE_POWER else np.float32(0.0)
        if heard:
            level = excitation.noise_level(state) * np.sqrt(power)
            log_period = cues[excitation.LOG_PERIOD]
            front.stack_sources(chunk, train, log_period, before, level, seed[:1], audio[:, t * hop : (t + 1) * hop])
            before = level


@kernel
def _latent_rows(x, hop, sample_rate, table, amount, seed, cues, pulses, active, audio):
    """Fill the rows and the activity of one clip. `[any]`"""
    state, teeth = np.zeros(excitation.STATE_LENGTH), np.zeros(comb.STATE_LENGTH)
    before = 0.0
    for t in range(x.size // hop):
        chunk = x[t * hop : (t + 1) * hop].copy()
        train = pulses[t * hop : (t + 1) * hop]
        excitation.excite(state, table, sample_rate, chunk, train, cues)
        comb.comb(teeth, state, amount, sample_rate, chunk)
        level = excitation.noise_level(state) * np.sqrt(state[excitation.POWER])
        log_period = cues[excitation.LOG_PERIOD]
        front.stack_sources(chunk, train, log_period, before, level, seed, audio[:, t * hop : (t + 1) * hop])
        before = level
        active[t] = np.float32(1.0) if state[excitation.POWER] > front.ACTIVE_POWER else np.float32(0.0)


class Analyser:
    """Turns batches of samples into what a network of a given shape sees."""

    def __init__(
        self,
        kind: str,
        hop: int,
        sample_rate: int,
        n_fft: int = 1024,
        band_count: int = 80,
        analysis: str = description.STFT,
        seed: int = 1,
    ) -> None:
        self.kind, self.hop, self.sample_rate, self.n_fft = kind, hop, sample_rate, n_fft
        self.window = stft.describing_window(n_fft, hop)
        self.layout = description.layout(analysis, n_fft, sample_rate, band_count)
        self.table = excitation.pulse_table()
        self.seed = np.array([seed * 2654435761 + 88172645463325252, seed * 40503 + 12345677], dtype=np.uint64)
        self.speeds = front.wander_speeds(hop, sample_rate)

    def clip(self, x: Samples, heard: bool = True, amount: float = 1.0) -> Clip:
        """x: float32[batch, samples]. heard: whether a spectral clip's sources are wanted, not its features alone. amount:
        how far it is to be another sound: 0 for what a style is measured on.
        """
        batch, samples = x.shape
        described, place, weights, levels = self.layout
        frames, rate = samples // self.hop, float(self.sample_rate)
        active = np.zeros((batch, frames), np.float32)
        rows = front.ROWS if self.kind == "latent" else front.SOURCES
        audio = np.zeros((batch, rows, samples if heard or self.kind == "latent" else 0), np.float32)
        features = np.zeros(
            (batch, frames, front.feature_width(described.size) if self.kind == "spectral" else 0), np.float32
        )
        cues, pulses = np.zeros(excitation.CUES, np.float32), np.zeros(samples, np.float32)
        for b in range(batch):
            if self.kind == "latent":
                _latent_rows(
                    *(x[b], self.hop, rate, self.table, amount, self.seed[:1], cues, pulses, active[b], audio[b])
                )
            else:
                past = np.zeros((levels, description.ROWS, self.n_fft), np.float32)
                _describe_clip(
                    *(x[b], self.hop, rate, self.window, self.table, amount, past, place, weights, self.seed),
                    *(self.speeds, features[b], active[b], audio[b], heard),
                )
        return Clip(torch.from_numpy(features), torch.from_numpy(audio), torch.from_numpy(active)[..., None])


class Augment:
    """Changes that a stage brings: gain and room, which the target shares; microphone and noise, from which it stays clean."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def colour(self, x: Samples, depth_db: float) -> Samples:
        """Smooth random equaliser of at most about `depth_db`."""
        spectrum = np.fft.rfft(x)
        points = self.rng.normal(0.0, depth_db / 2, 9)
        octave = np.log2(np.maximum(np.linspace(0, 24000, spectrum.size), 50) / 50)
        curve = np.interp(octave, np.linspace(0, 9, 9), points)
        return np.fft.irfft(spectrum * 10 ** (curve / 20), x.size).astype(np.float32)

    def room(self, samples: int) -> Samples:
        """Impulse response of a small room: the direct sound, then noise that decays and loses its treble."""
        rng, rate = self.rng, SAMPLE_RATE
        size = min(int(rng.uniform(0.15, 0.9) * rate), samples)  # to -60 dB
        tail = rng.standard_normal(size) * 10 ** (-3.0 * np.arange(size) / size)
        tail = np.convolve(tail, np.hanning(2 * int(rng.integers(2, 12)) + 1), "same")
        tail *= 10 ** (rng.uniform(-24.0, -6.0) / 20) / np.sqrt((tail**2).sum())
        response = np.zeros(samples)
        first = int(rng.uniform(0.001, 0.015) * rate)
        response[first:] = np.pad(tail, (0, samples))[: samples - first]
        response[0] = 1.0
        return response.astype(np.float32)

    def in_room(self, *parts: Samples) -> list[Samples]:
        """All of them in one room, or in none."""
        if self.rng.random() >= 0.5:
            return list(parts)
        size = 2 * parts[0].size
        heard = np.fft.rfft(self.room(parts[0].size), size)
        return [np.fft.irfft(np.fft.rfft(part, size) * heard)[: part.size].astype(np.float32) for part in parts]

    def by_microphone(self, x: Samples) -> Samples:
        """Coloured by a microphone, at the same power."""
        if self.rng.random() >= 0.7:
            return x
        power = np.mean(x**2)
        x = self.colour(x, 8.0)
        return x * np.float32(np.sqrt(power / (np.mean(x**2) + 1e-12)))

    def noisy(self, x: Samples) -> Samples:
        """With coloured noise under it."""
        if self.rng.random() >= 0.5:
            return x
        noise = self.colour(self.rng.standard_normal(x.size).astype(np.float32), 10.0)
        return x + noise * np.float32(10 ** (self.rng.uniform(-85, -50) / 20))

    def __call__(self, x: Samples, y: Samples) -> tuple[Samples, Samples]:
        x, y = self.in_room(x, y)
        x = self.by_microphone(x)
        gain = np.float32(10 ** (self.rng.uniform(-14, 6) / 20))
        return self.noisy(x * gain), y * gain

    def recording(self, x: Samples) -> Samples:
        """The same as another recording would have it: a style is captured from whatever there is."""
        (x,) = self.in_room(x)
        return self.noisy(self.by_microphone(x) * np.float32(10 ** (self.rng.uniform(-10, 4) / 20)))


class Maker:
    """Makes one seeded batch after the other.

    identity: share of real phrases that are to stay as they are. chords: share of the pairs with several notes at once, on
    which the pulses are of no use. relatives: share of the style clips that come from any library of the target's instrument;
    without `augment` they are all of the target's own. styles: instruments or voices that `focus` of the targets are; of a
    voice that the corpus lacks, its instrument.
    """

    def __init__(
        self,
        corpus: PairCorpus,
        analyser: Analyser,
        *,
        size: int,
        seconds: float,
        seed: int | Sequence[int],
        augment: bool = True,
        identity: float = 0.12,
        chords: float = 0.15,
        relatives: float = 0.2,
        styles: tuple[str, ...] = (),
        focus: float = 0.75,
    ) -> None:
        known = [style if corpus.count(style) else style.split("/")[0] for style in styles]
        self.styles = tuple(dict.fromkeys(style for style in known if corpus.count(style)))
        self.focus = focus if self.styles else 0.0
        self.corpus, self.analyser, self.size, self.seconds = corpus, analyser, size, seconds
        self.rng = np.random.default_rng(seed)
        self.augment = Augment(self.rng) if augment else None
        self.identity, self.chords, self.relatives = identity, chords, relatives

    def __call__(self) -> Batch:
        """Make the next batch."""
        hop = self.analyser.hop
        samples = int(self.seconds * self.analyser.sample_rate) // hop * hop
        xs, ys, styles, voices, examples = [], [], [], [], []
        for _ in range(self.size):
            draw = self.rng.random()
            if draw < 0.03:  # hiss stays hiss, whatever the style
                voice = str(self.rng.choice(self.corpus.voices))
                x = self.rng.standard_normal(samples).astype(np.float32) * np.float32(
                    10 ** (self.rng.uniform(-80, -48) / 20)
                )
                y = x.copy()
            elif draw < 0.03 + self.identity:
                x, voice = self.corpus.phrase(self.rng, self.seconds)
                x = x[:samples]
                y = x.copy()
                gain = np.float32(10 ** (self.rng.uniform(-12, 4) / 20))
                x, y = x * gain, y * gain
            else:
                targets = self.styles if self.rng.random() < self.focus else None
                moments = int(self.rng.integers(2, 4)) if self.rng.random() < self.chords else 1
                x, y, _, voice = self.corpus.sample(self.rng, self.seconds, targets=targets, moments=moments)
                x, y = x[:samples], y[:samples]
                if self.augment is not None:
                    x, y = self.augment(x, y)
            example = voice
            if self.augment is not None and self.rng.random() < self.relatives:
                example = voice.split("/")[0]
            style = self.corpus.style_clip(self.rng, example, self.seconds)[:samples]
            if self.augment is not None:
                style = self.augment.recording(style)
            xs.append(x)
            ys.append(y)
            styles.append(style)
            voices.append(voice)
            examples.append(example)
        x, y, style = np.stack(xs), np.stack(ys), np.stack(styles)
        clips = self.analyser.clip(x), self.analyser.clip(style, heard=False, amount=0.0)
        return Batch(*clips, torch.from_numpy(y), voices, examples)


class Batches:
    """Endless batches, made by background threads while the network trains.

    The kernels run without the GIL, so a few makers keep a GPU busy. The batches come in turn, each maker's in its order:
    the same makers make the same batches every time.
    """

    AHEAD = 3  # batches of each maker

    def __init__(self, makers: Sequence[Maker]) -> None:
        self.queues: list[queue.Queue[Batch]] = [queue.Queue(self.AHEAD) for _ in makers]
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self.threads = [
            threading.Thread(target=self._run, args=each, daemon=True) for each in zip(makers, self.queues, strict=True)
        ]

    def _run(self, maker: Maker, made: "queue.Queue[Batch]") -> None:
        try:
            while not self.stopping.is_set():
                batch = maker()
                while not self.stopping.is_set():
                    try:
                        made.put(batch, timeout=0.5)
                        break
                    except queue.Full:
                        continue
        except BaseException as error:  # noqa: BLE001 - handed to the training thread, which raises it
            self.failure = error

    def __iter__(self) -> Iterator[Batch]:
        for thread in self.threads:
            thread.start()
        for made in cycle(self.queues):
            yield self._next(made)

    def _next(self, made: "queue.Queue[Batch]") -> Batch:
        while True:
            try:
                return made.get(timeout=1.0)
            except queue.Empty:
                if self.failure is not None:
                    raise self.failure from None

    def close(self) -> None:
        """End the makers and wait for them: one that is at work when the process ends would abort it."""
        self.stopping.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join()
