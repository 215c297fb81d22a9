"""Takeover: what a knob does that does not stand where its parameter stands, say after a preset moved the parameter.

    jump     the parameter leaps to the knob
    pickup   nothing, until the knob passes the parameter's place; then they move together
    scale    the parameter moves in the knob's direction, faster or slower, so that both reach the end together

Source: "MIDI Takeover Mode" of Ableton Live's manual (None, Pick-Up, Value Scaling), which players know.
"""

from typing import Final, Literal

Takeover = Literal["jump", "pickup", "scale"]

STEP: Final = 1.0 / 126.0  # one step of a 7-bit knob, the longer of the two that centred scaling gives
TOGETHER: Final = 1e-6


def take_over(
    mode: Takeover, previous: float | None, position: float, current: float, *, discrete: bool = False
) -> float | None:
    """Return the parameter's new place 0..1, or None where it stays. `[any]`

    previous: the knob's place before this move, None if not known; position: its place now; current: the parameter's.
    discrete: the places are those of choices: `scale` then means `pickup`, as there are no places between choices to
    move through.
    """
    if mode == "jump":
        return position
    if mode == "pickup" or discrete:
        near = STEP + TOGETHER
        if previous is None:
            return position if abs(position - current) <= near else None
        low, high = min(previous, position) - near, max(previous, position) + near
        return position if low <= current <= high else None
    if previous is None:
        return position if abs(position - current) <= TOGETHER else None
    if abs(previous - current) <= TOGETHER:
        return position
    if position > previous:
        return min(current + (position - previous) * (1.0 - current) / (1.0 - previous), 1.0)
    if position < previous:
        return max(current + (position - previous) * current / previous, 0.0)
    return None
