"""Rules: what each condition matches, which rule wins, what a rule does, and what becomes of a bad one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi
import flask
import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_OFF, DEFAULT_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from sampling.test_capped import Unknown
from support.recorder import Recorder
from tracing_agent.config import Settings
from tracing_agent.operation import Operation
from tracing_agent.propagation.remote import Remote
from tracing_agent.sampling.before import before
from tracing_agent.sampling.configured import engine_of
from tracing_agent.sampling.rules import written
from tracing_agent.trace.begin import admit, beginner, enter, leave, receiver
from tracing_agent.trace.rule import Facts

REQUEST = {"http.request.method": "GET", "url.path": "/users/7/orders", "server.address": "shop.example"}


def facts(
    name: str = "GET", kind: SpanKind | None = SpanKind.SERVER, sent: dict[str, str] | None = None, **more: Any
) -> Facts:
    attributes = {**REQUEST, **{key.replace("__", "."): value for key, value in more.items()}}
    return Facts(name, kind, {key: value for key, value in attributes.items() if value is not None}, sent or {})


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        ("drop", facts(), True),
        ("drop /users/*", facts(), True),
        ("drop /users", facts(), False),
        ("drop /users/?/orders", facts(), True),
        ("drop */orders", facts(), True),
        ("drop /Users/*", facts(), False),
        ("drop /health*|/users/*", facts(), True),
        ("drop path:/users/[0-9]/*", facts(), True),
        ("drop route:/users/{id}/orders", facts(http__route="/users/{id}/orders"), True),
        ("drop route:/users/*/orders", facts(), True),
        ("drop /a", facts(kind=SpanKind.CLIENT, url__path=None, url__full="https://u:p@x.example/a?b=/c"), True),
        ("drop /", facts(kind=SpanKind.CLIENT, url__path=None, url__full="https://x.example"), True),
        ("drop /*", Facts("job", None, {}, {}), False),
        ("drop GET", facts(), True),
        ("drop POST|GET", facts(), True),
        ("drop method:POST", facts(), False),
        ("drop method:P*|G*", facts(), True),
        ("drop host:*.example", facts(), True),
        ("drop host:other", facts(), False),
        ("drop kind:server", facts(), True),
        ("drop kind:client|Producer", facts(), False),
        ("drop kind:internal", Facts("job", None, {}, {}), True),
        ("drop name:nightly*", Facts("nightly job", SpanKind.INTERNAL, {}, {}), True),
        ("drop name:nightly*", facts(), False),
        ("drop header:X-Debug-Trace", facts(sent={"x-debug-trace": ""}), True),
        ("drop header:x-debug-trace", facts(), False),
        ("drop header:x-tenant=a*|b", facts(sent={"x-tenant": "b"}), True),
        ("drop header:x-tenant=a*|b", facts(sent={"x-tenant": "c"}), False),
        ("drop GET /users/* host:shop.example kind:server", facts(), True),
        ("drop GET /users/* host:other kind:server", facts(), False),
    ],
)
def test_conditions(rule: str, given: Facts, expected: bool) -> None:
    """A condition matches what it names, and all of a rule have to."""
    (one,) = written(rule, lambda *why: pytest.fail(str(why)))
    assert one.matches(given) is expected


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("drpo /x", "'drpo' is neither drop nor keep, nor a ratio"),
        ("1.5 /x", "'1.5' is neither"),
        ("-1%", "'-1%' is neither"),
        ("nan", "'nan' is neither"),
        ("drop x", "'x' is no /path, no METHOD"),
        ("drop paths:/x", "'paths:/x' is no /path"),
        ("drop path:", "'path:' says nothing after the colon"),
        ("drop kind:servant", "'servant' is not one of server, client"),
        ("drop parent:mine", "'mine' is not one of none, sampled"),
        ("drop header:x y=1", "'y=1' is no /path"),
        ("drop header:=1", "'' is no header's name"),
        ("10% parent:any", "a ratio cannot be had with parent:any"),
    ],
)
def test_a_bad_rule(bad: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule that cannot be read is one line that names it, by number and text, and the others work."""
    settings = Settings({"OTEL_PYTHON_TRACES_RULES": f"drop /a; {bad};keep /b ;"}).sampling
    sampler: Any = before(settings, DEFAULT_ON)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"OTEL_PYTHON_TRACES_RULES: rule 2 ({bad!r}) is left out: {why}" in line
    assert sampler.get_description().startswith("drop /a; keep /b; else ParentBased")


def test_no_rule_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no rule is left the sampler is as if there were none."""
    assert before(Settings({"OTEL_PYTHON_TRACES_RULES": "x;; y"}).sampling, DEFAULT_ON) is DEFAULT_ON
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_documented_rules() -> None:
    """The rules that docs/sampling.md shows can be read."""
    text = (Path(__file__).parents[2] / "docs" / "sampling.md").read_text()
    shown = re.findall(r"^OTEL_PYTHON_TRACES_RULES=(.+)$", text, re.MULTILINE)
    assert len(shown) == 2
    assert [len(written(rules, lambda *why: pytest.fail(str(why)))) for rules in shown] == [2, 4]


def ruled(rules: str, sampler: Sampler = DEFAULT_ON, **more: str) -> Recorder:
    variables = {"OTEL_PYTHON_TRACES_RULES": rules, **{f"OTEL_PYTHON_TRACES_{key}": more[key] for key in more}}
    settings = Settings(variables).sampling
    return Recorder(before(settings, sampler), made=engine_of(settings))


def serve(recorder: Recorder, path: str, remote: Remote | None = None, fails: bool = False) -> Any:
    """One request with a span below; the span, or what stands for it."""
    begin = receiver(recorder.engine, Operation("test", "GET", SpanKind.SERVER))
    call = beginner(recorder.engine, Operation("test", "call", SpanKind.CLIENT))
    span: Any = begin(remote)
    if span.recording:
        span.values = {"http.request.method": "GET", "url.path": path}
        span = admit(recorder.engine, span)
    token = enter(span)
    inner: Any = call()
    if inner is not None and inner.recording:
        inner = admit(recorder.engine, inner)
        inner.origin.finish(inner)
    recorder.tracer.start_span("own").end()
    leave(token)
    if span.recording:
        if fails:
            span.set_status(StatusCode.ERROR)
        span.end()
    return span


def sent(recorder: Recorder) -> list[str]:
    return [span["name"] for span in recorder.spans()]


WHOLE = ["call", "own", "GET"]


def test_first_match_wins() -> None:
    """The first rule that matches decides, and the sampler where none does, for the whole local trace."""
    recorder = ruled("keep /health/deep; drop /health*", DEFAULT_ON)
    for path, expected in (("/health/deep", WHOLE), ("/healthz", []), ("/other", WHOLE)):
        serve(recorder, path)
        assert sent(recorder) == expected
    off = ruled("keep /health/deep; drop /health*", ALWAYS_OFF)
    for path, expected in (("/health/deep", WHOLE), ("/healthz", []), ("/other", [])):
        serve(off, path)
        assert sent(off) == expected


def test_ratio() -> None:
    """User-pain row 22: a rule samples its share, says with which probability, and counts what it dropped."""
    settings = Settings({"OTEL_PYTHON_TRACES_RULES": "25% /a*"}).sampling
    recorder = Recorder(before(settings, DEFAULT_OFF))
    low = [number << 54 for number in range(4)]  # the four quarters of the 56 random bits
    recorder.engine.ids.generate_trace_id = iter([*low, *low]).__next__  # type: ignore[method-assign]
    spans = [serve(recorder, "/a") for _ in range(4)]
    assert [span.trace.flags & 1 for span in spans] == [0, 0, 0, 1]
    assert [span.trace.state for span in spans] == ["", "", "", "ot=th:c"]
    assert [serve(recorder, "/b").trace.flags & 1 for _ in range(4)] == [0] * 4
    assert recorder.engine.rule is not None
    assert recorder.engine.rule.counts() == {"dropped: rule 1 (25% /a*)": 3}
    recorder.provider.forked()
    assert recorder.engine.rule.counts() == {}


@pytest.mark.parametrize("flags", [0, 1])
def test_callers_decide(flags: int) -> None:
    """A caller's decision stands against rules that say nothing of callers."""
    recorder = ruled("drop /health*; keep /deep*")
    for path in ("/health", "/deep", "/other"):
        span = serve(recorder, path, Remote(7, 5, flags, "v=1"))
        assert (span.trace.id, span.trace.flags, span.trace.state) == (7, flags, "v=1")
        assert sent(recorder) == (WHOLE if flags else [])


@pytest.mark.parametrize(
    ("parent", "expected"),
    [("none", [0, 0, 1]), ("sampled", [1, 0, 0]), ("unsampled", [1, 0, 1]), ("any", [0, 0, 0])],
)
def test_dropping_below_callers(parent: str, expected: list[int]) -> None:
    """A rule may say below which callers it applies: none, those that sampled, those that did not, or all and none."""
    recorder = ruled(f"drop /health* parent:{parent}")
    callers = (None, Remote(7, 5, 0), Remote(7, 5, 1))
    assert [serve(recorder, "/health", caller).trace.flags & 1 for caller in callers] == expected
    assert [serve(recorder, "/other", caller).trace.flags & 1 for caller in callers] == [1, 0, 1]


def test_keeping_below_callers() -> None:
    """A trace that its caller did not sample goes on sampled where a rule keeps it, with the caller's tracestate."""
    recorder = ruled("keep /deep parent:any")
    span = serve(recorder, "/deep", Remote(7, 5, 2, "v=1,ot=th:8"))
    assert (span.trace.id, span.trace.flags, span.trace.state) == (7, 3, "v=1")
    assert span.parent.span_id == 5
    assert sent(recorder) == WHOLE


def test_the_programs_own_spans() -> None:
    """Roots that the program begins are matched by name, kind and the attributes they begin with."""
    recorder = ruled("drop name:poll*; drop path:/internal/*; drop kind:producer")
    tracer = recorder.tracer
    for name, given in (
        ("poll queue", {}),
        ("GET", {"attributes": {"url.path": "/internal/x"}}),
        ("send", {"kind": SpanKind.PRODUCER}),
        ("work", {"attributes": {"url.path": "/x"}}),
    ):
        with tracer.start_as_current_span(name, **given):
            tracer.start_span("poll inside").end()
    assert sent(recorder) == ["poll inside", "work"]


def test_with_a_cap() -> None:
    """A ratio's traces count for the cap, those that a rule keeps do not."""
    recorder = ruled("keep /deep; 100% /a*", DEFAULT_ON, PER_SECOND="0.001")
    assert [serve(recorder, path).trace.flags & 1 for path in ("/deep", "/deep", "/a", "/a", "/b", "/deep")] == [
        1,
        1,
        1,
        0,
        0,
        1,
    ]


def test_with_keeping() -> None:
    """What the sampler drops is held and kept for its error; what a rule drops is not."""
    recorder = ruled("drop /health*; 0% /a*", DEFAULT_OFF, KEEP="errors")
    for path, expected in (("/health", []), ("/a", WHOLE), ("/b", WHOLE)):
        serve(recorder, path, fails=True)
        assert sent(recorder) == expected
        serve(recorder, path)
        assert sent(recorder) == []


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, DEFAULT_OFF], ids=["off", "parent off"])
def test_samplers_of_the_program(sampler: Sampler) -> None:
    """Rules go before a sampler that we do not know, which is asked with the caller where none matches."""
    recorder = ruled("keep /deep; drop /health* parent:any", Unknown(sampler))
    assert serve(recorder, "/deep").trace.flags & 1
    assert not serve(recorder, "/other").trace.flags & 1
    assert serve(recorder, "/other", Remote(7, 5, 1)).trace.flags & 1 == (sampler is DEFAULT_OFF)
    assert not serve(recorder, "/health", Remote(7, 5, 1)).trace.flags & 1


RULES = "keep header:x-debug-trace parent:any; keep header:content-type=text/*; drop host:internal.example"


@pytest.fixture
def site() -> Iterator[Recorder]:
    """A recorder under `RULES` whose sampler drops everything else; patches are undone at the end."""
    recorder = ruled(RULES, DEFAULT_OFF)
    yield recorder
    recorder.undo()


CASES: list[tuple[dict[str, str], int]] = [
    ({}, 0),
    ({"X-Debug-Trace": "1"}, 1),
    ({"x-debug-trace": ""}, 1),
    ({"X-Debug": "1"}, 0),
    ({"Content-Type": "text/plain"}, 1),
    ({"Content-Type": "application/json"}, 0),
    ({"x-debug-trace": "1", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}, 1),
    ({"Content-Type": "text/plain", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}, 0),
]


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_headers_of_flask(site: Recorder, headers: dict[str, str], expected: int) -> None:
    """A request to a WSGI application is kept for a header that it has."""
    site.patch("flask")
    application = flask.Flask(__name__)
    application.add_url_rule("/work", view_func=lambda: "done")
    application.test_client().get("/work", headers=headers).close()
    spans = site.finished
    assert [span.name for span in spans] == ["GET /work"] * expected
    assert all("sent" not in vars(span) for span in spans)


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_headers_of_fastapi(site: Recorder, headers: dict[str, str], expected: int) -> None:
    """A request to an ASGI application is kept for a header that it has."""
    site.patch("fastapi")
    application = fastapi.FastAPI()
    application.add_api_route("/work", lambda: "done")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/work",
        "raw_path": b"/work",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 4000),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        pass

    asyncio.run(application(scope, receive, send))
    assert [span.name for span in site.finished] == ["GET /work"] * expected
