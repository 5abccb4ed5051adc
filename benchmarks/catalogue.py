"""The workloads by name: what each runs, which servers it needs, and which figure it has to reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from targets import (
    COMMAND_STARTUP,
    FASTAPI_STARTUP,
    FASTAPI_THROUGHPUT,
    FASTAPI_UNSAMPLED,
    FLASK_MEMORY,
    FLASK_STARTUP,
    FLASK_THROUGHPUT,
    FLASK_UNSAMPLED,
    KAFKA_CONSUME,
    KAFKA_SEND,
    ONE_SPAN,
    OTEL_RATIO,
    RATIOS,
    Target,
)

ALL = ("bare", "ours", "otel", "dd")
MAKERS = ("ours", "otel", "dd")
OPENTELEMETRY = ("ours", "otel")


@dataclass(frozen=True)
class Workload:
    """One thing that is measured under each agent.

    `kind` says how it is run and in which table it stands: "unit" and "span" scripts time themselves, "startup" is a
    whole process, "server" a real server under load, "soak" a long run. `spans` is how many a unit ought to make.
    """

    name: str
    title: str
    kind: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    agents: tuple[str, ...] = ALL
    always_off: bool = False
    spans: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()


def _unit(name: str, title: str, *command: str, needs: tuple[str, ...] = (), **more: Any) -> Workload:
    words = command or (f"{name}.py",)
    return Workload(name, title, "unit", ("python", *words), needs=needs, **more)


BACKENDS = ("redis", "postgres", "page")
UNITS = (
    _unit("flask_route", "Flask, one route", targets=(*RATIOS, FLASK_MEMORY)),
    _unit(
        "flask_backends",
        "Flask + 2 redis + 1 PostgreSQL + 1 requests",
        needs=BACKENDS,
        spans=5,
        targets=(*RATIOS, FLASK_MEMORY),
    ),
    _unit("fastapi_route", "FastAPI, one route", targets=RATIOS),
    _unit("fastapi_backends", "FastAPI + 2 async redis + 1 async PostgreSQL", needs=BACKENDS, spans=4, targets=RATIOS),
    _unit(
        "flask_unsampled",
        "Flask, one route, caller did not sample",
        "flask_route.py",
        "traceparent=00",
        spans=0,
        targets=(FLASK_UNSAMPLED,),
    ),
    _unit(
        "fastapi_unsampled",
        "FastAPI, one route, caller did not sample",
        "fastapi_route.py",
        "traceparent=00",
        spans=0,
        targets=(FASTAPI_UNSAMPLED,),
    ),
    _unit(
        "flask_always_off",
        "Flask, one route, always_off",
        "flask_route.py",
        always_off=True,
        spans=0,
        targets=(FLASK_UNSAMPLED,),
    ),
    _unit(
        "fastapi_always_off",
        "FastAPI, one route, always_off",
        "fastapi_route.py",
        always_off=True,
        spans=0,
        targets=(FASTAPI_UNSAMPLED,),
    ),
    _unit("requests_call", "one requests call", needs=("page",), targets=(OTEL_RATIO,)),
    _unit("redis_command", "one redis command", needs=("redis",), targets=(OTEL_RATIO,)),
    _unit("query", "one PostgreSQL query", needs=("postgres",), targets=(OTEL_RATIO,)),
    _unit("kafka_send", "one Kafka send", needs=("kafka",), targets=(KAFKA_SEND,)),
    _unit("kafka_consume", "one Kafka message consumed", needs=("kafka",), targets=(KAFKA_CONSUME,)),
)


def _span(name: str, title: str, *command: str, agents: tuple[str, ...] = OPENTELEMETRY, **more: Any) -> Workload:
    return Workload(name, title, "span", ("python", *command), agents=agents, **more)


TRACES = (1, 10, 100, 1000)
ATTRIBUTES = (0, 1, 8, 32, 64, 128)
THREADS = (1, 4, 16, 64)
SPANS = (
    _span("span_api", "one span, 11 attributes, by the API", "span.py", "way=api", agents=MAKERS, targets=(ONE_SPAN,)),
    _span(
        "span_operation",
        "one span, 11 attributes, as our instrumentations make it",
        "span.py",
        "way=operation",
        agents=("ours",),
        targets=(ONE_SPAN,),
    ),
    *(_span(f"trace_{size}", f"a span, {size} in its trace", "span.py", f"trace={size}") for size in TRACES),
    *(_span(f"attributes_{n}", f"a span with {n} attributes", "span.py", f"attributes={n}") for n in ATTRIBUTES),
    *(
        _span(
            f"threads_{number}",
            f"a span, made in {number} threads",
            "threads.py",
            f"threads={number}",
            environment={"OTEL_BSP_MAX_QUEUE_SIZE": "8000"},
        )
        for number in THREADS
    ),
)

STARTUPS = (
    Workload("start_pass", "`python -c pass`", "startup", ("python", "-c", "pass"), targets=(COMMAND_STARTUP,)),
    Workload("start_flask", "`import flask`", "startup", ("python", "-c", "import flask")),
    Workload(
        "start_libraries",
        "`import flask, requests, redis, psycopg`",
        "startup",
        ("python", "-c", "import flask, requests, redis, psycopg"),
    ),
    Workload("start_fastapi", "`import fastapi`", "startup", ("python", "-c", "import fastapi")),
    Workload(
        "first_flask",
        "`import flask` + first request",
        "startup",
        ("python", "first_flask.py"),
        targets=(FLASK_STARTUP,),
    ),
    Workload(
        "first_fastapi",
        "`import fastapi` + first request",
        "startup",
        ("python", "first_fastapi.py"),
        targets=(FASTAPI_STARTUP,),
    ),
)

GUNICORN = ("gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", "8", "--log-level", "warning")
UVICORN = ("uvicorn", "--no-access-log", "--log-level", "warning", "--host", "127.0.0.1")
SERVERS = (
    Workload(
        "gunicorn",
        "gunicorn gthread + Flask",
        "server",
        (*GUNICORN, "--bind", "127.0.0.1:{port}", "flask_app:app"),
        targets=(FLASK_THROUGHPUT,),
    ),
    Workload(
        "uvicorn",
        "uvicorn + FastAPI",
        "server",
        (*UVICORN, "--port", "{port}", "fastapi_app:app"),
        targets=(FASTAPI_THROUGHPUT,),
    ),
)


def soak(requests: int) -> Workload:
    """The long run of `requests` Flask requests, under our agent only."""
    command = ("python", "soak.py", f"requests={requests}")
    return Workload("soak", f"Flask, one route, {requests:,} requests", "soak", command, agents=("ours",))


WORKLOADS = {workload.name: workload for workload in (*UNITS, *SPANS, *STARTUPS, *SERVERS)}
