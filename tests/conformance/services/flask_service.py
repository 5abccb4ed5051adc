"""POST /test with [{"url": ..., "arguments": ...}]: posts each `arguments` to its `url`, then answers. By Flask.

The response gets the headers that the request names in `X-Answer`, as a JSON object.
"""

import json

import flask
import requests
from werkzeug.serving import make_server

app = flask.Flask("conformance")
session = requests.Session()
session.trust_env = False


@app.post("/test")
def test() -> flask.Response:
    for call in flask.request.get_json():
        session.post(call["url"], json=call["arguments"], timeout=10)
    answer = flask.jsonify([])
    answer.headers.update(json.loads(flask.request.headers.get("X-Answer", "{}")))
    return answer


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()
