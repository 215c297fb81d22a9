"""What a training run may begin with: a bundle, or the checkpoint of another run with the discriminators that it had."""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtstyle.bundle import Bundle, find_bundle, load_bundle
from rtstyle.errors import FileError, ParameterError
from rtstyle.lab.export.graphs import net_of
from rtstyle.lab.train.style_bank import StyleBank
from rtstyle.lab.train.trainer import Net, load_net


@dataclass(frozen=True)
class Origin:
    """A trained network and what is known beside it.

    place: absolute path of the bundle or checkpoint. identity: of the weights. bank: statistics of the voices; of a bundle
    the neutral ones alone. plan: what its run did; empty of a bundle. adversaries: what its discriminators know; empty of a
    bundle, and of a run that had none yet.
    """

    net: Net
    bank: StyleBank
    place: Path
    identity: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    adversaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def of_bundle(bundle: Bundle) -> Origin:
    """A bundle as a beginning. `[control]` Raises BundleError for one that does not say its network."""
    net = net_of(bundle)
    bank = StyleBank(net.shape.latent)
    bank.take_neutral(bundle.neutral_mean, bundle.neutral_std)
    weights = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        weights.update(name.encode() + value.numpy().tobytes())
    return Origin(net, bank, bundle.path.resolve(), weights.hexdigest())


def find_origin(name: str, kind: str = "") -> Origin:
    """A bundle by name or folder, or the file of a checkpoint or snapshot, as a beginning. `[control]`

    Raises ParameterError where `kind` is given and it is of another family, BundleError for a bundle that is missing or no
    use, FileError for such a file.
    """
    file = Path(name)
    if file.suffix != ".pt":
        bundle = load_bundle(find_bundle(name))
        _agree(name, bundle.kind, kind)
        return of_bundle(bundle)
    if not file.is_file():
        raise FileError(f"There is no checkpoint {file}; give the checkpoint.pt of a run, or one of its snapshots.")
    wrong = f"{file} is no checkpoint of `rtstyle train`; give the checkpoint.pt of a run."
    if not zipfile.is_zipfile(file):  # as torch saves; of anything else its reader makes errors of any kind
        raise FileError(wrong)
    try:
        net, bank, state = load_net(file)
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError) as error:
        raise FileError(wrong) from error
    _agree(name, net.kind, kind)
    adversaries = state.get("adversaries", {})
    if any("voices" not in heard for heard in adversaries.values()):
        raise FileError(
            f"The discriminators in {file} do not say which voices they know: an earlier version wrote them. Give a checkpoint "
            "of this version, or the bundle that was exported of that run."
        )
    identity = hashlib.sha256(file.read_bytes()).hexdigest()
    return Origin(net, bank, file.resolve(), identity, state["plan"], adversaries)


def _agree(name: str, kind: str, wanted: str) -> None:
    if wanted and kind != wanted:
        raise ParameterError(f"{name} is not {wanted}; name one of that family, or train the other one.")
