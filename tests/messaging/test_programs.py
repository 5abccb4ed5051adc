"""Whole programs under `tracing-run`: traces through the broker, and programs that end in the middle of something."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from messaging.log import PATIENCE, Log, traceparent
from services import Kafka, PostgreSQL, Redis
from support.program import TRACING_RUN, environment, run, start
from support.sink import Received, Sink

pytestmark = pytest.mark.process

SHOP = Path(__file__).parents[2] / "examples" / "shop"


def variables(sink: Sink, log: Log, **more: str) -> dict[str, str]:
    """What the programs below are told."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "PYTHONWARNINGS": "ignore",
        "BROKER": log.bootstrap,
        "TOPIC": log.topic,
        **more,
    }


def test_one_trace_from_the_request_to_the_databases(
    sink: Sink, tmp_path: Path, redis_server: Redis, postgres: PostgreSQL, kafka: Kafka
) -> None:
    """HTTP request, Flask, send, broker, consumer in another process, its PostgreSQL and Redis calls: one trace id."""
    pytest.importorskip("redis.asyncio", reason="the shop needs redis-py 4.2")
    pytest.importorskip("pydantic", minversion="2", reason="the shop's models are written for pydantic 2")
    topic = f"shop-{time.time_ns()}"
    servers = {
        "SHOP_REDIS_URL": redis_server.url,
        "SHOP_POSTGRES_DSN": postgres.dsn,
        "SHOP_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SHOP_ORDERS_TOPIC": topic,
    }
    told = environment(OTEL_EXPORTER_OTLP_ENDPOINT=sink.endpoint, OTEL_BSP_SCHEDULE_DELAY="100", **servers)
    argv = [*TRACING_RUN, sys.executable, str(SHOP / "run.py"), "--logs", str(tmp_path)]
    done = subprocess.run(argv, env=told, capture_output=True, text=True, check=False, timeout=3 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    spans = sink.wait(lambda spans: sum(span["name"] == f"process {topic}" for span in spans) == 2)
    by_id = {span["id"]: span for span in spans}
    for processed in [span for span in spans if span["name"] == f"process {topic}"]:
        sent = by_id[processed["parent"]]
        assert (sent["name"], sent["kind"]) == (f"send {topic}", "PRODUCER")
        served = by_id[sent["parent"]]
        assert (served["name"], served["kind"]) == ("POST /carts/<customer>/checkout", "SERVER")
        services = [span["resource"]["service.name"] for span in (served, sent, processed)]
        assert services == ["storefront", "storefront", "fulfilment"]
        below = {span["attributes"]["db.system.name"] for span in spans if span["parent"] == processed["id"]}
        assert below == {"postgresql", "redis"}
        assert len({span["trace"] for span in (served, sent, processed)}) == 1


SENDS = """
import os, sys, time
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=os.environ["BROKER"], linger_ms=60_000)
producer.send(os.environ["TOPIC"], b"first").add_errback(lambda error: None)
print("ready", flush=True)
{end}
"""

ENDINGS = {
    "the end": "",
    "sys.exit": "sys.exit(3)",
    "an exception": "raise ValueError('no')",
    "SIGTERM": "while True: time.sleep(0.01)",
}


def ended(program: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a program that is sent SIGTERM as soon as it is ready, if it has not ended by then."""
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM) if program.args[-1].endswith("SIGTERM") else None  # type: ignore[index,union-attr]
    output, _ = program.communicate(timeout=PATIENCE)
    return program.returncode, output


@pytest.mark.parametrize("how", ENDINGS)
def test_a_program_that_ends_before_the_answer(log: Log, sink: Sink, how: str) -> None:
    """What was sent and is not answered when the program ends has a span, which says so where it was never answered."""
    script = SENDS.format(end=ENDINGS[how])
    untraced = ended(start(sys.executable, "-c", script, how, traced=False, **variables(sink, log)))
    assert sink.spans == []
    assert ended(start(sys.executable, "-c", script, how, **variables(sink, log))) == untraced
    (span,) = sink.wait(lambda spans: spans)
    assert span["name"] == f"send {log.topic}"
    if "messaging.kafka.offset" not in span["attributes"]:
        code, description = span["status"]
        assert code == 2
        assert description
        assert span["attributes"]["error.type"]
    if how == "SIGTERM":
        assert span["status"] == (2, "the process ended before the broker answered")


PROCESSES = """
import os, sys, time
from kafka import KafkaConsumer, TopicPartition
consumer = KafkaConsumer(bootstrap_servers=os.environ["BROKER"], auto_offset_reset="earliest")
consumer.assign([TopicPartition(os.environ["TOPIC"], 0)])
for message in consumer:
    print("ready", flush=True)
    {end}
"""


@pytest.mark.parametrize("how", ["sys.exit", "an exception", "SIGTERM"])
def test_a_program_that_ends_in_the_middle_of_a_message(log: Log, sink: Sink, how: str) -> None:
    """A message in the middle of which a program ends has its span, with the exception if there was one."""
    log.write(b"a", headers=[("traceparent", traceparent(0xA, 0xB))])
    script = PROCESSES.format(end=ENDINGS[how])
    untraced = ended(start(sys.executable, "-c", script, how, traced=False, **variables(sink, log)))
    assert ended(start(sys.executable, "-c", script, how, **variables(sink, log))) == untraced
    (span,) = sink.wait(lambda spans: spans)
    assert (span["name"], int(span["trace"], 16), int(span["parent"], 16)) == (f"process {log.topic}", 0xA, 0xB)
    events = [name for name, _ in span["events"]]
    if how == "sys.exit":
        assert (span["status"], events) == ((0, ""), [])
    elif how == "an exception":
        assert (span["status"], events) == ((2, "no"), ["exception"])
        assert span["attributes"]["error.type"] == "ValueError"
    else:
        assert (span["status"], events) == ((0, ""), ["process ended while the message was in process"])


FORKS = """
import os, sys
from kafka import KafkaProducer
producer = KafkaProducer(bootstrap_servers=os.environ["BROKER"], linger_ms=60_000)
future = producer.send(os.environ["TOPIC"], b"parent's")
child = os.fork()
if child == 0:
    # Not sys.exit: the library's own exit handler would wait for a thread that the child does not have.
    from tracing_agent import ending
    ending.run()
    os._exit(0)
os.waitpid(child, 0)
producer.flush()
future.get(30)
print(os.getpid())
"""


def test_a_forked_child_does_not_end_what_its_parent_waits_for(log: Log, sink: Sink) -> None:
    """A child that is forked while a message is under way says nothing of it; the parent's span has the answer."""
    done = run(sys.executable, "-c", FORKS, **variables(sink, log))
    assert done.returncode == 0, done.stderr
    (span,) = sink.wait(lambda spans: spans)
    assert (span.pid, span["status"]) == (int(done.stdout), (0, ""))
    assert span["attributes"]["messaging.kafka.offset"] == 0


CONSUMES = """
import os
from kafka import KafkaConsumer, TopicPartition
consumer = KafkaConsumer(
    bootstrap_servers=os.environ["BROKER"], auto_offset_reset="earliest", consumer_timeout_ms=20_000
)
consumer.assign([TopicPartition(os.environ["TOPIC"], 0)])
for message in consumer:
    break
batch = {}
consumer.seek_to_beginning()
while not batch:
    batch = consumer.poll(1000)
for messages in batch.values():
    for message in messages:
        pass
consumer.close()
print(type(messages).__name__)
"""


def consumed(log: Log, sink: Sink, **more: str) -> tuple[str, list[Received]]:
    """Output and spans of a program that consumes a message by iteration, and again by `poll()`."""
    log.write(b"a", headers=[("traceparent", traceparent(0xA, 0xB))])
    done = run(sys.executable, "-c", CONSUMES, **variables(sink, log, **more))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), sorted(sink.spans, key=lambda span: int(span["start"]))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({}, [("process", 0xA, []), ("poll", None, [(0xA, 0xB)]), ("process", 0xA, [])]),
        (
            {"OTEL_PYTHON_KAFKA_CONSUMER_PARENT": "link"},
            [("process", None, [(0xA, 0xB)]), ("poll", None, [(0xA, 0xB)]), ("process", None, [(0xA, 0xB)])],
        ),
        (
            {"OTEL_PYTHON_KAFKA_PROCESS_POLLED": "false"},
            [("process", 0xA, []), ("poll", None, [(0xA, 0xB)])],
        ),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "kafka"}, []),
    ],
)
def test_settings(log: Log, sink: Sink, setting: dict[str, str], expected: list[Any]) -> None:
    """The variables of Kafka's instrumentation do what they say, from the environment on."""
    kind, spans = consumed(log, sink, **setting)
    assert kind == ("Batch" if sum(name == "process" for name, *_ in expected) == 2 else "list")
    found = [
        (
            span["name"].split()[0],
            int(span["trace"], 16) if span["parent"] else None,
            [(int(trace, 16), int(parent, 16)) for trace, parent in span["links"]],
        )
        for span in spans
    ]
    assert found == expected


def test_a_library_that_changed_is_left_alone(log: Log, sink: Sink, tmp_path: Path) -> None:
    """Where a method that is patched is missing nothing is patched, the program runs, and one line says why."""
    (tmp_path / "changed.py").write_text(
        "import kafka.consumer.group as group\n"
        "original = group.KafkaConsumer.commit_async\n"
        "del group.KafkaConsumer.commit_async\n"
    )
    script = "import kafka.consumer, changed, kafka; print(hasattr(kafka.KafkaProducer.send, '__wrapped__'))"
    # Importing a submodule imports the package first: it is patched, and then changed.
    done = run(sys.executable, "-c", script, cwd=tmp_path, PYTHONPATH=str(tmp_path), **variables(sink, log))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"
    assert os.fspath(tmp_path) not in done.stderr
