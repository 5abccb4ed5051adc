"""The endpoint that Prometheus scrapes: one thread that answers one request at a time, ``GET`` of anything.

It stands on sockets alone, and on those of the standard library where gevent or eventlet replaced them. It is no
server for the open: whoever can reach it can read the metrics, and hold it up for as long as `_PATIENCE`.
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from _thread import get_native_id
from typing import TYPE_CHECKING, Any

from tracing_agent.export.native import library
from tracing_agent.export.thread import ENDS_FOR_FORK, silence, spawn, wait_until_gone
from tracing_agent.faults import INFO, WARN, fault, say
from tracing_agent.metrics.prometheus import OPEN_METRICS, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many ports are tried, from the one that is set: one for each process of a server.
PORTS = 64
_PATIENCE, _LONGEST, _STOP_WAIT = 5.0, 16384, 0.5


class Endpoint:
    """Listens once `open` was called. ``render(open_metrics)`` gives the text. ``port`` is 0 where it does not."""

    def __init__(self, host: str, port: int, render: Callable[[bool], str]) -> None:
        self._host = host
        self._first = port
        self._render = render
        self._socket: Any = None
        self._listener: Any = None
        self._running: SimpleQueue[int] | None = None
        self._stopping = False
        self.port = 0

    def open(self) -> None:
        """Listen, and answer in a thread of its own; said in one line where it cannot be."""
        # Not before: a worker may replace sockets after it was forked.
        self._socket = library("socket")
        self._listener = self._listening()
        if self._listener is not None:
            self.port = self._listener.getsockname()[1]
            if self.port != self._first and self._first:
                say(WARN, f"port {self._first} is taken; metrics of this process are at {self._host}:{self.port}")
            else:
                say(INFO, f"metrics are at http://{self._host}:{self.port}/metrics")
            self.resume()

    def _listening(self) -> Any:
        error: Exception | None = None
        for port in range(self._first, self._first + (PORTS if self._first else 1)):
            try:
                family, kind, *_, address = self._socket.getaddrinfo(self._host, port, type=self._socket.SOCK_STREAM)[0]
                listener = self._socket.socket(family, kind)
                try:
                    # The port of a process that has just ended can be had.
                    listener.setsockopt(self._socket.SOL_SOCKET, self._socket.SO_REUSEADDR, 1)
                    listener.bind(address)
                    listener.listen(16)
                except BaseException:
                    listener.close()
                    raise
                return listener
            except (OSError, OverflowError) as failure:
                error = failure
        say(
            WARN,
            f"no endpoint for Prometheus: {self._host}:{self._first} and the ports after it cannot be used ({error}); "
            "set OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT",
        )
        return None

    # -- the thread -------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Answer, from now on."""
        if self._listener is None:
            return
        self._stopping, self._running = False, SimpleQueue()
        try:
            spawn(self._serve)
        except Exception as error:
            say(WARN, f"the thread of the endpoint for Prometheus cannot be started ({error})")

    def _serve(self) -> None:
        running = self._running
        try:
            silence()
            while not self._stopping:
                connection, _ = self._listener.accept()
                if not self._stopping:
                    self._answer(connection)
                connection.close()
        except OSError:
            pass  # closed
        except BaseException as error:
            fault("the endpoint for Prometheus", error)
        finally:
            if running is not None:
                running.put(get_native_id())

    def _answer(self, connection: Any) -> None:
        try:
            connection.settimeout(_PATIENCE)
            request = b""
            while b"\r\n\r\n" not in request and len(request) < _LONGEST:
                received = connection.recv(4096)
                if not received:
                    return
                request += received
            connection.sendall(self._response(request))
        except OSError:
            pass  # the other side went away, or waits for us
        except Exception as error:
            fault("the endpoint for Prometheus", error)

    def _response(self, request: bytes) -> bytes:
        if not request.startswith((b"GET ", b"HEAD ")):
            return b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        wanted = b"application/openmetrics-text" in request.lower()
        body = self._render(wanted).encode()
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {OPEN_METRICS if wanted else TEXT}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if request.startswith(b"HEAD") else body)

    # -- fork, and the end ------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Have the thread end, for a fork; requests wait meanwhile."""
        if self._running is None:
            return
        self._stopping = True
        try:
            self._socket.create_connection(self._listener.getsockname()[:2], _STOP_WAIT).close()
            number = self._running.get(True, _STOP_WAIT)
            if ENDS_FOR_FORK:
                wait_until_gone(number)
        except (OSError, Empty):
            pass
        self._running = None

    def close(self) -> None:
        """Listen no more. In a forked child the thread is not there, and the parent goes on listening."""
        listener, self._listener = self._listener, None
        self._running, self.port = None, 0
        if listener is not None:
            self._stopping = True
            listener.close()
