"""From messages to a rig: the right values in the right order, however many messages there are."""

import random
from collections import Counter

import numpy as np
import pytest

from rtstyle.control.controls import ControlReader, travel
from rtstyle.control.events import Panic, ParameterEvent, RecallPreset, SetParameter
from rtstyle.control.mapping import Binding, ControllerMap
from rtstyle.control.messages import ControlChange, Decoder, Message, Note, ProgramChange, encode
from rtstyle.control.surface import Surface
from rtstyle.errors import FileError, ParameterError
from rtstyle.params import PARAMETERS, defaults, parameter_table


class Rig:
    """The receiving end: keeps values, presets and panics like a rig does."""

    def __init__(self, controllers: ControllerMap | None = None, **map_options: object) -> None:
        self.values = defaults()
        self.events: list[ParameterEvent] = []
        self.presets: dict[int, dict[str, float]] = {}
        controllers = controllers or ControllerMap(**map_options)  # type: ignore[arg-type]
        self.surface = Surface(self.take, controllers, value_of=self.values.__getitem__)
        self.reader = ControlReader()

    def take(self, event: ParameterEvent) -> None:
        self.events.append(event)
        if isinstance(event, SetParameter):
            self.values[event.id] = event.value
        elif isinstance(event, RecallPreset):
            self.values.update(self.presets.get(event.program, {}))

    def send(self, *messages: Message) -> None:
        """One portion."""
        self.surface.receive(messages, self.reader, 0.0)


def test_the_default_controllers_move_mix_amount_and_target() -> None:
    rig = Rig(takeover="jump")
    rig.send(ControlChange(1, 1, 64), ControlChange(9, 74, 0), ControlChange(16, 70, 127))
    assert (rig.values["mix"], rig.values["style.amount"], rig.values["style.target"]) == (0.5, 0.0, 31.0)


def test_programs_and_panic_are_heard() -> None:
    rig = Rig()
    rig.send(ProgramChange(1, 5), ControlChange(1, 120, 0), ControlChange(2, 123, 0))
    assert rig.events == [RecallPreset(5), Panic(), Panic()]


def test_other_channels_are_not_heard() -> None:
    rig = Rig(channel=2, takeover="jump")
    rig.send(ControlChange(1, 1, 0), ProgramChange(1, 5), ControlChange(1, 120, 0))
    assert rig.events == []
    rig.send(ControlChange(2, 1, 0), ProgramChange(2, 5), ControlChange(2, 120, 0))
    assert rig.events == [SetParameter("mix", 0.0), RecallPreset(5), Panic()]


def test_a_binding_may_hear_a_channel_of_its_own() -> None:
    rig = Rig(channel=2, takeover="jump", bindings=(Binding("cc 1", "mix", channel=5),))
    rig.send(ControlChange(2, 1, 0), ControlChange(5, 1, 64))
    assert rig.events == [SetParameter("mix", 0.5)]


def test_a_portion_costs_one_value_per_parameter_the_last() -> None:
    rig = Rig(takeover="jump")
    rig.send(*(ControlChange(1, 1, value) for value in range(100)), ControlChange(1, 74, 64))
    assert rig.events == [SetParameter("mix", travel(99, 127)), SetParameter("style.amount", 0.5)]


def test_values_before_a_program_change_reach_the_rig_before_it() -> None:
    rig = Rig(takeover="jump")
    rig.presets[3] = {"mix": 0.25}
    rig.send(ControlChange(1, 1, 0), ProgramChange(1, 3))
    assert rig.values["mix"] == 0.25
    rig.send(ProgramChange(1, 3), ControlChange(1, 1, 0))
    assert rig.values["mix"] == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_a_flood_ends_at_the_right_values_with_every_program_and_panic(seed: int) -> None:
    """10 000 messages as bytes, in portions of up to 40, amid clock, keys and unbound controllers."""
    source = random.Random(seed)
    sent: list[Message] = []
    for _ in range(10_000):
        kind = source.random()
        if kind < 0.6:
            sent.append(ControlChange(source.randint(1, 16), source.choice((1, 74, 70)), source.randint(0, 127)))
        elif kind < 0.8:
            sent.append(ControlChange(1, source.randint(75, 95), source.randint(0, 127)))
        elif kind < 0.95:
            sent.append(Note(1, source.randint(0, 127), source.randint(1, 127), True))
        elif kind < 0.99:
            sent.append(ProgramChange(1, source.randint(0, 127)))
        else:
            sent.append(ControlChange(1, source.choice((120, 123)), 0))
    wire = b"".join(encode(message) + b"\xf8" * source.randint(0, 1) for message in sent)

    rig = Rig(takeover="jump")
    decoder = Decoder()
    while wire:
        cut = source.randint(1, 120)
        rig.send(*decoder.feed(wire[:cut]))
        wire = wire[cut:]

    for number, id in ((1, "mix"), (74, "style.amount"), (70, "style.target")):
        last = [m.value for m in sent if isinstance(m, ControlChange) and m.number == number][-1]
        assert rig.values[id] == PARAMETERS[id].from_normalised(travel(last, 127))
    programs = [m.program for m in sent if isinstance(m, ProgramChange)]
    assert [event.program for event in rig.events if isinstance(event, RecallPreset)] == programs
    panics = sum(isinstance(m, ControlChange) and m.number in (120, 123) for m in sent)
    kinds = Counter(type(event) for event in rig.events)
    assert kinds[Panic] == panics
    assert kinds[SetParameter] < 6000 * 0.7


def test_a_preset_lets_go_of_the_knob_until_it_passes_again() -> None:
    rig = Rig()
    rig.presets[1] = {"mix": 0.3}
    rig.send(*(ControlChange(1, 1, value) for value in range(127, 90, -1)))
    assert rig.values["mix"] == travel(91, 127)
    rig.send(ProgramChange(1, 1), *(ControlChange(1, 1, value) for value in range(90, 60, -1)))
    assert rig.values["mix"] == 0.3
    rig.send(*(ControlChange(1, 1, value) for value in range(60, 20, -1)))
    assert rig.values["mix"] == travel(21, 127)


def test_takeover_of_a_binding_wins_over_the_maps() -> None:
    rig = Rig(bindings=(Binding("cc 1", "mix", takeover="jump"), Binding("cc 2", "style.amount")))
    rig.send(ControlChange(1, 1, 10), ControlChange(1, 2, 10))
    assert (rig.values["mix"], rig.values["style.amount"]) == (travel(10, 127), 1.0)


def test_portions_do_not_matter_to_takeover() -> None:
    rng = np.random.default_rng(2)
    for takeover in ("pickup", "scale"):
        numbers, values = rng.choice([1, 74], 300).tolist(), rng.integers(0, 128, 300).tolist()
        moves = [ControlChange(1, number, value) for number, value in zip(numbers, values, strict=True)]
        whole, single = Rig(takeover=takeover), Rig(takeover=takeover)
        whole.send(*moves)
        for move in moves:
            single.send(move)
        assert whole.values == pytest.approx(single.values)


def test_a_pedal_toggles_when_pressed_and_not_when_released() -> None:
    rig = Rig(bindings=(Binding("cc 64", "bypass", toggle=True),))
    states = []
    for value in (127, 0, 127, 127, 0, 90, 10):
        rig.send(ControlChange(1, 64, value))
        states.append(rig.values["bypass"])
    assert states == [1, 1, 0, 0, 0, 1, 1]


def test_a_toggle_follows_what_others_did_to_its_switch() -> None:
    rig = Rig(bindings=(Binding("note 36", "bypass", toggle=True),))
    rig.send(Note(1, 36, 100, True), Note(1, 36, 0, False))
    rig.values["bypass"] = 0.0
    rig.send(Note(1, 36, 100, True))
    assert rig.values["bypass"] == 1.0


def test_a_switch_takes_no_takeover() -> None:
    rig = Rig(bindings=(Binding("cc 64", "bypass"),))
    rig.send(ControlChange(1, 64, 127))
    assert rig.values["bypass"] == 1.0


def test_an_inverted_binding_turns_round_and_is_picked_up_where_it_stands() -> None:
    rig = Rig(bindings=(Binding("cc 1", "mix", invert=True),))
    rig.send(ControlChange(1, 1, 127), ControlChange(1, 1, 0), ControlChange(1, 1, 127))
    assert rig.values["mix"] == 0.0


def test_a_bundle_with_fewer_styles_narrows_the_knob() -> None:
    rig = Rig(takeover="jump")
    rig.surface.use_table(parameter_table(4))
    rig.send(ControlChange(1, 70, 127))
    assert rig.values["style.target"] == 3.0


def test_an_error_of_the_rig_is_kept_and_does_not_stop_the_rest() -> None:
    passed: list[ParameterEvent] = []

    def sink(event: ParameterEvent) -> None:
        if isinstance(event, RecallPreset):
            raise FileError("There is no preset of program 9.")
        passed.append(event)

    surface = Surface(sink, ControllerMap(takeover="jump"))
    surface.receive([ProgramChange(1, 9), ControlChange(1, 1, 0)], ControlReader(), 0.0)
    assert passed == [SetParameter("mix", 0.0)]
    assert surface.problem == "There is no preset of program 9."


def test_a_sink_may_speak_to_the_surface() -> None:
    """As a rig does that loads a model with other styles, or answers a preset by another event."""
    values: list[ParameterEvent] = []

    def sink(event: ParameterEvent) -> None:
        values.append(event)
        if isinstance(event, RecallPreset):
            surface.use_table(parameter_table(2))
            surface.apply([SetParameter("mix", 0.125)])

    surface = Surface(sink, ControllerMap(takeover="jump"))
    surface.receive([ProgramChange(1, 1), ControlChange(1, 70, 127)], ControlReader(), 0.0)
    assert values == [RecallPreset(1), SetParameter("mix", 0.125), SetParameter("style.target", 1.0)]


def test_named_values_are_clamped_and_unknown_names_refused() -> None:
    rig = Rig()
    rig.surface.apply([SetParameter("mix", 7.0), SetParameter("mix", -7.0), Panic(), SetParameter("mix", 1e9)])
    assert rig.events == [SetParameter("mix", 0.0), Panic(), SetParameter("mix", 1.0)]
    with pytest.raises(ParameterError, match="mixx"):
        rig.surface.apply([SetParameter("mixx", 0.0)])


def test_unlearned_controllers_move_nothing() -> None:
    rig = Rig(takeover="jump")
    rig.surface.unlearn("cc 1")
    rig.send(ControlChange(1, 1, 0))
    assert rig.events == []


def test_a_map_can_be_exchanged_while_playing() -> None:
    rig = Rig(takeover="jump")
    rig.surface.controllers = ControllerMap(takeover="jump", bindings=(Binding("cc 7", "style.y"),))
    rig.send(ControlChange(1, 1, 0), ControlChange(1, 7, 127))
    assert rig.events == [SetParameter("style.y", 1.0)]
    with pytest.raises(ParameterError):
        rig.surface.controllers = ControllerMap(channel=99)
