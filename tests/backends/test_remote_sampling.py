"""`parentbased_jaeger_remote` against Jaeger's own endpoints, over HTTP and gRPC."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backends.server import PATIENCE, Jaeger
from support.program import start
from tracing_agent.sampling.endpoint import Endpoint
from tracing_agent.sampling.endpoint_grpc import GrpcEndpoint

HERE = Path(__file__).parent
SERVICE = "remote"


def strategies(file: Path, default: float, **operations: float) -> None:
    """Write what Jaeger is to serve: a probability, and those of single operations."""
    single = [{"operation": name, "type": "probabilistic", "param": rate} for name, rate in operations.items()]
    service: dict[str, Any] = {"service": SERVICE, "type": "probabilistic", "param": default}
    if single:
        service["operation_strategies"] = single
    # Jaeger looks at the file every second, and may look in the middle of a write.
    written = file.with_suffix(".new")
    written.write_text(
        json.dumps({"default_strategy": {"type": "probabilistic", "param": default}, "service_strategies": [service]})
    )
    written.replace(file)


class Asked:
    """A running program whose decisions are asked for."""

    def __init__(self, process: Any) -> None:
        self.process = process

    def sampled(self, name: str) -> bool:
        """Whether a new root span of this name is sampled."""
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        answer: str = self.process.stdout.readline()
        assert answer in ("0\n", "1\n"), self.process.stderr.read()
        return answer == "1\n"

    def until(self, wanted: bool, name: str = "GET /orders") -> None:
        """Wait until the decision is so."""
        deadline = time.monotonic() + PATIENCE
        while self.sampled(name) is not wanted:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def over_http(jaeger: Jaeger) -> str:
    """The endpoint of HTTP."""
    return f"http://127.0.0.1:{jaeger.sampling_http}/api/sampling"


def over_grpc(jaeger: Jaeger) -> str:
    """The endpoint of gRPC."""
    return f"grpc://127.0.0.1:{jaeger.sampling_grpc}"


@contextmanager
def asked(jaeger: Jaeger, initial: float, endpoint: str) -> Iterator[Asked]:
    """A program under `tracing-run` that asks Jaeger every 200 ms."""
    process = start(
        sys.executable,
        HERE / "asked.py",
        piped=True,
        OTEL_SERVICE_NAME=SERVICE,
        OTEL_TRACES_EXPORTER="none",
        OTEL_TRACES_SAMPLER="parentbased_jaeger_remote",
        OTEL_TRACES_SAMPLER_ARG=f"endpoint={endpoint},pollingIntervalMs=200,initialSamplingRate={initial}",
    )
    try:
        yield Asked(process)
    finally:
        process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("way", [over_http, over_grpc])
def test_strategy_is_served_and_changes(tmp_path: Path, way: Callable[[Jaeger], str]) -> None:
    """At first the initial rate; then the served strategy, the one that it is changed to, and that of an operation."""
    file = tmp_path / "strategies.json"
    strategies(file, 1.0)
    with Jaeger(sampling=file) as jaeger:
        jaeger.start()
        with asked(jaeger, 0.0, way(jaeger)) as program:
            assert not program.sampled("GET /orders")
            program.until(True)
            strategies(file, 0.0)
            program.until(False)
            strategies(file, 0.0, checkout=1.0)
            program.until(True, "checkout")
            assert not program.sampled("GET /orders")
            # The endpoint goes away: what it said last stays.
            jaeger.stop()
            time.sleep(0.5)
            assert program.sampled("checkout") and not program.sampled("GET /orders")
            strategies(file, 1.0)
            jaeger.start()
            program.until(True)


@pytest.mark.parametrize("way", [over_http, over_grpc])
def test_down_at_the_start(tmp_path: Path, way: Callable[[Jaeger], str]) -> None:
    """An endpoint that is not there yet leaves the initial rate, and is taken up when it comes."""
    file = tmp_path / "strategies.json"
    strategies(file, 0.0)
    with Jaeger(sampling=file) as jaeger, asked(jaeger, 1.0, way(jaeger)) as program:
        assert all(program.sampled("GET /orders") for _ in range(20))
        jaeger.start()
        program.until(False)


def test_both_ways_say_the_same(tmp_path: Path) -> None:
    """Over gRPC Jaeger gives the strategies that it gives over HTTP: a probability, operations, and a limit."""
    limited = {"service": "limited", "type": "ratelimiting", "param": 7}
    single = {"operation": "GET /orders/{id}", "type": "probabilistic", "param": 0.75}
    shaped = {"service": "shaped", "type": "probabilistic", "param": 0.5, "operation_strategies": [single]}
    file = tmp_path / "strategies.json"
    file.write_text(
        json.dumps(
            {
                "default_strategy": {"type": "probabilistic", "param": 0.25},
                "service_strategies": [limited, shaped],
            }
        )
    )
    with Jaeger(sampling=file) as jaeger:
        jaeger.start()
        for service in ("limited", "shaped", "another"):
            http = Endpoint(over_http(jaeger), lambda: service).ask()  # noqa: B023
            grpc = GrpcEndpoint(over_grpc(jaeger), lambda: service).ask()  # noqa: B023
            http.pop("strategyType", None)
            assert grpc and without_zeros(grpc) == without_zeros(http)


def without_zeros(answer: Any) -> Any:
    """An answer without what Protocol Buffers leave out, or JSON writes as null."""
    if isinstance(answer, list):
        return [without_zeros(item) for item in answer]
    if isinstance(answer, dict):
        return {key: without_zeros(value) for key, value in answer.items() if value not in (0, None, "", [])}
    return answer
