"""A sampling endpoint that speaks gRPC, and Jaeger's messages as protobuf itself has them."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DOUBLE, _INT32, _STRING, _MESSAGE, _ENUM = 1, 5, 9, 11, 14
# (number, name, type, repeated) of each field.
_MESSAGES: dict[str, list[tuple[int, str, Any, bool]]] = {
    "ProbabilisticSamplingStrategy": [(1, "samplingRate", _DOUBLE, False)],
    "RateLimitingSamplingStrategy": [(1, "maxTracesPerSecond", _INT32, False)],
    "OperationSamplingStrategy": [
        (1, "operation", _STRING, False),
        (2, "probabilisticSampling", "ProbabilisticSamplingStrategy", False),
    ],
    "PerOperationSamplingStrategies": [
        (1, "defaultSamplingProbability", _DOUBLE, False),
        (2, "defaultLowerBoundTracesPerSecond", _DOUBLE, False),
        (3, "perOperationStrategies", "OperationSamplingStrategy", True),
        (4, "defaultUpperBoundTracesPerSecond", _DOUBLE, False),
    ],
    "SamplingStrategyResponse": [
        (1, "strategyType", _INT32, False),
        (2, "probabilisticSampling", "ProbabilisticSamplingStrategy", False),
        (3, "rateLimitingSampling", "RateLimitingSamplingStrategy", False),
        (4, "operationSampling", "PerOperationSamplingStrategies", False),
        (15, "later", _STRING, False),
    ],
    "SamplingStrategyParameters": [(1, "serviceName", _STRING, False)],
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="sampling_test.proto", package="sampling_test", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind, repeated in fields:
            of = {"type_name": f".sampling_test.{kind}"} if isinstance(kind, str) else {}
            kind = _MESSAGE if isinstance(kind, str) else kind
            message.field.add(name=field, number=number, type=kind, label=3 if repeated else 1, **of)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sampling_test.{name}")) for name in _MESSAGES
    }


_CLASSES = _classes()


def message(**fields: Any) -> bytes:
    """A ``SamplingStrategyResponse``, as protobuf writes it."""
    content: bytes = _CLASSES["SamplingStrategyResponse"](**fields).SerializeToString()
    return content


def rate(probability: float) -> bytes:
    """A response that says a probability."""
    return message(probabilisticSampling={"samplingRate": probability})


class FakeGrpcEndpoint(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Listens on 127.0.0.1. ``answer`` is the response, or the status that is answered; ``asked`` has the services.

    While ``gate`` is not set every answer waits.
    """

    def __init__(self, credentials: Any = None) -> None:
        self.answer: bytes | grpc.StatusCode = rate(1)
        self.asked: list[str] = []
        self.agents: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self._server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[self])
        address = "127.0.0.1:0"
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        self.url = f"grpc://127.0.0.1:{self.port}"
        self._server.start()

    def service(self, details: Any) -> Any:
        """As gRPC asks for it."""
        if details.method != "/jaeger.api_v2.SamplingManager/GetSamplingStrategy":
            return None
        return grpc.unary_unary_rpc_method_handler(self._answered)

    def _answered(self, request: bytes, context: Any) -> bytes:
        self.asked.append(_CLASSES["SamplingStrategyParameters"].FromString(request).serviceName)
        self.agents.add(dict(context.invocation_metadata())["user-agent"])
        self.gate.wait(60)
        if isinstance(self.answer, bytes):
            return self.answer
        context.abort(self.answer, "not today")
        raise AssertionError

    def close(self) -> None:
        """Stop listening."""
        self.gate.set()
        self._server.stop(None).wait()
