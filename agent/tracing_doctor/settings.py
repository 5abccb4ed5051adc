"""The settings as they were read: which differ from the defaults, and where spans go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from tracing_agent.config import Settings

_HIDDEN = "****"


def changed(settings: Settings) -> list[dict[str, str]]:
    """Every setting that was given and is not the default: ``name``, ``value`` (secrets hidden), ``default``,
    ``source``.
    """
    return [
        {
            "name": variable.name,
            "value": shown(variable.name, variable.value),
            "default": variable.default,
            "source": str(getattr(variable, "source", "") or "environment"),
        }
        for variable in settings.variables
        if variable.value is not None and variable.value != variable.default
    ]


def shown(name: str, value: str | None) -> str:
    """A variable's value as it may be seen by everybody."""
    if not value:
        return ""
    if _secret(name):
        pairs = (part.partition("=") for part in value.split(",") if part.strip())
        return ",".join(f"{key.strip()}={_HIDDEN}" if equals else _HIDDEN for key, equals, _ in pairs)
    if "@" in value and "://" in value:
        try:
            parts = urlsplit(value)
            return urlunsplit(parts._replace(netloc=f"{_HIDDEN}@{parts.netloc.rpartition('@')[2]}"))
        except ValueError:
            return _HIDDEN
    return value


def _secret(name: str) -> bool:
    return name.endswith(("_HEADERS", "_TOKEN", "_KEY", "_PASSWORD")) and not name.endswith("_CLIENT_KEY")


def resolved(settings: Settings) -> dict[str, Any]:
    """Where spans go, as the settings say: plain values, no secrets."""
    from tracing_agent.export.endpoint import Endpoint, Unusable, grpc_endpoint

    found: dict[str, Any] = {
        "exporters": list(settings.exporters),
        "protocol": settings.protocol,
        "endpoint": shown("", settings.endpoint),
        "headers": sorted(settings.headers),
        "compression": settings.compression,
        "timeout_ms": settings.timeout,
        "proxy": "",
        "unusable": "",
    }
    if "otlp" in settings.exporters:
        try:
            if settings.protocol == "grpc":
                found["endpoint"] = grpc_endpoint(settings)[0]
            else:
                endpoint = Endpoint(settings)
                proxy = endpoint.proxy()
                found["endpoint"] = endpoint.shown
                found["proxy"] = f"{proxy.host}:{proxy.port}" if proxy is not None else ""
        except Unusable as unusable:
            found["unusable"] = str(unusable)
    return found
