"""The one line with which a traced process introduces itself where OTEL_LOG_LEVEL=info asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing_agent import __version__

if TYPE_CHECKING:
    from tracing_agent.config import Settings
    from tracing_agent.trace.provider import TracerProvider


def introduction(settings: Settings, provider: TracerProvider, adopted: str) -> str:
    """Service, exporter with its endpoint (no secrets), and sampler; ``adopted`` is the type of the program's own
    provider, if it has one.
    """
    service = provider.resource.attributes.get("service.name", "")
    where = f"to the exporters of the program's own {adopted}" if adopted else _exporters(settings)
    return f"tracing {service!r} {where}, sampler {sampler(provider)} (tracing-agent {__version__})"


def sampler(provider: TracerProvider) -> str:
    """The sampler as it describes itself, without what every parent-based one does for remote and local parents."""
    description = provider.sampler.get_description()
    root, more, _ = description.partition(",remoteParent")
    return root + "}" if more else description


def _exporters(settings: Settings) -> str:
    names = [
        f"otlp ({settings.protocol} {_endpoint(settings)})" if name == "otlp" else name for name in settings.exporters
    ]
    return "to " + " and ".join(names) if names else "to nowhere, as OTEL_TRACES_EXPORTER=none asks"


def _endpoint(settings: Settings) -> str:
    from tracing_agent.export.endpoint import Endpoint, Unusable, grpc_endpoint

    try:
        return grpc_endpoint(settings)[0] if settings.protocol == "grpc" else Endpoint(settings).shown
    except Unusable:
        return "an endpoint that cannot be used"
