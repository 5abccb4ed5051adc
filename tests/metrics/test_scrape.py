"""The endpoint for Prometheus: real scrapes of whole programs, and what does not look like one."""

from __future__ import annotations

import socket
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from metrics.exposed import OPEN_METRICS, Scraped, scrape
from metrics.test_otlp import about_metrics
from support.program import start
from support.sink import Sink

SERVED = "http_server_request_duration_seconds"
APP = """
    import os, sys, flask
    app = flask.Flask("shop")
    app.get("/items/<int:number>")(lambda number: str(number))
    client = app.test_client()

    def ask(count, **headers):
        for number in range(count):
            client.get(f"/items/{number}", headers=headers).get_data()

    def port():
        return sys.modules["tracing_agent.agent"].running().metrics.port
"""


class Program:
    """A program that was started: it answers what it was asked on its standard streams."""

    def __init__(self, process: Any) -> None:
        self.process = process

    def line(self) -> str:
        """Its next line."""
        found: str = self.process.stdout.readline()
        assert found, self.process.stderr.read()
        return found.strip()

    def go_on(self) -> None:
        """Let it read a line."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """Let it end; what it wrote to stderr."""
        _, errors = self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0, errors
        return str(errors)


Start = Callable[..., Program]


@pytest.fixture
def program(tmp_path: Path, sink: Sink) -> Iterator[Start]:
    """Starts a program whose metrics can be scraped from a port that nobody uses."""
    started = []

    def begun(text: str, **variables: str) -> Program:
        path = tmp_path / "shop.py"
        path.write_text(textwrap.dedent(APP) + textwrap.dedent(text))
        given = {
            "OTEL_METRICS_EXPORTER": "prometheus",
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            **variables,
        }
        process = start("python", path, piped=True, **given)
        started.append(process)
        return Program(process)

    yield begun
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


def until(port: int, found: Callable[[Scraped], bool], accept: str = "text/plain") -> Scraped:
    """The first scrape of which something is true."""
    for _ in range(3000):
        _, scraped = scrape(port, accept)
        if found(scraped):
            return scraped
    raise AssertionError(scraped.text)


@pytest.mark.process
def test_scrape(program: Start, sink: Sink) -> None:
    """A scrape gives durations, the resource, and the health of tracing under the names that operators know."""
    parent = "00-000000000000000000000000000000ab-00000000000000cd-01"
    running = program(
        f"""
        print(port(), flush=True)
        sys.stdin.readline()
        ask(2)
        print("asked", flush=True)
        sys.stdin.readline()
        ask(1)
        ask(1, traceparent="{parent}")
        ask(1, traceparent="ff-nonsense")
        print("asked", flush=True)
        sys.stdin.readline()
        """,
        OTEL_SERVICE_NAME="till",
    )
    port = int(running.line())
    # Before the first operation already.
    kind, found = scrape(port)
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert found.value("otel_span_started_total") == 0
    running.go_on()
    assert running.line() == "asked"
    kind, found = scrape(port, OPEN_METRICS)
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert found.text.endswith("# EOF\n")
    traces = {span["trace"] for span in sink.wait(lambda spans: len(spans) == 2)}
    assert any(f'trace_id="{trace}"' in found.exemplars[f"{SERVED}_bucket"][0] for trace in traces)
    running.go_on()
    assert running.line() == "asked"
    sink.wait(lambda spans: len(spans) == 5)
    found = until(port, lambda found: found.value("otel_exporter_sent_spans_total") == 5)
    assert found.value(f"{SERVED}_count", http_route="/items/<int:number>") == 5
    assert found.labels("target_info")[0]["service_name"] == "till"
    health = {name: found.samples[name] for name in found.samples if name.startswith("otel_span")}
    assert health == {
        "otel_span_started_total": [({"sampled": "true"}, 5), ({"sampled": "false"}, 0)],
        "otel_span_ended_total": [({}, 5)],
        "otel_span_status_code_total": [({"code": "UNSET"}, 5), ({"code": "OK"}, 0), ({"code": "ERROR"}, 0)],
        "otel_span_queue_depth": [({}, 0)],
        "otel_span_queue_limit": [({}, 2048)],
    }
    assert found.value("otel_exporter_failed_spans_total") == 0
    assert found.value("otel_exporter_send_latency_seconds_count") >= 1
    assert found.samples["otel_trace_context_propagated_total"] == [
        ({"direction": "in", "status": "success"}, 1),
        ({"direction": "in", "status": "failure"}, 1),
        ({"direction": "out", "status": "success"}, 0),
        ({"direction": "out", "status": "failure"}, 0),
    ]
    running.end()


@pytest.mark.process
def test_losses_are_told_apart(program: Start, sink: Sink) -> None:
    """What a sampler left out is not among the lost; what nobody took is, by reason."""
    sink.answers = [(400, {}, b"")] * 10
    running = program(
        """
        ask(2)
        print(port(), flush=True)
        sys.stdin.readline()
        """
    )
    found = until(int(running.line()), lambda found: found.value("otel_exporter_failed_spans_total") == 2)
    assert found.value("otel_exporter_sent_spans_total") == 0
    (reason,) = [given["reason"] for given, value in found.samples["otel_exporter_failed_spans_total"] if value]
    assert reason == "400"
    running.end()

    running = program(
        """
        ask(2)
        print(port(), flush=True)
        sys.stdin.readline()
        """,
        OTEL_TRACES_SAMPLER="always_off",
    )
    found = until(int(running.line()), lambda found: found.value(f"{SERVED}_count") == 2)
    assert found.samples["otel_span_started_total"] == [({"sampled": "true"}, 0), ({"sampled": "false"}, 2)]
    assert found.value("otel_exporter_failed_spans_total") == 0
    assert not about_metrics(running.end())


@pytest.mark.process
def test_processes_have_an_endpoint_each(program: Start) -> None:
    """Of several processes each has an endpoint of its own, on consecutive ports; none counts for another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1]
        running = program(
            """
            import time
            ask(3)
            reading, writing = os.pipe()
            if os.fork() == 0:
                ask(2)
                while not port():
                    time.sleep(0.01)
                os.write(writing, str(port()).encode())
                sys.stdin.readline()
                os._exit(0)
            print(port(), os.read(reading, 100).decode(), flush=True)
            sys.stdin.readline()
            """,
            OTEL_EXPORTER_PROMETHEUS_PORT=str(first),
            OTEL_TRACES_EXPORTER="none",
            PYTHONWARNINGS="ignore::DeprecationWarning",
        )
        ports = [int(port) for port in running.line().split()]
    assert first < ports[0] < ports[1] < first + 64
    assert [scrape(port)[1].value(f"{SERVED}_count") for port in ports] == [3, 2]
    running.go_on()
    assert f"port {first} is taken; metrics of this process are at 127.0.0.1:{ports[0]}" in running.end()


@pytest.mark.process
def test_what_is_no_scrape(program: Start) -> None:
    """Other methods, nonsense, and a client that sends nothing and goes: the endpoint answers the next one."""
    running = program(
        """
        print(port(), flush=True)
        sys.stdin.readline()
        """
    )
    port = int(running.line())
    for request, expected in (
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 "),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 "),
        (b"\x16\x03\x01" + b"x" * 20000, b"HTTP/1.1 405 "),
        (b"", b""),
    ):
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65536)
            except OSError:
                # It had enough before it had read all.
                assert len(request) > 16384
                continue
            assert answer.startswith(expected)
    assert scrape(port)[1].samples
    assert not about_metrics(running.end())


@pytest.mark.process
def test_promtool_takes_it(program: Start, promtool: str) -> None:
    """Prometheus' own checker finds nothing wrong with names, types and texts of the health metrics."""
    running = program(
        """
        ask(1)
        print(port(), flush=True)
        sys.stdin.readline()
        """
    )
    _, found = scrape(int(running.line()))
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=found.text, capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    running.end()
