"""Old attribute names of database spans: beside the current ones, where they were asked for, and only at export."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from support.recorder import Recorder
from tracing_agent.export.old_names import OldNames
from tracing_agent.operation import Operation
from tracing_agent.semconv import db
from tracing_agent.trace.begin import beginner

POSTGRESQL = {"db.system.name": "postgresql"}


def ended(recorder: Recorder, values: dict[str, Any], constants: dict[str, Any], kind: SpanKind) -> Any:
    """A span that is about to be exported."""
    span: Any = beginner(recorder.engine, Operation("library", "name", kind, constants))()
    span.values.update(values)
    span.origin.finish(span)
    return span


@pytest.mark.parametrize(
    ("system", "values", "old"),
    [
        (
            "postgresql",
            {
                "db.namespace": "shop|public",
                "db.query.text": "SELECT 1",
                "db.operation.name": "connect",
                "server.address": "host",
                "server.port": 5433,
            },
            {
                "db.system": "postgresql",
                "db.name": "shop",
                "db.statement": "SELECT 1",
                "db.operation": "connect",
                "net.peer.name": "host",
                "net.peer.port": 5433,
            },
        ),
        ("redis", {"db.namespace": "3"}, {"db.system": "redis", "db.redis.database_index": 3}),
        ("redis", {"db.namespace": "none"}, {"db.system": "redis"}),
        ("postgresql", {"db.statement": "mine", "db.query.text": "SELECT 1"}, {"db.system": "postgresql"}),
    ],
)
def test_both_names(recorder: Recorder, system: str, values: dict[str, Any], old: dict[str, Any]) -> None:
    """Every current name stays, and has its old one beside it, unless the program has set that itself."""
    span = ended(recorder, values, {"db.system.name": system}, SpanKind.CLIENT)
    OldNames(("http", "database/dup")).apply([span])
    assert dict(span.attributes) == {"db.system.name": system, **values, **old}


@pytest.mark.parametrize(
    ("opted", "kind", "constants"),
    [
        ((), SpanKind.CLIENT, POSTGRESQL),
        (("database",), SpanKind.CLIENT, POSTGRESQL),
        (("http/dup",), SpanKind.CLIENT, POSTGRESQL),
        (("database/dup",), SpanKind.INTERNAL, POSTGRESQL),
        (("database/dup",), SpanKind.CLIENT, {"http.request.method": "GET"}),
    ],
)
def test_others_are_left_alone(
    recorder: Recorder, opted: tuple[str, ...], kind: SpanKind, constants: dict[str, Any]
) -> None:
    """Nothing is added that was not asked for, nor to a span that is of no database client."""
    span = ended(recorder, {"server.address": "host"}, constants, kind)
    OldNames(opted).apply([span])
    assert dict(span.attributes) == {**constants, "server.address": "host"}


def test_what_spans_share_stays(recorder: Recorder) -> None:
    """The attributes that spans of a peer share are not touched: later spans have them too."""
    span: Any = beginner(recorder.engine, Operation("library", "name", SpanKind.CLIENT, POSTGRESQL))()
    peer = db.Peers(5432).peer("host", 5433, "shop")
    db.query(span, peer, "SELECT 1", True)
    before = dict(span.origin.attributes)
    span.origin.finish(span)
    OldNames(("database/dup",)).apply([span])
    assert dict(span.origin.attributes) == before
    assert span.attributes["net.peer.port"] == 5433
