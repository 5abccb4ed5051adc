"""What programs record arrives in Jaeger, over every transport, and is found there as a person on call looks for it."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from backends.server import Jaeger
from support.program import ROOT, run

HERE = Path(__file__).parent
# The lowest bits of a span's flags are the W3C trace flags, which OpenTelemetry's own encoder leaves out.
TRACE_FLAGS = 0xFF


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of ours."""
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files: the authority's certificate, and key and certificate of the server and of a client."""
    folder = tmp_path_factory.mktemp("certificates")
    server, client = authority.issue_cert("127.0.0.1", "localhost"), authority.issue_cert("client@tests")
    files = {name: str(folder / f"{name}.pem") for name in ("authority", "server", "key", "client", "client_key")}
    authority.cert_pem.write_to_path(files["authority"])
    server.cert_chain_pems[0].write_to_path(files["server"])
    server.private_key_pem.write_to_path(files["key"])
    client.cert_chain_pems[0].write_to_path(files["client"])
    client.private_key_pem.write_to_path(files["client_key"])
    return files


@pytest.fixture(scope="module")
def secured(certificates: dict[str, str]) -> Iterator[Jaeger]:
    """A Jaeger that talks TLS."""
    with Jaeger({"cert_file": certificates["server"], "key_file": certificates["key"]}) as found:
        found.start()
        yield found


@pytest.fixture(scope="module")
def mutual(certificates: dict[str, str]) -> Iterator[Jaeger]:
    """A Jaeger that talks TLS, to those only who have a certificate of the authority."""
    files = {"cert_file": certificates["server"], "key_file": certificates["key"]}
    with Jaeger({**files, "client_ca_file": certificates["authority"]}) as found:
        found.start()
        yield found


def hexadecimal(text: str) -> str:
    """An id as JSON of protobuf has it, as everybody else writes it."""
    return base64.b64decode(text).hex()


def value(found: dict[str, Any]) -> Any:
    """One attribute value, with its type."""
    ((kind, content),) = found.items() if found else (("stringValue", ""),)
    if kind == "arrayValue":
        return kind, [value(item) for item in content.get("values", ())]
    return kind, int(content) if kind == "intValue" else content


def values(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes by key; Jaeger adds its own remarks on a trace."""
    return {item["key"]: value(item.get("value", {})) for item in found if not item["key"].startswith("@jaeger@")}


def plain(span: dict[str, Any], ids: Any) -> dict[str, Any]:
    """A span as JSON of OTLP, in one form: ``ids`` reads an id."""
    kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
    codes = ["UNSET", "OK", "ERROR"]
    kind, status = span.get("kind", 0), span.get("status", {})
    code = status.get("code", 0)
    return {
        "trace": ids(span["traceId"]),
        "span": ids(span["spanId"]),
        "parent": ids(span.get("parentSpanId", "")),
        "name": span["name"],
        "kind": kind.removeprefix("SPAN_KIND_") if isinstance(kind, str) else kinds[kind],
        "begin": int(span["startTimeUnixNano"]),
        "end": int(span["endTimeUnixNano"]),
        "flags": span.get("flags", 0) & ~TRACE_FLAGS,
        "state": span.get("traceState", ""),
        "status": (
            code.removeprefix("STATUS_CODE_") if isinstance(code, str) else codes[code],
            status.get("message", ""),
        ),
        "attributes": values(span.get("attributes", [])),
        "events": [
            (int(event["timeUnixNano"]), event["name"], values(event.get("attributes", [])))
            for event in span.get("events", [])
        ],
        "links": [
            (ids(link["traceId"]), ids(link["spanId"]), values(link.get("attributes", [])))
            for link in span.get("links", [])
        ],
        "scope": (span["scope"]["name"], span["scope"].get("version", "")),
        "resource": values(span["resource"]["attributes"]),
    }


def recorded(text: str) -> dict[str, dict[str, Any]]:
    """What the program printed, by span id."""
    spans = [
        plain({**span, "resource": resource["resource"], "scope": scope["scope"]}, hexadecimal)
        for resource in json.loads(text)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return {span["span"]: span for span in spans}


def same(jaeger: Jaeger, service: str, **variables: str) -> None:
    """A program's spans are in Jaeger, each as it was recorded, and no others."""
    done = run(sys.executable, HERE / "everything.py", OTEL_SERVICE_NAME=service, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = recorded(done.stdout)
    assert len(wanted) == 9
    jaeger.wait(lambda traces: sum(len(trace["spans"]) for trace in traces) == len(wanted), service)
    (trace_id,) = {span["trace"] for span in wanted.values()}
    arrived = {span["spanId"]: plain(span, str) for span in jaeger.trace(trace_id) if of(span) == service}
    for span_id, span in wanted.items():
        found = arrived.pop(span_id)
        assert found == span
    assert not arrived


def of(span: dict[str, Any]) -> Any:
    """The service whose span it is: every run continues the same remote trace."""
    return values(span["resource"]["attributes"])["service.name"][1]


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
def test_every_transport(protocol: str, compression: str, jaeger: Jaeger) -> None:
    """What Jaeger answers equals, span for span, what OpenTelemetry's own encoder makes of the recorded spans."""
    same(
        jaeger,
        f"{protocol.replace('/', '-')}-{compression}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{jaeger.grpc}" if protocol == "grpc" else jaeger.endpoint,
        OTEL_EXPORTER_OTLP_COMPRESSION=compression,
    )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_tls(protocol: str, secured: Jaeger, certificates: dict[str, str]) -> None:
    """The same over TLS whose authority only OTEL_EXPORTER_OTLP_CERTIFICATE names."""
    port = secured.grpc if protocol == "grpc" else secured.http
    same(
        secured,
        f"tls-{protocol.replace('/', '-')}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"https://127.0.0.1:{port}",
        OTEL_EXPORTER_OTLP_CERTIFICATE=certificates["authority"],
    )


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_mutual_tls(protocol: str, mutual: Jaeger, certificates: dict[str, str]) -> None:
    """The same where the server wants to see the client's certificate."""
    port = mutual.grpc if protocol == "grpc" else mutual.http
    same(
        mutual,
        f"mtls-{protocol.replace('/', '-')}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"https://127.0.0.1:{port}",
        OTEL_EXPORTER_OTLP_CERTIFICATE=certificates["authority"],
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=certificates["client"],
        OTEL_EXPORTER_OTLP_CLIENT_KEY=certificates["client_key"],
    )


def test_without_certificate(mutual: Jaeger, certificates: dict[str, str]) -> None:
    """A server that wants a certificate and gets none takes nothing, and the loss is one line."""
    done = run(
        sys.executable,
        HERE / "everything.py",
        OTEL_SERVICE_NAME="stranger",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"https://127.0.0.1:{mutual.http}",
        OTEL_EXPORTER_OTLP_CERTIFICATE=certificates["authority"],
        OTEL_BSP_EXPORT_TIMEOUT="2000",
    )
    assert done.returncode == 0
    assert "9 spans not exported" in done.stderr
    assert mutual.find("stranger") == []


def test_shop_as_a_person_on_call_looks(jaeger: Jaeger) -> None:
    """In the shop's traces the failing, the slow and the N+1 path are found by tag, by duration and by operation."""
    done = run(sys.executable, ROOT / "examples" / "shop" / "run.py", OTEL_EXPORTER_OTLP_ENDPOINT=jaeger.endpoint)
    assert done.returncode == 0, done.stdout + done.stderr
    jaeger.wait(lambda traces: len(traces) >= 12, "storefront")

    failing = jaeger.find("payment", tags=json.dumps({"error.type": "payment.acquirer.AcquirerUnavailable"}))
    operations = {span["operationName"] for trace in failing for span in trace["spans"]}
    assert len(failing) == 1 and {"POST /charges", "POST /carts/<customer>/checkout"} <= operations
    answered = jaeger.find("storefront", tags=json.dumps({"http.response.status_code": "502"}))
    assert [trace["traceID"] for trace in answered] == [failing[0]["traceID"]]
    everything = jaeger.find("storefront")
    slow = jaeger.find("storefront", minDuration="300ms")
    assert 0 < len(slow) < len(everything)
    assert all(max(span["duration"] for span in trace["spans"]) >= 300_000 for trace in slow)
    assert any(span["operationName"].endswith("/recommendations") for trace in slow for span in trace["spans"])
    cart = jaeger.find("storefront", operation="GET /carts/<customer>")
    calls = [
        span
        for span in cart[0]["spans"]
        if span["operationName"] == "GET" and of_service(cart[0], span) == "storefront"
    ]
    assert len(cart) == 1 and len(calls) == 5
    services = {process["serviceName"] for trace in everything for process in trace["processes"].values()}
    assert services == {"storefront", "inventory", "payment"}


def of_service(trace: dict[str, Any], span: dict[str, Any]) -> str:
    """The service of a span as Jaeger's search gives it."""
    name: str = trace["processes"][span["processID"]]["serviceName"]
    return name
