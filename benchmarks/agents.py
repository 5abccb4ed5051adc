"""The agents that are compared: how each starts a program, and the settings that send its spans to the sink."""

from collections.abc import Mapping
from dataclasses import dataclass, field

OTLP = {
    "OTEL_SERVICE_NAME": "benchmark",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{sink}",
    # Only traces are compared; what is on by default elsewhere would count against the peer.
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
INSTRUMENTATIONS = ("asgi", "fastapi", "flask", "kafka-python", "psycopg", "redis", "requests", "wsgi")


@dataclass(frozen=True)
class Agent:
    """One way to start a program; `launcher` goes in front of the command, `{sink}` is the sink's address."""

    name: str
    title: str
    packages: tuple[str, ...] = ()
    launcher: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    # Added where a workload asks for a sampler that records nothing.
    always_off: Mapping[str, str] = field(default_factory=dict)

    def variables(self, sink: str, *, always_off: bool = False) -> dict[str, str]:
        """The environment variables of a run that posts to `sink`: as many for each agent, and for none.

        `requests` reads the whole environment for every request, which costs it 2 us a variable: a cost of the settings
        that a container has anyway, and not of the agent that they are for.
        """
        chosen = {**self.environment, **(self.always_off if always_off else {})}
        most = max(len(agent.environment) + always_off for agent in AGENTS.values())
        chosen |= {f"BENCH_UNUSED_{number}": "unused" for number in range(most - len(chosen))}
        return {name: value.replace("{sink}", sink) for name, value in chosen.items()}


AGENTS = {
    agent.name: agent
    for agent in (
        Agent("bare", "bare"),
        Agent(
            "ours",
            "tracing-run",
            launcher=("tracing-run",),
            environment=OTLP,
            always_off={"OTEL_TRACES_SAMPLER": "always_off"},
        ),
        Agent(
            "otel",
            "opentelemetry-instrument",
            packages=(
                "opentelemetry-distro",
                "opentelemetry-exporter-otlp",
                *(f"opentelemetry-instrumentation-{name}" for name in INSTRUMENTATIONS),
            ),
            launcher=("opentelemetry-instrument",),
            environment=OTLP,
            always_off={"OTEL_TRACES_SAMPLER": "always_off"},
        ),
        Agent(
            "dd",
            "ddtrace-run",
            packages=("ddtrace",),
            launcher=("ddtrace-run",),
            environment={"DD_SERVICE": "benchmark", "DD_TRACE_AGENT_URL": "{sink}"},
            always_off={"DD_TRACE_SAMPLING_RULES": '[{"sample_rate": 0}]'},
        ),
    )
}
