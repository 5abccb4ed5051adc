"""The figures that the project has to reach, each with how it is read off the samples."""

from collections.abc import Callable
from dataclasses import dataclass

from samples import Comparison


@dataclass(frozen=True)
class Target:
    """`words` name the figure, with its limit; `figure` reads it, None where an agent was not measured."""

    words: str
    limit: float
    figure: Callable[[Comparison], float | None]
    at_least: bool = False

    def verdict(self, comparison: Comparison) -> str | None:
        """One line: the figure wanted, whether it is met, and by how much not."""
        value = self.figure(comparison)
        if value is None:
            return None
        met = value >= self.limit if self.at_least else value <= self.limit
        return f"{self.words}: {'met' if met else f'**missed** ({value:.3g})'}"


def _added(metric: str) -> Callable[[Comparison], float | None]:
    def figure(comparison: Comparison) -> float | None:
        added = comparison.added("ours", metric)
        return None if added is None else added.middle

    return figure


OTEL_RATIO = Target("ours/otel at most 0.100", 0.1, lambda found: found.added_ratio("ours", "otel", "cpu_us"))
DD_RATIO = Target("ours/dd at most 0.167", 1 / 6, lambda found: found.added_ratio("ours", "dd", "cpu_us"))
RATIOS = (OTEL_RATIO, DD_RATIO)
FLASK_UNSAMPLED = Target("at most +10 us", 10, _added("cpu_us"))
FASTAPI_UNSAMPLED = Target("at most +12 us", 12, _added("cpu_us"))
KAFKA_SEND = Target("at most +25 us in the calling thread", 25, _added("thread_us"))
KAFKA_CONSUME = Target("at most +20 us in the calling thread", 20, _added("thread_us"))
ONE_SPAN = Target("at most 8 us all in", 8, lambda found: found.middle("ours", "cpu_us"))
COMMAND_STARTUP = Target("at most +15 ms", 15, _added("wall_ms"))
FLASK_STARTUP = Target("at most +120 ms", 120, _added("wall_ms"))
FASTAPI_STARTUP = Target("at most +100 ms", 100, _added("wall_ms"))
FLASK_MEMORY = Target("at most +8 MB", 8, _added("rss_mb"))
FLASK_THROUGHPUT = Target(
    "at least 0.90 of bare", 0.9, lambda found: found.ratio("ours", "bare", "requests_s"), at_least=True
)
FASTAPI_THROUGHPUT = Target(
    "at least 0.85 of bare", 0.85, lambda found: found.ratio("ours", "bare", "requests_s"), at_least=True
)
