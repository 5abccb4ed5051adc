"""What is special about requests: its adapters, hooks and sessions, its retries, and the objects that it hands out."""

from __future__ import annotations

import copy
import gc
import inspect
import io
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import requests
import requests_mock
import responses
import urllib3
from opentelemetry import context
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import HTTPDigestAuth
from urllib3.util.retry import Retry

from clients.server import AUTHORITY, PASSWORD, Proxy, Server
from support.recorder import Recorder
from tracing_agent.trace.sdk import SUPPRESS_HTTP_KEY


@pytest.fixture(autouse=True)
def traced(recorder: Recorder) -> None:
    """requests is traced."""
    recorder.patch("requests")


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session that does not look into the environment."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def _counts(spans: list[dict[str, Any]]) -> list[int | None]:
    return [span["attributes"].get("http.request.resend_count") for span in spans]


def _statuses(spans: list[dict[str, Any]]) -> list[int | None]:
    return [span["attributes"].get("http.response.status_code") for span in spans]


# -- ways of calling --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "options", "head", "post", "put", "patch", "delete"])
def test_functions(server: Server, recorder: Recorder, method: str) -> None:
    """Each function of the module gives one span."""
    getattr(requests, method)(server.url("/status/200"), timeout=10)
    assert [span["name"] for span in recorder.spans()] == [method.upper()]


def test_adapter_without_session(server: Server, recorder: Recorder) -> None:
    """An adapter that is called directly is traced; a second call is no resend of the first."""
    adapter = HTTPAdapter()
    request = requests.Request("GET", server.url()).prepare()
    for _ in range(2):
        adapter.send(request).close()
    adapter.close()
    spans = recorder.spans()
    assert _counts(spans) == [None, None]
    assert _statuses(spans) == [200, 200]


def test_prepared_request_sent_twice(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """A prepared request that is sent twice, and from two threads at once, carries one context each time."""
    request = session.prepare_request(requests.Request("GET", server.url()))
    before = (dict(request.__dict__), dict(request.headers))
    session.send(request)
    session.send(request)
    threads = [threading.Thread(target=session.send, args=(request,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (request.__dict__, dict(request.headers)) == before
    assert sorted(server.parents()) == sorted(
        f"00-{span['trace']:032x}-{span['id']:016x}-01" for span in recorder.spans()
    )


def test_redirects_followed_by_hand(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """Redirects that the program follows itself are requests of their own."""
    answer = session.get(server.url("/redirect/2"), allow_redirects=False)
    assert answer.next is not None
    answer = session.send(answer.next, allow_redirects=False)
    rest = list(session.resolve_redirects(answer, answer.request))
    assert [one.status_code for one in rest] == [200]
    assert _counts(recorder.spans()) == [None, None, None]


def test_body_sent_again_after_a_redirect(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """What a redirect cannot be followed for is the last hop's error."""
    with pytest.raises(requests.exceptions.InvalidSchema):
        session.get(server.url("/away"))
    (span,) = recorder.spans()
    assert span["attributes"]["error.type"] == "requests.exceptions.InvalidSchema"
    assert span["attributes"]["http.response.status_code"] == 302


def test_digest(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """The answer to a challenge is an attempt of the same request, and so are the redirects after it."""
    user, _, password = PASSWORD.split(":")
    with recorder.tracer.start_as_current_span("caller"):
        answer = session.get(server.url("/digest"), auth=HTTPDigestAuth(user, password))
    assert answer.text == "ok"
    *spans, caller = recorder.spans()
    assert [span["parent"] for span in spans] == [caller["id"]] * 3
    assert _statuses(spans) == [401, 302, 200]
    assert _counts(spans) == [None, 1, 2]
    assert server.parents() == [f"00-{span['trace']:032x}-{span['id']:016x}-01" for span in spans]


# -- retries of urllib3 -----------------------------------------------------------------------------------------------


def test_retries_exhausted(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """When urllib3 gives up, the last attempt has the status that came and the error that the caller got."""
    session.mount("http://", HTTPAdapter(max_retries=Retry(2, status_forcelist=[500], backoff_factor=0)))
    with pytest.raises(requests.exceptions.RetryError):
        session.get(server.url("/flaky/500/9"))
    spans = recorder.spans()
    assert _statuses(spans) == [500, 500, 500]
    assert _counts(spans) == [None, 1, 2]
    assert [span["attributes"]["error.type"] for span in spans] == ["500", "500", "requests.exceptions.RetryError"]


@pytest.mark.parametrize("path", ["/slow", "/reset"])
@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
def test_peer_of_what_got_no_answer(
    server: Server, recorder: Recorder, session: requests.Session, path: str, kept: bool
) -> None:
    """An attempt whose connection stood tells the socket's other side, also where no response came."""
    if kept:
        session.get(server.url(), timeout=10)
        recorder.spans()
    with pytest.raises(requests.exceptions.RequestException):
        session.get(server.url(path), timeout=0.05 if path == "/slow" else 10)
    (span,) = recorder.spans()
    peer = {name: value for name, value in span["attributes"].items() if name.startswith("network.peer")}
    assert peer == {"network.peer.address": "127.0.0.1", "network.peer.port": server.port}


def test_retried_timeouts(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """A time-out that is retried has urllib3's error; the last one has what requests made of it."""
    session.mount("http://", HTTPAdapter(max_retries=Retry(1, backoff_factor=0)))
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(server.url("/slow?sig=secret"), timeout=0.05)
    spans = recorder.spans()
    assert [span["attributes"]["error.type"] for span in spans] == [
        "urllib3.exceptions.ReadTimeoutError",
        "requests.exceptions.ConnectionError",
    ]
    assert "secret" not in repr(spans)


def test_pause_between_retries(
    server: Server, recorder: Recorder, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause before a retry belongs to no attempt: the first has ended before it, the second begins after it."""
    ended: list[int] = []
    monkeypatch.setattr(Retry, "sleep", lambda *args: ended.append(len(recorder.finished)))
    session.mount("http://", HTTPAdapter(max_retries=Retry(1, status_forcelist=[503])))
    session.get(server.url("/flaky/503/1"))
    first, second = recorder.finished
    assert ended == [1]
    assert first.end_time is not None
    assert second.start_time is not None
    assert first.end_time < second.start_time


def test_retry_of_the_program(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """A Retry of the program's own that tells nothing leaves one span, with the last outcome."""

    class Mine(Retry):
        def increment(self, *args: Any, **kwargs: Any) -> Any:
            return self.new(total=0)

    session.mount("http://", HTTPAdapter(max_retries=Mine(3, status_forcelist=[503])))
    session.get(server.url("/flaky/503/1"))
    assert _statuses(recorder.spans()) == [200]


def test_urllib3_by_itself(server: Server, recorder: Recorder) -> None:
    """What the program does with urllib3 alone is left alone."""
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", server.url("/flaky/503/1"), retries=Retry(1, status_forcelist=[503])).status == 200
    assert recorder.spans() == []
    assert [seen.all("traceparent") for seen in server.seen] == [[], []]


# -- adapters ---------------------------------------------------------------------------------------------------------


def test_subclass_of_the_adapter(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """An HTTPAdapter of the program's own sees the caller's request, and what it does to it stays done."""
    given: list[requests.PreparedRequest] = []

    class Signing(HTTPAdapter):
        def add_headers(self, request: requests.PreparedRequest, **kwargs: Any) -> None:
            given.append(request)
            request.headers["X-Signature"] = "mine"

        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            given.append(request)
            return super().send(request, *args, **kwargs)

        def build_response(self, request: requests.PreparedRequest, response: Any) -> requests.Response:
            given.append(request)
            return super().build_response(request, response)

    session.mount("http://", Signing())
    request = session.prepare_request(requests.Request("POST", server.url("/echo"), data=b"x"))
    answer = session.send(request)
    assert [one is request for one in given] == [True] * 3
    assert answer.request is request
    assert "traceparent" not in answer.request.headers
    assert server.seen[0].one("x-signature") == "mine"
    assert len(server.parents()) == len(recorder.spans()) == 1


def test_chunked_body_of_a_caller(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """The caller's request comes back with the response of a body in chunks, too, and with its exception."""
    request = session.prepare_request(requests.Request("POST", server.url("/echo"), data=iter([b"a", b"b"])))
    answer = session.send(request)
    assert answer.request is request
    assert "traceparent" not in request.headers
    broken = session.prepare_request(requests.Request("POST", server.url("/reset"), data=iter([b"a"])))
    with pytest.raises(requests.exceptions.ConnectionError) as caught:
        session.send(broken)
    assert caught.value.request is broken
    assert len(server.parents()) == len(recorder.spans()) == 2


def test_adapter_that_retries(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """An adapter that sends several times makes as many attempts."""

    class Stubborn(HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            answer = super().send(*args, **kwargs)
            return answer if answer.status_code == 200 else super().send(*args, **kwargs)

    session.mount("http://", Stubborn())
    session.get(server.url("/flaky/429/1"))
    spans = recorder.spans()
    assert _statuses(spans) == [429, 200]
    assert _counts(spans) == [None, 1]


def test_caching_adapter(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """What a cache answers was not on the wire, and has no span."""

    class Caching(HTTPAdapter):
        known: requests.Response | None = None

        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            if self.known is None:
                self.known = super().send(*args, **kwargs)
            return self.known

    session.mount("http://", Caching())
    for _ in range(3):
        assert session.get(server.url()).text == "ok"
    assert len(recorder.spans()) == len(server.seen) == 1


class Transport(BaseAdapter):
    """An adapter that is no HTTPAdapter."""

    def __init__(self, answer: Callable[[requests.PreparedRequest], Any]) -> None:
        super().__init__()
        self.answer = answer
        self.given: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.given.append(request)
        response = requests.Response()
        response.request, response.url, response.connection = request, request.url or "", self  # type: ignore[attr-defined]
        response.raw = io.BytesIO(b"mine")
        response.status_code = self.answer(request)
        return response

    def close(self) -> None:
        pass


def test_transport_of_the_program(recorder: Recorder, session: requests.Session) -> None:
    """A transport of the program's own gives a span, and gets a request with context; the caller's stays its own."""
    transport = Transport(lambda request: 204)
    session.mount("https://", transport)
    request = session.prepare_request(requests.Request("GET", "https://shop.example/a"))
    with recorder.tracer.start_as_current_span("caller"):
        answer = session.send(request)
    span, caller = recorder.spans()
    assert span["parent"] == caller["id"]
    assert span["attributes"] == {
        "http.request.method": "GET",
        "url.full": "https://shop.example/a",
        "server.address": "shop.example",
        "server.port": 443,
        "http.response.status_code": 204,
    }
    assert transport.given[0].headers["traceparent"] == f"00-{span['trace']:032x}-{span['id']:016x}-01"
    assert type(transport.given[0].headers) is type(request.headers)
    assert answer.request is request
    assert "traceparent" not in request.headers


def test_transport_that_fails(recorder: Recorder, session: requests.Session) -> None:
    """What a transport raises is the call's error, with the caller's request in it."""

    def fail(request: requests.PreparedRequest) -> int:
        raise requests.exceptions.ConnectTimeout("late", request=request)

    session.mount("http://", Transport(fail))
    request = session.prepare_request(requests.Request("GET", "http://shop.example/"))
    with pytest.raises(requests.exceptions.ConnectTimeout) as caught:
        session.send(request)
    (span,) = recorder.spans()
    assert span["attributes"]["error.type"] == "requests.exceptions.ConnectTimeout"
    assert caught.value.request is request


def test_transport_over_an_adapter(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """A transport that hands requests to an HTTPAdapter makes no second span, and one context arrives."""

    class Wrapping(BaseAdapter):
        def __init__(self) -> None:
            super().__init__()
            self.inner = HTTPAdapter()

        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            return self.inner.send(request, *args, **kwargs)

        def close(self) -> None:
            self.inner.close()

    session.mount("http://", Wrapping())
    assert session.get(server.url()).status_code == 200
    (span,) = recorder.spans()
    assert span["attributes"]["network.peer.port"] == server.port
    assert server.parents() == [f"00-{span['trace']:032x}-{span['id']:016x}-01"]


def test_transport_by_itself(recorder: Recorder, session: requests.Session) -> None:
    """A transport that is called outside of a session, or mounted for something else than HTTP, is left alone."""

    class Files(Transport):
        pass

    files = Files(lambda request: 200)
    session.mount("file://", files)
    session.get("file:///etc/hostname")
    assert recorder.spans() == []

    class Own(Transport):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            return super().send(request, *args, **kwargs)

    own = Own(lambda request: 200)
    session.mount("http://", own)
    own.send(requests.Request("GET", "http://shop.example/").prepare())
    assert recorder.spans() == []
    session.get("http://shop.example/")
    assert len(recorder.spans()) == 1
    recorder.undo()
    session.get("http://shop.example/")
    assert recorder.spans() == [], "nothing is traced any more"


def test_responses(server: Server, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """`responses` answers as it does without the agent, without a span; what it lets through has one."""
    # It remembers the method at its import, which under the agent is after that of requests and its patches.
    monkeypatch.setattr(responses, "_real_send", HTTPAdapter.send)
    double = responses.RequestsMock()
    double._real_send = HTTPAdapter.send  # type: ignore[assignment]  # since 0.24
    with double:
        double.add(responses.GET, "http://shop.example/", body="doubled", status=503)
        double.add(responses.GET, "http://shop.example/", body="doubled", status=200)
        double.add_passthru(server.url(""))
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=Retry(1, status_forcelist=[503], backoff_factor=0)))
            assert session.get("http://shop.example/").text == "doubled"
        assert [call.request.headers.get("traceparent") for call in double.calls] == [None, None]
        assert recorder.spans() == []
        assert requests.get(server.url(), timeout=10).text == "ok"
    assert len(recorder.spans()) == len(server.parents()) == 1
    assert requests.get(server.url(), timeout=10).text == "ok"
    assert len(recorder.spans()) == 1


def test_requests_mock(server: Server, recorder: Recorder) -> None:
    """`requests-mock` answers as it does without the agent, without a span; what it lets through has one."""
    with requests_mock.Mocker(real_http=True) as double:
        double.get("http://shop.example/", text="doubled")
        assert requests.get("http://shop.example/", timeout=10).text == "doubled"
        assert "traceparent" not in double.request_history[0].headers
        assert recorder.spans() == []
        assert requests.get(server.url(), timeout=10).text == "ok"
    assert len(recorder.spans()) == len(server.parents()) == 1


# -- hooks ------------------------------------------------------------------------------------------------------------


def test_hook_that_sends(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """A request that a hook makes is one of its own, and no attempt of the one that it looks at."""

    def hook(response: requests.Response, *args: Any, **kwargs: Any) -> None:
        if response.status_code == 302 and "/redirect/1" in (response.url or ""):
            session.get(server.url("/status/404"), hooks={"response": []})

    with recorder.tracer.start_as_current_span("caller"):
        assert session.get(server.url("/redirect/1"), hooks={"response": hook}).status_code == 200
    *spans, caller = recorder.spans()
    by_url = {span["attributes"]["url.full"].rpartition(str(server.port))[2]: span for span in spans}
    assert {path: span["attributes"].get("http.request.resend_count") for path, span in by_url.items()} == {
        "/redirect/1": None,
        "/status/404": None,
        "/redirect/0": 1,
    }
    assert {span["parent"] for span in spans} == {caller["id"]}


def test_hook_that_raises(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """What a hook raises is the program's own, unless it only says what the status says."""

    def refuse(response: requests.Response, *args: Any, **kwargs: Any) -> None:
        response.close()
        raise ValueError("mine")

    def check(response: requests.Response, *args: Any, **kwargs: Any) -> None:
        response.close()
        response.raise_for_status()

    def other(response: requests.Response, *args: Any, **kwargs: Any) -> None:
        response.close()
        session.get("http://127.0.0.1:1/")

    with pytest.raises(ValueError, match="mine"):
        session.get(server.url(), hooks={"response": refuse})
    with pytest.raises(requests.exceptions.HTTPError):
        session.get(server.url("/status/404"), hooks={"response": check})
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(server.url("/status/204"), hooks={"response": other})
    ok, missing, failed, empty = recorder.spans()
    assert ok["status"] == "UNSET"
    assert (missing["status"], missing["attributes"]["error.type"]) == ("ERROR", "404")
    assert failed["attributes"]["error.type"] == "requests.exceptions.ConnectionError"
    assert (empty["status"], empty["attributes"].get("error.type")) == ("UNSET", None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """A call that is told to stop is ended without an error."""

    def body() -> Iterator[bytes]:
        yield b"a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.post(server.url("/echo"), data=body())
    gc.collect()  # urllib3 leaves the socket open
    (span,) = recorder.spans()
    assert span["status"] == "UNSET"
    assert "error.type" not in span["attributes"]


# -- proxies and certificates -----------------------------------------------------------------------------------------


def test_proxy(server: Server, proxy: Proxy, recorder: Recorder, session: requests.Session) -> None:
    """Through a proxy the span is about the target; the socket's other side is the proxy."""
    session.proxies = {"http": proxy.url}
    assert session.get(server.url()).text == "ok"
    (span,) = recorder.spans()
    assert span["attributes"]["url.full"] == server.url()
    assert span["attributes"]["server.port"] == server.port
    assert span["attributes"]["network.peer.port"] == proxy.port
    assert proxy.seen == [f"GET {server.url()}"]
    assert len(server.parents()) == 1


def test_tunnel(tls_server: Server, proxy: Proxy, recorder: Recorder, session: requests.Session, trust: str) -> None:
    """Through a tunnel context goes to the target only."""
    session.proxies = {"https": proxy.url}
    assert session.get(tls_server.url(), verify=trust).text == "ok"
    (span,) = recorder.spans()
    assert span["attributes"]["network.peer.port"] == proxy.port
    assert tls_server.parents() == [f"00-{span['trace']:032x}-{span['id']:016x}-01"]
    assert proxy.seen == [f"CONNECT 127.0.0.1:{tls_server.port}"]
    assert "traceparent" not in proxy.heads[0].lower()


def test_proxy_that_is_not_there(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """A proxy that does not answer is an error of the call; its password is not told."""
    session.proxies = {"http": "http://me:secret@127.0.0.1:1"}
    with pytest.raises(requests.exceptions.ProxyError):
        session.get(server.url())
    (span,) = recorder.spans()
    assert span["attributes"]["error.type"] == "requests.exceptions.ProxyError"
    assert "secret" not in repr(span)


def test_client_certificate(recorder: Recorder, session: requests.Session, trust: str, tmp_path: Path) -> None:
    """A server that asks for a certificate gets the one that the program has."""
    server = Server(AUTHORITY, client_authority=AUTHORITY)
    certificate = tmp_path / "client.pem"
    AUTHORITY.issue_cert("client.example").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    try:
        assert session.get(server.url(), verify=trust, cert=str(certificate)).text == "ok"
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(server.url(), verify=trust, timeout=10)
    finally:
        server.close()
    answered, refused = recorder.spans()
    assert answered["status"] == "UNSET"
    assert refused["status"][0] == "ERROR"


# -- what the program sees --------------------------------------------------------------------------------------------


def test_objects_are_as_untraced(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """Sessions, requests and responses are of their own types, and can be pickled as ever."""
    request = session.prepare_request(requests.Request("GET", server.url()))
    answer = session.send(request)
    assert type(answer) is requests.Response
    assert type(answer.request) is requests.PreparedRequest
    assert type(answer.request.headers) is requests.structures.CaseInsensitiveDict
    assert type(answer.connection) is HTTPAdapter  # type: ignore[attr-defined]
    copied = pickle.loads(pickle.dumps(session))
    assert copied.get(server.url()).text == "ok"
    restored = pickle.loads(pickle.dumps(answer))
    assert restored.text == "ok"
    assert dict(restored.request.headers) == dict(request.headers)
    assert not [name for name in {**answer.__dict__, **session.__dict__, **request.__dict__} if "tracing" in name]
    assert len(recorder.spans()) == 2


def test_methods_are_as_untraced(recorder: Recorder) -> None:
    """What is patched keeps name, signature and documentation; afterwards it is what it was."""
    methods: list[tuple[Any, str]] = [
        (requests.Session, "send"),
        (requests.Session, "mount"),
        (HTTPAdapter, "send"),
        (urllib3.HTTPConnectionPool, "urlopen"),
        (Retry, "increment"),
    ]
    traced = [getattr(holder, name) for holder, name in methods]
    recorder.undo()
    for (holder, name), wrapper in zip(methods, traced, strict=True):
        original = getattr(holder, name)
        assert wrapper is not original
        assert wrapper.__wrapped__ is original
        assert inspect.signature(wrapper) == inspect.signature(original)
        assert (wrapper.__name__, wrapper.__qualname__) == (original.__name__, original.__qualname__)
        assert (wrapper.__module__, wrapper.__doc__) == (original.__module__, original.__doc__)
    assert "rebuild_proxies" not in requests.Session.__dict__


def test_subclass_of_the_session(server: Server, recorder: Recorder) -> None:
    """A session of the program's own, whose `send` goes on to the library's, is traced once for each time it does."""

    class Twice(requests.Session):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
            super().send(request, **options)
            return super().send(request, **options)

    with Twice() as session:
        session.trust_env = False
        assert session.get(server.url()).text == "ok"
        assert isinstance(session, requests.Session)
        assert type(session).send is Twice.__dict__["send"]
    spans = recorder.spans()
    assert _statuses(spans) == [200, 200]
    assert _counts(spans) == [None, None]
    assert len(set(server.parents())) == 2


def test_mock_for_a_response(recorder: Recorder, session: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a response that is a mock, whose connection has every attribute, nothing is told that is not so."""
    answer = mock.MagicMock(spec=requests.Response, status_code=200, raw=mock.MagicMock(), headers={}, history=[])
    answer.is_redirect = False
    monkeypatch.setattr(HTTPAdapter, "build_response", lambda self, request, response: answer)
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "_make_request", lambda *args, **kwargs: mock.MagicMock(status=200))
    session.get("http://shop.example/", stream=True)
    (span,) = recorder.spans()
    assert span["attributes"] == {
        "http.request.method": "GET",
        "url.full": "http://shop.example/",
        "server.address": "shop.example",
        "server.port": 80,
        "http.response.status_code": 200,
    }


def test_wrong_arguments(session: requests.Session) -> None:
    """A wrong call raises what it raises without the agent."""
    with pytest.raises(TypeError, match=r"send\(\) missing 1 required positional argument: 'request'"):
        session.send()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="PreparedRequest"):
        session.send(requests.Request("GET", "http://shop.example/"))  # type: ignore[arg-type]
    with pytest.raises(requests.exceptions.InvalidSchema):
        session.get("foo://shop.example/")


def test_headers_in_a_plain_dictionary(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """Headers that the program keeps in a mapping of its own are copied, and spelled otherwise replaced."""
    request = session.prepare_request(requests.Request("GET", server.url()))
    request.headers = {"TraceParent": "theirs", "Tracestate": "a=1", "Baggage": "mine=1", "X-Shop": "open"}  # type: ignore[assignment]
    before = dict(request.headers)
    session.send(request)
    assert request.headers == before
    (span,) = recorder.spans()
    assert server.parents() == [f"00-{span['trace']:032x}-{span['id']:016x}-01"]
    assert server.seen[0].all("tracestate") == []
    assert server.seen[0].all("baggage") == ["mine=1"]
    assert server.seen[0].one("x-shop") == "open"


def test_headers_for_urllib3(server: Server, recorder: Recorder, session: requests.Session) -> None:
    """What urllib3 gets for headers is a mapping like the caller's, copies and pickles included."""
    given: list[Any] = []

    class Connection(urllib3.connection.HTTPConnection):
        def request(self, method: str, url: str, **options: Any) -> None:  # type: ignore[override]
            given.append(options["headers"])
            super().request(method, url, **options)

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": Pool}

    session.mount("http://", Adapter())
    answer = session.get(server.url(), headers={"X-Shop": "open"})
    (headers,) = given
    (span,) = recorder.spans()
    whole = {**answer.request.headers, "traceparent": f"00-{span['trace']:032x}-{span['id']:016x}-01"}
    plain = pickle.loads(pickle.dumps(headers))
    assert type(plain) is type(answer.request.headers)
    for found in (headers, headers.copy(), copy.deepcopy(headers), plain):
        assert isinstance(found, type(plain))
        assert found == whole
        assert list(found.items()) == list(whole.items()) == list(zip(found, found.values(), strict=True))
        assert found["x-shop"] == "open"
        assert repr(found) == repr(whole)
    copied = headers.copy()
    del copied["x-SHOP"]
    copied["X-Till"] = "2"
    copied.update({"accept": "text/plain"})
    assert copied.pop("connection") == "keep-alive"
    assert "X-Shop" in headers
    assert headers == whole
    changed = {**whole, "X-Till": "2", "accept": "text/plain"}
    for gone in ("X-Shop", "Accept", "Connection"):
        del changed[gone]
    assert copied == changed
    assert dict(copied.items()) == dict(zip(copied, copied.values(), strict=True)) == changed
    with pytest.raises(AttributeError, match="no attribute 'shop'"):
        headers.shop  # noqa: B018
    assert type(copied)([("X-Shop", "open")]) == {"x-shop": "open"}


def test_tracer_of_others_below(
    server: Server, recorder: Recorder, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the program has put another tracer onto urllib3, that one is told to stay silent below requests."""
    silenced: list[Any] = []

    class Looking(HTTPAdapter):
        def add_headers(self, request: requests.PreparedRequest, **kwargs: Any) -> None:
            silenced.append(context.get_value(SUPPRESS_HTTP_KEY))

    session.mount("http://", Looking(max_retries=Retry(1, status_forcelist=[503], backoff_factor=0)))
    session.get(server.url())
    name = "opentelemetry.instrumentation.urllib3"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    session.get(server.url("/flaky/503/1"))
    assert silenced == [None, True]
    assert context.get_value(SUPPRESS_HTTP_KEY) is None
    assert _statuses(recorder.spans()) == [200, 503, 200]


def test_socket_without_address(tmp_path: Path, recorder: Recorder, session: requests.Session) -> None:
    """Of a connection that is no TCP connection no address is claimed."""
    import socket

    path = str(tmp_path / "shop.sock")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()

    def serve() -> None:
        connection, _ = listening.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()

    class Connection(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
            return connection

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    class Local(HTTPAdapter):
        def get_connection(self, *args: Any, **kwargs: Any) -> Pool:  # type: ignore[override]
            return Pool("localhost")

        get_connection_with_tls_context = get_connection  # type: ignore[assignment]

    session.mount("http+unix://", Local())
    assert session.get("http+unix://shop/ok").text == "ok"
    thread.join()
    listening.close()
    (span,) = recorder.spans()
    assert span["attributes"] == {
        "http.request.method": "GET",
        "url.full": "http+unix://shop/ok",
        "server.address": "shop",
        "network.protocol.version": "1.1",
        "http.response.status_code": 200,
    }
