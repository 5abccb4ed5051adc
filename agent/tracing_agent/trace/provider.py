"""The OpenTelemetry provider and tracer over our engine: the SDK's types and behaviour for the program's own spans."""

from __future__ import annotations

import copy
import os
import weakref
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as trace_api
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanKind

from tracing_agent.trace import sdk
from tracing_agent.trace.engine import DROP, ONLY, SAMPLE, Engine
from tracing_agent.trace.foreign import key_of
from tracing_agent.trace.identity import SAMPLED, Dropped, Origin
from tracing_agent.trace.ids import Ids
from tracing_agent.trace.limits import limits_from
from tracing_agent.trace.processors import Processors
from tracing_agent.trace.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.util import types

    from tracing_agent.export.pipeline import Pipeline
    from tracing_agent.trace.carrier import Carrier

#: Longest delay of the process's end, in seconds, while spans are sent.
EXIT_TIMEOUT = 2.0


class Tracer(sdk_trace.Tracer):
    """Starts spans the API's way. Made by `TracerProvider.get_tracer`."""

    _engine: Engine
    _origins: dict[SpanKind, Origin]

    @classmethod
    def of(cls, tracer: sdk_trace.Tracer, engine: Engine, scope: InstrumentationScope) -> Tracer:
        """The SDK's tracer, as ours: what the SDK's constructor set stays (it differs between versions)."""
        counter = sdk.counter(tracer)
        if counter is not None:
            engine.watch()
        # The class last: the SDK hands out one tracer for a scope, and another thread may have it already.
        tracer.__dict__.update(_engine=engine, _origins={}, _scope=scope, _count=counter)
        tracer.__class__ = cls
        assert isinstance(tracer, cls)
        return tracer

    _scope: InstrumentationScope
    _count: Callable[[Any, Any], Callable[[], None]] | None

    def start_span(
        self,
        name: str,
        context: sdk.Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: types.Attributes = None,
        links: Sequence[trace_api.Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace_api.Span:
        engine = self._engine
        if sdk.current().get(sdk.SILENT_KEY):
            return trace_api.INVALID_SPAN
        if not sdk.tracer_enabled(self):
            parent = sdk.get_current_span(context).get_span_context()
            return NonRecordingSpan(context=parent)
        origin = self._origins.get(kind)
        if origin is None:
            origin = self._origins[kind] = engine.origin(self._scope, kind, {}, key_of(self._scope.name, kind))
        span = engine.start(origin, name, context, attributes, sdk.told_links(links), start_time)
        if type(span) is Span and not (record_exception and set_status_on_exception):
            span._record_exception = record_exception
            span._set_status_on_exception = set_status_on_exception
        if self._count is not None:
            self._counted(span, context)
        return span

    def _counted(self, span: Span | Dropped, context: sdk.Context | None) -> None:
        """Count the span in the SDK's own metrics."""
        assert self._count is not None
        parent = sdk.get_current_span(context).get_span_context()
        decision = DROP
        if type(span) is Span:
            decision = SAMPLE if span.trace.flags & SAMPLED else ONLY
        ended = self._count(parent if parent.is_valid else None, decision)
        if type(span) is Span:
            span.__dict__["on_ended"] = ended

    @sdk.context_manager
    def start_as_current_span(
        self,
        name: str,
        context: sdk.Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: types.Attributes = None,
        links: Sequence[trace_api.Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[trace_api.Span]:
        span = self.start_span(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        try:
            with trace_api.use_span(span, record_exception=False, set_status_on_exception=False) as current:
                yield current
        except Exception as error:
            if type(span) is Span:
                span.escaped(error, record_exception, set_status_on_exception)
            raise
        finally:
            if end_on_exit:
                span.end()


class TracerProvider(sdk.ForkedProvider):
    """The SDK's `TracerProvider` whose spans are ours.

    Arguments as the SDK's; ``clock`` gives nanoseconds since the epoch, ``carrier`` the formats of context, ``made``
    makes its engine.
    """

    def __init__(
        self,
        sampler: sdk.sampling.Sampler | None = None,
        resource: Resource | None = None,
        shutdown_on_exit: bool = True,
        active_span_processor: Any = None,
        id_generator: IdGenerator | None = None,
        span_limits: sdk_trace.SpanLimits | None = None,
        *,
        clock: Callable[[], int] = time_ns,
        carrier: Carrier | None = None,
        made: Callable[..., Engine] = Engine,
        **later: Any,
    ) -> None:
        ids = Ids() if id_generator is None else id_generator
        watched = active_span_processor is not None
        self._engines: list[Engine] = []
        super().__init__(
            sampler=sampler,
            resource=resource,
            shutdown_on_exit=shutdown_on_exit,
            active_span_processor=active_span_processor or Processors(self._watch),
            id_generator=ids,
            span_limits=span_limits or limits_from(),
            **later,
        )
        self.engine = made(
            sampler=self.sampler,
            ids=ids,
            limits=self._span_limits,
            resource=self._resource,
            processors=self._active_span_processor,
            clock=clock,
            carrier=carrier,
        )
        self._engines.append(self.engine)
        if watched:
            self._watch()
        self.pipeline: Pipeline | None = None
        if hasattr(os, "register_at_fork"):
            # After the SDK's own hook, which may have given the provider the child's resource.
            weak = weakref.WeakMethod(self.forked)

            def after_in_child() -> None:
                forked = weak()
                if forked is not None:
                    forked()

            os.register_at_fork(after_in_child=after_in_child)

    def begun(self) -> tuple[int, int]:
        """Spans begun in this process, and those of them that are not sampled."""
        return sum(engine.started for engine in self._engines), sum(engine.unsampled for engine in self._engines)

    def _watch(self) -> None:
        for engine in self._engines:
            engine.watch()

    def forked(self) -> None:
        """In a forked child: ids, counts and resource of its own."""
        sdk.renew_lock(self)
        ids = self.engine.ids
        if type(ids) is Ids:
            ids.reseed()
        for engine in self._engines:
            engine.forked()
        self.replace_resource(self._resource)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: types.Attributes = None,
    ) -> trace_api.Tracer:
        tracer = super().get_tracer(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)
        if type(tracer) is sdk_trace.Tracer:
            scope = InstrumentationScope(
                instrumenting_module_name or "", instrumenting_library_version or "", schema_url, attributes
            )
            return Tracer.of(tracer, self._engine_now(), scope)
        return tracer

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        flushed = super().force_flush(timeout_millis)
        if self.pipeline is not None:
            flushed = self.pipeline.flush(timeout_millis / 1000) and flushed
        return flushed

    def shutdown(self) -> None:
        super().shutdown()
        if self.pipeline is not None:
            self.pipeline.close(EXIT_TIMEOUT)

    def _engine_now(self) -> Engine:
        """The engine of tracers made from now on: another one once the program has replaced ``provider.sampler``."""
        for engine in self._engines:
            if engine.sampler is self.sampler:
                return engine
        engine = copy.copy(self.engine)
        engine.started = engine.unsampled = 0
        engine.sampled_by(self.sampler)
        self._engines.append(engine)
        return engine

    def follow(self, sampler: sdk.sampling.Sampler, resource: Resource, processors: Any) -> None:
        """Make spans from now on as another provider does: its sampler, resource and processors instead of ours."""
        self.sampler = sampler
        self._active_span_processor = processors
        for engine in self._engines:
            engine.sampled_by(sampler)
            engine.processors = processors
            engine.deliver(None)
            engine.watch()
        self.replace_resource(resource)

    def add_span_processor(self, span_processor: sdk_trace.SpanProcessor) -> None:
        super().add_span_processor(span_processor)
        self._watch()

    def replace_resource(self, resource: Resource) -> None:
        """Give spans ended from now on another resource: a forked child's."""
        self._resource = resource
        for engine in self._engines:
            engine.resource = resource
