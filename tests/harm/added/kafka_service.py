"""Stands in for `test/service.py` of kafka-python, which its source distribution lacks: a broker that runs already."""

from __future__ import annotations


class ExternalService:
    """A server that somebody else started, at ``host`` and ``port``, and that somebody else will stop."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def open(self) -> None:
        """Nothing: it runs."""

    def close(self) -> None:
        """Nothing: it goes on."""

    def stop(self) -> None:
        """Nothing: it goes on."""

    def dump_logs(self) -> None:
        """Nothing: its log is somebody else's."""


class SpawnedService:
    """A server of the tests' own, for which Kafka's scripts would have to be installed."""

    def __init__(self, *_: object) -> None:
        raise NotImplementedError("only the broker of KAFKA_URI can be used here")
