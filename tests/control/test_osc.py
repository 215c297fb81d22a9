"""OSC datagrams move parameters; nothing that arrives by network can stop the port."""

import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from rtstyle.control.events import Panic, ParameterEvent, RecallPreset, SetParameter
from rtstyle.control.mapping import ControllerMap
from rtstyle.control.osc import OscInput, read_event, read_packet
from rtstyle.control.surface import Surface
from rtstyle.errors import DeviceError, ParameterError


def message(address: str, *arguments: Any) -> OscMessageBuilder:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder


def packet(address: str, *arguments: Any) -> bytes:
    return bytes(message(address, *arguments).build().dgram)


def offline(events: list[ParameterEvent], **options: Any) -> OscInput:
    return OscInput(Surface(events.append, ControllerMap()), **options)


@pytest.mark.parametrize(
    ("address", "arguments", "event"),
    [
        ("/rtstyle/mix", (0.5,), SetParameter("mix", 0.5)),
        ("/rtstyle/mix", (1,), SetParameter("mix", 1.0)),
        ("/rtstyle/mix", ("50 %",), SetParameter("mix", 0.5)),
        ("/rtstyle/style.amount", (0.25,), SetParameter("style.amount", 0.25)),
        ("/rtstyle/style/amount", (0.25,), SetParameter("style.amount", 0.25)),
        ("/rtstyle/input.trim_db", ("-6 dB",), SetParameter("input.trim_db", -6.0)),
        ("/rtstyle/bypass", (True,), SetParameter("bypass", 1.0)),
        ("/rtstyle/style.target", ("Cello",), SetParameter("style.target", 1.0)),
        ("/rtstyle/preset", (3,), RecallPreset(3)),
        ("/rtstyle/preset", (3.0,), RecallPreset(3)),
        ("/rtstyle/panic", (), Panic()),
        ("/rtstyle/panic", (1,), Panic()),
    ],
)
def test_addresses_mean_parameters_presets_and_panic(
    address: str, arguments: tuple[Any, ...], event: ParameterEvent
) -> None:
    found, values = read_packet(packet(address, *arguments))[0]
    assert read_event(found, values, ("violin", "cello")) == event


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("/other/mix", (0.5,)),
        ("/rtstyle/mixx", (0.5,)),
        ("/rtstyle/mix", ()),
        ("/rtstyle/mix", (0.1, 0.2)),
        ("/rtstyle/mix", (b"blob",)),
        ("/rtstyle/mix", (float("nan"),)),
        ("/rtstyle/style.target", ("kazoo",)),
        ("/rtstyle/preset", (128,)),
        ("/rtstyle/preset", (-1,)),
        ("/rtstyle/preset", (1.5,)),
        ("/rtstyle/preset", (float("inf"),)),
        ("/rtstyle/preset", (float("nan"),)),
        ("/rtstyle/preset", ("three",)),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(address: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ParameterError):
        read_event(*read_packet(packet(address, *arguments))[0])


def test_values_out_of_range_are_clamped() -> None:
    events: list[ParameterEvent] = []
    offline(events).take([packet("/rtstyle/mix", 1.0000001)])
    offline(events).take([packet("/rtstyle/gate.threshold_db", float("-inf"))])
    assert events == [SetParameter("mix", 1.0), SetParameter("gate.threshold_db", -96.0)]


def test_bundles_are_done_in_order_and_not_waited_for() -> None:
    events: list[ParameterEvent] = []
    inner = OscBundleBuilder(IMMEDIATELY)
    inner.add_content(message("/rtstyle/preset", 2).build())
    outer = OscBundleBuilder(2_000_000_000.0)  # in the year 2033
    outer.add_content(message("/rtstyle/panic").build())
    outer.add_content(message("/rtstyle/mix", 0.5).build())
    offline(events).take([bytes(inner.build().dgram), bytes(outer.build().dgram)])
    assert events == [RecallPreset(2), Panic(), SetParameter("mix", 0.5)]


def test_datagrams_that_wait_together_cost_one_value_per_parameter() -> None:
    events: list[ParameterEvent] = []
    datagrams = [packet("/rtstyle/mix", index / 1000) for index in range(1000)]
    offline(events).take([*datagrams, packet("/rtstyle/panic")])
    assert events == [SetParameter("mix", pytest.approx(0.999)), Panic()]


@given(st.binary(max_size=120), st.sampled_from([b"", b"/rtstyle/mix\0\0\0\0", b"#bundle\0" + bytes(8)]))
def test_no_datagram_stops_the_port(noise: bytes, start: bytes) -> None:
    events: list[ParameterEvent] = []
    port = offline(events)
    port.take([start + noise, packet("/rtstyle/mix", 0.5)])
    assert events[-1] == SetParameter("mix", 0.5)
    assert port.received == 2


def test_a_datagram_of_brackets_within_brackets_is_only_refused() -> None:
    port = offline([])
    tags = b"," + b"[" * 9000 + b"]" * 9000
    port.take([b"/rtstyle/mix\0\0\0\0" + tags + bytes(4 - len(tags) % 4)])
    assert port.refused == 1
    assert port.problem is not None


def test_a_port_hears_this_machine_from_start_to_stop() -> None:
    arrived = threading.Semaphore(0)
    events: list[ParameterEvent] = []

    def sink(event: ParameterEvent) -> None:
        events.append(event)
        arrived.release()

    port = OscInput(Surface(sink, ControllerMap()), port=0)
    for _ in range(2):  # it can be started again
        with port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            assert port.address[0] == "127.0.0.1"
            sender.sendto(b"rubbish", port.address)
            sender.sendto(packet("/rtstyle/mix", 0.25), port.address)
            assert arrived.acquire(timeout=30)
    assert events == [SetParameter("mix", 0.25)] * 2
    assert port.refused == 2


def test_a_port_that_is_taken_is_named() -> None:
    with offline([], port=0) as first, pytest.raises(DeviceError, match=str(first.address[1])):
        offline([], port=first.address[1]).start()
    with pytest.raises(DeviceError, match="99999"):
        offline([], port=99999).start()
