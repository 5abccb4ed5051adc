"""Which libraries are traced, and which imports bring them in: data only, read before the application's first line."""

from __future__ import annotations


class Library:
    """One instrumentation.

    ``name`` is what people call it in ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS``, and the module of this package that
    describes it. ``distribution`` is the name on PyPI. ``triggers`` are the modules after whose import it is patched.
    ``tested`` are the oldest version and the first one that was not tested, as tuples.
    """

    __slots__ = ("distribution", "name", "tested", "triggers")

    def __init__(
        self,
        name: str,
        distribution: str,
        triggers: tuple[str, ...],
        tested: tuple[tuple[int, ...], tuple[int, ...]],
    ) -> None:
        self.name = name
        self.distribution = distribution
        self.triggers = triggers
        self.tested = tested


LIBRARIES = (
    Library("flask", "Flask", ("flask",), ((2, 2), (4,))),
    Library("starlette", "starlette", ("starlette.applications",), ((0, 26), (2,))),
    Library("fastapi", "fastapi", ("fastapi",), ((0, 95), (1,))),
    Library("requests", "requests", ("requests",), ((2, 25), (3,))),
    Library("psycopg", "psycopg", ("psycopg",), ((3, 1), (4,))),
    Library("psycopg_pool", "psycopg-pool", ("psycopg_pool",), ((3, 1), (4,))),
    Library(
        "redis",
        "redis",
        (
            "redis",
            "redis.asyncio",
            "redis.multidb.client",
            "redis.multidb.healthcheck",
            "redis.asyncio.multidb.client",
            "redis.asyncio.multidb.healthcheck",
        ),
        ((4, 1), (9,)),
    ),
    Library("kafka", "kafka-python", ("kafka",), ((2, 0), (4,))),
)

_NAMED = {library.name: library for library in LIBRARIES}


def named(name: str) -> Library | None:
    """The library that people call ``name``."""
    return _NAMED.get(name)


#: What makes no spans of its own: patched as soon as the agent is started by something else, and never the reason.
BESIDE = (
    Library("threading", "", ("threading", "concurrent.futures.thread", "multiprocessing.pool"), ((3, 10), (3, 14))),
)
