"""The command `rtstyle`: its subcommands, how errors become exit codes.

Exit codes: 0 done, 1 failed (one line on stderr says why and what to do), 2 wrong usage, 130 interrupted. Every command
is named here by import path and its module is imported only when it is called, so that `rtstyle --version` loads no
audio library, no compiler and no model.
"""

import logging
import os
import sys
from typing import NoReturn

from cyclopts import App

from rtstyle import __version__
from rtstyle.errors import RtstyleError

#: name, import path, one line of help: in the order in which `rtstyle --help` lists them.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("play", "rtstyle.cli.play:play", "Go live; without an audio device, play the packaged performance into files."),
    ("live", "rtstyle.cli.live:live", "Play an instrument through a style, live."),
    ("render", "rtstyle.cli.render:render", "Render a file through a style; the output lines up with the input."),
    ("models", "rtstyle.cli.models:app", "List, show and verify the bundles; capture a new style from a recording."),
    ("doctor", "rtstyle.cli.doctor:doctor", "Say what this machine has, what it lacks and how to get it."),
    ("devices", "rtstyle.cli.devices:devices", "List the audio and MIDI devices."),
    ("latency", "rtstyle.cli.latency:latency", "Show where every millisecond of delay comes from, or measure it."),
    ("bench", "rtstyle.cli.bench:bench", "Measure in a minute what this machine can play."),
    ("midi", "rtstyle.cli.midi:app", "List, watch and map MIDI controllers."),
    ("preset", "rtstyle.cli.preset:app", "Save, load and list presets."),
    ("corpus", "rtstyle.cli.corpus:app", "Build training material from recordings and melodies."),
    ("train", "rtstyle.cli.lab:train", "Train a model."),
    ("search", "rtstyle.cli.search:search", "Search for a network and a training by many short trials."),
    ("export", "rtstyle.cli.lab:export", "Export a trained model as a bundle."),
    ("evaluate", "rtstyle.cli.evaluate:evaluate", "Judge a bundle against its baselines."),
)

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def build_app() -> App:
    """Return the command line with every subcommand registered by path. `[control]`"""
    app = App(
        name="rtstyle",
        help="Real-time neural audio style transfer: play an instrument, hear another one, while playing.",
        version=__version__,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
        help_format="plaintext",
    )
    for name, path, line in COMMANDS:
        app.command(path, name=name, help=line)
    app.register_install_completion_command(help="Install completion for the shell in use.")
    return app


app = build_app()


def main() -> NoReturn:
    """Run one command and end the process with its exit code. `[control]`"""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code (usage errors leave by SystemExit with code 2). `[control]`"""
    said = logging.getLogger("rtstyle")
    said.setLevel(logging.INFO)
    if not said.handlers:
        handler = logging.StreamHandler()  # stderr: what a command prints on stdout may be JSON
        handler.setFormatter(logging.Formatter("rtstyle: %(message)s"))
        said.addHandler(handler)
    try:
        result = app(arguments)
        sys.stdout.flush()
    except RtstyleError as error:
        print(f"rtstyle: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("rtstyle: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`rtstyle models | head`): nothing may be flushed into it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
