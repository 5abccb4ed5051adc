"""How the suite drives an HTTP client library: the interface that a library's adapter implements in about 30 lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What the caller got: the status and the body, and how many responses came before it (redirects)."""

    status: int
    body: bytes
    before: int = 0


class Library(ABC):
    """One HTTP client library. A new one is made for each test; what it sends goes through one session or client."""

    #: The instrumentation and the module that brings it in.
    name: str
    #: ``error.type`` of: refused, timeout, tls, redirects, cut, reset.
    errors: Mapping[str, str]

    @abstractmethod
    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        timeout: float = 10,
        trust: str | None = None,
        redirects: int = 10,
        retries: int = 0,
    ) -> Answer:
        """Send a request and read the response.

        ``trust`` is a file of certificates; ``redirects`` and ``retries`` (of responses with status 503, and of failed
        connections, without a pause) are the most that are followed and made.
        """

    @abstractmethod
    def stream(self, url: str) -> Iterator[bytes]:
        """GET a URL; the response's headers are here when this returns, the body comes by iterating."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""

    def get(self, url: str, **options: Any) -> Answer:
        """GET a URL."""
        return self.send("GET", url, **options)
