"""Records of `logging`, structlog and loguru carry the ids of the current span; all else is as without the agent."""

from __future__ import annotations

import logging
import pickle
import re
import sys
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from support.program import run
from support.recorder import Recorder
from tracing_agent.logs import correlation

NAMES = ("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName", "trace_id", "span_id")
OUTSIDE = {
    "otelTraceID": "0",
    "otelSpanID": "0",
    "otelTraceSampled": False,
    "otelServiceName": "shop",
    "trace_id": "",
    "span_id": "",
}
#: Uses every name in a format, with `%`, `{` and `$`.
FORMATS = {
    "%": " ".join(f"%({name})s" for name in NAMES),
    "{": " ".join(f"{{{name}}}" for name in NAMES),
    "$": " ".join(f"${{{name}}}" for name in NAMES),
}


def carried(record: logging.LogRecord) -> dict[str, Any]:
    """The ids that a record carries."""
    return {name: record.__dict__[name] for name in NAMES if name in record.__dict__}


def inside(trace: int, span: int, sampled: bool = True) -> dict[str, Any]:
    """What a record made in this span carries."""
    text = {"otelTraceID": f"{trace:032x}", "otelSpanID": f"{span:016x}"}
    return {
        **text,
        "otelTraceSampled": sampled,
        "otelServiceName": "shop",
        "trace_id": text["otelTraceID"],
        "span_id": text["otelSpanID"],
    }


def logged(log: Callable[[logging.Logger], None]) -> logging.LogRecord:
    """The one record that ``log`` makes, as a handler gets it."""
    found: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    logger = logging.Logger("test")
    logger.addHandler(Handler())
    log(logger)
    (record,) = found
    return record


def test_spans(correlated: Recorder) -> None:
    """User-pain row 28: each record has the ids of the span that is current when it is made; outside, empty ones."""
    assert carried(logged(lambda logger: logger.info("x"))) == OUTSIDE
    with correlated.tracer.start_as_current_span("outer"):
        assert carried(logged(lambda logger: logger.info("x"))) == inside(1, 1)
        with correlated.tracer.start_as_current_span("inner"):
            assert carried(logged(lambda logger: logger.error("x", exc_info=True))) == inside(1, 2)
        assert carried(logged(lambda logger: logger.info("x"))) == inside(1, 1)
    with correlated.tracer.start_as_current_span("other"):
        assert carried(logged(lambda logger: logger.info("x"))) == inside(2, 3)
    assert carried(logged(lambda logger: logger.info("x"))) == OUTSIDE


def test_spans_of_others(correlated: Recorder) -> None:
    """Spans of another make, and those that are not recorded, have ids too; an invalid one is none."""
    for flags in (1, 0):
        with use_span(NonRecordingSpan(SpanContext(7 + flags, 8, True, TraceFlags(flags)))):
            assert carried(logged(lambda logger: logger.info("x"))) == inside(7 + flags, 8, bool(flags))
    with use_span(NonRecordingSpan(SpanContext(0, 0, False))):
        assert carried(logged(lambda logger: logger.info("x"))) == OUTSIDE


@pytest.mark.parametrize("style", FORMATS)
def test_formats(correlated: Recorder, style: Any) -> None:
    """A format that names every id can be used in a span and outside."""
    formatter = logging.Formatter(FORMATS[style], style=style)
    assert formatter.format(logged(lambda logger: logger.info("x"))) == "0 0 False shop  "
    with correlated.tracer.start_as_current_span("s"):
        trace, span = f"{1:032x}", f"{1:016x}"
        assert formatter.format(logged(lambda logger: logger.info("x"))) == f"{trace} {span} True shop {trace} {span}"


def test_before_the_agent_has_started(correlated: Recorder) -> None:
    """Until there can be spans, ids are empty, and formats work."""
    correlation._State.current = None
    assert carried(logged(lambda logger: logger.info("x"))) == {**OUTSIDE, "otelServiceName": ""}


def test_extra_of_the_program(correlated: Recorder) -> None:
    """The program's own ``extra`` of these names is taken as without the agent, and other collisions are as ever."""
    with correlated.tracer.start_as_current_span("s"):
        record = logged(lambda logger: logger.info("x", extra={"trace_id": "mine", "user": 7}))
        assert carried(record) == {**inside(1, 1), "trace_id": "mine"}
        assert record.__dict__["user"] == 7
        with pytest.raises(KeyError, match="overwrite 'name'"):
            logging.Logger("x").info("x", extra={"name": "y", "trace_id": "mine"})


@pytest.mark.parametrize("before", [True, False])
def test_record_factories(recorder: Recorder, request: pytest.FixtureRequest, before: bool) -> None:
    """A factory that the program set, before or after, is called as ever, is what getLogRecordFactory() gives, and its
    records carry the ids.
    """

    class Own(logging.LogRecord):
        pass

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = Own(*args, **kwargs)
        record.__dict__["request"] = 5
        return record

    original = logging.getLogRecordFactory()
    try:
        if before:
            logging.setLogRecordFactory(factory)
        correlated = request.getfixturevalue("correlated")
        if not before:
            assert logging.getLogRecordFactory() is original is logging.LogRecord
            logging.setLogRecordFactory(factory)
        assert logging.getLogRecordFactory() is factory
        with correlated.tracer.start_as_current_span("s"):
            record = logged(lambda logger: logger.info("x"))
        assert type(record) is Own
        assert record.__dict__["request"] == 5
        assert carried(record) == inside(1, 1)
    finally:
        logging.setLogRecordFactory(original)


def test_filter_of_the_program(correlated: Recorder) -> None:
    """What a filter of the program writes stays."""

    def own(record: logging.LogRecord) -> bool:
        record.__dict__["trace_id"] = "request-1"
        return True

    def log(logger: logging.Logger) -> None:
        logger.addFilter(own)
        logger.info("x")

    assert carried(logged(log))["trace_id"] == "request-1"


def test_record_from_elsewhere(correlated: Recorder) -> None:
    """A record that came from another process keeps the ids that it was made with."""
    with correlated.tracer.start_as_current_span("s"):
        record = logged(lambda logger: logger.info("x"))
        again = pickle.loads(pickle.dumps(record))
    assert carried(logging.makeLogRecord(again.__dict__)) == inside(1, 1)


def test_formatted_in_another_thread(correlated: Recorder) -> None:
    """A record that a queue carries to another thread keeps the ids of where it was made."""
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    logger = logging.Logger("x")
    logger.addHandler(QueueHandler(queue))  # type: ignore[arg-type]
    with correlated.tracer.start_as_current_span("s"):
        logger.info("x")
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(logging.Formatter("%(trace_id)s").format(queue.get())))
    thread.start()
    thread.join()
    assert seen == [f"{1:032x}"]


def test_caller(correlated: Recorder) -> None:
    """File, line, function and stack of a record are the caller's."""
    record = logged(lambda logger: logger.info("x", stack_info=True))
    assert (record.filename, record.funcName) == ("test_correlation.py", "<lambda>")
    assert 'correlation.py", line' not in (record.stack_info or "").replace("test_correlation.py", "")


def test_a_fault_of_ours(
    correlated: Recorder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where looking for the span raises, the record is made as without the agent, and one line is said."""
    from tracing_agent.faults import LINES

    def broken() -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(LINES, "strict", False)
    monkeypatch.setattr(correlation._State, "current", staticmethod(broken))
    for _ in range(3):
        assert logged(lambda logger: logger.info("x")).getMessage() == "x"
    assert capsys.readouterr().err.count("the ids of a log record failed") == 1


def test_calls_of_one_record(correlated: Recorder) -> None:
    """For the second record in a span no id is formatted again: it gets the same texts."""
    with correlated.tracer.start_as_current_span("s"):
        first, second = (logged(lambda logger: logger.info("x")).__dict__["trace_id"] for _ in range(2))
    assert first is second


# -- whole programs ------------------------------------------------------------------------------------------------

CONFIGURATIONS = {
    "none": "",
    "basic": "logging.basicConfig(level=logging.INFO)",
    "own": "logging.basicConfig(format='%(levelname)s|%(message)s|%(name)s', level=logging.DEBUG)",
    "handler": "logging.getLogger('shop').addHandler(logging.StreamHandler())",
    "dict": "import logging.config; logging.config.dictConfig({'version': 1, 'root': {'level': 'ERROR'}})",
}
PROGRAM = """
import logging
{}
import flask
app = flask.Flask("app")
log = logging.getLogger("shop")
@app.get("/")
def index():
    log.debug("debug"); log.info("info"); log.warning("warning %s", 1); app.logger.warning("of flask")
    return "ok"
app.test_client().get("/")
root = logging.getLogger()
print(root.handlers, root.level, log.handlers, log.filters, logging.getLogRecordFactory(), logging.lastResort)
"""


@pytest.mark.process
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_output_is_the_same(name: str) -> None:
    """User-pain row 28: whatever a program configures, and where it configures nothing, its output is as untraced."""
    program = PROGRAM.format(CONFIGURATIONS[name])
    bare, traced = (
        run(sys.executable, "-c", program, traced=traced, OTEL_TRACES_EXPORTER="none") for traced in (False, True)
    )
    assert "warning 1" in bare.stderr or name == "dict"
    assert (traced.stdout, _untimed(traced.stderr)) == (bare.stdout, _untimed(bare.stderr))


def _untimed(text: str) -> str:
    return re.sub(r"\[[-0-9]+ [0-9:,]+\]", "[time]", text)


IDS = """
import logging, sys
logging.basicConfig(format="%(message)s [%(trace_id)s %(span_id)s %(otelServiceName)s]", stream=sys.stdout)
logging.warning("before")
import flask
from opentelemetry import trace
app = flask.Flask("app")
@app.get("/")
def index():
    logging.warning("in")
    context = trace.get_current_span().get_span_context()
    print(f"in [{context.trace_id:032x} {context.span_id:016x} shop]")
    return "ok"
app.test_client().get("/")
logging.warning("after")
"""


@pytest.mark.process
def test_ids_in_a_program() -> None:
    """A format that names ids shows those of the request's span, and is usable before the agent has started."""
    done = run(sys.executable, "-c", IDS, OTEL_TRACES_EXPORTER="none", OTEL_SERVICE_NAME="shop")
    before, line, expected, after = done.stdout.splitlines()
    assert (before, after, done.stderr) == ("before [  ]", "after [  shop]", "")
    assert line == expected


@pytest.mark.process
def test_correlation_variable() -> None:
    """OTEL_PYTHON_LOG_CORRELATION=true gives a program without a format contrib's; OTEL_PYTHON_LOG_FORMAT another."""
    program = "import logging\nlogging.getLogger('a').info('hello')\n"
    done = run(sys.executable, "-c", program, OTEL_PYTHON_LOG_CORRELATION="true")
    expected = " INFO [a] [<string>:2] [trace_id=0 span_id=0 resource.service.name= trace_sampled=False] - hello"
    assert done.stderr.strip().endswith(expected)
    own = {"OTEL_PYTHON_LOG_FORMAT": "%(message)s %(otelTraceID)s", "OTEL_PYTHON_LOG_LEVEL": "error"}
    assert run(sys.executable, "-c", program, OTEL_PYTHON_LOG_CORRELATION="true", **own).stderr == ""
    own["OTEL_PYTHON_LOG_LEVEL"] = "debug"
    assert run(sys.executable, "-c", program, OTEL_PYTHON_LOG_CORRELATION="true", **own).stderr == "hello 0\n"


@pytest.mark.process
def test_switched_off() -> None:
    """OTEL_PYTHON_LOG_IDS=false leaves `logging` alone; a program that does not import it does not get it imported."""
    program = "import logging\nprint(sorted(vars(logging.makeLogRecord({})))[-3:])"
    bare, traced = (
        run(sys.executable, "-c", program, traced=traced, OTEL_PYTHON_LOG_IDS="False") for traced in (False, True)
    )
    assert bare.stdout == traced.stdout
    unused = (
        "import sys\nprint([name for name in ('logging', 'tracing_agent.logs.correlation') if name in sys.modules])"
    )
    assert run(sys.executable, "-c", unused).stdout == "[]\n"


STRUCTLOG = """
import flask, structlog
from opentelemetry import trace
structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.LogfmtRenderer()])
log = structlog.get_logger()
log.info("outside", a=1)
with trace.get_tracer("t").start_as_current_span("s") as span:
    log.info("inside", a=1)
    log.bind(trace_id="bound").info("bound")
    structlog.contextvars.bind_contextvars(span_id="kept")
    log.info("kept", trace_id="given")
    context = span.get_span_context()
    print(f"{context.trace_id:032x} {context.span_id:016x}")
"""


@pytest.mark.process
def test_structlog() -> None:
    """An event of structlog in a span has trace_id and span_id, unless the program gives its own; outside none."""
    pytest.importorskip("structlog")
    done = run(sys.executable, "-c", STRUCTLOG, OTEL_TRACES_EXPORTER="none")
    *events, shown = done.stdout.splitlines()
    trace, span = shown.split()
    assert done.stderr == ""
    assert [dict(pair.split("=") for pair in event.split()) for event in events] == [
        {"event": "outside", "a": "1"},
        {"event": "inside", "a": "1", "trace_id": trace, "span_id": span},
        {"event": "bound", "trace_id": "bound", "span_id": span},
        {"event": "kept", "trace_id": "given", "span_id": "kept"},
    ]


LOGURU = """
import flask, sys
from loguru import logger
from opentelemetry import trace
logger.remove()
logger.add(sys.stdout, format="{message} {extra[trace_id]} {extra[otelSpanID]}")
logger.info("outside")
with trace.get_tracer("t").start_as_current_span("s") as span:
    logger.info("inside")
    logger.bind(trace_id="bound").info("bound")
    context = span.get_span_context()
    print(f"{context.trace_id:032x} {context.span_id:016x}")
    logger.configure(patcher=lambda record: record["extra"].update(trace_id="patched " + record["extra"]["span_id"]))
    logger.info("inside")
"""


@pytest.mark.process
def test_loguru() -> None:
    """A record of loguru has the ids in ``extra``, empty ones outside of a span; the program's patcher comes after."""
    pytest.importorskip("loguru")
    done = run(sys.executable, "-c", LOGURU, OTEL_TRACES_EXPORTER="none")
    outside, in_span, bound, shown, patched = done.stdout.splitlines()
    trace, span = shown.split()
    assert done.stderr == ""
    assert [outside, in_span, bound] == ["outside  0", f"inside {trace} {span}", f"bound bound {span}"]
    assert patched == f"inside patched {span} {span}"
