"""Programs that call others over HTTP."""

from __future__ import annotations

import re
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import HTTPDigestAuth
from urllib3.util.retry import Retry

from clients.server import Server
from harmless.program import Program, outcome

_CONTEXT = ("traceparent", "tracestate", "baggage")


class Canned(BaseAdapter):
    """An adapter of the program's own."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.request, response.url = 203, request, request.url
        response.headers["X-Seen"] = request.headers["X-Own"]
        return response

    def close(self) -> None:
        pass


def told(response: requests.Response) -> list[Any]:
    """A response as a value."""
    return [response.status_code, response.content, len(response.history), sorted(response.headers), response.reason]


def with_requests() -> list[Any]:
    """Requests of all kinds."""
    server = Server()
    seen: list[Any] = []
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.mount("own://", Canned())
            session.mount("http://own.example", Canned())
            for path in ("/flaky", "/reset", "/ok"):
                session.mount(server.url(path), HTTPAdapter(max_retries=_retry()))
            session.headers["X-Own"] = "kept"

            def ask(method: str, path: str, **options: Any) -> Any:
                url = path if "://" in path else server.url(path)
                return outcome(lambda: told(session.request(method, url, timeout=10, **options)))

            credentials = server.url("/ok").replace("//", "//user:secret@")
            seen += [
                ask("GET", "/ok?token=secret&x=1"),
                ask("GET", credentials),
                ask("SPAM", "/ok"),
                ask("POST", "/echo", data=b"body", headers={"baggage": "mine=1", "traceparent": "mine"}),
                ask("POST", "/echo", data=iter((b"one", b"two"))),
                ask("GET", "/redirect/2"),
                ask("GET", "/loop"),
                ask("GET", "/status/404"),
                ask("GET", "/flaky/503/2"),
                ask("GET", "/reset"),
                ask("GET", "/cut"),
                ask("GET", "/digest", auth=HTTPDigestAuth("Mufasa", "Circle of Life")),
                ask("GET", "http://own.example/x"),
                ask("GET", "http://127.0.0.1:9/refused?x=1&sig=secret"),
                ask("GET", "nonsense://"),
                outcome(session.get, server.url("/slow"), timeout=0.02),
            ]
            prepared = session.prepare_request(requests.Request("GET", server.url("/ok")))
            seen.append(told(session.get_adapter(prepared.url or "").send(prepared, timeout=10)))
            seen.append(sorted(prepared.headers.items()))
            prepared.headers = dict(prepared.headers)  # type: ignore[assignment]
            seen.append(told(session.send(prepared, timeout=10)))
    finally:
        server.close()
    for request in server.seen:
        headers = sorted(name for name, _ in request.headers if name.lower() not in _CONTEXT)
        seen.append([request.method, request.path, headers, request.body])
    return [_without_port(one, server.port) for one in seen]


def _retry() -> Retry:
    return Retry(total=2, status_forcelist=[503], backoff_factor=0, raise_on_status=False)


def _without_port(seen: Any, port: int) -> str:
    # Addresses of objects are in the texts of exceptions.
    return re.sub(r"0x[0-9a-f]+", "0x", repr(seen).replace(str(port), "PORT"))


_PATCHED = (("requests", "requests"),)
PROGRAMS = (
    Program("requests", with_requests, _PATCHED),
    Program("requests-brief", with_requests, _PATCHED, brief=True),
)
