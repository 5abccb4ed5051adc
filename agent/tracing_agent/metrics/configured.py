"""Metrics as the settings ask for them: everything that an engine measures, and everybody who is told."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from opentelemetry.trace import SpanKind

from tracing_agent import __version__
from tracing_agent.drivers.lent import Timing
from tracing_agent.metrics import begin
from tracing_agent.metrics.endpoint import Endpoint
from tracing_agent.metrics.exposed import Latency, health
from tracing_agent.metrics.intake import Intake
from tracing_agent.metrics.pools import Pools
from tracing_agent.metrics.propagated import Propagated
from tracing_agent.metrics.started import Started, count
from tracing_agent.operation import SCHEMA_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config import Settings
    from tracing_agent.export.drain import Exporter
    from tracing_agent.export.pipeline import Pipeline
    from tracing_agent.metrics.health import Numbers
    from tracing_agent.operation import Operation
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.provider import TracerProvider
    from tracing_agent.trace.span import Span

SCOPE = "tracing_agent"
# Seconds that a scrape waits at most for somebody else who measures or collects.
_SCRAPE_WAIT = 5.0
# Of forked processes: freeing a channel of gRPC needs threads that only the parent has.
_abandoned: list[Any] = []


class Metrics:
    """What one process measures. Made before libraries are patched, as that is when it is decided who measures.

    ``resource`` gives the resource of the process. ``pools`` takes the pools of connections that are made.
    """

    def __init__(self, settings: Settings, resource: Callable[[], Resource]) -> None:
        self.settings = settings.metrics
        self._all = settings
        self._resource = resource
        self.pools = Pools()
        self.started = Started()
        self.intake = Intake(self)
        #: How long exports of spans took, and how they failed.
        self.times: deque[tuple[float, str]] = deque(maxlen=1024)
        self._active: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._endpoint = Endpoint(self.settings.host, self.settings.port, self.rendered)
        self._scraped = "prometheus" in self.settings.exporters
        self.forget()

    def forget(self) -> None:
        """Know nothing yet: what was measured, if anything, is the parent's."""
        self._measures: Any = None
        self._senders: list[Any] = []
        self._reader: Any = None
        self._reports: Any = None
        self._numbers: Numbers | None = None
        self._told = [0, 0]
        self._latency = Latency()
        self._interval: Any = None
        self._active.clear()
        self.pools.forget()

    # -- into the engine --------------------------------------------------------------------------------------------

    def timed(self, exporters: Sequence[Exporter]) -> list[Exporter]:
        """The exporters of spans, with their operations timed."""
        from tracing_agent.metrics.health import Timed

        return [Timed(exporter, self.times) for exporter in exporters]

    def watch(self, provider: TracerProvider, pipeline: Pipeline) -> None:
        """Measure what ``provider`` traces from now on; ``pipeline`` is where it goes."""
        self._provider, self._pipeline = provider, pipeline
        self.intake.on_fork = self._forked_untold
        engine = provider.engine
        self.propagated = Propagated(engine.carrier)
        engine.carrier.inject = self.propagated.writing(engine.carrier.inject)
        plain, plain_at, offer, gone = engine.finish, engine.finish_at, self.intake.offer, self._active.pop

        def finish(span: Span) -> None:
            if span._end_time is None:
                if span.trace.recorded:
                    plain(span)
                else:
                    span._end_time = engine.clock()
                if span.origin.kind is SpanKind.SERVER:
                    gone(id(span), None)
                offer(span)

        def finish_at(span: Span, end_time: int) -> None:
            if span.trace.recorded:
                plain_at(span, end_time)
            else:
                span._end_time = end_time
            if span.origin.kind is SpanKind.SERVER:
                gone(id(span), None)
            offer(span)

        engine.finish, engine.finish_at = finish, finish_at  # type: ignore[method-assign]
        engine.metrics = self
        count(engine)

    def beginner(self, function: Any, engine: Engine, operation: Operation) -> Any:
        """What begins ``operation`` instead of ``function``."""
        return begin.beginner(function, engine, operation)

    def receiver(self, function: Any, engine: Engine, operation: Operation) -> Any:
        """What begins ``operation`` below a remote parent, likewise."""
        begun, active = begin.receiver(function, engine, operation), self._active
        if operation.kind is not SpanKind.SERVER:
            return begun

        def received(remote: Any) -> Any:
            span = begun(remote)
            if span is not None and span.recording:
                active[id(span)] = span
            return span

        return received

    # -- with the token: see `Intake` -------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Import the SDK and make instruments, readers and exporters."""
        from tracing_agent.metrics.active import active_requests
        from tracing_agent.metrics.health import SCOPE as HEALTH
        from tracing_agent.metrics.health import component, observe
        from tracing_agent.metrics.instruments import Instruments
        from tracing_agent.metrics.sdk import provider_of, reader_of
        from tracing_agent.metrics.senders import Interval, senders_of

        self._senders = senders_of(self.settings)
        readers = [sender.reader for sender in self._senders]
        if self._scraped:
            self._reader = reader_of(None)
            readers.append(self._reader)
        provider = provider_of(self.settings, self._resource(), readers)
        meter = provider.get_meter(SCOPE, __version__, SCHEMA_URL)
        self._measures = Instruments(meter)
        active_requests(meter, self._active)
        self.pools.observe(meter)
        exporter = component(self._all)
        own = provider.get_meter(HEALTH, __version__, SCHEMA_URL)
        observe(own, self._read, exporter)
        self._operation = own.create_histogram(
            "otel.sdk.exporter.operation.duration",
            "s",
            "Duration of one export.",
            explicit_bucket_boundaries_advisory=[],
        )
        self._component = exporter
        self._interval = Interval(self.settings.interval / 1000)

    def measure(self, spans: Sequence[Span | Timing]) -> None:
        """Put ended spans, and what took its time at pools, into the instruments."""
        measure, timed = self._measures.measure, self.pools.measure
        for span in spans:
            if type(span) is Timing:
                timed(span)
            else:
                measure(span)

    def _read(self) -> Numbers:
        if self._numbers is None:
            from tracing_agent.metrics.health import Numbers

            self._numbers = Numbers(self._provider, self._pipeline, self._measures.ended, self._told, self.started)
        return self._numbers

    def _collected(self, function: Callable[[], None]) -> Callable[[], None]:
        def collect() -> None:
            self._numbers = None
            while self.times:
                seconds, error = self.times.popleft()
                self._latency.add(seconds)
                self._operation.record(seconds, {**self._component, "error.type": error} if error else self._component)
            function()

        return collect

    # -- those who are told -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The thread of the intake starts: in a forked child, which has no endpoint yet, with its first operation."""
        if self._scraped and not self._endpoint.port:
            self._endpoint.open()

    def wait(self) -> float:
        """Seconds until something is to be sent."""
        return float(self._interval.left()) if self._interval is not None else 0.0

    def send(self, now: bool, closing: bool) -> None:
        """Send what is due. Runs in the thread of the intake."""
        if self._interval is None or not (now or self._interval.left() <= 0):
            return
        self._interval.begin()
        if self._reports is None:
            from tracing_agent.metrics.senders import Reports

            self._reports = Reports()
        for sender in self._senders:
            sender.send(self._collect, self._reports, closing)
            if closing:
                sender.end()

    def failing(self) -> bool:
        """Whether somebody did not take what was sent last."""
        return any(sender.failed for sender in self._senders)

    def _collect(self, function: Callable[[], None], seconds: float) -> bool:
        return self.intake.with_token(self._collected(function), seconds)

    def rendered(self, open_metrics: bool) -> str:
        """What a scrape gets."""
        from tracing_agent.metrics.health import SCOPE as HEALTH
        from tracing_agent.metrics.prometheus import exposition, families_of

        found: list[Any] = []

        def read() -> None:
            found.extend(families_of(self._reader.get_metrics_data(), HEALTH))
            found.extend(health(self._read(), self._latency, self.propagated))

        self._collect(read, _SCRAPE_WAIT)
        return exposition(found, open_metrics)

    @property
    def port(self) -> int:
        """Where this process can be scraped; 0 for nowhere."""
        return self._endpoint.port

    # -- the process ------------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Be told of forks, and listen where somebody is to scrape; what sends starts with the first operation."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.forking, after_in_parent=self.forked_parent)
        if self._scraped:
            self._endpoint.open()

    def forking(self) -> None:
        """Before a fork."""
        self._endpoint.pause()
        self.intake.forking()

    def forked_parent(self) -> None:
        """After a fork, in the parent."""
        self._endpoint.resume()
        self.intake.forked_parent()

    def forked(self) -> None:
        """In a forked child: nothing was measured yet, and the endpoint is the parent's."""
        self._endpoint.close()
        if self._reports is not None:
            self._reports.end()
        _abandoned.append(self._senders)
        self.forget()
        self.times.clear()
        self.propagated.forget()
        self.started.forked()
        self.intake.forked()

    def _forked_untold(self) -> None:
        self._pipeline.on_fork()
        if self.intake.pid != os.getpid():
            self.forked()

    def close(self, timeout: float) -> None:
        """Send what is measured, for at most ``timeout`` seconds; nothing is measured any more."""
        self.intake.flush(timeout, closing=True)
        self._endpoint.close()
