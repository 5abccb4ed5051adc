"""A question for a sampling strategy and its answer as Protocol Buffers, by hand: no dependency has Jaeger's messages.

Source: Jaeger's ``api_v2/sampling.proto``; Protocol Buffers encoding.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from tracing_agent.export.wire import field, utf8
from tracing_agent.sampling.strategy import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_double, _fixed32 = Struct("<d").unpack_from, Struct("<I").unpack_from
_VARINT, _DOUBLE, _BYTES, _FIXED32 = 0, 1, 2, 5


def parameters(service: str) -> bytes:
    """``SamplingStrategyParameters``: serviceName 1."""
    return field(b"\x0a", utf8(service))


def response(data: bytes) -> dict[str, Any]:
    """``SamplingStrategyResponse`` as its JSON form; `Malformed` if it is none.

    Passed over is what is not known, and ``strategyType``, which nobody is to look at.
    """
    found: dict[str, Any] = {}
    for number, kind, value in _fields(data):
        if number in _STRATEGIES and kind == _BYTES:
            name, read = _STRATEGIES[number]
            found[name] = read(value)
    return found


def _probabilistic(data: bytes) -> dict[str, Any]:
    return {"samplingRate": _last(data, 1, _DOUBLE, 0.0)}


def _limited(data: bytes) -> dict[str, Any]:
    number = _last(data, 1, _VARINT, 0)
    # Negative numbers of 32 bits are written as those of 64.
    return {"maxTracesPerSecond": number - (1 << 64) if number >> 63 else number}


def _operations(data: bytes) -> dict[str, Any]:
    return {
        "defaultSamplingProbability": _last(data, 1, _DOUBLE, 0.0),
        "defaultLowerBoundTracesPerSecond": _last(data, 2, _DOUBLE, 0.0),
        "perOperationStrategies": [
            _operation(value) for number, kind, value in _fields(data) if (number, kind) == (3, _BYTES)
        ],
        "defaultUpperBoundTracesPerSecond": _last(data, 4, _DOUBLE, 0.0),
    }


def _operation(data: bytes) -> dict[str, Any]:
    name: bytes = _last(data, 1, _BYTES, b"")
    return {
        "operation": name.decode("utf-8", "replace"),
        "probabilisticSampling": _probabilistic(_last(data, 2, _BYTES, b"")),
    }


_STRATEGIES: dict[int, tuple[str, Callable[[bytes], dict[str, Any]]]] = {
    2: ("probabilisticSampling", _probabilistic),
    3: ("rateLimitingSampling", _limited),
    4: ("operationSampling", _operations),
}


def _last(data: bytes, wanted: int, type: int, default: Any) -> Any:
    found = default
    for number, kind, value in _fields(data):
        if number == wanted and kind == type:
            found = value
    return found


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        value: Any
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind == _BYTES:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        elif kind == _DOUBLE and at + 8 <= end:
            value, at = _double(data, at)[0], at + 8
        elif kind == _FIXED32 and at + 4 <= end:
            value, at = _fixed32(data, at)[0], at + 4
        else:
            raise Malformed("the answer is no SamplingStrategyResponse")
        if at > end:
            raise Malformed("the answer is cut off")
        yield tag >> 3, kind, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Malformed("the answer is cut off")
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & (1 << 64) - 1, at
    raise Malformed("the answer has a number that is too long")
