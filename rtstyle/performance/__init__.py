"""The packaged performance: ten seconds of solo flute that need no sound card, file or network to be played."""

from pathlib import Path

#: Mono, 48 kHz, Ogg Vorbis; rendered by `rtstyle/performance/build.py`.
PERFORMANCE = Path(__file__).with_name("greensleeves.ogg")
