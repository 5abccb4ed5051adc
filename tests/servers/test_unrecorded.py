"""Requests that are not recorded: excluded, not sampled, or beyond what the agent can cope with; in every framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import sampling

import tracing_instrumentations._starlette as starlette_shared
import tracing_instrumentations.fastapi as fastapi_library
import tracing_instrumentations.flask as flask_library
import tracing_instrumentations.starlette as starlette_library
from servers.asking import HEADERS
from servers.conftest import Recorded
from servers.sites import Reply
from tracing_agent.drivers import asgi, asgi_request, serving, wsgi, wsgi_request
from tracing_agent.faults import LINES
from tracing_agent.operation import HTTP_CLIENT, Operation
from tracing_agent.semconv.http import HttpSettings
from tracing_agent.semconv.http import server as http_server
from tracing_agent.trace.begin import beginner, carried

Make = Callable[..., Recorded]
UNSAMPLED = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")


def inside(site: Recorded, seen: list[Any]) -> Callable[[], Reply]:
    """An endpoint that makes spans in both ways, calls others, and goes on doing so while its body is sent."""
    engine = site.recorder.engine
    begin = beginner(engine, Operation("test", "call", key=HTTP_CLIENT))

    def work() -> None:
        site.recorder.tracer.start_span("manual").end()
        span = begin()
        identity = carried(engine, HTTP_CLIENT) if span is None else span
        headers: dict[str, str] = {}
        if identity is not None:
            engine.carrier.inject(identity, headers.__setitem__)
        seen.append((span is not None and span.recording, headers.get("traceparent", "")))

    def pieces() -> Iterator[bytes]:
        work()
        yield b"x"
        work()

    def endpoint() -> Reply:
        work()
        return Reply(pieces=pieces)

    return endpoint


SAMPLERS = [sampling.DEFAULT_ON, sampling.ALWAYS_ON, sampling.ParentBased(sampling.ALWAYS_ON)]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=["parent-based", "always-on", "unknown"])
def test_excluded_requests(make: Make, sampler: sampling.Sampler) -> None:
    """User-pain row 15: of an excluded request nothing is recorded, and what it calls gets an unsampled traceparent."""
    site = make(sampler=sampler, http=HttpSettings(excluded=dict.fromkeys(LIBRARIES, "/health,live$")))
    seen: list[Any] = []
    site.answers("/health", inside(site, seen))
    assert site.ask("/health?deep=1").body == b"x"
    assert site.spans() == []
    assert len(seen) == 3
    for recorded, traceparent in seen:
        assert not recorded
        assert traceparent.endswith("-00")
    assert len({traceparent[:35] for _, traceparent in seen}) == 1


LIBRARIES = ("flask", "starlette", "fastapi")


def test_excluded_requests_carry_on_their_trace(make: Make) -> None:
    """User-pain row 15: an excluded request in somebody's trace hands that trace on, unsampled."""
    site = make(http=HttpSettings(excluded=dict.fromkeys(LIBRARIES, "health")))
    seen: list[Any] = []
    site.answers("/health", inside(site, seen))
    site.ask("/health", headers=(*HEADERS, ("traceparent", UNSAMPLED[1][:-2] + "01")))
    assert site.spans() == []
    assert {traceparent[:35] for _, traceparent in seen} == {UNSAMPLED[1][:35]}
    assert {traceparent[-3:] for _, traceparent in seen} == {"-00"}


@pytest.mark.parametrize(
    ("path", "excluded"),
    [("/live", True), ("/live?x=1", True), ("/items?x=live", True), ("/lives", False), ("/items", False)],
)
def test_exclusion_is_by_url(make: Make, path: str, excluded: bool) -> None:
    """The expressions are searched in the URL without its query, and in the whole."""
    site = make(http=HttpSettings(excluded=dict.fromkeys(LIBRARIES, r"^http://shop\.example:8080/nothing, live$")))
    for template in ("/live", "/lives", "/items"):
        site.answers(template, Reply)
    assert site.ask(path).status == 200
    assert len(site.spans()) == (not excluded)


def test_unsampled_requests(site: Recorded) -> None:
    """Of a request that its caller did not sample nothing is recorded, and the calls it makes say so."""
    seen: list[Any] = []
    site.answers("/", inside(site, seen))
    assert site.ask("/", headers=(*HEADERS, UNSAMPLED)).body == b"x"
    assert site.spans() == []
    assert {(recorded, traceparent[:35]) for recorded, traceparent in seen} == {(False, UNSAMPLED[1][:35])}
    assert {traceparent[-3:] for _, traceparent in seen} == {"-00"}


def test_unsampled_errors(site: Recorded) -> None:
    """An exception in a request that is not recorded is answered as ever."""

    def broken() -> Reply:
        raise ValueError

    site.answers("/", broken)
    assert site.ask("/", headers=(*HEADERS, UNSAMPLED)).status == 500
    assert site.spans() == []
    assert trace.get_current_span() is trace.INVALID_SPAN


# -- broken input ---------------------------------------------------------------------------------------------------

_LONG = "x" * 65536

BROKEN: list[tuple[str, str]] = [
    (name, value)
    for name, values in {
        "traceparent": ("", "00", "zz-" * 18, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", _LONG, "\xff\xfe", "00-\x00"),
        "tracestate": ("=,=", _LONG, "\xff", ",,,,"),
        "baggage": ("%", "=%zz", ";;=,", _LONG, "\xff=\xff", "a=%ff%fe"),
        "Host": ("", "[", "]:", "[::1", ":", ":99999999", "a:b:c", "@", "\xff", _LONG, "shop:" + "9" * 400, "a:²"),
        "Forwarded": ("", ";;", 'for="', "=;=", "for=;proto=;host=", _LONG, "\xff", "proto=" + _LONG),
        "X-Forwarded-For": ("", ",", "[", _LONG, "\xff"),
        "X-Forwarded-Proto": ("", ",", "javascript:", _LONG, "\xff"),
        "X-Forwarded-Host": ("", ",", "[", _LONG, "\xff"),
        "X-Forwarded-Port": ("", "x", _LONG),
        "User-Agent": ("", _LONG, "\xff\x00"),
        "X-Anything": ("", _LONG, "\xff\xfe"),
    }.items()
    for value in values
]


@pytest.mark.parametrize(("name", "value"), BROKEN, ids=[f"{name}-{at}" for at, (name, _) in enumerate(BROKEN)])
def test_broken_headers(make: Make, name: str, value: str) -> None:
    """Broken headers break no request: it is answered, and recorded with text that can be exported."""
    captured = {"server_request": ".*", "server_response": ".*"}
    site = make(http=HttpSettings(captured=captured, body_sizes=True, excluded=dict.fromkeys(LIBRARIES, "no")))
    site.answers("/", lambda: Reply(text="fine"))
    for headers in (((name, value),), ((name, value), (name, value))):
        answer = site.ask("/", headers=(*((n, v) for n, v in HEADERS if n != name), *headers))
        assert answer.error is None
        # A host name of that length, Flask may refuse by itself.
        assert answer.status == 200 or (site.library == "flask" and (name, value) == ("Host", _LONG))
        attributes = site.span()["attributes"]
        assert all(len(attributes[key]) <= 8192 for key in ("user_agent.original",) if key in attributes)


@pytest.mark.parametrize("path", ["/%", "/%zz", "/%ff%fe", "/%00", "/?%", "/?%ff&=&&==&sig=%zz", "/" + "x" * 9000])
def test_broken_paths(site: Recorded, path: str) -> None:
    """Broken percent-encoding and bytes that are not UTF-8 break no request."""
    site.answers("/{item}", lambda item: Reply(text="fine"))
    site.answers("/", lambda: Reply(text="fine"))
    answer = site.ask(path)
    assert (answer.status, answer.error) == (200, None)
    attributes = site.span()["attributes"]
    attributes["url.path"].encode()
    assert len(attributes["url.path"]) <= 8192


# -- our own faults -------------------------------------------------------------------------------------------------


def raises(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("ours")


STEPS = [
    (serving, "Exchange.conclude"),
    (serving, "server_response"),
    (serving, "admit"),
    (serving, "Context"),
    (serving, "_served"),
    (wsgi, "attach"),
    (wsgi_request, "server_request"),
    (wsgi, "Response.answer"),
    (asgi, "Response.start"),
    (asgi, "Answer.conclude"),
    (asgi, "attach"),
    (asgi_request, "server_request"),
    (http_server, "host_port"),
    (flask_library, "aside"),
    (flask_library, "server_route"),
    (starlette_library, "aside"),
    (starlette_shared, "aside"),
    (starlette_shared, "server_route"),
    (starlette_shared, "prefix_of"),
    (fastapi_library, "telemetry"),
]


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[f"{m.__name__.rpartition('.')[2]}-{s}" for m, s in STEPS])
def test_faults_of_ours(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: Any, step: str
) -> None:
    """User-pain row 2: when a step of ours raises, the answers are what they were, and one line says so."""
    holder: Any = module
    *path, name = step.split(".")
    for part in path:
        holder = getattr(holder, part)
    monkeypatch.setattr(holder, name, raises)
    LINES.strict = False
    site = make()
    if step == "admit":
        site.recorder.engine.watch()
    site.answers("/", lambda: Reply(text="fine"))
    site.answers("/stream", lambda: Reply(pieces=lambda: iter([b"fi", b"ne"])))
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, False, trace.TraceFlags(1)))):
        answers = [site.ask(path) for path in ("/", "/stream", "/", "/stream")]
    assert {(answer.status, answer.body, answer.error) for answer in answers} == {(200, b"fine", None)}
    # FastAPI's requests come through Starlette, too.
    assert capsys.readouterr().err.count("\n") <= 1 + (site.library == "fastapi")


def test_faults_are_told(make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """User-pain row 2: of many equal faults one line is printed, and after ten the instrumentation is switched off."""
    monkeypatch.setattr(serving, "_served", raises)
    LINES.strict = False
    site = make()
    site.answers("/", lambda: Reply(text="fine"))
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, False, trace.TraceFlags(1)))):
        for _ in range(20):
            assert site.ask("/").body == b"fine"
    lines = capsys.readouterr().err.splitlines()
    for library in ("fastapi", "starlette") if site.library == "fastapi" else (site.library,):
        assert len([line for line in lines if f"{library} instrumentation failed (RuntimeError: ours" in line]) == 1
        assert len([line for line in lines if f"{library}: switched off after 10 faults" in line]) == 1
