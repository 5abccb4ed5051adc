"""What every HTTP client library does under the agent: spans, what they say, and what arrives at the server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import sampling

from clients.library import Answer, Library
from clients.server import Server, unopened
from support.recorder import Recorder
from tracing_agent.propagation.hosts import Hosts
from tracing_agent.semconv.http import HttpSettings
from tracing_agent.trace.sdk import SUPPRESS_HTTP_KEY, SUPPRESS_KEY


def _attributes(recorder: Recorder) -> list[dict[str, Any]]:
    return [span["attributes"] for span in recorder.spans()]


def _sent(server: Server, spans: Sequence[dict[str, Any]], flags: int = 1) -> None:
    """Each request carried the context of its own span, in order."""
    assert server.parents() == [f"00-{span['trace']:032x}-{span['id']:016x}-{flags:02x}" for span in spans]


def test_success(library: Library, server: Server, recorder: Recorder) -> None:
    """A request gives one CLIENT span with all that is known of it, below the caller's, and carries its context."""
    with recorder.tracer.start_as_current_span("caller"):
        assert library.get(server.url("/ok?a=1#part")) == Answer(200, b"ok")
    sent, caller = recorder.spans()
    assert sent == {
        "name": "GET",
        "kind": "CLIENT",
        "trace": caller["trace"],
        "id": sent["id"],
        "parent": caller["id"],
        "scope": f"tracing_instrumentations.{library.name}",
        "attributes": {
            "http.request.method": "GET",
            "url.full": server.url("/ok?a=1#part"),
            "server.address": "127.0.0.1",
            "server.port": server.port,
            "network.peer.address": "127.0.0.1",
            "network.peer.port": server.port,
            "network.protocol.version": "1.1",
            "http.response.status_code": 200,
        },
        "status": "UNSET",
    }
    _sent(server, [sent])


def test_a_connection_is_used_again(library: Library, server: Server, recorder: Recorder) -> None:
    """Requests over a kept connection say the same as the first one, and each has its own span and context."""
    for _ in range(3):
        library.get(server.url())
    spans = recorder.spans()
    assert len({span["id"] for span in spans}) == 3
    assert all(span["attributes"] == spans[0]["attributes"] for span in spans)
    assert spans[0]["attributes"]["network.peer.port"] == server.port
    _sent(server, spans)


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_error_status(library: Library, server: Server, recorder: Recorder, status: int) -> None:
    """A status of 4xx or 5xx is an error of the call, told by the status alone."""
    assert library.get(server.url(f"/status/{status}")).status == status
    (span,) = recorder.spans()
    assert span["status"] == "ERROR"
    assert span["attributes"]["http.response.status_code"] == status
    assert span["attributes"]["error.type"] == str(status)
    assert "events" not in span


@pytest.mark.parametrize("status", [204, 304])
def test_other_status(library: Library, server: Server, recorder: Recorder, status: int) -> None:
    """A status below 400 is none."""
    assert library.get(server.url(f"/status/{status}")).status == status
    (span,) = recorder.spans()
    assert span["status"] == "UNSET"
    assert "error.type" not in span["attributes"]


def test_unknown_method(library: Library, server: Server, recorder: Recorder) -> None:
    """A method that nobody knows is told apart from the known ones, and keeps out of the name."""
    library.send("SPAM", server.url())
    (span,) = recorder.spans()
    assert span["name"] == "HTTP"
    assert span["attributes"]["http.request.method"] == "_OTHER"
    assert span["attributes"]["http.request.method_original"] == "SPAM"


def test_redirects(library: Library, server: Server, recorder: Recorder) -> None:
    """Each hop of a redirect chain is a span, a sibling of the others, numbered, with a context of its own."""
    with recorder.tracer.start_as_current_span("caller"):
        assert library.get(server.url("/redirect/3")) == Answer(200, b"arrived", 3)
    *hops, caller = recorder.spans()
    assert [hop["parent"] for hop in hops] == [caller["id"]] * 4
    assert [hop["attributes"]["url.full"] for hop in hops] == [server.url(f"/redirect/{left}") for left in (3, 2, 1, 0)]
    assert [hop["attributes"].get("http.request.resend_count") for hop in hops] == [None, 1, 2, 3]
    assert [hop["attributes"]["http.response.status_code"] for hop in hops] == [302, 302, 302, 200]
    assert {hop["status"] for hop in hops} == {"UNSET"}
    _sent(server, hops)


def test_too_many_redirects(library: Library, server: Server, recorder: Recorder) -> None:
    """When a chain is too long, the last hop has the error that the caller got; its status stays."""
    with pytest.raises(Exception, match="redirect"):
        library.get(server.url("/loop"), redirects=2)
    *hops, last = recorder.spans()
    assert len(hops) == 2
    assert {hop["status"] for hop in hops} == {"UNSET"}
    assert last["attributes"]["http.response.status_code"] == 302
    assert last["attributes"]["http.request.resend_count"] == 2
    assert last["attributes"]["error.type"] == library.errors["redirects"]
    assert last["status"][0] == "ERROR"


def test_retries(library: Library, server: Server, recorder: Recorder) -> None:
    """Each retry that the library makes by itself is a span, numbered, with its own outcome and context."""
    with recorder.tracer.start_as_current_span("caller"):
        assert library.get(server.url("/flaky/503/2"), retries=3) == Answer(200, b"at last")
    *tries, caller = recorder.spans()
    assert [span["parent"] for span in tries] == [caller["id"]] * 3
    assert [span["attributes"].get("http.request.resend_count") for span in tries] == [None, 1, 2]
    assert [span["attributes"]["http.response.status_code"] for span in tries] == [503, 503, 200]
    assert [span["attributes"].get("error.type") for span in tries] == ["503", "503", None]
    assert {span["attributes"]["network.peer.port"] for span in tries} == {server.port}
    _sent(server, tries)


def test_retries_that_do_not_help(library: Library, server: Server, recorder: Recorder) -> None:
    """When all retries fail, the last attempt has what the caller got."""
    assert library.get(server.url("/flaky/503/9"), retries=2).status == 503
    assert [span["attributes"]["error.type"] for span in recorder.spans()] == ["503", "503", "503"]
    assert len(server.seen) == 3


def test_retried_connections(library: Library, recorder: Recorder) -> None:
    """Attempts to connect are attempts too: each failed one is a span."""
    with pytest.raises(Exception, match="efused"):
        library.get(f"http://127.0.0.1:{unopened()}/", retries=2)
    spans = recorder.spans()
    assert [span["attributes"].get("http.request.resend_count") for span in spans] == [None, 1, 2]
    assert [span["status"][0] for span in spans] == ["ERROR"] * 3
    assert spans[-1]["attributes"]["error.type"] == library.errors["refused"]


def test_unopened_port(library: Library, recorder: Recorder) -> None:
    """A refused connection is an error with the type that the caller caught; nothing is said of a socket."""
    port = unopened()
    with pytest.raises(Exception, match="efused") as caught:
        library.get(f"http://127.0.0.1:{port}/secret?sig=abc&a=1")
    (span,) = recorder.spans()
    assert span["attributes"] == {
        "http.request.method": "GET",
        "url.full": f"http://127.0.0.1:{port}/secret?sig=REDACTED&a=1",
        "server.address": "127.0.0.1",
        "server.port": port,
        "error.type": library.errors["refused"],
    }
    assert f"{type(caught.value).__module__}.{type(caught.value).__qualname__}" == library.errors["refused"]
    assert span["status"][0] == "ERROR"
    assert "abc" not in span["status"][1], "user-pain row 14: not in the description either"


def test_read_timeout(library: Library, server: Server, recorder: Recorder) -> None:
    """A time-out while waiting for the response is an error of the call, and has no status code."""
    with pytest.raises(Exception, match=r"(?i)timed? ?out"):
        library.get(server.url("/slow"), timeout=0.05)
    (span,) = recorder.spans()
    assert span["attributes"]["error.type"] == library.errors["timeout"]
    assert "http.response.status_code" not in span["attributes"]
    assert span["status"][0] == "ERROR"


def test_connection_without_response(library: Library, server: Server, recorder: Recorder) -> None:
    """A connection that is closed instead of answered is an error of the call."""
    with pytest.raises(Exception, match=r".") as caught:
        library.get(server.url("/reset"))
    (span,) = recorder.spans()
    assert span["attributes"]["error.type"] == library.errors["reset"]
    assert type(caught.value).__qualname__ in library.errors["reset"]


def test_body_that_breaks_off(library: Library, server: Server, recorder: Recorder) -> None:
    """When the body that the library reads for the caller breaks off, the span says so; its status stays."""
    with pytest.raises(Exception, match=r"."):
        library.get(server.url("/cut"))
    (span,) = recorder.spans()
    assert span["attributes"]["http.response.status_code"] == 200
    assert span["attributes"]["error.type"] == library.errors["cut"]
    assert span["status"][0] == "ERROR"


def test_tls(library: Library, tls_server: Server, recorder: Recorder, trust: str) -> None:
    """Over TLS the span says the same, and the socket's other side is the server's."""
    assert library.get(tls_server.url(), trust=trust).status == 200
    (attributes,) = _attributes(recorder)
    assert attributes["url.full"] == tls_server.url()
    assert attributes["network.peer.port"] == attributes["server.port"] == tls_server.port
    assert len(tls_server.parents()) == 1


def test_tls_failure(library: Library, strange_server: Server, recorder: Recorder, trust: str) -> None:
    """A certificate that is not trusted is an error of the call, and nothing was sent."""
    with pytest.raises(Exception, match=r"(?i)certificate"):
        library.get(strange_server.url(), trust=trust)
    (span,) = recorder.spans()
    assert span["attributes"]["error.type"] == library.errors["tls"]
    assert "network.peer.address" not in span["attributes"]
    assert span["status"][0] == "ERROR"
    assert strange_server.seen == []


def test_streamed_response(library: Library, server: Server, recorder: Recorder) -> None:
    """A span ends when the response's headers are here, however long the body takes."""
    body = library.stream(server.url("/drip"))
    (span,) = recorder.spans()
    assert span["attributes"]["http.response.status_code"] == 200
    server.release.set()
    assert b"".join(body) == b"drip"
    assert recorder.spans() == []


def test_streamed_request(library: Library, server: Server, recorder: Recorder) -> None:
    """A body of unknown length is sent as it comes, with context; what it does meanwhile is the caller's work."""

    def chunks() -> Iterator[bytes]:
        yield b"one"
        library.get(server.url())
        yield b"two"

    with recorder.tracer.start_as_current_span("caller"):
        assert library.send("POST", server.url("/echo"), body=chunks()) == Answer(200, b"onetwo")
    inner, outer, caller = recorder.spans()
    assert inner["parent"] == outer["parent"] == caller["id"]
    assert "http.request.resend_count" not in {**inner["attributes"], **outer["attributes"]}
    _sent(server, [inner, outer])


def test_chunked_response(library: Library, server: Server, recorder: Recorder) -> None:
    """A response in chunks is one span."""
    assert library.get(server.url("/chunks")).body == b"onetwothree"
    assert len(recorder.spans()) == 1


def test_without_parent(library: Library, server: Server, recorder: Recorder) -> None:
    """Without a parent each attempt begins a trace, as the conventions have it."""
    library.get(server.url("/redirect/1"))
    first, second = recorder.spans()
    assert first["parent"] is second["parent"] is None
    assert first["trace"] != second["trace"]
    _sent(server, [first, second])


def test_without_parent_where_none_is_wanted(library: Library, server: Server, recorder: Recorder) -> None:
    """user-pain row 16: with root client spans off, a request without a parent has no span, and carries nothing."""
    recorder.undo()
    recorder.engine.root_clients = False
    recorder.patch(library.name)
    library.get(server.url("/redirect/1"))
    assert recorder.spans() == []
    assert [seen.all("traceparent") for seen in server.seen] == [[], []]


def test_unsampled_parent(library: Library, server: Server, recorder: Recorder) -> None:
    """Below an unsampled span nothing is recorded, and what it decided goes along with every attempt."""
    unsampled = Recorder(sampler=sampling.DEFAULT_OFF)
    with unsampled.tracer.start_as_current_span("caller") as caller:
        identity = caller.get_span_context()
        library.get(server.url("/redirect/1"))
        library.get(server.url("/flaky/503/1"), retries=1)
    assert recorder.spans() == []
    assert server.parents() == [f"00-{identity.trace_id:032x}-{identity.span_id:016x}-00"] * 4


def test_unsampled_root(library: Library, server: Server, recorder: Recorder) -> None:
    """A request that begins an unsampled trace says so to the server."""
    recorder.undo()
    recorder.engine.sampled_by(sampling.ALWAYS_OFF)
    recorder.patch(library.name)
    library.get(server.url())
    assert recorder.spans() == []
    assert [parent[-2:] for parent in server.parents()] == ["00"]


def test_remote_parent(library: Library, server: Server, recorder: Recorder) -> None:
    """Below a remote parent, whoever put it into the context, trace, state and baggage go on."""
    state = trace.TraceState([("shop", "1")])
    identity = trace.SpanContext(0xA, 0xB, True, trace.TraceFlags(1), state)
    remote = trace.set_span_in_context(trace.NonRecordingSpan(identity))
    token = context.attach(baggage.set_baggage("tenant", "blue sky", remote))
    try:
        library.get(server.url())
    finally:
        context.detach(token)
    (span,) = recorder.spans()
    assert (span["trace"], span["parent"]) == (0xA, 0xB)
    _sent(server, [span])
    assert server.seen[0].one("tracestate") == "shop=1"
    assert server.seen[0].one("baggage") == "tenant=blue%20sky"


@pytest.mark.parametrize("key", [SUPPRESS_KEY, SUPPRESS_HTTP_KEY])
def test_suppressed(library: Library, server: Server, recorder: Recorder, key: str) -> None:
    """Where instrumentation is suppressed there is no span, and headers are the program's."""
    with recorder.tracer.start_as_current_span("caller"):
        token = context.attach(context.set_value(key, True))
        try:
            library.get(server.url("/redirect/1"))
        finally:
            context.detach(token)
    assert [span["name"] for span in recorder.spans()] == ["caller"]
    assert [seen.all("traceparent") for seen in server.seen] == [[], []]


def test_excluded(library: Library, server: Server, recorder: Recorder) -> None:
    """An excluded URL has no span; the caller's context goes along, so that the trace goes on behind it."""
    recorder.undo()
    recorder.engine.http = HttpSettings(excluded={library.name: "/redirect/2,/health"})
    recorder.patch(library.name)
    with recorder.tracer.start_as_current_span("caller"):
        library.get(server.url("/redirect/2"))
    *hops, caller = recorder.spans()
    assert [hop["attributes"]["http.request.resend_count"] for hop in hops] == [1, 2]
    _sent(server, [caller, *hops])


def test_hosts_that_context_may_be_sent_to(library: Library, server: Server, recorder: Recorder) -> None:
    """Context and baggage go only to the hosts that are named; spans are recorded either way."""
    recorder.undo()
    recorder.engine.carrier.allows = Hosts(["localhost", "*.internal"]).allows
    recorder.patch(library.name)
    token = context.attach(baggage.set_baggage("tenant", "blue"))
    try:
        library.get(server.url("/redirect/1"))
        library.get(server.url().replace("127.0.0.1", "localhost"))
    finally:
        context.detach(token)
    spans = recorder.spans()
    assert len(spans) == 3
    assert [seen.all("traceparent") + seen.all("baggage") for seen in server.seen[:2]] == [[], []]
    assert server.seen[2].one("baggage") == "tenant=blue"
    assert f"{spans[2]['id']:016x}" in server.seen[2].one("traceparent")


def test_headers_of_the_program(library: Library, server: Server, recorder: Recorder) -> None:
    """Headers that the caller passes stay as they are; a traceparent among them is replaced on the wire, once."""
    headers = {
        "Traceparent": "00-0000000000000000000000000000000a-000000000000000b-01",
        "tracestate": "theirs=1",
        "BAGGAGE": "mine=1",
        "X-Shop": "open",
    }
    before = dict(headers)
    token = context.attach(baggage.set_baggage("tenant", "blue"))
    try:
        library.get(server.url("/redirect/1"), headers=headers)
        library.get(server.url(), headers=headers)
    finally:
        context.detach(token)
    assert headers == before
    _sent(server, recorder.spans())
    assert [seen.all("tracestate") for seen in server.seen] == [[], [], []], "it belonged to the other parent"
    assert [seen.all("baggage") for seen in server.seen] == [["mine=1"]] * 3
    assert [seen.all("x-shop") for seen in server.seen] == [["open"]] * 3


def test_redacted_url(library: Library, server: Server, recorder: Recorder) -> None:
    """user-pain row 14: credentials in URLs, and the values of the seven query keys that sign requests, never leave."""
    keys = [
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
        "X-Goog-Signature",
    ]
    query = "&".join(f"{key}=secret" for key in [*keys, "%73ig"])
    library.get(server.url(f"/ok?a=1&{query}&Sig=2").replace("//", "//me:secret@"))
    (span,) = recorder.spans()
    redacted = "&".join(f"{key}=REDACTED" for key in [*keys, "sig"])
    assert "secret" not in repr(span)
    assert span["attributes"]["url.full"].replace("%73", "s") == server.url(f"/ok?a=1&{redacted}&Sig=2").replace(
        "//", "//REDACTED:REDACTED@"
    )
    assert span["attributes"]["server.address"] == "127.0.0.1"


def test_captured_headers(library: Library, server: Server, recorder: Recorder) -> None:
    """Headers are recorded where they are asked for, by lower-case name; those that carry credentials are redacted."""
    recorder.undo()
    recorder.engine.http = HttpSettings(
        captured={"client_request": "x-shop,authorization", "client_response": "x-.*,set-cookie"}
    )
    recorder.patch(library.name)
    library.get(server.url(), headers={"X-Shop": "café".encode().decode("latin-1"), "Authorization": "secret"})
    (attributes,) = _attributes(recorder)
    assert {key: value for key, value in attributes.items() if ".header." in key} == {
        "http.request.header.x-shop": ("café".encode().decode("latin-1"),),
        "http.request.header.authorization": ("[REDACTED]",),
        "http.response.header.x-shop": ("open",),
        "http.response.header.set-cookie": ("[REDACTED]",),
    }


def test_no_headers_are_captured_by_default(library: Library, server: Server, recorder: Recorder) -> None:
    """user-pain row 14: no header is recorded unless it is asked for."""
    library.get(server.url(), headers={"X-Shop": "open"})
    (attributes,) = _attributes(recorder)
    assert not [key for key in attributes if ".header." in key]


def test_many_threads(library: Library, server: Server, recorder: Recorder) -> None:
    """Requests of many threads at once: each span is below its own caller, and each request carries its own span."""
    start = threading.Barrier(8)

    def work(index: int) -> None:
        start.wait()
        for turn in range(5):
            with recorder.tracer.start_as_current_span(f"caller {index}.{turn}"):
                library.get(server.url(f"/redirect/1?{index}.{turn}"))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans = recorder.spans()
    callers = {span["id"]: span for span in spans if span["kind"] == "INTERNAL"}
    sent = [span for span in spans if span["kind"] == "CLIENT"]
    assert (len(callers), len(sent)) == (40, 80)
    for span in sent:
        caller = callers[span["parent"]]
        assert span["trace"] == caller["trace"]
        if "http.request.resend_count" not in span["attributes"]:
            assert span["attributes"]["url.full"].endswith(caller["name"].removeprefix("caller "))
    arrived = sorted(server.parents())
    assert arrived == sorted(f"00-{span['trace']:032x}-{span['id']:016x}-01" for span in sent)
    assert len(set(arrived)) == 80


def test_faults_of_ours(library: Library, server: Server, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """user-pain row 2: whatever fails in what is ours, the caller gets what it would get without it."""
    from tracing_agent.faults import LINES

    monkeypatch.setattr(LINES, "strict", False)
    monkeypatch.setattr(LINES, "level", 0)

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(recorder.engine.carrier, "inject", broken)
    monkeypatch.setattr(recorder.engine, "take", broken)
    assert library.get(server.url("/redirect/1")) == Answer(200, b"arrived", 1)
    assert library.get(server.url("/flaky/503/1"), retries=1).status == 200
    with pytest.raises(Exception, match="redirect"):
        library.get(server.url("/loop"), redirects=1)
    with pytest.raises(Exception, match="efused"):
        library.get(f"http://127.0.0.1:{unopened()}/")
