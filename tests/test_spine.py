"""The spine, in process: Flask calling itself through requests gives one trace."""

from __future__ import annotations

import threading

import flask
import requests
from werkzeug.serving import make_server

from support.recorder import Recorder


def test_client_and_server_share_a_trace(recorder: Recorder) -> None:
    """A request made with requests to a Flask route gives a CLIENT span and, below it, a SERVER span named by route."""
    recorder.patch("flask")
    recorder.patch("requests")
    app = flask.Flask("shop")

    @app.get("/items/<int:item>")
    def item(item: int) -> str:
        return f"item {item}"

    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        answer = requests.get(f"http://u:p@127.0.0.1:{server.port}/items/3?sig=secret&a=1", timeout=10)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert answer.text == "item 3"
    assert "traceparent" not in answer.request.headers
    served, called = sorted(recorder.spans(), key=lambda span: span["kind"], reverse=True)
    port = served["attributes"].pop("network.peer.port")
    assert isinstance(port, int)
    assert served == {
        "name": "GET /items/<int:item>",
        "kind": "SERVER",
        "trace": 1,
        "id": 2,
        "parent": 1,
        "scope": "tracing_instrumentations.flask",
        "attributes": {
            "http.request.method": "GET",
            "url.scheme": "http",
            "url.path": "/items/3",
            "url.query": "sig=REDACTED&a=1",
            "http.route": "/items/<int:item>",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": server.port,
            "client.address": "127.0.0.1",
            "network.peer.address": "127.0.0.1",
            "network.protocol.version": "1.1",
            "user_agent.original": requests.utils.default_user_agent(),
        },
        "status": "UNSET",
    }
    assert called == {
        "name": "GET",
        "kind": "CLIENT",
        "trace": 1,
        "id": 1,
        "parent": None,
        "scope": "tracing_instrumentations.requests",
        "attributes": {
            "http.request.method": "GET",
            "url.full": f"http://REDACTED:REDACTED@127.0.0.1:{server.port}/items/3?sig=REDACTED&a=1",
            "server.address": "127.0.0.1",
            "server.port": server.port,
            "http.response.status_code": 200,
            "network.peer.address": "127.0.0.1",
            "network.peer.port": server.port,
            "network.protocol.version": "1.0",
        },
        "status": "UNSET",
    }
