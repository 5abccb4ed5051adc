"""`parentbased_jaeger_remote` against Jaeger's own endpoint."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backends.server import PATIENCE, Jaeger
from support.program import start

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


@contextmanager
def asked(jaeger: Jaeger, initial: float) -> Iterator[Asked]:
    """A program under `tracing-run` that asks Jaeger every 200 ms."""
    endpoint = f"http://127.0.0.1:{jaeger.sampling_http}/api/sampling"
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


def test_strategy_is_served_and_changes(tmp_path: Path) -> None:
    """At first the initial rate; then the served strategy, the one that it is changed to, and that of an operation."""
    file = tmp_path / "strategies.json"
    strategies(file, 1.0)
    with Jaeger(sampling=file) as jaeger:
        jaeger.start()
        with asked(jaeger, initial=0.0) as program:
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


def test_down_at_the_start(tmp_path: Path) -> None:
    """An endpoint that is not there yet leaves the initial rate, and is taken up when it comes."""
    file = tmp_path / "strategies.json"
    strategies(file, 0.0)
    with Jaeger(sampling=file) as jaeger, asked(jaeger, initial=1.0) as program:
        assert all(program.sampled("GET /orders") for _ in range(20))
        jaeger.start()
        program.until(False)
