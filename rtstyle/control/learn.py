"""Learn: which control does the player mean, amid jitter, clocks and pedals that never rest?

a control is meant when          because
it went over a tenth of travel   an analogue knob at rest jitters by a step or two
it did not already move when     a sequencer or a tilt sensor moves all the time; after a pause it counts again
learning began
it is no fine part of a pair     controller 33 runs through its whole travel for every step of controller 1
it is a key, for a switch only   the other hand goes on playing
"""

from typing import Final

from rtstyle.control.controls import Control, Move

TRAVEL: Final = 0.1
FINE_TRAVEL: Final = 0.8  # for controllers 32..63: a fine part cannot go so far without a step of its coarse part
BUSY_S: Final = 1.0
PAUSE_S: Final = 0.5


class Learner:
    """Watches moves from the moment it is made and says which control is meant. `[any]`, one thread at a time.

    switch: the parameter is a switch, so that a pressed key counts. began: the time now, in seconds of any steady
    clock. last_seen: when each (channel, control) moved last before that, in the same clock.
    """

    def __init__(self, *, switch: bool, began: float, last_seen: dict[tuple[int, Control], float]) -> None:
        self._switch = switch
        self._last = {key: time for key, time in last_seen.items() if began - time < BUSY_S}
        self._busy = set(self._last)
        self._range: dict[tuple[int, Control], tuple[float, float]] = {}

    def watch(self, move: Move, now: float) -> Control | None:
        """Take one move and return the control that is meant, once it is clear; a pair where both parts come."""
        kind, number = move.control.kind, move.control.number
        if kind == "cc14":
            return None  # told from its parts
        key = (move.channel, move.control)
        if key in self._busy:
            if now - self._last[key] < PAUSE_S:
                self._last[key] = now
                return None
            self._busy.discard(key)
        if kind == "note":
            return move.control if self._switch and move.position > 0 else None
        low, high = self._range.get(key, (move.position, move.position))
        low, high = self._range[key] = min(low, move.position), max(high, move.position)
        wanted = TRAVEL
        if kind == "cc" and 32 <= number < 64:
            if (move.channel, Control("cc", number - 32)) in self._range:
                return None
            wanted = FINE_TRAVEL
        if high - low < wanted:
            return None
        if kind == "cc" and (move.channel, Control("cc", number + 32)) in self._range and number < 32:
            return Control("cc14", number)
        return move.control
