"""``http/json``: the same message as protobuf's own JSON mapping, with the changes that OTLP makes to it."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.official import decoded
from export.spans import PROVIDER, RESOURCE, spans
from support.recorder import Recorder
from tracing_agent.export.otlp import Encoder
from tracing_agent.export.otlp_json import JsonEncoder

ENCODER, JSON = Encoder(), JsonEncoder()
IDS = ("traceId", "spanId", "parentSpanId")


def by_protobuf(body: bytes) -> Any:
    """Our protobuf bytes as protobuf's JSON, with enums as numbers and ids in hex."""
    return _hex(MessageToDict(decoded(body), use_integers_for_enums=True))


def _hex(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64decode(item).hex() if key in IDS else _hex(item)
            for key, item in value.items()
            if key != "flags"
        } | ({"flags": value["flags"]} if "flags" in value else {})
    return [_hex(item) for item in value] if isinstance(value, list) else value


def without_defaults(value: Any, key: str = "") -> Any:
    """JSON without what protobuf's mapping leaves out: zeros, empty texts and lists outside of attribute values."""
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, item in value.items():
        inner = without_defaults(item, name)
        if (
            name.endswith("Value")
            or name in ("value", "status", "resource", "scope")
            or inner not in ("", 0, "0", [], {})
        ):
            found[name] = inner
    return found


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(spans, min_size=1, max_size=3))
def test_same_as_protobuf(batch: list[Any]) -> None:
    """For arbitrary spans the JSON says what our protobuf bytes say, in the mapping that OTLP prescribes."""
    body = JSON.wrap(JSON.span_messages(batch), RESOURCE)
    wanted = by_protobuf(ENCODER.request(batch, RESOURCE))
    assert without_defaults(json.loads(body)) == without_defaults(wanted)


def test_mapping(recorder: Recorder) -> None:
    """The places where OTLP's JSON is not protobuf's: ids in hex, enums as numbers; and 64-bit numbers as text."""
    span: Any = recorder.tracer.start_span("a", start_time=1)
    span.values.update(n=1 << 62, d=float("nan"), i=float("-inf"), b=b"\x00\xff", bad="\ud800", none=None)
    span.end(2)
    (scope,) = json.loads(JSON.wrap(JSON.span_messages([span]), PROVIDER.resource))["resourceSpans"][0]["scopeSpans"]
    (found,) = scope["spans"]
    assert (found["traceId"], found["spanId"], found["kind"]) == (f"{1:032x}", f"{1:016x}", 1)
    assert (found["startTimeUnixNano"], found["endTimeUnixNano"], found["status"]["code"]) == ("1", "2", 0)
    assert found["attributes"] == [
        {"key": "n", "value": {"intValue": str(1 << 62)}},
        {"key": "d", "value": {"doubleValue": "NaN"}},
        {"key": "i", "value": {"doubleValue": "-Infinity"}},
        {"key": "b", "value": {"bytesValue": "AP8="}},
        {"key": "bad", "value": {"stringValue": "?"}},
        {"key": "none", "value": {}},
    ]
