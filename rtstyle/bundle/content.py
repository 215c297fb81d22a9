"""A checked bundle in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtstyle.bundle.manifest import CONDITIONER, DECODER, ENCODER, Adain, Frontend, Manifest, Pass, State, Style
from rtstyle.errors import BundleError, did_you_mean
from rtstyle.params import Parameter


@dataclass(frozen=True, slots=True)
class Golden:
    """The self-test: `audio_in` through style number `style` at `amount` must give `audio_out` (mono float32, model's
    rate)."""

    audio_in: NDArray[np.float32]
    audio_out: NDArray[np.float32]
    style: int
    amount: float


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle. Its graphs are held in memory, so that the folder may go away while it plays. `[control]`

    styles, mean, std: the trained styles, then the user's captured ones; mean and std float32 (S, C). tone: float32
    (S, TONE_BANDS), gains in dB of the filters that the styles are heard through (`dsp.tone`), 0 for trained ones.
    neutral_mean, neutral_std: float32 (C,), the prior of the running statistics. parameters: the table for this bundle, by
    id. notes: sentences about captured styles that had to be passed over. conditioner: a graph that makes of style and amount
    what the decoder needs of them, if that is not the decoder's own part. recogniser: a graph that names the trained styles,
    if any. sounds: by style id, the recording whose periods are played in that style (`dsp.grains`), mono float32 at the
    model's rate.
    """

    path: Path
    manifest: Manifest
    styles: tuple[Style, ...]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    tone: NDArray[np.float32]
    neutral_mean: NDArray[np.float32]
    neutral_std: NDArray[np.float32]
    encoder: bytes
    decoder: bytes
    golden: Golden | None
    parameters: Mapping[str, Parameter]
    notes: tuple[str, ...] = ()
    conditioner: bytes | None = None
    recogniser: bytes | None = None
    sounds: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def alone(
        self,
        style: Style,
        mean: NDArray[Any],
        std: NDArray[Any],
        tone: NDArray[Any],
        sound: NDArray[np.float32] | None = None,
    ) -> "Bundle":
        """The same bundle with `style` as its only one: float (C,), (C,) and (TONE_BANDS,); sound: see `sounds`."""
        mean, std, tone = (row[None].astype(np.float32) for row in (mean, std, tone))
        sounds = {} if sound is None else {style.id: sound}
        return replace(self, styles=(style,), mean=mean, std=std, tone=tone, sounds=sounds)

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def kind(self) -> str:
        return self.manifest.kind

    @property
    def sample_rate(self) -> int:
        return self.manifest.sample_rate

    @property
    def hop(self) -> int:
        return self.manifest.hop

    @property
    def latency(self) -> int:
        return self.manifest.latency

    @property
    def channels(self) -> int:
        """C, the channels of the latent."""
        return int(self.mean.shape[1])

    @property
    def states_encoder(self) -> tuple[State, ...]:
        return self.manifest.states_encoder

    @property
    def states_decoder(self) -> tuple[State, ...]:
        return self.manifest.states_decoder

    @property
    def passes(self) -> tuple[Pass, ...]:
        return self.manifest.passes

    @property
    def frontend(self) -> Frontend:
        return self.manifest.frontend

    @property
    def adain(self) -> Adain:
        return self.manifest.adain

    @property
    def turns(self) -> int:
        return self.manifest.turns

    @property
    def stereo(self) -> str:
        return self.manifest.stereo

    @property
    def condition(self) -> int:
        """Width of what the conditioner makes, 0 without one."""
        return self.manifest.condition

    @property
    def graphs(self) -> dict[str, bytes]:
        """The graphs that play, by file: encoder, decoder, and the conditioner if there is one."""
        conditioner = {} if self.conditioner is None else {CONDITIONER: self.conditioner}
        return {ENCODER: self.encoder, DECODER: self.decoder, **conditioner}

    def style_index(self, text: str) -> int:
        """Number of the style with this id or name (any case). Raises BundleError that lists what there is."""
        wanted = text.strip().lower()
        for i, style in enumerate(self.styles):
            if wanted in (style.id, style.name.lower()):
                return i
        ids = [style.id for style in self.styles]
        raise BundleError(f"Model '{self.name}' has no style '{text}'; {did_you_mean(wanted, ids)}")
