"""Fixtures of the server suite: a site in each framework, patched and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servers.asking import Ask
from servers.sites import SITES, Reply, Site
from support.recorder import Recorder
from tracing_agent.semconv.http import HttpSettings


class Recorded:
    """A site and the recorder of its spans."""

    def __init__(self, kind: type[Site], **options: Any) -> None:
        http: HttpSettings | None = options.pop("http", None)
        self.recorder = Recorder(**options)
        self.recorder.engine.http = http
        for library, trigger in kind.patched:
            self.recorder.patch(library, trigger)
        self.site = kind()
        self.library = kind.library

    def answers(self, path: str, endpoint: Callable[..., Reply], methods: tuple[str, ...] = ("GET",)) -> None:
        """Let ``endpoint`` answer at ``path``."""
        self.site.route(path, endpoint, methods)

    def ask(self, path: str, method: str = "GET", **more: Any) -> Any:
        """The answer to one request."""
        return self.site.ask(Ask(path, method, **more))

    def spans(self) -> list[dict[str, Any]]:
        """What was recorded since the last call."""
        return self.recorder.spans()

    def span(self) -> dict[str, Any]:
        """The one span that was recorded since the last call."""
        spans = self.spans()
        assert len(spans) == 1, [span["name"] for span in spans]
        return spans[0]


@pytest.fixture
def recorded() -> Iterator[Callable[..., Recorded]]:
    """Makes a recorded site of a framework; all are undone at the end."""
    made: list[Recorded] = []

    def make(kind: type[Site], **options: Any) -> Recorded:
        made.append(Recorded(kind, **options))
        return made[-1]

    yield make
    for one in reversed(made):
        one.recorder.undo()


@pytest.fixture(params=SITES, ids=lambda kind: kind.library)
def make(request: pytest.FixtureRequest, recorded: Callable[..., Recorded]) -> Callable[..., Recorded]:
    """Makes a recorded site, of each framework in turn, with the recorder's options and ``http`` settings."""
    return lambda **options: recorded(request.param, **options)


@pytest.fixture
def site(make: Callable[..., Recorded]) -> Recorded:
    """A recorded site, of each framework in turn."""
    return make()
