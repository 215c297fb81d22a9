"""The control surface: messages in, parameter events out, through the controller map, takeover and learn.

    messages -> ControlReader -> moves -> bindings, takeover -> pending values -> sink
                                   |                              (the last per parameter, once per portion)
                                   +-> Learner

A portion is what a port collected since it was last asked, so that a flood of any rate costs one value per parameter
and portion. Program changes and panic are passed on one by one, after the values that came before them.
"""

import collections
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from rtstyle.control.controls import Control, ControlReader, Move
from rtstyle.control.events import Panic, ParameterEvent, RecallPreset, SetParameter, Sink
from rtstyle.control.learn import Learner
from rtstyle.control.mapping import Binding, ControllerMap
from rtstyle.control.messages import ControlChange, Message, ProgramChange
from rtstyle.control.takeover import take_over
from rtstyle.errors import RtstyleError
from rtstyle.params import PARAMETERS, Parameter, parameter


class _Learning(NamedTuple):
    learner: Learner
    parameter: str
    toggle: bool
    invert: bool
    done: Callable[[Binding], None] | None


class _Bound(NamedTuple):
    """A binding ready for use: with its parameter in the binding's range."""

    binding: Binding
    shaped: Parameter


class Surface:
    """What the player's controllers, all ports together, say to one rig. `[any]`

    sink: takes the events one at a time, in the thread that calls `receive` and with no lock held that `Surface` needs;
    it may raise RtstyleError (a preset that does not exist), which is kept in `problem` and does not stop the port.
    value_of: a parameter's present value by id, for takeover, from any thread; None: the surface remembers what it
    sent. table: the parameters of the bundle that plays; see `use_table`.
    """

    def __init__(
        self,
        sink: Sink,
        controllers: ControllerMap | None = None,
        *,
        value_of: Callable[[str], float] | None = None,
        table: Mapping[str, Parameter] = PARAMETERS,
    ) -> None:
        self._sink = sink
        self._value_of = value_of
        self._table = table
        self._lock = threading.RLock()
        self._outgoing: collections.deque[Callable[[], None]] = collections.deque()
        self._delivering = threading.Lock()
        self._sent: dict[str, float] = {}
        self._pending: dict[str, float] = {}
        self._previous: dict[Binding, float] = {}
        self._last_seen: dict[tuple[int, Control], float] = {}
        self._learning: _Learning | None = None
        self._map = controllers or ControllerMap()
        self._bound: dict[Control, list[_Bound]] = {}
        self._bind()
        self.problem: str | None = None

    @property
    def controllers(self) -> ControllerMap:
        """The map in use; assign another to change it at once."""
        return self._map

    @controllers.setter
    def controllers(self, controllers: ControllerMap) -> None:
        controllers.check()
        with self._lock:
            self._map = controllers
            self._bind()

    def use_table(self, table: Mapping[str, Parameter]) -> None:
        """Take the ranges of another bundle's parameters."""
        with self._lock:
            self._table = table
            self._bind()

    @property
    def learning(self) -> str | None:
        """The parameter that the next moved control is bound to, or None."""
        learning = self._learning
        return learning.parameter if learning else None

    def learn(
        self,
        id: str,
        *,
        toggle: bool = False,
        invert: bool = False,
        done: Callable[[Binding], None] | None = None,
        now: float | None = None,
    ) -> None:
        """Bind the control that is moved next to the parameter `id`; until then nothing else is moved.

        done: called with the new binding in the port's thread, after the map has it. now: seconds of a steady clock, as
        in `receive`. Raises ParameterError for an id that does not exist.
        """
        entry = parameter(id, self._table)
        now = time.monotonic() if now is None else now
        with self._lock:
            learner = Learner(switch=entry.kind == "switch", began=now, last_seen=self._last_seen)
            self._learning = _Learning(learner, id, toggle, invert, done)

    def stop_learning(self) -> None:
        """Forget a `learn` that found no control yet."""
        with self._lock:
            self._learning = None

    def unlearn(self, name: str) -> None:
        """Forget the bindings of a parameter or control. Raises ParameterError where there is none."""
        with self._lock:
            self.controllers = self._map.unlearned(name)

    def receive(self, messages: Iterable[Message], reader: ControlReader, now: float | None = None) -> None:
        """Act on one portion of messages of the port that owns `reader`, and pass its values on.

        now: seconds of a steady clock; None: of the system's.
        """
        now = time.monotonic() if now is None else now
        for message in messages:
            match message:
                case ProgramChange(channel, program):
                    if self._map.programs and self._map.hears(channel):
                        self._send(RecallPreset(program))
                case ControlChange(channel, number, _) if number in self._map.panic:
                    if self._map.hears(channel):
                        self._send(Panic())
                case _:
                    with self._lock:
                        for move in reader.read(message):
                            self._follow(move, now)
        self._send()

    def apply(self, events: Iterable[ParameterEvent]) -> None:
        """Pass one portion of events on, values clamped to their ranges: for surfaces that name parameters themselves.

        Raises ParameterError for an id that does not exist; the events before it are passed on.
        """
        try:
            for event in events:
                if isinstance(event, SetParameter):
                    with self._lock:
                        self._pending[event.id] = parameter(event.id, self._table).clamp(event.value)
                else:
                    self._send(event)
        finally:
            self._send()

    def _follow(self, move: Move, now: float) -> None:
        learning = self._learning
        if learning:
            control = learning.learner.watch(move, now)
            if control:
                self._learned(control, move.channel, learning)
        self._last_seen[move.channel, move.control] = now
        for binding, shaped in self._bound.get(move.control, ()):
            if self._map.hears(move.channel, binding):
                self._move(binding, shaped, move.position, silent=learning is not None)

    def _move(self, binding: Binding, shaped: Parameter, position: float, *, silent: bool) -> None:
        """Let the parameter of `binding` follow its control; `silent`: only remember where the control stands."""
        place = binding.to_place(position, shaped)
        previous = self._previous.get(binding)
        self._previous[binding] = place
        if silent:
            return
        current = shaped.to_normalised(self._value(shaped))
        if binding.toggle:
            pressed = position >= 0.5 and (previous is None or (1.0 - previous if binding.invert else previous) < 0.5)
            new = (0.0 if current >= 0.5 else 1.0) if pressed else None
        elif shaped.kind == "switch":
            new = place
        else:
            mode = binding.takeover or self._map.takeover
            new = take_over(mode, previous, place, current, discrete=shaped.kind != "continuous")
        if new is not None:
            self._pending[shaped.id] = shaped.from_normalised(new)

    def _learned(self, control: Control, channel: int, learning: _Learning) -> None:
        self._learning = None
        own = 0 if self._map.channel else channel
        binding = Binding(str(control), learning.parameter, own, invert=learning.invert, toggle=learning.toggle)
        self._map = self._map.learned(binding)
        self._bind()
        if learning.done:
            self._outgoing.append(partial(learning.done, binding))

    def _bind(self) -> None:
        self._bound = {}
        for binding in self._map.bindings:
            entry = self._table.get(binding.parameter)
            if entry:
                self._bound.setdefault(binding.read_control(), []).append(_Bound(binding, binding.shape(entry)))
        self._previous = {binding: place for binding, place in self._previous.items() if binding in self._map.bindings}

    def _value(self, entry: Parameter) -> float:
        if entry.id in self._pending:
            return self._pending[entry.id]
        if self._value_of:
            return self._value_of(entry.id)
        return self._sent.get(entry.id, self._table[entry.id].default)

    def _send(self, event: ParameterEvent | None = None) -> None:
        """Pass on what is pending, then `event`; a later move then finds the values that these have led to."""
        with self._lock:
            pending, self._pending = self._pending, {}
            self._sent.update(pending)
            self._outgoing.extend(partial(self._sink, SetParameter(id, value)) for id, value in pending.items())
            if event:
                self._outgoing.append(partial(self._sink, event))
        # One thread delivers at a time, in order, and never waits: who finds another delivering leaves its own to that
        # one, which looks again after it let go.
        while self._outgoing and self._delivering.acquire(blocking=False):
            try:
                while self._outgoing:
                    self._call(self._outgoing.popleft())
            finally:
                self._delivering.release()

    def _call(self, outgoing: Callable[[], None]) -> None:
        try:
            outgoing()
        except RtstyleError as error:
            self.problem = str(error)
