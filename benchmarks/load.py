"""Load on a server: by wrk where it is installed, otherwise by a small client of our own in a process of its own."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time

CONNECTIONS = 16
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


def generator() -> str:
    """Which one is used on this machine."""
    return "wrk" if shutil.which("wrk") else "the client in benchmarks/load.py (wrk is not installed)"


class LoadFailed(Exception):
    """The load could not be made; the message says why."""


def load(url: str, seconds: float) -> dict[str, float]:
    """GETs of `url` over `CONNECTIONS` kept connections: requests a second, p50 and p99 in ms, answers but 200.

    Raises `LoadFailed`.
    """
    # Both count in whole seconds.
    duration = max(1, round(seconds))
    if shutil.which("wrk"):
        words = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{duration}s", "--latency"]
        return read_wrk(_output([*words, url], duration))
    figures: dict[str, float] = json.loads(_output([sys.executable, __file__, url, str(duration)], duration))
    return figures


def _output(command: list[str], duration: int) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=duration + 30)
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{command[0]} did not end") from error
    if done.returncode != 0:
        raise LoadFailed(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def read_wrk(text: str) -> dict[str, float]:
    """The figures in what `wrk --latency` prints."""
    latency = {
        share: float(number) * _UNITS[unit]
        for share, number, unit in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    }
    rate, total = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    if rate is None or total is None:
        raise LoadFailed(f"wrk printed no rate: {text!r}")
    errors = sum(int(number) for number in re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", text))
    return {
        "requests_s": float(rate[1]),
        "requests": float(total[1]),
        "p50_ms": latency["50"],
        "p99_ms": latency["99"],
        "errors": errors,
    }


async def _client(host: str, port: int, request: bytes, deadline: float, seen: list[float]) -> int:
    """One connection's requests, one after the other; how many were not answered with 200."""
    reader, writer = await asyncio.open_connection(host, port)
    errors = 0
    while (begin := time.perf_counter()) < deadline:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length is None:
            raise ValueError("an answer without Content-Length")
        await reader.readexactly(int(length[1]))
        seen.append(time.perf_counter() - begin)
        errors += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return errors


async def _clients(url: str, seconds: float) -> dict[str, float]:
    host, _, rest = url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    seen: list[float] = []
    begin = time.perf_counter()
    clients = (_client(host, int(port), request, begin + seconds, seen) for _ in range(CONNECTIONS))
    errors = sum(await asyncio.gather(*clients))
    taken = time.perf_counter() - begin
    seen.sort()
    return {
        "requests_s": len(seen) / taken,
        "requests": float(len(seen)),
        "p50_ms": seen[len(seen) // 2] * 1000,
        "p99_ms": seen[len(seen) * 99 // 100] * 1000,
        "errors": float(errors),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_clients(sys.argv[1], float(sys.argv[2])))))
