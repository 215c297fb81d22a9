"""What a study may choose: networks and trainings of one family, each choice by name with its range."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial

from rtstyle.dsp.description import CONSTANT_Q, STFT
from rtstyle.errors import ParameterError, did_you_mean
from rtstyle.lab.nets.normalisation import NORMS
from rtstyle.lab.nets.spectral import BRANCHES, scaled
from rtstyle.lab.origin import Origin
from rtstyle.lab.train.trainer import Plan

#: Front ends of the spectral family: what each puts into the shape of a network.
FRONTS: Mapping[str, Mapping[str, int | str]] = {
    "stft-1024-64": {"n_fft": 1024, "hop": 64, "analysis": STFT},
    "stft-1024-128": {"n_fft": 1024, "hop": 128, "analysis": STFT},
    "stft-2048-128": {"n_fft": 2048, "hop": 128, "analysis": STFT},
    "constant-q": {"n_fft": 1024, "hop": 64, "analysis": CONSTANT_Q},
}
RESIZING = ("phi", "channels")  # choices after which no layer has the size it had

TRAINING: Mapping[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 5e-3, log=True),
    "adversary_from": CategoricalDistribution((0.0, 0.3, 1.0)),
    "flutter": FloatDistribution(0.5, 4.0, log=True),
    "pulses": FloatDistribution(0.1, 1.0, log=True),
}
CHOICES: Mapping[str, Mapping[str, BaseDistribution]] = {
    "spectral": {
        "front": CategoricalDistribution(tuple(FRONTS)),
        "branches": CategoricalDistribution(BRANCHES),
        "norm": CategoricalDistribution(NORMS),
        "phi": FloatDistribution(-4.0, 2.0, step=0.5),  # compound scaling: a sixteenth to four times the arithmetic
        "latent": IntDistribution(32, 160, step=32),
        "units": IntDistribution(1, 6),
        **TRAINING,
    },
    "latent": {
        "channels": IntDistribution(96, 320, step=32),
        "latent": IntDistribution(32, 96, step=16),
        "units": IntDistribution(2, 5),
        "taps": IntDistribution(8, 24, step=8),
        "kl": FloatDistribution(1e-5, 1e-3, log=True),
        "free_bits": FloatDistribution(0.05, 1.0, log=True),
        **TRAINING,
    },
}
NEVER = 1.0  # of `adversary_from`: new discriminators would have to hear a network for longer than a short trial lasts
OF_THE_PLAN = ("rate", "adversary_from", "flutter", "pulses", "kl", "free_bits")


@dataclass(frozen=True)
class Candidate:
    """One network and its training: what differs from the family's own shape and plan."""

    kind: str
    shape: dict[str, int | str] = field(default_factory=dict)
    plan: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Space:
    """The choices of a family that a study makes; the others stay as the family has them."""

    kind: str
    choices: Mapping[str, BaseDistribution]
    base: Mapping[str, int | str] = field(default_factory=dict)  # shape of what is not chosen, if not the family's own
    plan: Mapping[str, float] = field(default_factory=dict)  # training of it, the same way

    def draw(self, trial: BaseTrial) -> Candidate:
        """Let the sampler of a trial choose. `[control]`"""
        drawn = candidate(self.kind, {name: _suggest(trial, name, among) for name, among in self.choices.items()})
        return replace(drawn, shape={**self.base, **drawn.shape}, plan={**self.plan, **drawn.plan})

    def own(self) -> dict[str, Any]:
        """The choices that lead to the network `base`, trained by `plan`. `[any]`"""
        usual = {entry.name: entry.default for entry in fields(Plan)}
        said = {name: value for name, value in {**usual, **self.plan, **self.base}.items() if name in self.choices}
        for name, front in FRONTS.items():
            if "front" in self.choices and front.items() <= self.base.items():
                said["front"] = name
        return said

    def first(self) -> list[dict[str, Any]]:
        """What trials around a network begin with: itself, then what differs from it in one choice. `[any]`"""
        if not self.base:
            return []
        own = self.own()
        steps = [{**own, name: value} for name, among in self.choices.items() for value in _beside(among, own[name])]
        return [own, *steps]


def space(kind: str, over: Sequence[str] = (), origin: Origin | None = None) -> Space:
    """The space of a family over the named choices, or over all of them. `[control]`

    origin: a trained network, around which all but RESIZING are chosen, by default as its run had them; its discriminators
    play along from the first step. Raises ParameterError for choices that there are not.
    """
    choices = {name: among for name, among in CHOICES[kind].items() if origin is None or name not in RESIZING}
    for name in over:
        if name not in choices:
            where = f"The {kind} family" if name not in CHOICES[kind] else "A search that begins with a trained network"
            raise ParameterError(f"{where} has no choice {name!r}; {did_you_mean(name, list(choices))}")
    chosen = {name: choices[name] for name in over or choices}
    if origin is None:
        return Space(kind, chosen)
    plan = {name: origin.plan[name] for name in OF_THE_PLAN if name in origin.plan}
    plan["adversary_from"] = 0.0 if origin.adversaries else NEVER
    return Space(kind, chosen, origin.net.shape.as_dict(), plan)


def candidate(kind: str, chosen: Mapping[str, Any]) -> Candidate:
    """The network and the training of some values by the names of CHOICES. `[any]`"""
    shape: dict[str, int | str] = {}
    plan: dict[str, float] = {}
    for name, value in chosen.items():
        if name == "front":
            shape |= FRONTS[value]
        elif name == "phi":
            shape |= scaled(value)
        else:
            (plan if name in OF_THE_PLAN else shape)[name] = value
    return Candidate(kind, shape, plan)


def _beside(among: BaseDistribution, value: Any) -> list[Any]:
    """The next values: all others of a category, one step either way of a number, half and twice of a measure."""
    if isinstance(among, CategoricalDistribution):
        return [other for other in among.choices if other != value]
    if isinstance(among, IntDistribution):
        return [other for other in (value - among.step, value + among.step) if among.low <= other <= among.high]
    assert isinstance(among, FloatDistribution)
    return [other for other in (value / 2, value * 2) if among.low <= other <= among.high]


def _suggest(trial: BaseTrial, name: str, among: BaseDistribution) -> Any:
    if isinstance(among, CategoricalDistribution):
        return trial.suggest_categorical(name, among.choices)
    if isinstance(among, IntDistribution):
        return trial.suggest_int(name, among.low, among.high, step=among.step, log=among.log)
    assert isinstance(among, FloatDistribution)
    return trial.suggest_float(name, among.low, among.high, step=among.step, log=among.log)
