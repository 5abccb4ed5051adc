"""The example shop under `tracing-run watch`, as `scripts/demo` runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# The shop's models are written for pydantic 2, which the oldest FastAPI that is traced does not know.
pytest.importorskip("pydantic", minversion="2")

SHOP = Path(__file__).parents[2] / "examples" / "shop"
PATIENCE = 60.0
REQUESTS = 12


@pytest.mark.process
def test_watched_shop_shows_a_whole_trace_for_each_request() -> None:
    """Every request of the traffic is shown as one trace without a missing part, its failure with the exception."""
    argv = [sys.executable, "-m", "tracing_sitecustomize.command", "watch", "--", sys.executable, "run.py"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SHOP_", "PYTHON"))}
    done = subprocess.run(
        argv, cwd=SHOP, env=kept, capture_output=True, text=True, encoding="utf-8", check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    headings = re.findall(r"^trace [0-9a-f]{32} .*$", done.stdout, re.MULTILINE)
    assert len(headings) == REQUESTS
    assert "parent missing" not in done.stdout
    assert len(re.findall(r"3 services|storefront, inventory, payment", "\n".join(headings))) == 4
    assert len(re.findall(r"GET 200 \S+/items/(?:kettle|teapot|whisk|lamp|atlas) ", done.stdout)) == 5
    assert "payment.acquirer.AcquirerUnavailable: the card network did not answer" in done.stdout
