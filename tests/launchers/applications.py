"""The applications that the launchers are given: each answers with the pid of the process that served the request."""

from __future__ import annotations

from pathlib import Path

FLASK = """
import os, time
from flask import Flask, jsonify

app = application = Flask(__name__)

@app.get("/work/<number>")
def work(number):
    time.sleep(0.005)
    return jsonify(os.getpid())
"""

FASTAPI = """
import os, time
from fastapi import FastAPI

app = FastAPI()

@app.get("/work/{number}")
async def work(number: str):
    time.sleep(0.005)  # on purpose in the way of all others in this process
    return os.getpid()
"""


def write(folder: Path) -> Path:
    """Both applications, as the modules `shop` (WSGI) and `shop_async` (ASGI)."""
    (folder / "shop.py").write_text(FLASK)
    (folder / "shop_async.py").write_text(FASTAPI)
    return folder
