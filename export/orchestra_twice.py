"""The bundle orchestra-twice: orchestra-spectral plays what it has just played, 2.7 ms of model latency.

    python export/orchestra_twice.py

Nothing is trained. The second turn hears an instrument that is nearly the target, and goes the rest of the way; it also takes
a little more of the player, of which `dynamics` gives the loudness back. Of chords a second filter makes a blur: those are heard
as the first turn leaves them.
"""

from rtstyle.bundle.manifest import ParameterRange
from rtstyle.lab.recipe import Recipe, main

RECIPE = Recipe(
    name="orchestra-twice",
    kind="spectral",
    description=(
        "The seven instruments of orchestra-spectral, which plays what it has just played: nearer to the target, at twice the "
        "work and twice the delay. Chords it plays once. Its training heard two of the libraries that the table's lines are "
        "played on for 330 minutes: violin/mtg and clarinet/vsco2."
    ),
    begin_with="orchestra-spectral",
    turns=2,
    parameters=(ParameterRange("dynamics", default=0.8),),
)

if __name__ == "__main__":
    main(RECIPE)
