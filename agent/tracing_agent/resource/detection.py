"""What has to be looked up of a process: its container, pod, host, version, and what other distributions know of it.

Done where spans are exported, once, and never while the program waits: files are read, and detectors of others (a
cloud's metadata service) get `TIMEOUT` seconds together. One that fails costs its own attributes, and is one line.

Source: semantic conventions 1.44, "Resource"; specification, "Resource SDK", "Detecting resource information".
"""

from __future__ import annotations

from _queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource

from tracing_agent.apart import SettingUp
from tracing_agent.export.thread import silence, spawn
from tracing_agent.faults import WARN, describe, say
from tracing_agent.registered import names, registered
from tracing_agent.resource import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tracing_agent.config import Settings

    Attributes = Mapping[str, Any]

#: Seconds that detectors of other distributions have, all together.
TIMEOUT = 1.0
GROUP = "opentelemetry_resource_detector"
#: Names, of the specification, the SDK and contrib, of what is always detected here.
OURS = frozenset(
    ("otel", "process", "os", "host", "container", "containerid", "service", "service_instance", "k8s", "kubernetes")
)


class Detection:
    """The resource of this process: at once what is known at once, and whole when it was asked for where time is."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: What holds in forked children, too: None until it was looked up.
        self._shared: dict[str, Any] | None = None
        self.forked()

    def forked(self) -> None:
        """In a forked child: a process of its own, on the same machine."""
        self.resource = process.resource(self.settings)
        self._whole: Resource | None = None
        # One token: whoever has it looks, the others wait.
        self._turn: SimpleQueue[None] = SimpleQueue()
        self._turn.put(None)

    def whole(self) -> Resource:
        """The resource with everything that can be found; looked up in the first call."""
        if self._whole is not None:
            return self._whole
        try:
            self._turn.get(True, 2 * TIMEOUT)
        except Empty:
            return self.resource
        try:
            if self._whole is None:
                self._whole = self._completed()
            return self._whole
        finally:
            self._turn.put(None)

    def _completed(self) -> Resource:
        known = dict(self.resource.attributes)
        if self._shared is None:
            self._shared = {}
            for name, detect in _shared(self.settings):
                _try(name, detect, self._shared)
        found = dict(self._shared)
        _try("process", _process, found)
        _try("service", lambda: _service(str(known.get("service.name", ""))), found)
        # What the owner of the program said goes before what was found, and an empty text is nothing found.
        found = {key: value for key, value in found.items() if value not in (None, "")}
        return Resource({**found, **known}, self.resource.schema_url)


def _shared(settings: Settings) -> Iterator[tuple[str, Callable[[], Attributes]]]:
    yield "os", _os
    yield "container", _container
    yield "kubernetes", _kubernetes
    yield "host", _host
    yield "others", lambda: _others(settings.resource_detectors)


def _try(name: str, detect: Callable[[], Attributes], found: dict[str, Any]) -> None:
    try:
        found.update(detect())
    except Exception as error:
        say(WARN, f"the resource detector {name} failed ({describe(error)}); its attributes are missing")


def _os() -> Attributes:
    from tracing_agent.resource.machine import operating_system

    return operating_system()


def _host() -> Attributes:
    from tracing_agent.resource.container import container_id
    from tracing_agent.resource.machine import host

    # The machine's id, seen from within a container, is that of the image.
    return host(identified=not container_id())


def _container() -> Attributes:
    from tracing_agent.resource.container import container_id

    return {"container.id": container_id()}


def _kubernetes() -> Attributes:
    from os import environ

    from tracing_agent.resource.kubernetes import kubernetes

    return kubernetes(environ)


def _process() -> Attributes:
    from tracing_agent.resource.machine import running

    return running()


def _service(name: str) -> Attributes:
    from tracing_agent.resource.program import program_name, program_version

    return {"service.version": program_version(program_name())}


def _others(wanted: tuple[str, ...]) -> Attributes:
    """What detectors of other distributions find, those that ``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS`` names."""
    if not wanted:
        return {}
    chosen = names(GROUP) if "*" in wanted else wanted
    answers: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    pending = set()
    for name in chosen:
        detector = None if name in OURS else registered(GROUP, name, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS")
        if detector is not None:
            pending.add(name)
            spawn(_asked(name, detector, answers))
    found: dict[str, Any] = {}
    until = monotonic() + TIMEOUT
    while pending:
        try:
            name, answer = answers.get(True, max(0.0, until - monotonic()))
        except Empty:
            break
        pending.discard(name)
        if isinstance(answer, Exception):
            say(WARN, f"the resource detector {name} failed ({describe(answer)}); its attributes are missing")
        else:
            found.update(answer)
    for name in sorted(pending):
        say(WARN, f"the resource detector {name} took longer than {TIMEOUT:g} s; its attributes are missing")
    return found


def _asked(name: str, detector: Any, answers: SimpleQueue[tuple[str, Any]]) -> Callable[[], None]:
    def ask() -> None:
        try:
            silence()
            with SettingUp():
                answers.put((name, dict(detector().detect().attributes)))
        except Exception as error:
            answers.put((name, error))

    return ask
