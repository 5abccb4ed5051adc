"""Metrics over gRPC, to a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped,unused-ignore]
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as messages
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as services

from metrics.exposed import points
from metrics.test_otlp import DURATION, about_metrics, program
from support.program import start

pytestmark = pytest.mark.process


class Receiver(services.MetricsServiceServicer):
    """Keeps what it is sent, with the metadata."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: dict[str, Any] = {}
        self.arrived = threading.Event()
        self.server = grpc.server(ThreadPoolExecutor(2))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        services.add_MetricsServiceServicer_to_server(self, self.server)
        self.server.start()

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        self.arrived.set()
        return messages.ExportMetricsServiceResponse()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A gRPC server of its own."""
    receiver = Receiver()
    yield receiver
    receiver.server.stop(None).wait(30)


def test_grpc(tmp_path: Path, receiver: Receiver) -> None:
    """The protocol, the endpoint and the headers of the metrics are obeyed, whatever those of the traces are."""
    process = start(
        "python",
        program(tmp_path, "ask(3)\nsys.stdin.readline()"),
        piped=True,
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_METRIC_EXPORT_INTERVAL="200",
        OTEL_TRACES_EXPORTER="none",
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"http://127.0.0.1:{receiver.port}",
        OTEL_EXPORTER_OTLP_METRICS_HEADERS="api-key=secret",
    )
    assert receiver.arrived.wait(60)
    _, errors = process.communicate("\n", timeout=60)
    assert (process.returncode, about_metrics(errors)) == (0, [])
    (point,) = points(receiver.requests, DURATION)
    assert point.count == 3
    assert receiver.metadata["api-key"] == "secret"
