"""Whole programs whose metrics go out by OTLP, at intervals and at their end."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from metrics.exposed import attributes, points
from support.program import run, start
from support.sink import Sink

pytestmark = pytest.mark.process

DURATION = "http.server.request.duration"
APP = """
    import os, sys, flask
    app = flask.Flask("shop")
    app.get("/items/<int:number>")(lambda number: str(number))
    client = app.test_client()

    def wait(until):
        import time
        for _ in range(6000):
            if until():
                return
            time.sleep(0.01)
        raise AssertionError(until)

    def ask(count):
        for number in range(count):
            client.get(f"/items/{number}").get_data()
        # What is measured is sent at the end, but not what cannot be imported in the time that there is then.
        agent = sys.modules["tracing_agent.agent"].running()
        if agent.metrics is not None:
            wait(lambda: agent.metrics.intake.prepared and not agent.pipeline.pending())
"""


def program(folder: Path, text: str) -> Path:
    path = folder / "shop.py"
    path.write_text(textwrap.dedent(APP) + textwrap.dedent(text))
    return path


def about_metrics(errors: str) -> list[str]:
    """What was said of metrics, faults and threads; what is said of traces is tested elsewhere."""
    return [line for line in errors.splitlines() if "metrics" in line or "failed" in line or "thread" in line]


def traced(sink: Sink, path: Path, **variables: str) -> Any:
    given = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_BSP_SCHEDULE_DELAY": "50", **variables}
    done = run("python", path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, **given)
    assert done.returncode == 0, done.stderr
    assert not about_metrics(done.stderr)
    return done


def resource(request: Any) -> dict[str, Any]:
    """The resource of a request."""
    return attributes(request.resource_metrics[0].resource)


def begun(requests: list[Any]) -> dict[tuple[str, str], int]:
    """Started spans in the newest request, by where their parent is and by what was decided."""
    found = {}
    for point in points(requests, "otel.sdk.span.started"):
        given = attributes(point)
        found[given["otel.span.parent.origin"], given["otel.span.sampling_result"]] = point.as_int
    return found


def test_at_the_end(tmp_path: Path, sink: Sink) -> None:
    """A program that ends before the interval does sends what it measured, unsampled requests included."""
    path = program(tmp_path, "ask(5)")
    variables = {"OTEL_TRACES_SAMPLER": "always_off", "OTEL_SERVICE_NAME": "till"}
    traced(sink, path, OTEL_EXPORTER_OTLP_COMPRESSION="gzip", **variables)
    (point,) = points(sink.metrics, DURATION)
    assert point.count == 5
    assert not point.exemplars
    assert attributes(point)["http.route"] == "/items/<int:number>"
    assert resource(sink.metrics[-1])["service.name"] == "till"
    assert not sink.spans
    started = begun(sink.metrics)
    assert started.pop(("none", "DROP")) == 5
    both = ("DROP", "RECORD_AND_SAMPLE")
    assert set(started) | {("none", "DROP")} == {(origin, it) for origin in ("none", "local", "remote") for it in both}
    assert not any(started.values())


def test_at_intervals(tmp_path: Path, sink: Sink) -> None:
    """A program that goes on sends at intervals, with exemplars of sampled requests, and the health of tracing."""
    path = program(
        tmp_path,
        """
        ask(3)
        sys.stdin.readline()
        """,
    )
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    process = start("python", path, OTEL_METRICS_EXPORTER="otlp", OTEL_BSP_SCHEDULE_DELAY="100", **variables)
    try:
        name = "otel.sdk.exporter.span.exported"
        sink.wait_metrics(lambda found: found and any(point.as_int == 3 for point in points(found, name)))
        (point,) = points(sink.metrics, DURATION)
        assert point.count == 3
        traces = {span["trace"] for span in sink.wait(lambda spans: len(spans) == 3)}
        assert point.exemplars
        assert {exemplar.trace_id.hex() for exemplar in point.exemplars} <= traces
        health = {
            name: [(attributes(item), item.as_int) for item in points(sink.metrics, f"otel.sdk.{name}")]
            for name in ("processor.span.queue.size", "processor.span.queue.capacity", "processor.span.processed")
        }
        queue = {"otel.component.type": "batching_span_processor", "otel.component.name": "batching_span_processor/0"}
        assert health == {
            "processor.span.queue.size": [(queue, 0)],
            "processor.span.queue.capacity": [(queue, 2048)],
            "processor.span.processed": [(queue, 3)],
        }
        live = points(sink.metrics, "otel.sdk.span.live")
        assert [(attributes(item), item.as_int) for item in live] == [
            ({"otel.span.sampling_result": "RECORD_AND_SAMPLE"}, 0)
        ]
        sent = {"otel.component.type": "otlp_http_span_exporter", "otel.component.name": "otlp_http_span_exporter/0"}
        (duration,) = points(sink.metrics, "otel.sdk.exporter.operation.duration")
        assert attributes(duration) == sent
        assert duration.count >= 1
    finally:
        _, errors = process.communicate("\n", timeout=60)
    assert not about_metrics(errors)


def test_temporality(tmp_path: Path, sink: Sink) -> None:
    """Temporality, exemplars and the aggregation of histograms are as the SDK's variables say."""
    traced(
        sink,
        program(tmp_path, "ask(2)"),
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta",
        OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="base2_exponential_bucket_histogram",
        OTEL_METRICS_EXEMPLAR_FILTER="always_off",
    )
    (metric,) = [
        metric
        for scope in sink.metrics[-1].resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == DURATION
    ]
    assert metric.exponential_histogram.aggregation_temporality == 1
    (point,) = metric.exponential_histogram.data_points
    assert point.count == 2
    assert not point.exemplars


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_forked_processes_count_their_own(tmp_path: Path, sink: Sink) -> None:
    """A forked child tells what it measured itself, and its parent what it did: nothing is counted twice."""
    path = program(
        tmp_path,
        """
        from opentelemetry import trace
        ask(3)
        child = os.fork()
        ask(4 if child else 2)
        with trace.get_tracer("shop").start_as_current_span("work"):
            client.get("/items/1").get_data()
            client.get("/items/1", headers={"traceparent": f"00-{7:032x}-{8:016x}-01"}).get_data()
        if child:
            assert os.waitpid(child, 0)[1] == 0
        else:
            sys.exit(0)
        """,
    )
    traced(sink, path, OTEL_TRACES_EXPORTER="none")
    counts = {resource(request)["process.pid"]: points([request], DURATION)[0].count for request in sink.metrics}
    assert sorted(counts.values()) == [4, 9]
    for request in sink.metrics:
        started, count = begun([request]), counts[resource(request)["process.pid"]]
        found = {origin: sampled for (origin, result), sampled in started.items() if result == "RECORD_AND_SAMPLE"}
        assert found == {"none": count - 1, "local": 1, "remote": 1}


SAMPLING = {
    "keep": ({"OTEL_TRACES_SAMPLER": "always_off", "OTEL_PYTHON_TRACES_KEEP": "errors"}, 1),
    "rules": ({"OTEL_PYTHON_TRACES_RULES": "drop path:/items/1"}, 4),
    "at most": ({"OTEL_PYTHON_TRACES_PER_SECOND": "1"}, None),
    "entry point": ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0),
}


@pytest.mark.parametrize("how", SAMPLING)
def test_however_it_is_sampled(tmp_path: Path, sink: Sink, how: str) -> None:
    """Whoever decides what is sampled, and when: everything is measured, once."""
    variables, arrive = SAMPLING[how]
    path = program(
        tmp_path,
        """
        import logging
        logging.disable()
        @app.get("/broken")
        def broken():
            raise ValueError("broken")
        client.get("/broken").get_data()
        ask(4)
        """,
    )
    traced(sink, path, **variables)
    counts = {attributes(point).get("http.route"): point.count for point in points(sink.metrics, DURATION)}
    assert counts == {"/broken": 1, "/items/<int:number>": 4}
    started = begun(sink.metrics)
    assert sum(started.values()) == 5
    assert started["none", "RECORD_AND_SAMPLE"] == len(sink.spans)
    assert arrive is None or len(sink.spans) == arrive


def test_collector_away(tmp_path: Path) -> None:
    """Where nobody takes metrics there is one line, and the program ends as it would, in time."""
    path = program(tmp_path, "ask(1)\nwait(lambda: sys.modules['tracing_agent.agent'].running().metrics.failing())")
    off = {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "300"}
    done = run("python", path, OTEL_METRICS_EXPORTER="otlp", OTEL_METRIC_EXPORT_INTERVAL="50", **off)
    assert done.returncode == 0
    (line,) = about_metrics(done.stderr)
    assert "metrics cannot be sent to http://127.0.0.1:9/v1/metrics" in line


def test_off_is_not_there(tmp_path: Path, sink: Sink) -> None:
    """Without the variable nothing of metrics is imported, and a span ends by the engine's own functions."""
    path = program(
        tmp_path,
        """
        import redis, psycopg_pool
        ask(1)
        assert not [name for name in sys.modules if name.startswith("tracing_agent.metrics")]
        from tracing_agent.agent import running
        engine = running().provider.engine
        assert engine.metrics is None and "finish" not in engine.__dict__
        assert not hasattr(redis.ConnectionPool.__init__, "__wrapped__")
        """,
    )
    traced(sink, path, OTEL_METRICS_EXPORTER="")
    assert len(sink.spans) == 1


def test_unusable_settings_are_said(tmp_path: Path, sink: Sink) -> None:
    """An exporter that cannot work is one line that says why; the others work."""
    path = program(tmp_path, "ask(1)")
    done = run(
        "python",
        path,
        OTEL_METRICS_EXPORTER="otlp,console",
        OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE=str(tmp_path / "missing.pem"),
        OTEL_TRACES_EXPORTER="none",
    )
    assert done.returncode == 0
    (line,) = about_metrics(done.stderr)
    assert "metrics are not exported by otlp: OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE=" in line
    assert DURATION in done.stdout
