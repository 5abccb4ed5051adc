"""Everything of the OpenTelemetry API and SDK that is not public, and what to do where a version lacks it.

No other module of the agent touches a private name. Tested with the oldest and the newest SDK.
"""

from __future__ import annotations

# Before any provider of the SDK is made: it registers what has to be done at a fork before that of the providers, whose
# hooks in the child (SDK 1.44 and later) would else wait for ever for a lock of this module.
import concurrent.futures.thread  # noqa: F401
import functools
import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The SDK reads limits while it is imported, and a value that is no number makes the import fail. The specification
# asks for a warning and the default (which config.Settings gives), so such a value is hidden from the import.
_LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
)
_hidden = {
    name: os.environ.pop(name) for name in _LIMITS if name in os.environ and not os.environ[name].strip().isdigit()
}
try:
    from opentelemetry import context as _context_api
    from opentelemetry import trace as _trace_api
    from opentelemetry.context.context import Context
    from opentelemetry.sdk import trace as _sdk_trace
    from opentelemetry.sdk.trace import sampling
    from opentelemetry.sdk.version import __version__ as _sdk_version
finally:
    os.environ.update(_hidden)

from opentelemetry.trace.propagation import get_current_span, set_span_in_context  # noqa: E402

from tracing_agent.trace.rule import Bound, Every, Rule  # noqa: E402

_version = tuple(int(part) for part in _sdk_version.split(".")[:2])


def _span_key() -> str:
    """The key under which the API keeps the current span, found through the API itself."""
    return next(iter(set_span_in_context(_trace_api.INVALID_SPAN, Context())))


def _runtime() -> tuple[Callable[[], Context], Callable[[Context], Any], Callable[[Any], None]]:
    """(current, attach, detach) of the API's context; the ContextVar's own methods where the API uses one."""
    _context_api.get_current()  # makes old versions load their runtime context
    runtime = getattr(_context_api, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    if isinstance(variable, ContextVar) and type(runtime).__name__ == "ContextVarsRuntimeContext":
        return variable.get, variable.set, variable.reset
    return _context_api.get_current, _context_api.attach, _context_api.detach


SPAN_KEY = _span_key()
current, attach, detach = _runtime()
#: Set to true in a context in which instrumentations must stay silent.
SUPPRESS_KEY: str = getattr(_context_api, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
#: Set to true in a context in which instrumentations of HTTP clients must stay silent: one above them is at work.
SUPPRESS_HTTP_KEY: str = getattr(_context_api, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", "suppress_http_instrumentation")
#: Set to true in a context in which not even the API makes spans: where spans are exported.
SILENT_KEY = "tracing_agent.silent"


def _baggage_key() -> str:
    """The key under which the API keeps baggage, found through the API itself."""
    from opentelemetry import baggage

    return next(iter(baggage.set_baggage("k", "v", Context())))


BAGGAGE_KEY = _baggage_key()


def plain_rule(sampler: sampling.Sampler) -> Rule | None:
    """What a built-in sampler, or one of ours, comes down to; None for any other: it has to be asked for every span."""
    rule = _root_rule(sampler)
    if rule is None and type(sampler) is sampling.ParentBased:
        delegates = [
            getattr(sampler, name, None)
            for name in (
                "_remote_parent_sampled",
                "_local_parent_sampled",
                "_remote_parent_not_sampled",
                "_local_parent_not_sampled",
            )
        ]
        usual = [sampling.ALWAYS_ON, sampling.ALWAYS_ON, sampling.ALWAYS_OFF, sampling.ALWAYS_OFF]
        root = _root_rule(getattr(sampler, "_root", None))
        if root is not None and all(a is b for a, b in zip(delegates, usual, strict=True)):
            return root.followed()
    return rule


def _root_rule(sampler: object) -> Rule | None:
    if sampler is sampling.ALWAYS_ON:
        return Every(True)
    if sampler is sampling.ALWAYS_OFF:
        return Every(False)
    if type(sampler) is sampling.TraceIdRatioBased:
        return Bound(int(sampler.bound))
    rule = getattr(sampler, "rule", None)
    return rule if isinstance(rule, Rule) else None


def set_global(provider: _trace_api.TracerProvider) -> bool:
    """Make ``provider`` the global one unless the program has set its own; whether it is the global one now."""
    if getattr(_trace_api, "_TRACER_PROVIDER", None) is None:
        _trace_api.set_tracer_provider(provider)
    return _trace_api.get_tracer_provider() is provider


def when_replaced(ours: _trace_api.TracerProvider, adopt: Callable[[_trace_api.TracerProvider], None]) -> None:
    """Let the program's own ``set_tracer_provider`` win over ours, once, and call ``adopt`` with what it set.

    The API takes the first provider only and answers every other with a warning: without this a program that sets up
    its own tracing would lose its exporters to an agent that it does not know of.
    """
    original = _trace_api.set_tracer_provider

    @functools.wraps(original)
    def set_tracer_provider(tracer_provider: _trace_api.TracerProvider) -> None:
        if getattr(_trace_api, "_TRACER_PROVIDER", None) is ours and tracer_provider is not ours:
            _trace_api._TRACER_PROVIDER = tracer_provider
            adopt(tracer_provider)
        else:
            original(tracer_provider)

    _trace_api.set_tracer_provider = set_tracer_provider


def pipeline_of(provider: object) -> tuple[sampling.Sampler, Any, Any] | None:
    """(sampler, resource, multi processor) of an SDK provider; None for a provider of another make."""
    if not isinstance(provider, _sdk_trace.TracerProvider):
        return None
    processors = getattr(provider, "_active_span_processor", None)
    return None if processors is None else (provider.sampler, provider.resource, processors)


def counter(tracer: _sdk_trace.Tracer) -> Callable[[Any, Any], Callable[[], None]] | None:
    """What the SDK's own metrics count a begun span with, where they are on (SDK 1.42 and later, by variable)."""
    metrics = getattr(tracer, "_tracer_metrics", None)
    if metrics is None or type(metrics).__name__ == "NoOpTracerMetrics":
        return None
    found: Callable[[Any, Any], Callable[[], None]] = metrics.start_span
    return found


try:
    from opentelemetry.util._decorator import _agnosticcontextmanager as context_manager
except ImportError:
    from contextlib import contextmanager as context_manager  # type: ignore[assignment]


class ForkedProvider(_sdk_trace.TracerProvider):
    """The SDK's provider, safe in a forked child: another thread may have held its lock in the parent.

    From SDK 1.44 it runs resource detectors in the child, in a pool of threads: of no use to one whose
    ``own_resource`` is set for it by others, and never ending where the fork happened at a bad moment.
    """

    own_resource = False

    def _handle_fork(self) -> None:
        renew_lock(self)
        if not self.own_resource:
            super()._handle_fork()


def renew_lock(provider: _sdk_trace.TracerProvider) -> None:
    """Give a provider a lock that nobody holds."""
    if hasattr(provider, "_tracers_lock"):
        provider._tracers_lock = threading.Lock()


def tracer_enabled(tracer: _sdk_trace.Tracer) -> bool:
    """Whether a tracer configurator left this tracer on (SDK 1.40 and later)."""
    enabled = getattr(tracer, "_is_enabled", None)
    return True if enabled is None else bool(enabled() if callable(enabled) else enabled)


def told_links(links: Sequence[_trace_api.Link] | None) -> Sequence[_trace_api.Link] | None:
    """The links that a sampler is told of: as given, and never None since 1.41."""
    return links if _version < (1, 41) else links or ()


__all__ = [
    "BAGGAGE_KEY",
    "SILENT_KEY",
    "SPAN_KEY",
    "SUPPRESS_HTTP_KEY",
    "SUPPRESS_KEY",
    "Context",
    "ForkedProvider",
    "attach",
    "context_manager",
    "counter",
    "current",
    "detach",
    "get_current_span",
    "pipeline_of",
    "plain_rule",
    "renew_lock",
    "sampling",
    "set_global",
    "told_links",
    "tracer_enabled",
    "when_replaced",
]
