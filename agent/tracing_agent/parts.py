"""The agent's parts that only some settings ask for, each imported where one does; and settings as others read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.faults import DEBUG, LINES, fault
from tracing_agent.semconv.db_settings import DatabaseSettings
from tracing_agent.semconv.http.settings import HttpSettings
from tracing_agent.semconv.messaging_settings import MessagingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource

    from tracing_agent.config import Settings
    from tracing_agent.export.old_names import OldNames
    from tracing_agent.logs.capture import Capture
    from tracing_agent.metrics.configured import Metrics
    from tracing_agent.trace.engine import Engine
    from tracing_agent.trace.provider import TracerProvider


def prepare(engine: Engine, settings: Settings) -> None:
    """Give the engine what instrumentations ask it for."""
    engine.database = DatabaseSettings(settings.sanitise_sql, settings.returned_rows, settings.sql_comments)
    engine.root_clients = settings.root_clients
    engine.http = HttpSettings.of(settings.http)
    engine.messaging = MessagingSettings(settings.kafka_consumer_parent == "link", settings.kafka_process_polled)


def tell(provider: TracerProvider) -> None:
    """At ``OTEL_LOG_LEVEL=debug``, say how each new trace was decided."""
    if LINES.level >= DEBUG:
        from tracing_agent.introduction import sampler
        from tracing_agent.sampling.told import tell_decisions

        tell_decisions(provider.engine, sampler(provider))


def id_generator(settings: Settings) -> Any:
    """What another distribution makes ids with, where ``OTEL_PYTHON_ID_GENERATOR`` names it."""
    name = settings.id_generator
    if name.lower() == "random":
        return None
    from tracing_agent.registered import registered

    found = registered("opentelemetry_id_generator", name, "OTEL_PYTHON_ID_GENERATOR")
    if found is None:
        return None
    from tracing_agent.apart import SettingUp

    try:
        with SettingUp():
            return found()
    except Exception as error:
        fault(f"the id generator {name}", error)
        return None


def metrics(settings: Settings, resource: Callable[[], Resource]) -> Metrics | None:
    """What measures, where ``OTEL_METRICS_EXPORTER`` asks for it."""
    if not settings.metrics.exporters:
        return None
    from tracing_agent.metrics.configured import Metrics

    return Metrics(settings, resource)


def logs(settings: Settings, resource: Callable[[], Resource]) -> Capture | None:
    """What sends log records, where ``OTEL_LOGS_EXPORTER`` asks for it."""
    if not settings.logs.exporters:
        return None
    from tracing_agent.logs.capture import Capture

    return Capture(settings.logs, resource)


def old_names(settings: Settings) -> OldNames | None:
    """What adds old names to spans, where ``OTEL_SEMCONV_STABILITY_OPT_IN`` asks for it."""
    if not settings.semconv_opted:
        return None
    from tracing_agent.export.old_names import OldNames

    return OldNames(settings.semconv_opted) or None
