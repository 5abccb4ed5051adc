"""psycopg in whole programs under `tracing-run`: both implementations, and the settings by environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services import PostgreSQL
from support.program import run
from support.sink import Sink

pytestmark = pytest.mark.process

PROGRAM = """
import asyncio, os, sys
import psycopg
from psycopg_pool import ConnectionPool

DSN = os.environ["DSN"]

def sync():
    with ConnectionPool(DSN, open=True, min_size=1, max_size=1, timeout=20) as pool:
        with pool.connection() as connection:
            print(connection.execute("SELECT 'secret'").fetchone())
            with connection.cursor() as cursor, cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
                print(sum(len(block) for block in copy))

async def asynchronous():
    async with await psycopg.AsyncConnection.connect(DSN) as connection:
        print(await (await connection.execute("SELECT %s::int", (1,))).fetchone())

sync()
asyncio.run(asynchronous())
print(psycopg.pq.__impl__)
"""

IMPLEMENTATIONS = ["binary", "python"]


def program(folder: Path) -> Path:
    """The program as a file."""
    path = folder / "program.py"
    path.write_text(PROGRAM)
    return path


def attributes(sink: Sink, name: str) -> dict[str, Any]:
    """Those of the one span of that name."""
    (span,) = [span for span in sink.spans if span["name"] == name]
    found: dict[str, Any] = span["attributes"]
    return found


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_implementations(tmp_path: Path, postgres: PostgreSQL, sink: Sink, implementation: str) -> None:
    """user-pain row 17: the C implementation and the one in Python give the same spans and the same output."""
    outputs = []
    for traced in (False, True):
        done = run(
            sys.executable,
            program(tmp_path),
            traced=traced,
            DSN=postgres.dsn,
            PSYCOPG_IMPL=implementation,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        )
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[1].endswith(f"{implementation}\n")
    sink.wait(lambda spans: len(spans) >= 7)
    connect = f"connect {postgres.dbname}"
    assert sorted(span["name"] for span in sink.spans if not span["name"].startswith("getconn")) == sorted(
        [connect, connect, "SELECT", "SELECT", "COPY SELECT", "COMMIT", "COMMIT"]
    )
    assert "secret" not in str(sink.spans)


def test_settings(tmp_path: Path, postgres: PostgreSQL, sink: Sink) -> None:
    """Masking, row counts, comments and old names are the owner's to choose."""
    done = run(
        sys.executable,
        program(tmp_path),
        DSN=postgres.dsn,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_PYTHON_DB_STATEMENT_SANITIZATION="false",
        OTEL_PYTHON_DB_RETURNED_ROWS="true",
        OTEL_PYTHON_SQLCOMMENTER="true",
        OTEL_SEMCONV_STABILITY_OPT_IN="database/dup",
    )
    assert (done.returncode, done.stderr) == (0, "")
    sink.wait(lambda spans: len(spans) >= 7)
    found = attributes(sink, "COPY SELECT")
    assert found["db.query.text"] == found["db.statement"] == "COPY (SELECT 1) TO STDOUT"
    assert found["db.response.returned_rows"] == 1
    assert found["db.system"] == "postgresql"


def test_no_roots(tmp_path: Path, postgres: PostgreSQL, sink: Sink) -> None:
    """user-pain row 16: one setting keeps all client spans without a parent away."""
    done = run(
        sys.executable,
        program(tmp_path),
        DSN=postgres.dsn,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_PYTHON_ROOT_CLIENT_SPANS="false",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sink.spans == []


def test_disabled(tmp_path: Path, postgres: PostgreSQL, sink: Sink) -> None:
    """A program may have psycopg left alone."""
    done = run(
        sys.executable,
        program(tmp_path),
        DSN=postgres.dsn,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="psycopg,psycopg_pool",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sink.spans == []


def test_the_matrix_is_whole() -> None:
    """What these tests run on is a version that the agent says it supports."""
    from tracing_instrumentations.registry import LIBRARIES

    (library,) = [library for library in LIBRARIES if library.name == "psycopg"]
    version = tuple(map(int, psycopg.__version__.split(".")[:2]))
    assert library.tested[0] <= version < library.tested[1]
