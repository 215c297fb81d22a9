"""The bundle orchestra-wide: the network of orchestra-spectral, taught nine more instruments for 88 minutes; six of them ship.

    rtstyle corpus build var/corpus --recordings RECORDINGS --melodies MELODIES --minutes 140 --players 8
    python export/orchestra_wide.py --corpus var/corpus

Without RECORDINGS the corpus is the soundfont alone, and the model knows only its instruments. The shipped weights saw the
recordings named in the card, and went on with discriminators that had heard orchestra-spectral for longer.
"""

from rtstyle.lab.recipe import EVERYONE, Recipe, main

RECIPE = Recipe(
    name="orchestra-wide",
    kind="spectral",
    description=(
        "Thirteen instruments: the network of orchestra-spectral, which learnt more voices and lost a little of the first "
        "seven. Its training heard two of the libraries that the table's lines are played on for 330 minutes: violin/mtg and "
        "clarinet/vsco2."
    ),
    shape={"channels": 192, "latent": 96, "style": 96, "units": 5, "bands": 80},
    minutes=88.0,
    rate=1e-3,
    seed=14,
    styles=EVERYONE,
    left_out=("tuba", "guitar", "piano"),
    begin_with="orchestra-spectral",
)

if __name__ == "__main__":
    main(RECIPE)
