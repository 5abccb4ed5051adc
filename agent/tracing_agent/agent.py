"""The agent of this process: started when something to trace is imported, and ended with the process."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from tracing_agent import __version__, ending, execs, hosts, parts, signals
from tracing_agent.config import Settings
from tracing_agent.export.configured import Preparing, exporters_of
from tracing_agent.export.health import snapshot
from tracing_agent.export.notices import farewell
from tracing_agent.export.pipeline import Pipeline
from tracing_agent.faults import DEBUG, ERROR, INFO, LINES, WARN, fault, say
from tracing_agent.logs import correlation
from tracing_agent.operation import BREAKERS
from tracing_agent.patching.targets import Missing, Patch, apply
from tracing_agent.patching.versions import outside, refusal, version_of
from tracing_agent.resource import Detection
from tracing_agent.sampling.configured import engine_of, sampler_of
from tracing_agent.trace import sdk
from tracing_agent.trace.carrier import carrier_of
from tracing_agent.trace.limits import limits_of
from tracing_agent.trace.provider import EXIT_TIMEOUT, TracerProvider

if TYPE_CHECKING:
    from types import ModuleType

    from opentelemetry.sdk.resources import Resource

#: How the state of a library begins that is not traced although it is there.
NOT_PATCHED = "not patched: "


class Agent:
    """Provider, pipeline and patches of one process.

    ``states`` says of each library what became of it: ``patched``, or the reason why not.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.states: dict[str, str] = {}
        self.patches: list[Patch] = []
        self._patched: dict[str, list[Patch]] = {}
        self.pid = os.getpid()
        self._closed = False
        #: The program's own provider, by type, if it set one.
        self.adopted = ""
        self._detection = Detection(settings)
        self._resource = self._detection.resource
        self.logs = parts.logs(settings, self._whole)
        self.metrics = parts.metrics(settings, self._whole)
        exporters = list(exporters_of(settings))
        if self.metrics is not None:
            exporters = list(self.metrics.timed(exporters))
        self.pipeline = Pipeline(
            [Preparing(self._whole), *exporters] if exporters else [],
            self._whole,
            limit=settings.queue_size,
            batch=settings.batch_size,
            delay=settings.schedule_delay / 1000,
            timeout=settings.export_timeout / 1000,
        )
        self.provider = TracerProvider(
            sampler=sampler_of(settings.sampling, self._service),
            resource=self._resource,
            shutdown_on_exit=False,
            made=engine_of(settings.sampling),
            id_generator=parts.id_generator(settings),
            span_limits=limits_of(settings),
            carrier=carrier_of(settings.propagation, lambda message: say(WARN, message)),
        )
        self.provider.own_resource = True
        self.pipeline.old_names = parts.old_names(settings)
        parts.prepare(self.provider.engine, settings)
        self.provider.pipeline = self.pipeline
        self.pipeline.on_fork = self._forked_untold
        if self.pipeline.exporters:
            self.provider.engine.deliver(self.pipeline.offer, self.pipeline)
        if self.metrics is not None:
            self.metrics.watch(self.provider, self.pipeline)
        parts.tell(self.provider)

    def _service(self) -> str:
        return str(self._resource.attributes.get("service.name", ""))

    def _whole(self) -> Resource:
        """The resource with what has to be looked up: for whoever sends it, and may wait."""
        if not self.adopted:
            found = self._detection.whole()
            if found is not self._resource and not self.adopted:
                self._resource = found
                self.provider.replace_resource(found)
        return self._resource

    # -- libraries --------------------------------------------------------------------------------------------------

    def instrument(self, name: str, trigger: str) -> None:
        """Patch the part of library ``name`` that the import of ``trigger`` brought in."""
        if self.states.get(name, "").startswith(NOT_PATCHED):
            return
        refused = self._refused(name, trigger)
        if refused:
            self.states[name] = NOT_PATCHED + refused
            say(WARN, f"{name} is not traced: {refused}")
            return
        module = sys.modules[trigger]
        described = import_module(f"tracing_instrumentations.{name}")
        mine = self._patched.setdefault(name, [])
        try:
            patches = apply(described.targets(module).get(trigger, ()), self.provider.engine)
        except Missing as missing:
            self.states[name] = f"{NOT_PATCHED}{missing}"
            say(WARN, f"{name} is not traced: {missing}; this version is not supported by this agent")
            # All of a library or nothing: half of it would tell half of the truth.
            while mine:
                self.patches.remove(mine[-1])
                mine.pop().undo()
            return
        mine += patches
        self.patches += patches
        self._introduce(name, trigger)
        self.states.setdefault(name, "patched")

    def _refused(self, name: str, trigger: str) -> str:
        library = import_module("tracing_instrumentations.registry").named(name)
        if library is None or self.states.get(name) == "patched":
            return ""
        found = version_of(library.distribution, trigger)
        if outside(found, library.tested) > 0:
            say(INFO, f"{library.distribution} {found} is newer than the versions that were tested")
        return refusal(library.distribution, found, library.tested, self.settings.untested_versions)

    def _introduce(self, name: str, trigger: str) -> None:
        """One line for the process, with the first library; another for each at the level below."""
        if LINES.level >= INFO:
            from tracing_agent.introduction import introduction

            if "patched" not in self.states.values():
                line = introduction(self.settings, self.provider, self.adopted)
                exporters = ",".join(self.settings.exporters)
                LINES.write(INFO, line, event="started", version=__version__, exporters=exporters)
            say(DEBUG, f"{name} is traced: {trigger} was imported and patched")

    def undo(self) -> None:
        """Put back everything that was patched."""
        while self.patches:
            self.patches.pop().undo()
        self._patched.clear()
        self.states.clear()

    # -- the end ----------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Become the process's provider, and be told when it forks or ends."""
        if sdk.set_global(self.provider):
            sdk.when_replaced(self.provider, self.adopt)
        else:
            self.adopt(trace.get_tracer_provider())
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self.pipeline.forking,
                after_in_parent=self.pipeline.forked_parent,
                after_in_child=self._forked,
            )
        if self.metrics is not None:
            self.metrics.install()
        ending.call(self.close)
        execs.watch(self.pipeline, EXIT_TIMEOUT)
        hosts.watch()
        self._correlate()
        if self.logs is not None:
            self.logs.install()
        signals.watch()  # the last to be told of a fork

    def adopt(self, theirs: trace.TracerProvider) -> None:
        """The program has a provider of its own: what we trace goes its way, through its sampler and exporters only."""
        self.adopted = f"{type(theirs).__module__}.{type(theirs).__qualname__}"
        found = sdk.pipeline_of(theirs)
        if found is None:
            say(
                INFO,
                f"the program set its own TracerProvider ({self.adopted}), which takes no spans of others; "
                "libraries are traced by this agent, the program's spans by its own",
            )
            return
        sampler, self._resource, processors = found
        self._correlate()
        self.provider.follow(sampler, self._resource, processors)
        say(INFO, f"the program set its own TracerProvider ({self.adopted}); all spans go through its exporters")

    def _correlate(self) -> None:
        correlation.begin(sdk.current, sdk.SPAN_KEY, self._resource.attributes.get("service.name"))

    def close(self) -> None:
        """Send what is queued, for at most `EXIT_TIMEOUT` seconds, and say what was lost."""
        if self.pid != os.getpid() or self._closed:
            return
        self._closed = True
        timeout = min(EXIT_TIMEOUT, self.settings.export_timeout / 1000 or EXIT_TIMEOUT)
        until = monotonic() + timeout
        try:
            if self.logs is not None:
                self.logs.hurry(timeout)
            self.pipeline.close(timeout)
            line = farewell(self.pipeline.health, self.pipeline.pending())
            if not line and self.pipeline.exporters and not self.adopted and not self.pipeline.health.exported:
                line = ending.unexported(*self.provider.begun())
            if line:
                LINES.write(WARN, line)
            if self.logs is not None:
                self.logs.close(max(0.1, until - monotonic()))
            if self.metrics is not None:
                # Last, as it tells what became of the spans; that takes a moment even if they took all the time.
                self.metrics.close(max(0.5, until - monotonic()))
        except Exception as error:
            fault("the flush at exit", error)

    def health(self) -> dict[str, Any]:
        """The agent's own numbers: see `export.health.snapshot`; ``sampling`` counts traces by what became of them."""
        return {**snapshot(self.provider, self.pipeline), "sampling": self.provider.engine.counts()}

    def _forked(self) -> None:
        try:
            self.pid = os.getpid()
            if not self.adopted:
                self._detection.forked()
                self._resource = self._detection.resource
                self.provider.replace_resource(self._resource)
            self._closed = False
            self.pipeline.forked()
            if self.metrics is not None:
                self.metrics.forked()
        except Exception as error:
            fault("the agent in a forked child", error)

    def _forked_untold(self) -> None:
        self.provider.forked()
        self._forked()


_agent: Agent | None = None
_starting = False


def running() -> Agent | None:
    """The agent of this process, if it was started."""
    return _agent


def start() -> Agent | None:
    """The agent of this process, started when first asked for; None where it cannot be, which is said once."""
    global _agent, _starting
    if _agent is None and not _starting:
        _starting = True
        try:
            settings = Settings(os.environ)
            LINES.level, LINES.json = settings.log_level, settings.log_format == "json"
            for sentence in settings.rejected + settings.hints:
                say(WARN, sentence)
            for sentence in settings.notes:
                say(INFO, sentence)
            agent = Agent(settings)
            agent.install()
            _agent = agent
        except Exception as error:
            fault("the start of the agent", error)
        finally:
            _starting = _agent is None
    return _agent


def library_imported(name: str, trigger: str, module: ModuleType) -> None:
    """The import hook of every library."""
    agent = start()
    if agent is None:
        return
    excluded = agent.settings.excluded(name)
    if excluded:
        agent.states[name] = excluded
        return
    try:
        agent.instrument(name, trigger)
    except Exception as error:
        agent.states[name] = f"{NOT_PATCHED}{error!r}"
        fault(f"patching {name}", error)


__all__ = ["BREAKERS", "ERROR", "Agent", "library_imported", "running", "start"]
