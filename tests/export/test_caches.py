"""What the encoder remembers is bounded, whatever the application sends."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from support.recorder import Recorder
from tracing_agent.export.otlp import Encoder
from tracing_agent.export.otlp_memory import LONG, REMEMBERED, VALUES


def remembered(encoder: Encoder) -> int:
    """Every entry of every cache."""
    memory = encoder.memory
    texts, ints = memory.texts, memory.ints
    inner = sum(len(table) + len(table._heads) for table in texts.values()) + sum(map(len, ints.values()))
    return len(texts) + len(ints) + inner + len(memory.names) + len(memory.heads) + len(encoder._scopes)


def encode(recorder: Recorder, encoder: Encoder, count: int, make: Any) -> Iterator[int]:
    """Encode ``count`` spans, each changed by ``make(span, index)``; gives the entries held after each."""
    tracer = recorder.tracer
    for index in range(count):
        span = tracer.start_span("a")
        make(span, index)
        span.end()
        encoder.request([span], recorder.provider.resource)
        recorder.finished.clear()
        yield remembered(encoder)


def value(span: Any, index: int) -> None:
    span.values["user.id"] = f"user {index}"


def number(span: Any, index: int) -> None:
    span.values["offset"] = index


def key(span: Any, index: int) -> None:
    span.values[f"key {index}"] = "v"
    span.values[f"number {index}"] = 1


def wide_key(span: Any, index: int) -> None:
    span.values[f"{index}" + "\u20ac" * (LONG - 10)] = "v" * (LONG + 1)


def name(span: Any, index: int) -> None:
    span._name = f"name {index}"


def size(span: Any, index: int) -> None:
    span.values["text"] = "x" * index


def everything(span: Any, index: int) -> None:
    for make in (value, number, key, name, size):
        make(span, index)


@pytest.mark.parametrize("make", [value, number, key, wide_key, name, size, everything])
def test_bounded(recorder: Recorder, make: Any) -> None:
    """With ever new values, numbers, keys, names and lengths, no more than so many entries are held."""
    most = max(encode(recorder, Encoder(), 2 * REMEMBERED, make))
    assert most <= REMEMBERED + VALUES + 8


def test_scopes_bounded(recorder: Recorder) -> None:
    """A program that asks for ever new tracers does not fill the memory."""
    encoder = Encoder()
    for index in range(3 * VALUES):
        span = recorder.provider.get_tracer(f"scope {index}").start_span("a")
        span.end()
        encoder.request([span], recorder.provider.resource)
    assert len(encoder._scopes) <= VALUES


def test_one_key(recorder: Recorder) -> None:
    """A key of many values keeps the first ones and leaves room for other keys."""
    encoder = Encoder()
    *_, held = encode(recorder, encoder, 2000, value)
    assert held < VALUES + 10
    assert all(f"user {index}" in encoder.memory.texts["user.id"] for index in range(VALUES - 10))


def test_long_is_not_kept(recorder: Recorder) -> None:
    """Long texts, names and keys are not remembered at all."""

    def long(span: Any, index: int) -> None:
        span._name = span.values["text"] = span.values["k" * (LONG + 1)] = "x" * (LONG + 1)

    assert list(encode(recorder, Encoder(), 2, long))[-1] <= 4


def test_memory_is_flat(recorder: Recorder) -> None:
    """Memory after many spans of high cardinality is what it was after a few thousand.

    user-pain row 31: memory does not grow with what the application sends.
    """
    encoder = Encoder()
    list(encode(recorder, encoder, 2 * REMEMBERED, everything))
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        list(encode(recorder, encoder, 2 * REMEMBERED, everything))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # It was emptied and filled again meanwhile: at most one filling is new to tracemalloc.
    assert grown < 3_000_000
