"""Remote sampling over gRPC: which endpoints that is, what they answer, and what becomes of the process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from export.servers import closed_port
from sampling.endpoint import FakeEndpoint, until
from sampling.endpoint_grpc import FakeGrpcEndpoint, message, rate
from support.program import run, start
from tracing_agent.config import Settings
from tracing_agent.faults import INFO, LINES
from tracing_agent.sampling import endpoint_grpc, strategy_bytes
from tracing_agent.sampling.configured import sampler_of
from tracing_agent.sampling.endpoint import speaks_grpc
from tracing_agent.sampling.endpoint_grpc import GrpcEndpoint
from tracing_agent.sampling.remote import Unreachable
from tracing_agent.sampling.strategy import Malformed


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGrpcEndpoint]:
    """A sampling endpoint; its own threads, in this process, are not waited for."""
    monkeypatch.setattr(endpoint_grpc, "_ENDING_MAX", 0.0)
    fake = FakeGrpcEndpoint()
    yield fake
    fake.close()


def source_of(url: str) -> Any:
    """What asks the endpoint, for the service ``the shop``."""
    argument = f"endpoint={url},pollingIntervalMs=60000,initialSamplingRate=0"
    settings = Settings({"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": argument})
    made: Any = sampler_of(settings.sampling, lambda: "the shop")
    return made.rule.source


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://jaeger:14250", True),
        ("http://jaeger:14250/", True),
        ("jaeger:14250", True),
        ("https://jaeger:14250", True),
        ("http://jaeger:5779", True),
        ("grpc://jaeger:4000", True),
        ("grpcs://jaeger", True),
        ("http://[::1]:14250", True),
        ("http://jaeger:14250/sampling", False),
        ("http://jaeger:5778", False),
        ("http://jaeger:5778/sampling", False),
        ("http://jaeger:14268/api/sampling", False),
        ("http://jaeger", False),
    ],
)
def test_which_endpoints(url: str, expected: bool) -> None:
    """gRPC is what the scheme says, or its ports without a path; Jaeger's endpoints of HTTP stay so."""
    assert speaks_grpc(url) is expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://jaeger:14250", "grpc://jaeger:14250"),
        ("https://user:secret@jaeger:5779", "grpcs://jaeger:5779"),
        ("grpc://jaeger", "grpc://jaeger:14250"),
        ("grpcs://[::1]:1", "grpcs://[::1]:1"),
    ],
)
def test_shown(url: str, shown: str) -> None:
    """The sampler's description tells the way, TLS by the scheme, and the port, without user and password."""
    argument = f"endpoint={url}"
    settings = Settings({"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": argument})
    assert f"{{{shown}, " in sampler_of(settings.sampling, str).get_description()


OPERATIONS = {
    "defaultSamplingProbability": 0.25,
    "defaultLowerBoundTracesPerSecond": 0.5,
    "perOperationStrategies": [
        {"operation": "GET /é", "probabilisticSampling": {"samplingRate": 1.0}},
        {"operation": "never", "probabilisticSampling": {"samplingRate": 0.0}},
    ],
    "defaultUpperBoundTracesPerSecond": 9.0,
}


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"probabilisticSampling": {"samplingRate": 0.125}},
        {"probabilisticSampling": {"samplingRate": 0.0}},
        {"rateLimitingSampling": {"maxTracesPerSecond": 300}},
        {"rateLimitingSampling": {"maxTracesPerSecond": -1}},
        {"operationSampling": OPERATIONS},
    ],
    ids=str,
)
def test_same_as_protobuf(expected: dict[str, Any]) -> None:
    """A response that protobuf wrote, with a field that is not known yet, is read as its JSON form."""
    assert strategy_bytes.response(message(**expected, strategyType=1, later="something")) == expected


def test_no_response_is_misread() -> None:
    """A response that is cut off anywhere, or has any byte changed, is read or refused, and nothing else."""
    whole = message(operationSampling=OPERATIONS, strategyType=1)
    refused = 0
    for at in range(len(whole)):
        for broken in (whole[:at], *(whole[:at] + bytes((byte,)) + whole[at + 1 :] for byte in range(256))):
            try:
                strategy_bytes.response(broken)
            except Malformed:
                refused += 1
    assert refused > len(whole)


def test_asked_and_followed(fake: FakeGrpcEndpoint) -> None:
    """The strategy of the service is asked for, and followed as one that comes over HTTP."""
    source = source_of(fake.url)
    for answer, sampled in ((rate(0), False), (rate(1), True)):
        fake.answer = answer
        source.poll()
        assert source.rule.trace(2**127, 0, "").recorded is sampled
    fake.answer = message(strategyType=1, rateLimitingSampling={"maxTracesPerSecond": 2})
    source.poll()
    assert (source.answered, source.failed) == (3, 0)
    assert fake.asked == ["the shop"] * 3
    assert all(agent.startswith("tracing-agent/") for agent in fake.agents)


FAULTS: list[tuple[Any, str]] = [
    (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE: not today"),
    (grpc.StatusCode.NOT_FOUND, "NOT_FOUND: not today"),
    (b"\xff", "the answer is cut off"),
    (b"\x0b", "no SamplingStrategyResponse"),
    (b"", "it has no strategy"),
    (rate(7), "samplingRate"),
    (rate(float("nan")), "samplingRate"),
    (b"\x7a\x80\x80\x80\x04" + bytes(1 << 23), "RESOURCE_EXHAUSTED"),
]


@pytest.mark.parametrize(("answer", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_faults_keep_the_last_strategy(
    fake: FakeGrpcEndpoint, answer: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A status, or an answer that is none, leaves the last strategy in force: one line why, and one when it is over."""
    LINES.level, before = INFO, LINES.level
    try:
        source = source_of(fake.url)
        source.poll()
        strategy = source.rule
        fake.answer = answer
        source.poll()
        source.poll()
        assert (source.rule, source.answered, source.failed) == (strategy, 1, 2)
        fake.answer = rate(0)
        source.poll()
        assert source.rule is not strategy
    finally:
        LINES.level = before
    down, back = capsys.readouterr().err.splitlines()
    assert f"no strategy from {fake.url}" in down and reason in down
    assert down.endswith("the last strategy stays")
    assert "answers again" in back


def test_nobody_there(fake: FakeGrpcEndpoint, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody listens the initial rate stays, with one line."""
    source_of(f"grpc://127.0.0.1:{closed_port()}").poll()
    assert "UNAVAILABLE: " in capsys.readouterr().err


def test_no_answer_in_time(
    fake: FakeGrpcEndpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An endpoint that does not answer is waited for no longer than the limit."""
    monkeypatch.setattr(endpoint_grpc, "TIMEOUT", 0.2)
    fake.gate.clear()
    source = source_of(fake.url)
    source.poll()
    assert source.failed == 1
    assert "DEADLINE_EXCEEDED" in capsys.readouterr().err


def test_the_other_protocol(fake: FakeGrpcEndpoint, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint of gRPC that is asked over HTTP is one line with what to write instead; so is the other way round."""
    source_of(f"http://127.0.0.1:{fake.port}").poll()
    assert f"if it speaks gRPC, write grpc://127.0.0.1:{fake.port}" in capsys.readouterr().err
    over_http = FakeEndpoint()
    try:
        with pytest.raises(Unreachable, match=f"if it speaks HTTP, write http://127.0.0.1:{over_http.port}/sampling"):
            GrpcEndpoint(f"grpc://127.0.0.1:{over_http.port}", str).ask()
    finally:
        over_http.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificate of the endpoint."""
    return trustme.CA()


def test_tls(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """By https:// or grpcs:// with TLS: to whom SSL_CERT_FILE trusts, as with HTTPS, and to nobody else."""
    monkeypatch.setattr(endpoint_grpc, "_ENDING_MAX", 0.0)
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    issued = authority.issue_cert("127.0.0.1")
    pair = (issued.private_key_pem.bytes(), b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    fake = FakeGrpcEndpoint(grpc.ssl_server_credentials([pair]))
    try:
        source = source_of(f"grpcs://127.0.0.1:{fake.port}")
        source.poll()
        assert (source.answered, fake.asked) == (0, [])
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        source.poll()
        assert (source.answered, fake.asked) == (1, ["the shop"])
    finally:
        fake.close()
    assert "UNAVAILABLE" in capfd.readouterr().err


def test_without_grpcio(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where grpcio cannot be imported, one line says what to install or to write instead."""
    monkeypatch.setitem(sys.modules, "grpc", None)
    source_of("http://127.0.0.1:14250").poll()
    assert "install it, or give the endpoint of HTTP" in capsys.readouterr().err


PROGRAM = """
import os, sys, threading, time
from opentelemetry import trace
from tracing_agent.agent import running

assert "grpc" not in sys.modules
source, tracer = running().provider.engine.rule.source, trace.get_tracer("work")
tasks, until = "/proc/self/task", time.monotonic() + 60

def work(count):
    while source.answered < count:
        assert time.monotonic() < until and not source.failed, (source.answered, source.failed)
        tracer.start_span("work").end()
        time.sleep(0.002)

alone = len(os.listdir(tasks))
for turn in range(3):
    work(source.answered + 2)
    child = os.fork()
    if not child:
        source.answered = 0
        work(2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
source.forking()
assert len(os.listdir(tasks)) == alone, os.listdir(tasks)
source.forked_parent()
"""


@pytest.mark.process
def test_a_program(fake: FakeGrpcEndpoint) -> None:
    """A program asks, and forks while it asks: it and its children get answers, no thread of gRPC is there at a fork,
    nothing of gRPC is imported at the start, and nothing is said, Python's warning of forks included.
    """
    done = run(
        "python",
        "-W",
        "error",
        "-c",
        PROGRAM,
        OTEL_SERVICE_NAME="shop & co",
        OTEL_TRACES_EXPORTER="none",
        OTEL_TRACES_SAMPLER="parentbased_jaeger_remote",
        OTEL_TRACES_SAMPLER_ARG=f"endpoint={fake.url},pollingIntervalMs=20,initialSamplingRate=0",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert set(fake.asked) == {"shop & co"}


SILENT = """
import time
from opentelemetry import trace
from tracing_agent.agent import running
trace.get_tracer("work").start_span("work").end()
print("asking", flush=True)
input()
"""


@pytest.mark.process
def test_exit_while_asking(fake: FakeGrpcEndpoint) -> None:
    """A program ends when it ends, though its question has no answer yet."""
    fake.gate.clear()
    process = start(
        "python",
        "-c",
        SILENT,
        piped=True,
        OTEL_TRACES_EXPORTER="none",
        OTEL_TRACES_SAMPLER="jaeger_remote",
        OTEL_TRACES_SAMPLER_ARG=f"endpoint={fake.url}",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    until(lambda: fake.asked)
    out, err = process.communicate("\n", timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    fake.gate.set()
