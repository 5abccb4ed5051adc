"""The rules for Prometheus that `docs/operations` ships: checked and unit-tested by Prometheus' own tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from metrics.conftest import Make

RULES = Path(__file__).parents[2] / "docs" / "operations" / "prometheus"
UNIT_TESTS = Path(__file__).parent / "rules" / "alerts.yaml"
FILES = sorted(RULES.glob("*.yaml"))
# What is not the agent's: the Collector's own metrics, and what Prometheus makes of alerts.
OTHERS = ("otelcol_", "rpc_server_")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_rules_are_valid(promtool: str, file: Path) -> None:
    """Prometheus would load each file of rules."""
    run(promtool, "check", "rules", str(file))


def test_alerts_fire_and_stay_silent(promtool: str) -> None:
    """Every alert fires on what it is for, and none on a healthy program that samples 1 % or nothing."""
    run(promtool, "test", "rules", str(UNIT_TESTS))


def test_every_alert_is_tested() -> None:
    """There is no alert that the unit tests have not seen firing."""
    alerts = set(re.findall(r"- alert: (\w+)", (RULES / "alert-rules.yaml").read_text()))
    firing = set(re.findall(r"- alertname: (\w+)\n\s+eval_time: \w+\n\s+exp_alerts:\n", UNIT_TESTS.read_text()))
    assert alerts == firing
    assert len(alerts) == 9


def test_rules_ask_for_what_there_is(measured: Make) -> None:
    """Every metric that a rule reads is one that the agent gives, or that another rule records."""
    recorder, metrics = measured()
    recorder.patch("flask")
    import flask

    app = flask.Flask("shop")
    app.get("/")(lambda: "")
    app.test_client().get("/").get_data()
    given = set(metrics.scraped().samples)
    text = "\n".join(line for file in FILES for line in file.read_text().splitlines() if "#" not in line)
    recorded = set(re.findall(r"- record: (\S+)", text))
    read = set(re.findall(r"(?<![\w:\"])(?:job:)?(?:otel|http_server|rpc)_[\w:]+", text)) - recorded
    read = {name for name in read if not name.startswith(OTHERS)}
    # Texts for people name metrics, too.
    assert read - given == set()
    assert "otel_span_ended_total" in read


def test_what_a_rule_records_is_read_or_shown() -> None:
    """Alerts read no recorded name that is not there."""
    text = "".join(file.read_text() for file in FILES)
    recorded = set(re.findall(r"- record: (\S+)", text))
    assert set(re.findall(r"job:otel_\w+:\w+", text)) <= recorded
