"""requests for the suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from clients.library import Answer, Library


class Requests(Library):
    """A session of requests."""

    name = "requests"
    errors = MappingProxyType(
        {
            "refused": "requests.exceptions.ConnectionError",
            "timeout": "requests.exceptions.ReadTimeout",
            "tls": "requests.exceptions.SSLError",
            "redirects": "requests.exceptions.TooManyRedirects",
            "cut": "requests.exceptions.ChunkedEncodingError",
            "reset": "requests.exceptions.ConnectionError",
        }
    )

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False

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
        self.session.max_redirects = redirects
        if retries:
            retry = Retry(total=retries, status_forcelist=[503], backoff_factor=0, raise_on_status=False)
            self.session.mount("http://", HTTPAdapter(max_retries=retry))
        answer = self.session.request(
            method, url, headers=headers, data=body, timeout=timeout, verify=True if trust is None else trust
        )
        return Answer(answer.status_code, answer.content, len(answer.history))

    def stream(self, url: str) -> Iterator[bytes]:
        return self.session.get(url, stream=True, timeout=10).iter_content(2)

    def close(self) -> None:
        self.session.close()
