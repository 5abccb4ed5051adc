"""Messaging spans: servers and keys as users write them."""

from __future__ import annotations

from typing import Any

import pytest

from tracing_agent.semconv.messaging import Client, key_text


@pytest.mark.parametrize(
    ("servers", "host", "port"),
    [
        ("broker", "broker", 9092),
        ("broker:9093", "broker", 9093),
        ("one:1,two:2", "one", 1),
        (["one:1", "two:2"], "one", 1),
        (("broker",), "broker", 9092),
        (" broker:9093 ", "broker", 9093),
        ("SASL_SSL://broker:9093", "broker", 9093),
        ("[::1]:9093", "::1", 9093),
        ("[::1]", "::1", 9092),
        ("::1", "::1", 9092),
        ("127.0.0.1:9093", "127.0.0.1", 9093),
        ("broker:", "broker", 9092),
        ([], None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_first_bootstrap_server_is_the_server(servers: Any, host: str | None, port: int | None) -> None:
    """Bootstrap servers in any form that kafka-python takes give the first one's address and port."""
    attributes = Client("c", None, servers).attributes
    assert (attributes.get("server.address"), attributes.get("server.port")) == (host, port)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("k", "k"),
        (b"k", "k"),
        ("", ""),
        ("a b", "a b"),
        ("a\nb", None),
        ("käse".encode(), "käse"),
        ("käse".encode("latin-1"), None),
        ((7).to_bytes(8, "big"), None),
        (7, None),
        (None, None),
        (True, None),
        (bytearray(b"k"), None),
        ("k" * 1024, "k" * 1024),
        ("k" * 1025, None),
        (b"k" * 1025, None),
    ],
)
def test_a_key_is_text_or_is_left_out(key: Any, text: str | None) -> None:
    """A key is told if it is printable text, whole; anything else is no key that a person could look for."""
    assert key_text(key) == text
