"""Jaeger 2 as a backend and as a Collector: started on free ports with a given configuration, asked over its API."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.daemon import Daemon, free_port
from services.service import Missing, Service, folder_for

#: The binary that scripts/test-backends has built.
GIVEN = "TEST_JAEGER"
_READY = b"Everything is ready"
PATIENCE = 30.0


def program() -> str:
    """The binary; raises `Missing`."""
    found = os.environ.get(GIVEN, "")
    if not os.access(found, os.X_OK):
        raise Missing("Jaeger", "its binary was not built", f"run scripts/test-backends, or set {GIVEN}")
    return found


class Collector(Service):
    """One process of Jaeger with a configuration: the text of the Collector's, and variables for it."""

    title = "Jaeger"

    def __init__(self, configuration: str, **variables: str) -> None:
        folder = folder_for("jaeger")
        file = folder / "configuration.yaml"
        file.write_text(configuration)
        settings = [f"{name}={value}" for name, value in variables.items()]
        argv = ["env", *settings, program(), "--config", str(file)]
        daemon = Daemon("jaeger", argv, folder, ready=_READY, halt=signal.SIGTERM)
        super().__init__("127.0.0.1", 0, folder, daemon)

    @staticmethod
    def of(file: Path, **variables: str) -> Collector:
        """The Collector with a configuration as it stands in a file."""
        return Collector(file.read_text(), **variables)


class Jaeger(Collector):
    """Jaeger with storage in memory: takes OTLP on ``http`` and ``grpc``, answers on ``query``.

    ``tls`` is what the receivers have under that name; ``sampling`` the file of strategies served on
    ``sampling_http`` and ``sampling_grpc``.
    """

    def __init__(self, tls: dict[str, Any] | None = None, sampling: Path | None = None) -> None:
        self.http, self.grpc, self.query, query_grpc = (free_port() for _ in range(4))
        self.sampling_http, self.sampling_grpc = free_port(), free_port()
        secured = {"tls": tls} if tls else {}
        extensions: dict[str, Any] = {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 100000}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": f"127.0.0.1:{self.query}"},
                "grpc": {"endpoint": f"127.0.0.1:{query_grpc}"},
            },
        }
        if sampling is not None:
            extensions["remote_sampling"] = {
                "file": {"path": str(sampling), "default_sampling_probability": 1, "reload_interval": "1s"},
                "http": {"endpoint": f"127.0.0.1:{self.sampling_http}"},
                "grpc": {"endpoint": f"127.0.0.1:{self.sampling_grpc}"},
            }
        configuration = {
            "extensions": extensions,
            "receivers": {
                "otlp": {
                    "protocols": {
                        "http": {"endpoint": f"127.0.0.1:{self.http}", **secured},
                        "grpc": {"endpoint": f"127.0.0.1:{self.grpc}", **secured},
                    }
                }
            },
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
            "service": {
                "extensions": list(extensions),
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            },
        }
        # JSON is YAML.
        super().__init__(json.dumps(configuration))

    @property
    def endpoint(self) -> str:
        """For ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self.http}"

    def ask(self, path: str, **query: str) -> Any:
        """The answer of its query API."""
        url = f"http://127.0.0.1:{self.query}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)

    def find(self, service: str, **query: str) -> list[dict[str, Any]]:
        """Traces as its search gives them: by ``operation``, ``tags`` (JSON), ``minDuration`` …"""
        found: list[dict[str, Any]] = self.ask("/api/traces", service=service, lookback="1h", limit="5000", **query)[
            "data"
        ]
        return found

    def wait(self, until: Callable[[list[dict[str, Any]]], Any], service: str, **query: str) -> list[dict[str, Any]]:
        """The traces of a service, once ``until(traces)`` is true; fails the test if that does not come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self.find(service, **query)
            if until(found):
                return found
            assert time.monotonic() < deadline, f"{len(found)} traces of {service} in {PATIENCE} s"
            time.sleep(0.1)

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace, as OTLP in JSON, each with its ``resource`` and ``scope``."""
        result = self.ask(f"/api/v3/traces/{trace_id}")["result"]
        return [
            {**span, "resource": resource["resource"], "scope": scope["scope"]}
            for resource in result["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]
