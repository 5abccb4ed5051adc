"""A real Prometheus scrapes a program, evaluates the shipped rules, and sees an alert when the Collector is gone."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import textwrap
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from metrics.test_rules import FILES
from support.program import start
from support.sink import Sink

pytestmark = pytest.mark.process

PATIENCE = 60.0
APP = """
    import sys, time, flask
    app = flask.Flask("shop")
    app.get("/items/<int:number>")(lambda number: str(number))
    client = app.test_client()
    client.get("/items/0").get_data()
    print(sys.modules["tracing_agent.agent"].running().metrics.port, flush=True)
    while True:
        client.get("/items/1").get_data()
        time.sleep(0.02)
"""
# Minutes and hours of the rules are seconds here.
SHORTER = {"5m": "3s", "1h": "6s", "6h": "12s", "15m": "3s", "30d": "60s", "30s": "500ms", "10m": "1s"}
CONFIG = """
global: {{scrape_interval: 300ms, evaluation_interval: 300ms}}
rule_files: [{rules}]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def shortened(text: str) -> str:
    """Rules with windows, waits and intervals that a test can wait for."""
    pattern = rf"(?<=\[)({'|'.join(SHORTER)})(?=\])|(?<=(?:: ))({'|'.join(SHORTER)})$"
    return re.sub(pattern, lambda found: SHORTER[found[0]], text, flags=re.MULTILINE)


class Prometheus:
    """A server of its own for one test."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        rules = []
        for file in FILES:
            (folder / file.name).write_text(shortened(file.read_text()))
            rules.append(str(folder / file.name))
        config = folder / "prometheus.yaml"
        config.write_text(CONFIG.format(rules=", ".join(rules), port=port))
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.address = f"127.0.0.1:{held.getsockname()[1]}"
        self.log = (folder / "prometheus.log").open("w+")
        self.process = subprocess.Popen(
            [
                *(program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
                *(f"--web.listen-address={self.address}", "--enable-feature=exemplar-storage"),
            ],
            stdout=self.log,
            stderr=self.log,
        )

    def get(self, path: str, **query: Any) -> Any:
        """What the API answers; None while it is not ready."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return json.load(response)["data"]
        except (URLError, ConnectionError):
            return None

    def value(self, expression: str) -> float | None:
        """The value of an expression that has one sample; None if it has none."""
        found = self.get("query", query=expression)
        return float(found["result"][0]["value"][1]) if found and found["result"] else None

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """What ``condition`` gives once that is true; fails the test with Prometheus' log if that does not come."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = condition()
            if found:
                return found
            time.sleep(0.1)
        self.log.seek(0)
        raise AssertionError(f"not within {PATIENCE} s; {self.get('targets')}\n{self.log.read()[-3000:]}")

    def firing(self) -> set[str]:
        """The alerts that fire."""
        alerts = (self.get("alerts") or {"alerts": []})["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def close(self) -> None:
        """Stop it."""
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def prometheus(promtool: str, tmp_path: Path) -> Iterator[Callable[[int], Prometheus]]:
    """Starts a server that scrapes a port; it comes with its checker."""
    program = shutil.which("prometheus", path=str(Path(promtool).parent)) or shutil.which("prometheus")
    assert program, "promtool is there and prometheus is not"
    made = []

    def begun(port: int) -> Prometheus:
        made.append(Prometheus(program, tmp_path, port))
        return made[-1]

    yield begun
    for server in made:
        server.close()


def test_rules_are_shortened() -> None:
    """The test below waits for seconds: no window, wait or interval of the rules is left as it was."""
    text = "".join(shortened(file.read_text()) for file in FILES)
    text = "\n".join(line for line in text.splitlines() if "#" not in line and "summary" not in line)
    assert not re.findall(r"\[\d+[mhd]\]|for: \d+[mhd]|interval: (?:30s|\d+m)$", text, flags=re.MULTILINE)


def stop(sink: Sink) -> None:
    """As a Collector that is stopped: nobody listens, and the connections that there are break."""

    def broken(headers: dict[str, str], body: bytes) -> Any:
        raise ConnectionAbortedError

    sink.close()
    sink._server.handle_error = lambda *args: None  # type: ignore[method-assign]
    sink.take = broken  # type: ignore[method-assign]


def test_a_real_prometheus(prometheus: Callable[[int], Prometheus], tmp_path: Path, sink: Sink) -> None:
    """It takes our exposition with exemplars, records full coverage, and fires once the Collector is stopped."""
    path = tmp_path / "shop.py"
    path.write_text(textwrap.dedent(APP))
    program = start(
        "python",
        path,
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_EXPORTER_PROMETHEUS_HOST="127.0.0.1",
        OTEL_EXPORTER_PROMETHEUS_PORT="0",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_BSP_EXPORT_TIMEOUT="800",
    )
    try:
        assert program.stdout is not None
        server = prometheus(int(program.stdout.readline()))
        server.wait_for(lambda: (server.value("job:otel_coverage:ratio5m") or 0) > 0.8)
        name = "http_server_request_duration_seconds"
        assert server.wait_for(lambda: server.value(f"rate({name}_count[3s])"))
        labels = {"http_request_method": "GET", "http_route": "/items/<int:number>", "job": "shop"}
        (series,) = server.get("query", query=f"{name}_count")["result"]
        assert labels.items() <= series["metric"].items()
        found = server.wait_for(
            lambda: server.get("query_exemplars", query=f"{name}_bucket", start=time.time() - 600, end=time.time() + 60)
        )
        named = {exemplar["labels"]["trace_id"] for item in found for exemplar in item["exemplars"]}
        assert sink.wait(lambda spans: named & {span["trace"] for span in spans}, PATIENCE)
        assert "TracingExportFailures" not in server.firing()
        stop(sink)
        server.wait_for(lambda: {"TracingExportFailures", "TracingSilent"} <= server.firing())
    finally:
        program.kill()
        program.communicate()
