"""Beside other tracers in one program: all work, each call is one span of ours or theirs, and the program is the same.

What was tried by hand with ddtrace and New Relic is in docs/compatibility.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from clients.server import Server
from servers.asking import Ask, ask_wsgi
from services import PostgreSQL, Redis
from support.program import ONPATH, run
from support.recorder import Recorder
from support.sink import Sink

pytestmark = pytest.mark.process

#: A program that answers one request with a call to each of three servers; prints what it saw.
PROGRAM = """
import json, os, sys

def serve():
    import flask, psycopg, redis, requests
    app = flask.Flask("shop")
    store = redis.Redis(host=os.environ["REDIS_HOST"], port=int(os.environ["REDIS_PORT"]))
    connection = psycopg.connect(os.environ["DSN"], autocommit=True)

    @app.get("/<item>")
    def index(item):
        seen = [item, store.ping(), connection.execute("SELECT 7").fetchone()[0]]
        with requests.Session() as session:
            session.trust_env = False
            seen.append(session.get(os.environ["URL"]).text)
        return seen

    answer = app.test_client().get("/one")
    print(json.dumps([answer.status_code, answer.json]))
    connection.close()
    store.close()
"""
#: opentelemetry-python-contrib, by hand.
CONTRIB = """
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
for instrumentor in FlaskInstrumentor, PsycopgInstrumentor, RedisInstrumentor, RequestsInstrumentor:
    instrumentor().instrument()
"""
#: A provider of the program's own.
OWN = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: json.dumps(
    ["span", span.kind.name, span.name, span.context.trace_id]) + "\\n")))
trace.set_tracer_provider(provider)
"""
#: Sentry, whose envelopes are counted.
SENTRY = """
import sentry_sdk
sent = []
class Transport(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        sent.extend(item.type for item in envelope.items)
sentry_sdk.init("http://key@127.0.0.1:9/1", transport=Transport, traces_sample_rate=1.0)
"""
KINDS = {"SERVER": 1, "CLIENT": 3}


class Shop:
    """Runs the program between its servers."""

    def __init__(self, folder: Path, sink: Sink, store: Redis, database: PostgreSQL, server: Server) -> None:
        self.script = folder / "shop.py"
        self.sink = sink
        self.server = server
        self.variables = {
            "REDIS_HOST": store.host,
            "REDIS_PORT": str(store.port),
            "DSN": database.dsn,
            "URL": server.url("/ok"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
            "OTEL_LOG_LEVEL": "info",
        }

    def run(self, *parts: str, traced: bool = True) -> tuple[list[Any], list[Any], str]:
        """(what the program saw, what else it printed, what it said on stderr)"""
        self.script.write_text(PROGRAM + "".join(parts))
        done = run(sys.executable, self.script, traced=traced, **self.variables)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return lines[0] if lines else [], lines, done.stderr


@pytest.fixture
def shop(tmp_path: Path, sink: Sink, redis_server: Redis, postgres: PostgreSQL) -> Any:
    server = Server()
    yield Shop(tmp_path, sink, redis_server, postgres, server)
    server.close()


SEEN = [200, ["one", True, 7, "ok"]]


@pytest.mark.parametrize("order", ["before", "after"])
def test_contrib_by_hand(shop: Shop, order: str) -> None:
    """user-pain row 1: with contrib's instrumentors put in by hand, before the libraries are imported or after, each
    call is one span, and the whole is one trace.
    """
    pytest.importorskip("opentelemetry.instrumentation.psycopg")
    early = "import flask, psycopg, redis, requests\n" if order == "after" else ""
    seen, _, _ = shop.run(early, CONTRIB, "serve()\n")
    assert seen == SEEN
    spans = [span for span in shop.sink.wait(lambda spans: len(spans) >= 4) if "connect" not in span["name"].lower()]
    kinds = Counter(span["kind"] for span in spans)
    assert kinds == KINDS, [(span["name"], span["kind"]) for span in spans]
    assert len({span["trace"] for span in spans}) == 1
    assert len(shop.server.seen[0].all("traceparent")) == 1


@pytest.mark.parametrize("contrib", ["", CONTRIB], ids=["alone", "contrib"])
@pytest.mark.parametrize("early", [True, False])
def test_a_provider_of_the_programs_own(shop: Shop, early: bool, contrib: str) -> None:
    """user-pain row 23: set before the libraries are traced or after, its exporter gets each span once; ours, none."""
    if contrib:
        pytest.importorskip("opentelemetry.instrumentation.psycopg")
    parts = [OWN, "import flask, psycopg, redis, requests\n"] if early else ["import flask, psycopg, redis\n", OWN]
    _, lines, stderr = shop.run(*parts, contrib, "serve()\n")
    spans = [line[1:] for line in lines if line[0] == "span" and "connect" not in line[2].lower()]
    assert [line for line in lines if line[0] != "span"] == [SEEN]
    assert Counter(kind for kind, _, _ in spans) == KINDS, spans
    assert len({trace for _, _, trace in spans}) == 1
    assert shop.sink.spans == []
    assert "the program set its own TracerProvider (opentelemetry.sdk.trace.TracerProvider)" in stderr


def test_sentry(shop: Shop) -> None:
    """user-pain row 23: Sentry's tracing sends what it sends untraced, and ours what it sends without Sentry."""
    pytest.importorskip("sentry_sdk")
    parts = (SENTRY, "serve()\nsentry_sdk.flush()\nprint(json.dumps(sorted(sent)))\n")
    bare = shop.run(*parts, traced=False)
    traced = shop.run(*parts)
    assert bare[:2] == traced[:2]
    assert traced[0] == SEEN
    assert "transaction" in traced[1][1]
    spans = [span for span in shop.sink.wait(lambda spans: len(spans) >= 4) if "connect" not in span["name"]]
    assert Counter(span["kind"] for span in spans) == KINDS
    assert len({span["trace"] for span in spans}) == 1
    untraced, ours = shop.server.seen
    assert len(ours.all("sentry-trace")) == len(untraced.all("sentry-trace"))
    assert ours.one("traceparent").split("-")[1] == spans[0]["trace"]


def test_functions_wrapped_by_others(shop: Shop) -> None:
    """What others have wrapped around the same functions, by wrapt, by assignment or by a mock, before us or after, is
    called once for a call, and so are we.
    """
    wrapped = """
import redis, wrapt
from unittest import mock
calls = []
def wrapper(wrapped, instance, args, kwargs):
    calls.append("wrapt")
    return wrapped(*args, **kwargs)
wrapt.wrap_function_wrapper("redis", "Redis.execute_command", wrapper)
import requests
inner = requests.Session.send
def send(self, request, **kwargs):
    calls.append("assigned")
    return inner(self, request, **kwargs)
requests.Session.send = send
import psycopg
execute = psycopg.Cursor.execute
with mock.patch.object(psycopg.Cursor, "execute", autospec=True, side_effect=execute) as mocked:
    serve()
    calls.append(["mocked", mocked.call_count])
print(json.dumps(calls))
"""
    seen, lines, _ = shop.run(wrapped)
    assert seen == SEEN
    assert lines[1] == ["wrapt", "assigned", ["mocked", 1]]
    spans = [span for span in shop.sink.wait(lambda spans: len(spans) >= 5) if "connect" not in span["name"]]
    assert Counter(span["kind"] for span in spans) == KINDS


def test_wrapped_before_us() -> None:
    """A function that others have wrapped before us, as import hooks of theirs do, is bound to its instance as ever."""
    import flask
    import psycopg
    import wrapt

    seen: list[Any] = []

    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        seen.append((instance, len(args)))
        return wrapped(*args, **kwargs)

    recorder = Recorder()
    places = [(flask.Flask, "wsgi_app"), (psycopg.Connection, "connect")]
    untraced = [vars(holder)[name] for holder, name in places]
    try:
        for (holder, name), original in zip(places, untraced, strict=True):
            setattr(holder, name, wrapt.FunctionWrapper(original, wrapper))
        recorder.patch("flask")
        recorder.patch("psycopg")
        app = flask.Flask("site")
        app.add_url_rule("/", view_func=lambda: "fine")
        assert ask_wsgi(app, Ask("/")).body == b"fine"
        with pytest.raises(psycopg.OperationalError):
            psycopg.Connection.connect("host=/nowhere")
        assert seen == [(app, 2), (psycopg.Connection, 1)]
        assert [span["scope"].rpartition(".")[2] for span in recorder.spans()] == ["flask", "psycopg"]
    finally:
        recorder.undo()
        for (holder, name), original in zip(places, untraced, strict=True):
            setattr(holder, name, original)


HOST = """
import os, sys
from importlib.machinery import PathFinder
sys.path.remove(os.path.dirname(__file__))
spec = PathFinder.find_spec("sitecustomize", sys.path)
if spec is not None:
    spec.loader.load_module("sitecustomize")
print("the other agent is started")
"""


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="loaders have no load_module any more")
@pytest.mark.parametrize("own", [False, True])
def test_started_by_another_agents_sitecustomize(tmp_path: Path, sink: Sink, own: bool) -> None:
    """user-pain row 19: where another agent's sitecustomize finds and runs ours, as New Relic's does, both start, and
    the program's own runs once.
    """
    folders = [tmp_path / "host", ONPATH]
    folders[0].mkdir()
    (folders[0] / "sitecustomize.py").write_text(HOST)
    if own:
        folders.append(tmp_path / "own")
        folders[-1].mkdir()
        (folders[-1] / "sitecustomize.py").write_text("print('own')")
    code = "import flask, sys; flask.Flask('x').test_client().get('/').close(); print('sitecustomize' in sys.modules)"
    path = os.pathsep.join(map(str, folders))
    done = run(
        sys.executable,
        "-W",
        "ignore",
        "-c",
        code,
        traced=False,
        PYTHONPATH=path,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [*["own"] * own, "the other agent is started", "True"]
    assert [span["name"] for span in sink.wait(len)] == ["GET"]
