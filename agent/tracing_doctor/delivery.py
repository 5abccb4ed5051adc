"""Sends one span as the settings say, step by step, and says at which step that fails and what to do next.

Steps: settings, DNS, TCP, TLS, and the export itself, over HTTP or gRPC.
"""

from __future__ import annotations

import socket
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tracing_agent.export.endpoint import Endpoint, Unusable, grpc_endpoint, tls_context
from tracing_agent.export.health import Health
from tracing_agent.export.pace import Pace
from tracing_agent.export.refusals import Refused, by_answer, by_error
from tracing_doctor import advice
from tracing_doctor.findings import in_two

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLSocket

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config import Settings
    from tracing_agent.trace.span import Span

#: Seconds for each step.
STEP_TIMEOUT = 5.0


class Failed(Exception):
    """A step failed; the message says how, ``following`` what to do next."""

    def __init__(self, message: str, following: str) -> None:
        super().__init__(message)
        self.following = following


class Delivery:
    """One try. ``steps`` are ``{"step", "ok", "detail", "ms"}``; ``following`` is what to do next, if anything."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.steps: list[dict[str, Any]] = []
        self.following = ""
        self.host, self.port, self.secure, self.shown, self.proxied = "", 0, False, "", False
        self._socket: socket.socket | None = None

    def report(self) -> dict[str, Any]:
        """Go through the steps; ``ok``, ``endpoint``, ``steps`` and ``next`` as plain values."""
        last = self._grpc if self.settings.protocol == "grpc" else self._http
        steps: list[tuple[str, Callable[[], str]]] = [
            ("settings", self._settings),
            ("DNS", self._dns),
            ("TCP", self._tcp),
        ]
        ok = all(self._step(name, step) for name, step in steps)
        if ok and self.secure and not self.proxied:
            ok = self._step("TLS", self._tls)
        if self._socket is not None:
            self._socket.close()
        ok = ok and self._step("gRPC" if self.settings.protocol == "grpc" else "HTTP", last)
        return {"ok": ok, "endpoint": self.shown, "steps": self.steps, "next": self.following}

    def _step(self, name: str, step: Callable[[], str]) -> bool:
        begun = perf_counter()
        try:
            ok, detail = True, step()
        except Failed as failed:
            ok, detail, self.following = False, str(failed), failed.following
        milliseconds = round((perf_counter() - begun) * 1000, 1)
        self.steps.append({"step": name, "ok": ok, "detail": detail, "ms": milliseconds})
        return ok

    def _settings(self) -> str:
        settings = self.settings
        if "otlp" not in settings.exporters:
            told = ",".join(settings.exporters) or "none"
            raise Failed(f"OTEL_TRACES_EXPORTER={told} sends nothing", "set OTEL_TRACES_EXPORTER=otlp, or unset it")
        try:
            if settings.protocol == "grpc":
                self.shown, insecure = grpc_endpoint(settings)
                address = self.shown.rpartition("://")[2].partition("/")[0]
                host, _, port = address.rpartition(":")
                self.host, self.port = (host.strip("[]"), int(port)) if port.isdigit() else (address, 443)
                self.secure = not insecure
            else:
                endpoint = Endpoint(settings)
                proxy = endpoint.proxy()
                self.shown, self.secure, self.proxied = endpoint.shown, endpoint.secure, proxy is not None
                self.host, self.port = (proxy.host, proxy.port) if proxy else (endpoint.host, endpoint.port)
        except Unusable as unusable:
            raise Failed(*in_two(str(unusable))) from None
        through = f" through the proxy {self.host}:{self.port}" if self.proxied else ""
        return f"{settings.protocol} to {self.shown}{through}"

    def _dns(self) -> str:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Failed(
                f"the name {self.host} cannot be resolved ({getattr(error, 'strerror', None) or error})",
                advice.unknown_name(self.host),
            ) from None
        return ", ".join(dict.fromkeys(str(address[4][0]) for address in found))

    def _tcp(self) -> str:
        try:
            self._socket = socket.create_connection((self.host, self.port), STEP_TIMEOUT)
        except TimeoutError:
            raise Failed(
                f"{self.host} port {self.port} does not answer in {STEP_TIMEOUT:g} s", advice.no_answer(self.host)
            ) from None
        except ConnectionRefusedError:
            raise Failed(
                f"{self.host} port {self.port} refuses connections: nothing listens there",
                advice.refused(self.settings.protocol, self.host, self.port),
            ) from None
        except OSError as error:
            raise Failed(
                f"{self.host} port {self.port}: {error.strerror or error}", advice.no_answer(self.host)
            ) from None
        return f"connected to {self.host} port {self.port}"

    def _tls(self) -> str:
        import ssl

        assert self._socket is not None
        try:
            context = tls_context(self.settings)
            if self.settings.protocol == "grpc":
                context.set_alpn_protocols(["h2"])
            secure: SSLSocket = context.wrap_socket(self._socket, server_hostname=self.host)
            self._socket = secure
        except Unusable as unusable:
            raise Failed(*in_two(str(unusable))) from None
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"its certificate is not trusted: {error.verify_message}", advice.untrusted(error)) from None
        except TimeoutError:
            raise Failed("no TLS answer in time", advice.no_tls(self.settings.protocol)) from None
        except ssl.SSLError as error:
            raise Failed(f"TLS failed: {error.reason or error}", advice.tls(error, self.settings.protocol)) from None
        except OSError as error:
            raise Failed(f"TLS failed: {error.strerror or error}", advice.no_tls(self.settings.protocol)) from None
        return f"{secure.version()}, the certificate is trusted"

    def _pace(self) -> Pace:
        pace = Pace(Health())
        pace.begin(min(self.settings.timeout / 1000 or STEP_TIMEOUT, STEP_TIMEOUT))
        pace.hurry(STEP_TIMEOUT)  # nothing is tried twice
        return pace

    def _http(self) -> str:
        from tracing_agent.export.sender import Sender

        span, resource = one_span(self.settings)
        try:
            sender = Sender(self.settings)
        except Unusable as unusable:
            raise Failed(*in_two(str(unusable))) from None
        transport, endpoint = sender.transport, sender.transport.endpoint
        body = sender.encoder.wrap(sender.encoder.span_messages([span]), resource)
        if "Content-Encoding" in transport.headers:
            import gzip

            body = gzip.compress(body)
        try:
            status, content, after, location = transport.attempt(body, self._pace())
        except (OSError, transport._client.HTTPException) as error:
            told = by_error(endpoint, error, self.proxied)
            raise Failed(_without(told, endpoint), advice.no_http(self.settings, self.port, error)) from None
        finally:
            transport.close()
        if not 200 <= status < 300:
            told = by_answer(endpoint, status, float(after) if after and after.isdigit() else None, location)
            following = advice.status(self.settings, status, endpoint.name, location)
            raise Failed(f"it answered {status}", following or _without(told, endpoint))
        rejected, message = sender.said(content)
        if rejected:
            raise Failed(f"it answered {status} and rejected the span: {message}", "ask who runs the backend")
        return f"it answered {status}: the test span was taken" + (f", saying: {message}" if message else "")

    def _grpc(self) -> str:
        from tracing_agent.export.otlp_grpc import OtlpGrpcExporter

        span, resource = one_span(self.settings)
        pace = self._pace()
        exporter = OtlpGrpcExporter(self.settings)
        try:
            exporter.export([span], resource, pace)
            exporter.flush(True)
        finally:
            # It has taken its logger's records of this thread.
            exporter.forget()
        if pace.health.failed:
            error = pace.health.last_error.removeprefix(f"{self.shown}: ")
            raise Failed(error, advice.grpc(next(iter(pace.health.failed)), error, self.port))
        return "it answered OK: the test span was taken"


def one_span(settings: Settings) -> tuple[Span, Resource]:
    """A span that is sampled whatever the settings say, named for people who find it in their backend."""
    from tracing_agent.resource import resource
    from tracing_agent.trace.provider import TracerProvider
    from tracing_agent.trace.sdk import sampling

    found = resource(settings)
    spans: list[Any] = []
    provider = TracerProvider(sampler=sampling.ALWAYS_ON, resource=found, shutdown_on_exit=False)
    provider.engine.deliver(spans.append)
    provider.get_tracer("tracing_doctor").start_span("tracing-run doctor: test span").end()
    return spans[0], found


def _without(told: Refused, endpoint: Endpoint) -> str:
    return str(told).removeprefix(f"{endpoint.shown}: ").partition("; ")[0]
