"""Other agents in the same process: which are there, whether they are at work, and what that means."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Any

_TWICE = "both wrap the same libraries, so each request is traced twice; start the program with only one of them"


class Other:
    """An agent: its ``name``; its ``distribution``; ``modules`` that are loaded when it is at work; ``folder``, a part
    of the path that it puts on PYTHONPATH; what it ``means``.
    """

    __slots__ = ("distribution", "folder", "means", "modules", "name", "problem")

    def __init__(
        self, name: str, distribution: str, modules: tuple[str, ...], folder: str, means: str, problem: bool = True
    ) -> None:
        self.name = name
        self.distribution = distribution
        self.modules = modules
        self.folder = folder
        self.means = means
        self.problem = problem


OTHERS = (
    Other(
        "opentelemetry-instrument (contrib)",
        "opentelemetry-instrumentation",
        (
            "opentelemetry.instrumentation.auto_instrumentation",
            *(
                f"opentelemetry.instrumentation.{name}"
                for name in ("flask", "fastapi", "starlette", "requests", "urllib3", "psycopg", "redis", "kafka")
            ),
        ),
        os.path.join("opentelemetry", "instrumentation", "auto_instrumentation"),
        _TWICE,
    ),
    Other("Datadog (ddtrace)", "ddtrace", ("ddtrace.auto", "ddtrace.bootstrap.sitecustomize", "ddtrace._monkey"),
          os.path.join("ddtrace", "bootstrap"), _TWICE),
    Other("New Relic", "newrelic", ("newrelic.bootstrap.sitecustomize", "newrelic.agent"),
          os.path.join("newrelic", "bootstrap"), _TWICE),
    Other("Elastic APM", "elastic-apm", ("elasticapm",), os.path.join("elasticapm", "instrumentation"), _TWICE),
    Other(
        "Sentry",
        "sentry-sdk",
        ("sentry_sdk.tracing",),
        "",
        "its errors are its own affair; its traces (traces_sample_rate) are recorded beside ours, at its own cost",
        problem=False,
    ),
    Other(
        "Logfire",
        "logfire",
        ("logfire._internal.main",),
        "",
        "it sets its own TracerProvider, which wins: our spans go through it",
        problem=False,
    ),
)  # fmt: skip


def others() -> list[dict[str, Any]]:
    """Each other agent found: ``name``, ``version``, ``active``, ``problem`` (whether that is one), ``meaning``."""
    found = []
    paths = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), *sys.path]
    for other in OTHERS:
        version = _version(other.distribution)
        active = any(module in sys.modules for module in other.modules) or bool(
            other.folder and any(other.folder in path and not _ours(path) for path in paths)
        )
        if version or active:
            found.append(
                {
                    "name": other.name,
                    "version": version,
                    "active": active,
                    "problem": active and other.problem,
                    "meaning": other.means if active else "installed, not at work here",
                }
            )
    return found


def _ours(path: str) -> bool:
    """Whether a folder has this agent's sitecustomize: our image for the OpenTelemetry Operator has it where contrib's
    would be, with the agent two folders up.
    """
    return os.path.isdir(os.path.join(os.path.dirname(os.path.dirname(path)), "tracing_sitecustomize"))


def _version(distribution: str) -> str:
    try:
        return str(metadata.version(distribution))
    except Exception:
        return ""
