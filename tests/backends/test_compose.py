"""The compose example without containers: its commands, health checks, variables and configurations, all together."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from backends.server import PATIENCE, Collector, Jaeger
from services.daemon import free_port
from services.kafka import Kafka
from services.postgresql import PostgreSQL
from services.redis import Redis
from support.carried import build, interpreter
from support.composed import PROGRAMS, Network, mounted, services
from support.program import ROOT, environment

SHOP = ROOT / "examples" / "shop"
#: The services of a checkout that fails.
CALLED = {"storefront", "inventory", "payment"}
# Spans of a trace wait in each service for so many milliseconds at most, and in the Collector for the others: the one
# far below the other, as in the example, where it is 5 and 10 s.
SCHEDULE_DELAY, DECISION_WAIT = "200", "5s"


class Composed(Jaeger):
    """The example's Jaeger, on free ports."""

    def __init__(self) -> None:
        service = services()["jaeger"]
        assert service["command"] == ["--config", "/etc/jaeger.yaml"]
        self.query, self.grpc = free_port(), free_port()
        variables = {
            "QUERY": f"127.0.0.1:{self.query}",
            "QUERY_GRPC": f"127.0.0.1:{free_port()}",
            "OTLP_GRPC": f"127.0.0.1:{self.grpc}",
        }
        Collector.__init__(self, mounted(service, "/etc/jaeger.yaml").read_text(), **variables)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what was started."""
    with ExitStack() as found:
        yield found


def names(trace: dict[str, Any]) -> set[str]:
    """The services of a trace as Jaeger's search gives it."""
    return {process["serviceName"] for process in trace["processes"].values()}


def stop(process: subprocess.Popen[bytes]) -> None:
    """In good order."""
    process.terminate()
    process.wait(PATIENCE)


def healthy(command: list[str], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a health check says so."""
    deadline = time.monotonic() + 2 * PATIENCE
    while subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE).returncode:
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def test_all_together(
    stack: ExitStack, tmp_path: Path, postgres: PostgreSQL, redis_server: Redis, kafka: Kafka
) -> None:
    """The known traffic is answered as it must be; its failing and its slow trace are in Jaeger, whole."""
    found = services()
    build(tmp_path, "tree")
    python = interpreter(tmp_path / "application")
    jaeger = stack.enter_context(Composed())
    jaeger.start()
    http = free_port()
    network = Network(
        {name: free_port() for name in ("storefront", "inventory", "payment")},
        {
            "postgresql://shop:shop@postgres:5432/shop": postgres.dsn,
            "redis://redis:6379/0": redis_server.url,
            "kafka:9092": kafka.bootstrap,
            "http://collector:4318": f"http://127.0.0.1:{http}",
            "jaeger:4317": f"127.0.0.1:{jaeger.grpc}",
            "/otel/": f"{tmp_path}/otel/",
        },
    )
    service = found["collector"]
    assert service["command"] == ["--config", "/etc/collector.yaml"]
    variables = network.variables("collector", service["environment"])
    variables |= {
        "OTLP_HTTP": f"127.0.0.1:{http}",
        "OTLP_GRPC": f"127.0.0.1:{free_port()}",
        "DECISION_WAIT": DECISION_WAIT,
    }
    collector = stack.enter_context(Collector.of(mounted(service, "/etc/collector.yaml"), **variables))
    collector.start()

    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    running = {}
    for name in PROGRAMS:
        own = network.variables(name, found[name]["environment"]) | {
            "SHOP_ORDERS_TOPIC": "composed.orders",
            "PATH": path,
        }
        with (tmp_path / f"{name}.log").open("wb") as log:
            running[name] = subprocess.Popen(
                [python, *network.command(name, found[name]["command"])[1:]],
                cwd=SHOP,
                env=environment(**own),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        stack.callback(stop, running[name])
    for name in PROGRAMS:
        if check := found[name].get("healthcheck"):
            kind, _, *arguments = network.command(name, check["test"])
            assert kind == "CMD"
            healthy([str(python), *arguments], running[name], tmp_path / f"{name}.log")

    traffic = subprocess.run(
        [python, *network.command("traffic", found["traffic"]["command"])[1:]],
        cwd=SHOP,
        env=environment(PATH=path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    logs = "".join((tmp_path / f"{name}.log").read_text() for name in PROGRAMS)
    assert traffic.returncode == 0, traffic.stdout + traffic.stderr + logs
    assert "packed by the fulfilment worker" in traffic.stdout
    assert "tracing-agent:" not in logs

    tags = json.dumps({"error.type": "payment.acquirer.AcquirerUnavailable"})
    (failing,) = jaeger.wait(lambda traces: traces and names(traces[0]) >= CALLED, "payment", tags=tags)
    assert names(failing) == CALLED
    resource = {tag["key"]: tag["value"] for process in failing["processes"].values() for tag in process["tags"]}
    assert resource["deployment.environment.name"] == "compose"
    threshold = found["collector"]["environment"]["SLOW_MS"]
    slow = jaeger.wait(len, "storefront", minDuration=f"{threshold}ms")
    assert any(span["operationName"].endswith("/recommendations") for trace in slow for span in trace["spans"])
