"""Ctrl-C and SIGTERM end the show, also where a library that calls back swallows what they raise."""

import ctypes
import signal
import time

import pytest

from rtstyle.cli import live

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_arrives_inside_a_callback_ends_the_show(number: signal.Signals) -> None:
    callback = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(number))
    with live._ended_by_signals() as ended:
        callback()  # where it raised: nobody hears of it
        with pytest.raises(KeyboardInterrupt):
            next(live._ticks(time.monotonic() + 5.0, ended))


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_outside_of_callbacks_ends_it_at_once_and_is_the_callers_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with live._ended_by_signals() as ended:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert ended.is_set()
    assert signal.getsignal(number) is before
