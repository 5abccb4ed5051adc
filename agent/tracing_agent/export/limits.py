"""The limits of a span's attributes, for values that instrumentations wrote without looking: applied on the way out.

Source: specification, "Attribute Limits". As in the SDK the oldest attributes make room for the newest, and texts are
cut, also inside sequences and maps. What goes through the API was limited when it was set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracing_agent.trace.identity import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import SpanLimits

    from tracing_agent.trace.span import Span

# More constants than any origin has.
_CONSTANTS = 32


class Limits:
    """The count and length limits of one provider."""

    def __init__(self, limits: SpanLimits) -> None:
        self.limits = limits
        self.count: int | None = limits.max_span_attributes
        self.length: int | None = limits.max_span_attribute_length
        #: Whether no sketch can be over them.
        self.wide = self.length is None and (self.count is None or self.count >= 2 * _CONSTANTS)
        self._bare: dict[Origin, Origin] = {}

    def apply(self, spans: Sequence[Any]) -> None:
        """Cut what is over the limits. There are sketches only among spans whose limits are ``wide``."""
        count, length = self.count, self.length
        if length is not None:
            for span in spans:
                self._shorten(span, length)
        if count is not None:
            few = count - _CONSTANTS
            for span in spans:
                if type(span) is not tuple and len(span.values) > few:
                    self._thin(span, count)

    def _shorten(self, span: Span, length: int) -> None:
        for key, value in span.values.copy().items():
            span.values[key] = shortened(value, length)
        constants = span.origin.attributes
        if constants:
            short = {key: shortened(value, length) for key, value in constants.items()}
            if short != constants:
                self._replace(span, {**short, **span.values})

    def _thin(self, span: Span, count: int) -> None:
        attributes = {**span.origin.attributes, **span.values}
        over = len(attributes) - count
        if over > 0:
            for key in list(attributes)[:over]:
                del attributes[key]
            span._dropped += over
            self._replace(span, attributes)

    def _replace(self, span: Span, attributes: dict[str, Any]) -> None:
        """Give ``span`` these attributes instead of its values and the constants of its origin."""
        origin = span.origin
        if origin.attributes:
            bare = self._bare.get(origin)
            if bare is None:
                bare = Origin(origin.engine, origin.scope, origin.kind, {}, origin.suppresses)
                self._bare[origin] = bare
            span.origin = bare
        span.values = attributes


def shortened(value: Any, length: int) -> Any:
    """``value`` with every text in it cut to ``length`` characters."""
    if isinstance(value, str):
        return value if len(value) <= length else value[:length]
    if isinstance(value, (list, tuple)):
        return tuple([shortened(item, length) for item in value])
    if isinstance(value, Mapping):
        return {key: shortened(item, length) for key, item in value.items()}
    return value
