"""A Flask service that calls itself by way of another service: the argument is that one's address."""

import sys
import threading

import requests
from flask import Flask
from werkzeug.serving import make_server

app = Flask(__name__)


@app.get("/start")
def start() -> str:
    return requests.get(sys.argv[1], params={"to": f"{address}/end"}, timeout=30).text


@app.get("/end")
def end() -> str:
    return "the end"


server = make_server("127.0.0.1", 0, app, threaded=True)
address = f"http://127.0.0.1:{server.port}"
thread = threading.Thread(target=server.serve_forever)
thread.start()
print(requests.get(f"{address}/start", timeout=30).text)
server.shutdown()
thread.join()
