"""The OpenTelemetry provider and tracer over our engine: the SDK's types and behaviour for the program's own spans."""

from __future__ import annotations

import os
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanKind

from tracing_agent.trace import sdk
from tracing_agent.trace.engine import Engine, Ids
from tracing_agent.trace.span import Origin, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry import trace as trace_api
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
        tracer.__class__ = cls
        assert isinstance(tracer, cls)
        tracer._engine = engine
        tracer._origins = {}
        tracer._scope = scope
        return tracer

    _scope: InstrumentationScope

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
        if not sdk.tracer_enabled(self):
            parent = sdk.get_current_span(context).get_span_context()
            return NonRecordingSpan(context=parent)
        origin = self._origins.get(kind)
        if origin is None:
            origin = self._origins[kind] = engine.origin(self._scope, kind, {}, 0)
        span = engine.start(origin, name, context, attributes, links or (), start_time)
        if type(span) is Span and not (record_exception and set_status_on_exception):
            span._record_exception = record_exception
            span._set_status_on_exception = set_status_on_exception
        return span


class TracerProvider(sdk_trace.TracerProvider):
    """The SDK's `TracerProvider` whose spans are ours.

    Arguments as the SDK's; ``clock`` gives nanoseconds since the epoch, ``carrier`` the formats of context.
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
        **later: Any,
    ) -> None:
        ids = Ids() if id_generator is None else id_generator
        super().__init__(
            sampler=sampler,
            resource=resource,
            shutdown_on_exit=shutdown_on_exit,
            active_span_processor=active_span_processor,
            id_generator=ids,
            span_limits=span_limits,
            **later,
        )
        self.engine = Engine(
            sampler=self.sampler,
            ids=ids,
            limits=self._span_limits,
            resource=self._resource,
            processors=self._active_span_processor,
            clock=clock,
            carrier=carrier,
        )
        if active_span_processor is not None:
            self.engine.watch()
        self.pipeline: Pipeline | None = None
        if hasattr(os, "register_at_fork") and type(ids) is Ids:
            os.register_at_fork(after_in_child=ids.reseed)

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
            return Tracer.of(tracer, self.engine, scope)
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

    def add_span_processor(self, span_processor: sdk_trace.SpanProcessor) -> None:
        super().add_span_processor(span_processor)
        self.engine.watch()

    def replace_resource(self, resource: Resource) -> None:
        """Give spans ended from now on another resource: a forked child's."""
        self._resource = resource
        self.engine.resource = resource
