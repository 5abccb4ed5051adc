"""The backend goes away under load and comes back: nothing is lost that fits the queue, and the numbers add up."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from backends.server import PATIENCE, Jaeger
from support.program import start

HERE = Path(__file__).parent
QUEUE = 2048


def told(process: Any, spans: int) -> None:
    """Have the program record so many spans; it answers."""
    process.stdin.write(f"{spans}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_restart_under_load() -> None:
    """What fits the queue while the backend is away arrives after; the rest is counted, and the numbers add up."""
    with Jaeger() as jaeger:
        jaeger.start()
        process = start(
            sys.executable,
            HERE / "producing.py",
            piped=True,
            OTEL_SERVICE_NAME="producing",
            OTEL_EXPORTER_OTLP_ENDPOINT=jaeger.endpoint,
            OTEL_BSP_SCHEDULE_DELAY="50",
        )
        told(process, 1000)
        jaeger.wait(lambda traces: len(traces) == 1000, "producing")
        jaeger.stop()
        told(process, QUEUE * 3)
        jaeger.start()
        told(process, 100)
        output, errors = process.communicate(timeout=PATIENCE * 2)
        assert process.returncode == 0
        health = json.loads(output.splitlines()[-1])
        # Storage in memory: what came before the restart is gone.
        received = len(jaeger.wait(lambda traces: len(traces) + 1000 == health["exported"], "producing"))
        dropped = sum(health["dropped"].values()) + sum(health["failed"].values())
        assert health["started"] == 1000 + QUEUE * 3 + 100 == 1000 + received + dropped
        assert received >= QUEUE and health["dropped"]["queue full"] > 0
        assert "queue full" in errors
