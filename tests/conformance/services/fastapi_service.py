"""POST /test with [{"url": ..., "arguments": ...}]: posts each `arguments` to its `url`, then answers. By FastAPI.

The response gets the headers that the request names in `X-Answer`, as a JSON object.
"""

import json
import socket
from typing import Any

import requests
import uvicorn
from fastapi import Body, FastAPI, Header, Response

app = FastAPI()
session = requests.Session()
session.trust_env = False
CALLS, ANSWER = Body(), Header("{}")


@app.post("/test")
def test(response: Response, calls: list[dict[str, Any]] = CALLS, x_answer: str = ANSWER) -> list[Any]:
    for call in calls:
        session.post(call["url"], json=call["arguments"], timeout=10)
    response.headers.update(json.loads(x_answer))
    return []


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
