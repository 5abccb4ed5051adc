"""A program that sends spans by itself, with the standard library: `program.py STEP…`.

Steps, in order: `trace:NAME` sends a trace of one span that took 10 ms, `slow:NAME` one of 2 s, `error:NAME` a failed
one; `say:TEXT` prints; `show:VARIABLE` prints an environment variable; `wait` waits for SIGTERM, SIGINT or the end of
standard input and prints which; `kill` ends by SIGKILL; `exit:CODE` exits.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from types import FrameType

signals: list[str] = []


def send(service: str, milliseconds: int, failed: bool) -> None:
    now = time.time_ns()
    span: dict[str, object] = {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": "work",
        "kind": 1,
        "startTimeUnixNano": str(now - milliseconds * 1_000_000),
        "endTimeUnixNano": str(now),
    }
    if failed:
        exception = [
            {"key": "exception.type", "value": {"stringValue": "ValueError"}},
            {"key": "exception.message", "value": {"stringValue": "bad sku"}},
        ]
        span |= {"status": {"code": 2}, "events": [{"name": "exception", "attributes": exception}]}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.load(answer) == {}


def note(number: int, frame: FrameType | None) -> None:
    signals.append(signal.Signals(number).name)


def wait() -> None:
    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    print("waiting", flush=True)
    # Not `signal.pause`: it would wait for another one if the signal comes just before it.
    while not signals:
        time.sleep(0.02)
    # A signal that came twice would come the second time at once.
    time.sleep(0.2)
    print("got", *signals, flush=True)


def main() -> None:
    for step in sys.argv[1:]:
        verb, _, argument = step.partition(":")
        if verb in ("trace", "slow", "error"):
            send(argument, 2000 if verb == "slow" else 10, verb == "error")
        elif verb == "say":
            print(argument, flush=True)
        elif verb == "show":
            print(f"{argument}={os.environ.get(argument)}", flush=True)
        elif verb == "wait":
            wait()
        elif verb == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            sys.exit(int(argument))


main()
