"""Bytes to messages: every message survives, garbage never raises, portions do not matter."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from rtstyle.control.messages import (
    CHANNEL,
    SYSTEM,
    ChannelPressure,
    ControlChange,
    Decoder,
    KeyPressure,
    Message,
    Note,
    PitchBend,
    ProgramChange,
    System,
    describe,
    encode,
)

channels = st.integers(1, 16)
data = st.integers(0, 127)
wide = st.integers(0, 16383)
messages = st.one_of(
    st.builds(Note, channels, data, st.integers(1, 127), st.just(True)),
    st.builds(Note, channels, data, data, st.just(False)),
    st.builds(KeyPressure, channels, data, data),
    st.builds(ControlChange, channels, data, data),
    st.builds(ProgramChange, channels, data),
    st.builds(ChannelPressure, channels, data),
    st.builds(PitchBend, channels, wide),
    st.builds(System, st.just("song position"), wide),
    st.builds(System, st.sampled_from(["time code", "song select"]), data),
    st.builds(System, st.sampled_from([name for name, length in SYSTEM.values() if length == 0])),
)


def decode(raw: bytes) -> list[Message]:
    return Decoder().feed(raw)


@given(st.lists(messages, max_size=20))
def test_every_message_comes_back_as_it_was_sent(sent: list[Message]) -> None:
    assert decode(b"".join(map(encode, sent))) == sent


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_garbage_never_raises_and_portions_do_not_matter(raw: bytes, cuts: list[int]) -> None:
    decoder = Decoder()
    edges = sorted({0, len(raw), *(min(cut, len(raw)) for cut in cuts)})
    pieces = [message for start, stop in itertools.pairwise(edges) for message in decoder.feed(raw[start:stop])]
    assert pieces == decode(raw)
    assert all(describe(message) for message in pieces)


@given(st.binary(max_size=50), messages)
def test_a_message_after_any_garbage_is_heard(garbage: bytes, message: Message) -> None:
    assert decode(garbage + encode(message))[-1] == message


@given(st.lists(st.tuples(data, data), min_size=1, max_size=10))
def test_a_status_is_sent_once_for_a_run_of_messages(values: list[tuple[int, int]]) -> None:
    running = bytes([0xB2, *(byte for pair in values for byte in pair)])
    assert decode(running) == [ControlChange(3, *pair) for pair in values]


@given(st.lists(messages.filter(lambda message: not isinstance(message, System)), min_size=1, max_size=5), st.randoms())
def test_real_time_bytes_may_stand_anywhere(sent: list[Message], source: random.Random) -> None:
    with_clock = bytearray()
    for byte in b"".join(map(encode, sent)):
        with_clock += bytes([0xF8] * source.randint(0, 2)) + bytes([byte])
    assert [message for message in decode(bytes(with_clock)) if message != System("clock")] == sent


@given(st.binary(max_size=100).map(lambda raw: bytes(byte & 0x7F for byte in raw)), messages)
def test_system_exclusive_is_skipped_and_ends_running_status(content: bytes, after: Message) -> None:
    exclusive = b"\xb0\x01\x02" + b"\xf0" + content + b"\xf7" + b"\x03\x04"
    assert decode(exclusive + encode(after)) == [ControlChange(1, 1, 2), after]


def test_real_time_inside_system_exclusive_is_heard() -> None:
    assert decode(b"\xf0\x01\xfa\x02\xf7") == [System("start")]


def test_undefined_statuses_are_dropped_with_their_data() -> None:
    for status in (0xF4, 0xF5):
        assert decode(bytes((0xB0, 1, 2, status, 3, 4, 0xB0, 5, 6))) == [ControlChange(1, 1, 2), ControlChange(1, 5, 6)]
    assert decode(b"\xf9\xfd") == []


def test_a_system_message_is_not_repeated_by_data_alone() -> None:
    assert decode(b"\xb0\x01\x02\xf3\x05\x06\x07\x08") == [ControlChange(1, 1, 2), System("song select", 5)]


def test_a_key_struck_with_velocity_zero_goes_up() -> None:
    assert decode(b"\x90\x3c\x00") == [Note(1, 60, 0, False)]


def test_the_table_names_every_channel_status_once() -> None:
    assert sorted(CHANNEL) == list(range(0x8, 0xF))
    assert len({name for name, _ in (*CHANNEL.values(), *SYSTEM.values())}) == len(CHANNEL) + len(SYSTEM)
