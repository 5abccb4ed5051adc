"""TLS, mutual TLS and proxies, against real ones."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from export.pipelines import exporting, settings
from export.servers import Collector, black_hole, closed_port, collector, proxy
from tracing_agent.export.otlp_http import OtlpHttpExporter


class Certificates:
    """An authority of its own, a server's and a client's certificate, as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.server = self.authority.issue_cert("127.0.0.1", "localhost")
        client = self.authority.issue_cert("client@example.org")
        self.trusted = str(folder / "trusted.pem")
        self.key = str(folder / "key.pem")
        self.certificate = str(folder / "certificate.pem")
        self.authority.cert_pem.write_to_path(self.trusted)
        client.private_key_pem.write_to_path(self.key)
        client.cert_chain_pems[0].write_to_path(self.certificate)

    def context(self, mutual: bool = False) -> ssl.SSLContext:
        """The server's side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.configure_cert(context)
        if mutual:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[Collector]:
    """A collector that speaks TLS."""
    with collector(certificates.context()) as found:
        yield found


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the tests themselves plays no part."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def sent(endpoint: str, timeout: float = 20.0, count: int = 1, **variables: str) -> dict[str, Any]:
    """Health after batches were sent to this endpoint, or not."""
    found = settings(EXPORTER_OTLP_ENDPOINT=endpoint, **variables)
    with exporting(OtlpHttpExporter(found), timeout=timeout) as running:
        for _ in range(count):
            running.spans("a")
            assert running.pipeline.flush(30)
        return running.health


def test_trusted(secure: Collector, certificates: Certificates) -> None:
    """A server whose certificate OTEL_EXPORTER_OTLP_CERTIFICATE vouches for gets the spans, over one connection."""
    health = sent(secure.endpoint, count=3, EXPORTER_OTLP_CERTIFICATE=certificates.trusted)
    assert (health["exported"], secure.connections) == (3, 1)


def test_variable_for_traces(secure: Collector, certificates: Certificates) -> None:
    """The variable for traces goes before the general one."""
    health = sent(
        secure.endpoint,
        EXPORTER_OTLP_CERTIFICATE=certificates.key,
        EXPORTER_OTLP_TRACES_CERTIFICATE=certificates.trusted,
    )
    assert health["exported"] == 1


def test_not_trusted(secure: Collector) -> None:
    """A server that nobody vouches for gets nothing, at once, and the line names the variable."""
    health = sent(secure.endpoint)
    assert health["failed"] == {"tls": 1} and health["retries"] == 0 and not secure.requests
    assert "certificate is not trusted" in health["last_error"]
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE names a file" in health["last_error"]


def test_wrong_name(certificates: Certificates) -> None:
    """A certificate for another name is not accepted, and the reason is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.authority.issue_cert("other.example.org").configure_cert(context)
    with collector(context) as server:
        health = sent(server.endpoint, EXPORTER_OTLP_CERTIFICATE=certificates.trusted)
    assert health["failed"] == {"tls": 1} and not server.requests
    assert "IP address mismatch" in health["last_error"]


def test_mutual(certificates: Certificates) -> None:
    """With client certificate and key a server that asks for them gets the spans."""
    with collector(certificates.context(mutual=True)) as server:
        health = sent(
            server.endpoint,
            EXPORTER_OTLP_CERTIFICATE=certificates.trusted,
            EXPORTER_OTLP_CLIENT_CERTIFICATE=certificates.certificate,
            EXPORTER_OTLP_CLIENT_KEY=certificates.key,
        )
    assert health["exported"] == 1


def test_mutual_without_a_certificate(certificates: Certificates) -> None:
    """Without them their variables are named."""
    context = certificates.context(mutual=True)
    # Later versions refuse after the handshake, and the refusal may be lost with the connection.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with collector(context) as server:
        health = sent(server.endpoint, timeout=0.2, EXPORTER_OTLP_CERTIFICATE=certificates.trusted)
    assert health["failed"] == {"tls": 1} and not server.requests
    assert "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY" in health["last_error"]


def test_no_tls_there() -> None:
    """https:// to a server without TLS says so."""
    with collector() as server:
        health = sent(server.endpoint.replace("http://", "https://"), timeout=0.2)
    assert "does not speak TLS; write http:// if that is right" in health["last_error"]


def test_handshake_that_never_ends() -> None:
    """A server that takes the connection and leaves the handshake open is given up in time."""
    with black_hole() as port:
        health = sent(f"https://127.0.0.1:{port}", timeout=0.1)
    assert health["failed"] == {"timeout": 1}


@pytest.mark.parametrize(
    ("variable", "content", "reason"),
    [
        ("CERTIFICATE", None, "No such file or directory"),
        ("CERTIFICATE", "nonsense", ""),
        ("CLIENT_CERTIFICATE", None, "No such file or directory"),
        ("CLIENT_CERTIFICATE", "nonsense", ""),
    ],
)
def test_unusable_file(
    variable: str, content: str | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is missing, or is not PEM, is one line that names variable and file."""
    file = tmp_path / "file.pem"
    if content is not None:
        file.write_text(content)
    health = sent("https://127.0.0.1:1", **{f"EXPORTER_OTLP_{variable}": str(file)})
    line = capsys.readouterr().err
    assert f"spans are not exported: OTEL_EXPORTER_OTLP_{variable}='{file}' cannot be used ({reason}" in line
    assert line.count("\n") == 1 and health["failed"] == {"settings": 1}


def test_key_without_a_certificate(certificates: Certificates, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a pair is one line."""
    sent("https://127.0.0.1:1", EXPORTER_OTLP_CLIENT_KEY=certificates.key)
    assert (
        "OTEL_EXPORTER_OTLP_CLIENT_KEY is set without OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE" in capsys.readouterr().err
    )


def test_encrypted_key(certificates: Certificates, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An encrypted key is not asked for on the terminal: it is one line."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(Path(certificates.key).read_bytes(), None)
    locked = tmp_path / "key.pem"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    sent(
        "https://127.0.0.1:1",
        EXPORTER_OTLP_CLIENT_CERTIFICATE=certificates.certificate,
        EXPORTER_OTLP_CLIENT_KEY=str(locked),
    )
    assert "it is encrypted; use one without a password" in capsys.readouterr().err


def test_file_that_comes_later(certificates: Certificates, secure: Collector, tmp_path: Path) -> None:
    """A certificate that is mounted after the start is found at the next batch."""
    file = tmp_path / "late.pem"
    found = settings(EXPORTER_OTLP_ENDPOINT=secure.endpoint, EXPORTER_OTLP_CERTIFICATE=str(file))
    with exporting(OtlpHttpExporter(found)) as running:
        running.spans("early")
        running.pipeline.flush(10)
        file.write_bytes(Path(certificates.trusted).read_bytes())
        running.spans("late")
        running.pipeline.flush(10)
    assert [request.names for request in secure.requests] == [["late"]]


def test_renewed_certificates(certificates: Certificates, secure: Collector, tmp_path: Path) -> None:
    """After a failed handshake the files are read again."""
    file = tmp_path / "trusted.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    found = settings(EXPORTER_OTLP_ENDPOINT=secure.endpoint, EXPORTER_OTLP_CERTIFICATE=str(file))
    with exporting(OtlpHttpExporter(found)) as running:
        running.spans("early")
        running.pipeline.flush(10)
        assert running.health["failed"] == {"tls": 1}
        file.write_bytes(Path(certificates.trusted).read_bytes())
        running.spans("late")
        running.pipeline.flush(10)
    assert [request.names for request in secure.requests] == [["late"]]


# -- proxies --------------------------------------------------------------------------------------------------------


def test_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY: requests go to the proxy with the whole URL, and the collector gets them."""
    with collector() as server, proxy() as between:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{between.port}")
        assert sent(server.endpoint, count=2)["exported"] == 2
    assert between.lines == [f"POST {server.endpoint}/v1/traces HTTP/1.1"] * 2
    assert [request.line for request in server.requests] == ["POST /v1/traces HTTP/1.1"] * 2


def test_proxy_with_tls(monkeypatch: pytest.MonkeyPatch, certificates: Certificates, secure: Collector) -> None:
    """HTTPS_PROXY: a tunnel, opened once, with its credentials."""
    with proxy("Basic dXNlcjpwQHNz") as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{between.port}")
        assert sent(secure.endpoint, count=2, EXPORTER_OTLP_CERTIFICATE=certificates.trusted)["exported"] == 2
    assert between.lines == [f"CONNECT 127.0.0.1:{secure.port} HTTP/1.{between.lines[0][-1]}"]
    assert "proxy-authorization" not in secure.requests[0].headers


def test_proxy_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the proxy's URL are sent to it, and not to the collector."""
    with collector() as server, proxy("Basic dXNlcjpwQHNz") as between:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:p%40ss@127.0.0.1:{between.port}")
        assert sent(server.endpoint)["exported"] == 1
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_refuses(monkeypatch: pytest.MonkeyPatch, scheme: str, secure: Collector) -> None:
    """A proxy that asks for credentials that were not given: at once, with a word on it."""
    with collector() as server, proxy("Basic other") as between:
        monkeypatch.setenv(f"{scheme}_proxy", f"127.0.0.1:{between.port}")
        health = sent(server.endpoint if scheme == "http" else secure.endpoint)
    assert health["retries"] == 0 and health["exported"] == 0
    assert "407" in health["last_error"] and "proxy" in health["last_error"]


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("value", ["127.0.0.1", "*", "example.org,127.0.0.1"])
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """NO_PROXY is honoured."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv(name, value)
    with collector() as server:
        assert sent(server.endpoint)["exported"] == 1


def test_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """ALL_PROXY stands for both."""
    with collector() as server, proxy() as between:
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{between.port}")
        assert sent(server.endpoint)["exported"] == 1
    assert between.lines


def test_proxy_of_another_kind(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A proxy that we cannot use is one line, without its credentials, and says what to do."""
    monkeypatch.setenv("http_proxy", "socks5://user:pass@127.0.0.1:1080")
    sent("http://collector:4318")
    line = capsys.readouterr().err
    assert "the proxy socks5://127.0.0.1:1080 of HTTP_PROXY cannot be used" in line
    assert "add collector to NO_PROXY" in line


def test_proxy_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is not there is named as that."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    assert "is the proxy listening there?" in sent("http://127.0.0.1:4318", timeout=0.01)["last_error"]
