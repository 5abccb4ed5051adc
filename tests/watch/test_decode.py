"""What becomes of an OTLP request in protobuf and in JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from tracing_watch.decode import Decoded, Malformed, decode_json, decode_protobuf
from tracing_watch.model import Failure, Kind, Process, Span
from watch.otlp import BEGIN, MS, TRACE_ID, Recording, pair, process, request


def one(change: Any) -> Span:
    """The span that is decoded after `change` was applied to an otherwise plain one."""
    message = request(Recording().span("work", process("service"), 0, 1))
    change(message.resource_spans[0].scope_spans[0].spans[0])
    (span,) = decode_protobuf(message.SerializeToString()).spans
    return span


def as_json(message: ExportTraceServiceRequest) -> dict[str, Any]:
    """OTLP/JSON as an exporter writes it: protobuf's mapping, but ids in hex."""
    document: dict[str, Any] = json_format.MessageToDict(message)
    for resource_spans in document["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for span in scope_spans["spans"]:
                for holder in (span, *span.get("links", ())):
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in holder:
                            holder[name] = base64.b64decode(holder[name]).hex()
    return document


def test_a_whole_span() -> None:
    """Everything that the viewer shows comes out of protobuf as it was put in."""
    recording = Recording()
    failure = Failure("KeyError", "'sku'")
    span = recording.span(
        "GET", process("shop"), 5, 7, "00000000000000aa", Kind.CLIENT, failure, http__response__status_code=500, ok=True
    )
    message = request(span)
    (decoded,) = decode_protobuf(message.SerializeToString()).spans
    assert decoded == Span(
        trace_id=TRACE_ID,
        span_id="0000000000000001",
        parent_id="00000000000000aa",
        parent_is_remote=None,
        name="GET",
        kind=Kind.CLIENT,
        process=Process("shop", "shop-1", "laptop"),
        start=BEGIN + 5 * MS,
        end=BEGIN + 12 * MS,
        attributes={"http.response.status_code": 500, "ok": True},
        failure=failure,
        size=message.resource_spans[0].scope_spans[0].spans[0].ByteSize(),
    )
    assert decoded.process.attributes["service.name"] == "shop"


def test_json_says_the_same_as_protobuf() -> None:
    """The same spans in OTLP/JSON, with hex ids, give the same result."""
    recording = Recording()
    root = recording.span("root", process("shop"), 0, 9, failure=Failure("KeyError", "'sku'"))
    recording.span("child", process("stock"), 1, 3, root, Kind.SERVER, size=2**60)
    message = request(*recording.spans)
    link = message.resource_spans[0].scope_spans[0].spans[0].links.add()
    link.trace_id, link.span_id = b"\x01" * 16, b"\x02" * 8
    decoded = decode_json(json.dumps(as_json(message)).encode())
    assert decoded == decode_protobuf(message.SerializeToString())
    assert decoded.spans[0].links == 1


def test_ids_in_all_letters_of_base64() -> None:
    """Ids come through JSON whole, and nothing is said of them."""
    ids = {"traceId": "fbf" * 10 + "fb", "spanId": "fbffbf" * 2 + "fbff"}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "a", **ids}]}]}]}
    (span,) = decode_json(json.dumps(document).encode()).spans
    assert (span.trace_id, span.span_id) == tuple(ids.values())


def test_all_kinds_of_attribute_values() -> None:
    """Lists, maps, bytes, and values that are not set become what they are in Python."""

    def change(span: trace_pb2.Span) -> None:
        span.attributes.append(pair("float", 0))
        span.attributes[-1].value.double_value = 0.5
        span.attributes.add(key="bytes").value.bytes_value = b"\xff"
        span.attributes.add(key="unset")
        span.attributes.add(key="list").value.array_value.values.add().int_value = 1
        span.attributes.add(key="map").value.kvlist_value.values.append(pair("key", "value"))

    assert one(change).attributes == {
        "float": 0.5,
        "bytes": b"\xff",
        "unset": None,
        "list": [1],
        "map": {"key": "value"},
    }


def test_a_failure_without_an_exception() -> None:
    """Where no exception was recorded, the status and error.type say what failed."""

    def change(span: trace_pb2.Span) -> None:
        span.status.code, span.status.message = trace_pb2.Status.STATUS_CODE_ERROR, "upstream is down"
        span.attributes.append(pair("error.type", "503"))

    assert one(change).failure == Failure("503", "upstream is down")


def test_an_exception_that_was_handled_is_no_failure() -> None:
    """An exception event on a span whose status is not ERROR does not make it one."""
    assert one(lambda span: span.events.add(name="exception")).failure is None


@pytest.mark.parametrize(("flags", "remote"), [(0x000, None), (0x100, False), (0x300, True), (0x301, True)])
def test_the_flags_say_where_the_parent_is(flags: int, remote: bool | None) -> None:
    """Bits 8 and 9 of the flags say whether the parent is in another process, if anything does."""
    assert one(lambda span: setattr(span, "flags", flags)).parent_is_remote is remote


def test_a_parent_of_zeros_is_none() -> None:
    """Exporters that write eight zero bytes for "no parent" mean a root."""
    assert one(lambda span: setattr(span, "parent_span_id", bytes(8))).parent_id == ""


def test_times_that_run_backwards() -> None:
    """A span that ends before it starts has no duration, and not a negative one."""
    assert one(lambda span: setattr(span, "end_time_unix_nano", 5)).duration == 0


def test_a_kind_from_the_future() -> None:
    """A kind that this version does not know is shown as none."""
    assert one(lambda span: setattr(span, "kind", 77)).kind == Kind.UNSPECIFIED


@pytest.mark.parametrize("field", ["trace_id", "span_id"])
@pytest.mark.parametrize("value", [b"", b"\x01", bytes(8), bytes(16), b"\x01" * 17])
def test_invalid_ids_are_counted(field: str, value: bytes) -> None:
    """Spans without a valid id are refused one by one, not with the whole request."""
    message = request(*(Recording().span(name, process("service"), 0, 1) for name in ("good", "bad")))
    setattr(message.resource_spans[1].scope_spans[0].spans[0], field, value)
    decoded = decode_protobuf(message.SerializeToString())
    assert ([span.name for span in decoded.spans], decoded.rejected) == (["good"], 1)


def test_a_resource_that_says_nothing() -> None:
    """Without a service name, the name that the specification gives stands for it."""
    message = request(Recording().span("work", process("service"), 0, 1))
    message.resource_spans[0].ClearField("resource")
    assert decode_protobuf(message.SerializeToString()).spans[0].process == Process("unknown_service")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"resourceSpans": 1}',
        b'{"resourceSpans": [[]]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_malformed_json(body: bytes) -> None:
    """What is no OTLP/JSON is refused with the one error that says so."""
    with pytest.raises(Malformed):
        decode_json(body)


@pytest.mark.parametrize("body", [b"{}", b'{"resourceSpans": []}', b'{"anything": "else"}'])
def test_empty_json(body: bytes) -> None:
    """Fields that are missing or not known are no failure."""
    assert decode_json(body) == Decoded([], 0)


@given(st.binary(max_size=300))
def test_arbitrary_bytes(body: bytes) -> None:
    """Any bytes are either decoded or malformed, in both encodings."""
    for decode in (decode_protobuf, decode_json):
        try:
            decode(body)
        except Malformed:
            pass


@given(st.data())
def test_damaged_requests(data: st.DataObject) -> None:
    """A request with some bytes changed is either decoded or malformed."""
    recording = Recording()
    root = recording.span("root", process("shop"), 0, 9, failure=Failure("KeyError", "'sku'"))
    recording.span("child", process("stock"), 1, 3, root, Kind.SERVER, http__response__status_code=200)
    body = bytearray(request(*recording.spans).SerializeToString())
    for position, value in data.draw(st.dictionaries(st.integers(0, len(body) - 1), st.integers(0, 255))).items():
        body[position] = value
    try:
        decode_protobuf(bytes(body))
    except Malformed:
        pass
