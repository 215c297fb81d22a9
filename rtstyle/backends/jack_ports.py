"""Which JACK ports a player means."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtstyle.backends.devices import Direction
from rtstyle.errors import DeviceError

NOTHING = "none"


@dataclass(frozen=True)
class JackPort:
    """A port of another client: full name "client:port", and whether it is a sound card's."""

    name: str
    physical: bool

    @property
    def client(self) -> str:
        """The part before the first colon."""
        return self.name.split(":", 1)[0]


def pick_ports(choice: str | int | None, direction: Direction, ports: Sequence[JackPort]) -> list[str]:
    """The ports to connect to, in order: the sound card's (`None`), none ("none"), or a client's by name. `[control]`

    direction: "input" where we listen to `ports`, "output" where we play into them. A choice is the number of a client
    in the listing, a full port name, or a piece of names (any case): it must fit ports of one client alone.
    Raises `DeviceError` that lists what there is. A server without a sound card gives an empty list.
    """
    text = "" if choice is None else str(choice).strip()
    if not text:
        return [port.name for port in ports if port.physical]
    if text.lower() == NOTHING:
        return []
    clients = list(dict.fromkeys(port.client for port in ports))
    if text.isdigit() and int(text) < len(clients):
        return [port.name for port in ports if port.client == clients[int(text)]]
    exact = [port.name for port in ports if port.name == text or port.client == text]
    if exact:
        return exact
    words = text.lower().split()
    found = [port for port in ports if all(word in port.name.lower() for word in words)]
    owners = list(dict.fromkeys(port.client for port in found))
    if len(owners) == 1:
        return [port.name for port in found]
    if owners:
        raise DeviceError(
            f"JACK {direction} {text!r} fits ports of {len(owners)} clients ({', '.join(owners)}): "
            "give more of the name, or a full port name"
        )
    listing = "\n".join(
        f"  {number}: {client} ({', '.join(port.name.split(':', 1)[1] for port in ports if port.client == client)})"
        for number, client in enumerate(clients)
    )
    raise DeviceError(
        f"there is no JACK {direction} {text!r}; give {NOTHING!r} to connect by hand, or one of these:\n"
        + (listing or "  (no other client has a port for it)")
    )


def pair_ports(ours: Sequence[str], theirs: Sequence[str], direction: Direction) -> list[tuple[str, str]]:
    """Connections (from, to) of our ports to theirs, in order. `[control]`

    A mono output goes to the first two of theirs, so that it is heard on both sides; ports left over stay free.
    """
    if direction == "input":
        return list(zip(theirs, ours, strict=False))
    if len(ours) == 1:
        return [(ours[0], port) for port in theirs[:2]]
    return list(zip(ours, theirs, strict=False))
