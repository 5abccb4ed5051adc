"""What the span of a request says, in every framework."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servers.asking import HEADERS
from servers.conftest import Recorded
from servers.sites import Reply
from tracing_agent.semconv.http import HttpSettings

Make = Callable[..., Recorded]


def ok() -> Reply:
    return Reply()


def item(item: str) -> Reply:
    return Reply(text=f"item {item}")


def test_a_request_is_one_span(site: Recorded) -> None:
    """A request gives one whole SERVER span, named by method and route."""
    site.answers("/items/{item}", item)
    answer = site.ask("/items/3?a=1&sig=secret")
    assert (answer.status, answer.body) == (200, b"item 3")
    route = site.site.template("/items/{item}")
    assert site.spans() == [
        {
            "name": f"GET {route}",
            "kind": "SERVER",
            "trace": 1,
            "id": 1,
            "parent": None,
            "scope": f"tracing_instrumentations.{site.library}",
            "attributes": {
                "http.request.method": "GET",
                "url.scheme": "http",
                "url.path": "/items/3",
                "url.query": "a=1&sig=REDACTED",
                "http.route": route,
                "http.response.status_code": 200,
                "server.address": "shop.example",
                "server.port": 8080,
                "client.address": "192.0.2.7",
                "network.peer.address": "192.0.2.7",
                "network.peer.port": 4711,
                "network.protocol.version": "1.1",
                "user_agent.original": "tests/1",
            },
            "status": "UNSET",
        }
    ]


def test_the_caller_is_the_parent(site: Recorded) -> None:
    """A traceparent makes the span a child in the caller's trace; baggage is there for the program."""
    from opentelemetry import baggage

    seen: list[object] = []

    def look() -> Reply:
        seen.append(baggage.get_baggage("tenant"))
        return Reply()

    site.answers("/", look)
    parent = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    site.ask("/", headers=(*HEADERS, parent, ("tracestate", "a=1"), ("baggage", "tenant=blue")))
    span = site.span()
    assert (span["trace"], span["parent"]) == (0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)
    assert seen == ["blue"]


@pytest.mark.parametrize("headers", [(("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),) * 2])
def test_two_parents_are_none(site: Recorded, headers: tuple[tuple[str, str], ...]) -> None:
    """Of two traceparent headers nobody can say which is meant: the trace begins here."""
    site.answers("/", ok)
    site.ask("/", headers=(*HEADERS, *headers))
    assert site.span()["parent"] is None


def test_children_are_below(site: Recorded) -> None:
    """What the program does while it answers is below the request's span, which is its current span."""

    def work() -> Reply:
        with site.recorder.tracer.start_as_current_span("work"):
            return Reply()

    site.answers("/", work)
    site.ask("/")
    child, server = site.spans()
    assert (child["parent"], child["trace"]) == (server["id"], server["trace"])


# -- routes ---------------------------------------------------------------------------------------------------------


def test_what_the_router_refuses_has_no_route(site: Recorded) -> None:
    """User-pain row 18: a path without a route (404), and a method that a route does not take (405), have no route."""
    site.answers("/items/{item}", item)
    assert site.ask("/nothing/3").status == 404
    assert site.ask("/items/3", "DELETE").status == 405
    missing, refused = site.spans()
    assert (missing["name"], refused["name"]) == ("GET", "DELETE")
    assert "http.route" not in missing["attributes"]
    assert "http.route" not in refused["attributes"]
    assert (missing["status"], refused["status"]) == ("UNSET", "UNSET")


def test_the_routers_redirect_has_no_route(site: Recorded) -> None:
    """User-pain row 18: where the router itself redirects to the path with a slash, there is no route."""
    site.answers("/items/", ok)
    assert 300 < site.ask("/items").status < 400
    assert "http.route" not in site.span()["attributes"]


def test_the_program_may_name_its_span(site: Recorded) -> None:
    """A name that the program gives the span stays."""
    from opentelemetry import trace

    def rename() -> Reply:
        trace.get_current_span().update_name("mine")
        return Reply()

    site.answers("/", rename)
    site.ask("/")
    assert site.span()["name"] == "mine"


# -- methods --------------------------------------------------------------------------------------------------------


def test_unknown_methods(site: Recorded) -> None:
    """A method that is not known is _OTHER, with the original beside it, and HTTP in the name."""
    site.answers("/", ok, ("GET", "PURGE"))
    site.ask("/", "PURGE")
    span = site.span()
    assert span["name"] == "HTTP /"
    assert span["attributes"]["http.request.method"] == "_OTHER"
    assert span["attributes"]["http.request.method_original"] == "PURGE"


def test_methods_in_another_case(site: Recorded) -> None:
    """A known method in another case is recorded as it should be written, with the original beside it."""
    site.answers("/", ok)
    site.ask("/", "get")
    attributes = site.span()["attributes"]
    assert (attributes["http.request.method"], attributes["http.request.method_original"]) == ("GET", "get")


def test_known_methods_are_configured(make: Make) -> None:
    """OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS replaces the known methods."""
    site = make(http=HttpSettings(methods="PURGE, GET"))
    site.answers("/", ok, ("PURGE", "POST"))
    site.ask("/", "PURGE")
    site.ask("/", "POST")
    known, unknown = site.spans()
    assert known["name"] == "PURGE /"
    assert unknown["attributes"]["http.request.method"] == "_OTHER"


# -- who asks, and for what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"Forwarded": 'for="[2001:db8::17]:4711";proto=https;host="api.example:8443", for=10.0.0.1'},
            ("2001:db8::17", "https", "api.example", 8443),
        ),
        (
            {
                "X-Forwarded-For": "203.0.113.9, 10.0.0.1",
                "X-Forwarded-Proto": "HTTPS,http",
                "X-Forwarded-Host": "api.example, inner",
            },
            ("203.0.113.9", "https", "api.example", 443),
        ),
        (
            {"X-Forwarded-Host": "api.example", "X-Forwarded-Port": "8443"},
            ("192.0.2.7", "http", "api.example", 8443),
        ),
        ({"Forwarded": "for=unknown", "X-Forwarded-Proto": "https"}, ("192.0.2.7", "https", "shop.example", 8080)),
        ({"Host": "[2001:db8::1]:8080"}, ("192.0.2.7", "http", "2001:db8::1", 8080)),
        ({"Host": "[2001:db8::1]"}, ("192.0.2.7", "http", "2001:db8::1", 80)),
        ({"Host": "shop.example", "X-Forwarded-Proto": "https"}, ("192.0.2.7", "https", "shop.example", 443)),
        ({"Host": "me:secret@shop.example"}, ("192.0.2.7", "http", "shop.example", 80)),
    ],
)
def test_addresses(site: Recorded, headers: dict[str, str], expected: tuple[str, str, str, int]) -> None:
    """Client, scheme, host and port are what the proxies say that they are, or else what the request says."""
    site.answers("/", ok)
    site.ask("/", headers=tuple({**dict(HEADERS), **headers}.items()))
    attributes = site.span()["attributes"]
    names = ("client.address", "url.scheme", "server.address", "server.port")
    assert tuple(attributes[name] for name in names) == expected
    assert attributes["network.peer.address"] == "192.0.2.7"


def test_without_host_and_agent(site: Recorded) -> None:
    """What the request does not say is not recorded."""
    site.answers("/", ok)
    site.ask("/", headers=(), version="1.0")
    attributes = site.span()["attributes"]
    assert attributes["network.protocol.version"] == "1.0"
    assert not {"server.address", "server.port", "user_agent.original", "url.query"} & set(attributes)


def test_text_that_is_not_ascii(site: Recorded) -> None:
    """Paths and user agents are recorded as the text that their bytes stand for."""
    site.answers("/{item}", item)
    agent = "caf\u00e9".encode().decode("latin-1")
    site.ask("/caf%C3%A9", headers=(HEADERS[0], ("User-Agent", agent)))
    attributes = site.span()["attributes"]
    assert (attributes["url.path"], attributes["user_agent.original"]) == ("/caf\u00e9", "caf\u00e9")


def test_secrets_in_queries(site: Recorded) -> None:
    """User-pain row 14: the values of all seven sensitive keys are redacted, however the keys are written."""
    site.answers("/", ok)
    keys = (
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-Signature",
    )
    secrets = "&".join(f"{key}=hush" for key in keys)
    site.ask(f"/?{secrets}&X%2DAmz%2DSignature=hush&SIG=shown&design=1")
    query = site.span()["attributes"]["url.query"]
    assert "hush" not in query
    assert query.endswith("X%2DAmz%2DSignature=REDACTED&SIG=shown&design=1")


# -- headers and bodies ---------------------------------------------------------------------------------------------


def test_no_headers_and_sizes_by_default(site: Recorded) -> None:
    """Headers and sizes of bodies are recorded only where they were asked for."""
    site.answers("/", ok, ("POST",))
    site.ask("/", "POST", body=b"12345")
    assert not [name for name in site.span()["attributes"] if ".header." in name or ".body." in name]


def test_captured_headers(make: Make) -> None:
    """Headers asked for, by name or expression, are recorded; credentials and what is to be sanitized without value."""
    captured = {"server_request": "X-Team, x-id-.*,authorization,x-api-key,X-Private", "server_response": "content-.*"}
    site = make(http=HttpSettings(captured=captured, sanitized="private"))
    site.answers("/", ok)
    sent = (
        ("X-Team", "blue"),
        ("X-Id-A", "1"),
        ("Authorization", "Basic c2VjcmV0"),
        ("X-API-Key", "secret"),
        ("X-Private", "secret"),
        ("X-Other", "2"),
    )
    site.ask("/", headers=(*HEADERS, *sent))
    attributes = site.span()["attributes"]
    found = {name.removeprefix("http."): value for name, value in attributes.items() if ".header." in name}
    assert found.pop("response.header.content-type") == ("text/plain; charset=utf-8",)
    assert found.pop("response.header.content-length") == ("0",)
    assert found == {
        "request.header.x-team": ("blue",),
        "request.header.x-id-a": ("1",),
        "request.header.authorization": ("[REDACTED]",),
        "request.header.x-api-key": ("[REDACTED]",),
        "request.header.x-private": ("[REDACTED]",),
    }


def test_body_sizes(make: Make) -> None:
    """OTEL_PYTHON_HTTP_BODY_SIZES records the sizes of both bodies, of a streamed one as it was counted."""
    site = make(http=HttpSettings(body_sizes=True))
    site.answers("/plain", lambda: Reply(text="seven77"), ("POST",))
    site.answers("/stream", lambda: Reply(pieces=lambda: iter([b"123", b"4567"])))
    site.ask("/plain", "POST", body=b"12345")
    site.ask("/stream")
    plain, streamed = (span["attributes"] for span in site.spans())
    assert (plain["http.request.body.size"], plain["http.response.body.size"]) == (5, 7)
    assert streamed["http.response.body.size"] == 7
