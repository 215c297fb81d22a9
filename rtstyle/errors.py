"""Errors that a user can act on: each names the value, what is allowed and the remedy."""

import difflib
from collections.abc import Sequence


class RtstyleError(Exception):
    """Base of every error that rtstyle raises on purpose; its text is one complete sentence for the user."""


class BundleError(RtstyleError):
    """A bundle does not fit its schema, its hashes or this version of rtstyle."""


class DeviceError(RtstyleError):
    """An audio or MIDI device is missing, ambiguous or refuses what was asked of it."""


class ParameterError(RtstyleError):
    """A parameter's name or value is not one that exists."""


class FileError(RtstyleError):
    """A file cannot be read, written or understood."""


class MissingPartError(RtstyleError):
    """An optional package or a system part is not installed; the text holds the line that installs it."""


def did_you_mean(word: str, names: Sequence[str]) -> str:
    """The end of a sentence about an unknown `word`: near names, else all there are. `[any]`"""
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(names)}." if names else "there are none."
