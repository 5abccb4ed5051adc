"""Asks a Jaeger sampling endpoint over gRPC, by a channel for each question. Imported where such an endpoint is given.

Threads of gRPC do not survive a fork. So the channel is made by the thread that asks, and what gRPC started for it is
gone before the next fork, which waits for the question. `grpc` itself is imported with the first question.

Source: Jaeger's ``api_v2/sampling.proto``, ``SamplingManager``.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tracing_agent import __version__
from tracing_agent.export.native import original
from tracing_agent.sampling.endpoint import GRPC_PORTS, GRPC_SCHEMES, RESPONSE_MAX, TIMEOUT
from tracing_agent.sampling.remote import Unreachable
from tracing_agent.sampling.strategy_bytes import parameters, response

if TYPE_CHECKING:
    from collections.abc import Callable

_METHOD = "/jaeger.api_v2.SamplingManager/GetSamplingStrategy"
_OPTIONS = (
    ("grpc.primary_user_agent", f"tracing-agent/{__version__}"),
    ("grpc.max_receive_message_length", RESPONSE_MAX),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    # Connections of the program to the same server are its own.
    ("grpc.use_local_subchannel_pool", 1),
)
# The threads of this process as Linux sees them; and the seconds that those of gRPC take to end, at most.
_TASKS, _ENDING_MAX = "/proc/self/task", 1.0


class GrpcEndpoint:
    """One URL. ``service`` gives the name to ask for. `ValueError` for a URL that cannot be asked."""

    def __init__(self, url: str, service: Callable[[], str]) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if not parts.hostname:
            raise ValueError("names no host")
        if parts.path.rstrip("/"):
            raise ValueError("has a path, which gRPC does not know")
        self.secure = GRPC_SCHEMES.get(parts.scheme, parts.scheme == "https")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._address = f"{host}:{parts.port or GRPC_PORTS[0]}"
        self._service = service
        #: The URL without user and query.
        self.shown = f"{'grpcs' if self.secure else 'grpc'}://{self._address}"

    def ask(self) -> Any:
        """The decoded answer; `Unreachable` where there is none."""
        try:
            import grpc  # type: ignore[import-untyped,unused-ignore]
        except Exception as error:
            raise Unreachable(
                f"grpcio cannot be imported ({error}); install it, or give the endpoint of HTTP, as http://host:5778"
            ) from None
        before = _tasks()
        try:
            answer = self._call(grpc)
        finally:
            _wait_for_end_of(before)
        return response(answer)

    def _call(self, grpc: Any) -> bytes:
        target = f"dns:///{self._address}"
        if self.secure:
            channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(_trusted()), _OPTIONS)
        else:
            channel = grpc.insecure_channel(target, _OPTIONS)
        try:
            answer: bytes = channel.unary_unary(_METHOD)(parameters(self._service()), timeout=TIMEOUT)
        except grpc.RpcError as error:
            raise Unreachable(_told(error, self._address)) from None
        finally:
            channel.close()
        return answer


def _told(error: Any, address: str) -> str:
    details = str(error.details() or "").rpartition("last error: ")[2].strip()[:200]
    hint = f"; if it speaks HTTP, write http://{address}/sampling" if "HTTP" in details else ""
    return f"{error.code().name}{details and ': '}{details}{hint}"


def _trusted() -> bytes | None:
    """The certificates that HTTPS trusts here; None for those of gRPC."""
    import ssl

    file = ssl.get_default_verify_paths().cafile
    if file is None or os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
        return None
    try:
        with open(file, "rb") as found:
            return found.read()
    except OSError:
        return None


def _tasks() -> set[str]:
    try:
        return set(os.listdir(_TASKS))
    except OSError:
        return set()


def _wait_for_end_of(before: set[str]) -> None:
    """Wait until the threads are gone that gRPC started, after ``before``: a closed channel does not wait for them."""
    sleep, until, ours = original("time", "sleep"), monotonic() + _ENDING_MAX, _name("self/comm")
    while before and monotonic() < until:
        # gRPC names its threads; those of the program are called as it is.
        if all(_name(f"self/task/{task}/comm") in ("", ours) for task in _tasks() - before):
            return
        sleep(0.002)


def _name(file: str) -> str:
    try:
        with open(f"/proc/{file}") as found:
            return found.read()
    except OSError:
        return ""
