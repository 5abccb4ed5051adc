"""What the installed SDK does where its releases differ; ours follows the installed one."""

from __future__ import annotations

from importlib.metadata import version

#: (major, minor) of the installed opentelemetry-sdk.
SDK: tuple[int, ...] = tuple(int(part) for part in version("opentelemetry-sdk").split(".")[:2])

#: OTLP export of a scope's attributes and schema URL.
ENCODES_SCOPE = SDK >= (1, 31)
#: Processors hear of a span that is about to end; a configurator can switch a tracer off.
ON_ENDING = CONFIGURATOR = SDK >= (1, 40)
#: The no-operation tracer gives the parent's context back instead of an invalid one.
DISABLED_PROPAGATES = SDK >= (1, 40)
#: The same scope gives the same tracer; links of None reach a sampler as (); an ended span can be deep-copied; a
#: configurator that fails is logged.
SAME_TRACER = LINKS_NEVER_NONE = DEEP_COPY = PATIENT_CONFIGURATOR = SDK >= (1, 41)
#: A trace id of a random generator sets the flag, and children inherit it.
RANDOM_FLAG = SDK >= (1, 42)
#: A processor's None is a successful flush, and a failed one does not stop the others'.
PATIENT_FLUSH = SDK >= (1, 42)
#: otel.sdk.span.started and otel.sdk.span.live, where a variable asks for them.
OWN_METRICS = SDK >= (1, 42)
#: A forked child has a service.instance.id of its own.
RESOURCE_PER_PROCESS = SDK >= (1, 44)
#: Attributes may be bytes, maps, None, and sequences of anything; other objects become text; bad keys count as dropped.
ANY_VALUE = SDK >= (1, 45)
