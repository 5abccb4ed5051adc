"""Traces as text: one trace a line in JSON, to look at again later and for other tools.

Reads also what OpenTelemetry Collectors write to files: an OTLP/JSON request a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracing_watch.decode import Malformed, decode_json
from tracing_watch.findings import findings
from tracing_watch.model import Failure, Kind, Process, Span, Trace
from tracing_watch.tree import Tree


class Unreadable(Exception):
    """A file that holds no traces; the message says why."""


def line(trace: Trace, tree: Tree) -> str:
    """`trace` as one line; durations in milliseconds, times in nanoseconds since the epoch."""
    root = tree.roots[0].span if tree.roots else trace.spans[0]
    return json.dumps(
        {
            "trace_id": trace.trace_id,
            "root": f"{root.process.service}: {root.name}",
            "duration_ms": (tree.end - tree.start) / 1e6,
            "services": list(dict.fromkeys(span.process.service for span in trace.spans)),
            "errors": sum(span.failure is not None for span in trace.spans),
            "findings": [
                {"kind": finding.kind, "text": finding.text, "spans": list(finding.spans)} for finding in findings(tree)
            ],
            "spans": [_span(span) for span in trace.spans],
        },
        default=_odd,
    )


def read(path: Path) -> list[Trace]:
    """The traces of a file, in order of their first appearance. Raises `Unreadable`, or OSError."""
    spans: dict[str, dict[str, Span]] = {}
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                try:
                    for span in _spans(text):
                        spans.setdefault(span.trace_id, {})[span.span_id] = span
                except (ValueError, TypeError, KeyError, AttributeError, Malformed) as error:
                    raise Unreadable(
                        f"{path}, line {number}, is no saved trace ({type(error).__name__}: {error})"
                    ) from None
    if not spans:
        raise Unreadable(f"{path} holds no traces")
    return [Trace(trace_id, tuple(each.values())) for trace_id, each in spans.items()]


def _spans(text: bytes) -> Iterator[Span]:
    document = json.loads(text)
    if "resourceSpans" in document:
        yield from decode_json(text).spans
        return
    for each in document["spans"]:
        process = Process(each["service"], each["instance"], each["host"])
        yield Span(
            trace_id=str(document["trace_id"]),
            span_id=str(each["span_id"]),
            name=str(each["name"]),
            process=process,
            start=int(each["start"]),
            end=int(each["end"]),
            parent_id=str(each["parent_id"]),
            parent_is_remote=each["parent_is_remote"],
            kind=Kind[each["kind"]],
            attributes=dict(each["attributes"]),
            failure=Failure(**each["failure"]) if each["failure"] else None,
            links=int(each["links"]),
        )


def _span(span: Span) -> dict[str, Any]:
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "parent_is_remote": span.parent_is_remote,
        "name": span.name,
        "kind": span.kind.name,
        "service": span.process.service,
        "instance": span.process.instance,
        "host": span.process.host,
        "start": span.start,
        "end": span.end,
        "attributes": dict(span.attributes),
        "failure": {"type": span.failure.type, "message": span.failure.message} if span.failure else None,
        "links": span.links,
    }


def _odd(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
