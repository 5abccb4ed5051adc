"""The site that real servers serve in the tests: `servers.shop:app`, in the framework that ``SITE`` names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import requests

from servers.sites import SITES, Reply


def chain(number: str) -> Reply:
    """Asks the service behind."""
    answer = requests.get(f"{os.environ['UPSTREAM']}/{number}", timeout=30)
    return Reply(text=answer.text)


def stream() -> Reply:
    def pieces() -> Iterator[bytes]:
        for number in range(20):
            yield b"%d\n" % number

    return Reply(pieces=pieces)


def endless() -> Reply:
    def pieces() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536
            time.sleep(0.001)

    return Reply(pieces=pieces)


def broken() -> Reply:
    raise ValueError("jammed")


site = {kind.library: kind for kind in SITES}[os.environ["SITE"]]()
site.route("/items/{item}", lambda item: Reply(text=f"item {item}"), ("GET", "POST"))
site.route("/chain/{number}", chain)
site.route("/stream", stream)
site.route("/endless", endless)
site.route("/broken", broken)
site.route("/file", lambda: Reply(file=__file__))
app = site.app
