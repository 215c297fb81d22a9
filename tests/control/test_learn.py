"""Learn finds the control that a hand moves, whatever else is on the wire."""

import numpy as np
import pytest

from rtstyle.control.controls import ControlReader
from rtstyle.control.events import ParameterEvent
from rtstyle.control.mapping import Binding, ControllerMap
from rtstyle.control.messages import ChannelPressure, ControlChange, Message, Note, PitchBend
from rtstyle.control.surface import Surface
from rtstyle.errors import ParameterError

BEGAN = 100.0


class Player:
    """A surface that learns, and the events that reached its rig."""

    def __init__(self, id: str = "style.x", before: list[Message] | None = None, **options: bool) -> None:
        self.events: list[ParameterEvent] = []
        self.told: list[Binding] = []
        self.surface = Surface(self.events.append, ControllerMap(bindings=()))
        self.reader = ControlReader()
        self.now = BEGAN - 0.1
        self.send(*before or [])
        self.now = BEGAN
        self.surface.learn(id, done=self.told.append, now=BEGAN, **options)

    def send(self, *messages: Message, seconds: float = 0.001) -> None:
        for message in messages:
            self.surface.receive([message], self.reader, self.now)
            self.now += seconds

    @property
    def learned(self) -> str | None:
        assert self.told == list(self.surface.controllers.bindings)
        assert (self.surface.learning is None) == bool(self.told)
        return self.told[0].control if self.told else None


def sweep(number: int, start: int = 0, stop: int = 127, channel: int = 1) -> list[Message]:
    return [ControlChange(channel, number, value) for value in range(start, stop + 1)]


def test_the_control_that_is_moved_is_bound_on_its_channel() -> None:
    player = Player()
    player.send(*sweep(21, 40, 60, channel=7))
    assert player.learned == "cc 21"
    assert player.told[0] == Binding("cc 21", "style.x", channel=7)


def test_nothing_moves_while_learning_and_the_knob_is_picked_up_after() -> None:
    player = Player()
    player.send(*sweep(21, 64, 127), *reversed(sweep(21, 0, 127)))
    assert player.learned == "cc 21"
    values = [event.value for event in player.events]  # type: ignore[union-attr]
    assert max(values) <= 0.02  # style.x stood at 0, where the knob met it
    assert values[-1] == 0.0


def test_what_is_bound_already_rests_while_learning() -> None:
    player = Player()
    player.surface.controllers = ControllerMap(takeover="jump")
    player.send(*sweep(1, 60, 66))
    assert player.events == []
    player.surface.stop_learning()
    player.send(*sweep(1, 60, 66))
    assert len(player.events) == 7


def test_jitter_of_other_controllers_is_ignored() -> None:
    player = Player()
    rng = np.random.default_rng(5)
    noise: list[Message] = [
        ControlChange(1, int(number), 64 + int(jitter))
        for number, jitter in zip(rng.integers(10, 20, 500), rng.integers(-3, 4, 500), strict=True)
    ]
    player.send(*noise)
    assert player.learned is None
    player.send(*sweep(30, 0, 40))
    assert player.learned == "cc 30"


def test_a_flood_that_was_there_before_is_ignored_until_it_rests() -> None:
    flood = sweep(11, 0, 127)
    player = Player(before=flood)
    player.send(*(flood * 4))
    assert player.learned is None
    mixed = [message for pair in zip(flood, sweep(22, 0, 127), strict=True) for message in pair]
    player.send(*mixed)
    assert player.learned == "cc 22"

    rested = Player(before=flood)
    rested.now += 0.6
    rested.send(*flood)
    assert rested.learned == "cc 11"


def test_a_knob_that_sends_pairs_is_learned_as_a_pair() -> None:
    player = Player()
    for value in range(8000, 12000, 37):
        player.send(ControlChange(1, 5, value >> 7), ControlChange(1, 37, value & 127))
    assert player.learned == "cc14 5"


def test_fine_parts_alone_do_not_pass_for_a_knob() -> None:
    player = Player()
    for value in range(8000, 8120):  # within one and a half coarse steps
        player.send(ControlChange(1, 5, value >> 7), ControlChange(1, 37, value & 127))
    assert player.learned is None


def test_fine_parts_without_their_coarse_part_do_not_pass_for_a_knob() -> None:
    player = Player()
    player.send(*sweep(37, 20, 110))
    assert player.learned is None


def test_a_plain_controller_among_the_fine_numbers_can_be_learned() -> None:
    player = Player()
    player.send(*sweep(40))
    assert player.learned == "cc 40"


def test_a_parameter_number_is_learned_as_one() -> None:
    player = Player()
    for value in range(0, 128, 4):
        player.send(*(ControlChange(1, number, data) for number, data in ((99, 2), (98, 44), (6, value), (38, 0))))
    assert player.learned == "nrpn 300"


def test_wheel_and_pressure_can_be_learned() -> None:
    player = Player()
    player.send(*(PitchBend(1, 8192 + value) for value in range(0, 4000, 100)))
    assert player.learned == "bend"
    player = Player()
    player.send(*(ChannelPressure(1, value) for value in range(0, 60, 3)))
    assert player.learned == "pressure"


def test_keys_are_learned_for_switches_only() -> None:
    player = Player("style.x")
    player.send(Note(1, 60, 100, True), Note(1, 60, 0, False), Note(1, 64, 127, True))
    assert player.learned is None
    player = Player("bypass", toggle=True)
    player.send(Note(1, 36, 100, True))
    assert player.learned == "note 36"
    assert player.told[0].toggle


def test_learning_can_be_given_up() -> None:
    player = Player()
    player.surface.stop_learning()
    player.send(*sweep(21))
    assert player.told == []
    assert player.surface.controllers.bindings == ()


def test_learning_for_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(ParameterError, match="mix"):
        Player("mixx")
