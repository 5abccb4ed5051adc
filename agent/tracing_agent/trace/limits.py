"""Span limits by the specification's rules: a value that is no limit is reported, and the default used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanLimits

from tracing_agent.config import Settings
from tracing_agent.faults import WARN, say

if TYPE_CHECKING:
    from collections.abc import Mapping


def limits_of(settings: Settings) -> SpanLimits:
    """The settings' limits as the SDK's object."""

    def limit(value: int | None) -> int:
        return SpanLimits.UNSET if value is None else value

    return SpanLimits(
        max_attributes=limit(settings.max_attributes),
        max_events=limit(settings.max_events),
        max_links=limit(settings.max_links),
        max_span_attributes=limit(settings.max_span_attributes),
        max_event_attributes=limit(settings.max_event_attributes),
        max_link_attributes=limit(settings.max_link_attributes),
        max_attribute_length=limit(settings.max_attribute_length),
        max_span_attribute_length=limit(settings.max_span_attribute_length),
    )


def limits_from(environ: Mapping[str, str] = os.environ) -> SpanLimits:
    """The limits of a provider that was given none."""
    settings = Settings(environ)
    for sentence in settings.rejected:
        say(WARN, sentence)
    return limits_of(settings)
