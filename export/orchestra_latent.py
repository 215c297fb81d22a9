"""The bundle orchestra-latent: a variational latent at fs / 128 and styled filters on 16 PQMF bands, 2.2 ms of model latency.

    rtstyle corpus build var/corpus --recordings RECORDINGS --melodies MELODIES --minutes 90
    python export/orchestra_latent.py --corpus var/corpus

Without RECORDINGS the corpus is the soundfont alone, and the model knows only its instruments. The shipped weights saw the
recordings named in the card; they come from several runs of together as many minutes, each from the last one's weights,
between which the losses grew into what they are.
"""

from rtstyle.lab.recipe import Recipe, main

RECIPE = Recipe(
    name="orchestra-latent",
    kind="latent",
    description="Seven instruments by a multiband variational autoencoder whose decoder filters input, pulses and noise.",
    shape={"channels": 256, "latent": 64, "style": 96, "units": 4, "taps": 16},
    minutes=264.0,
    batch=6,
)

if __name__ == "__main__":
    main(RECIPE)
