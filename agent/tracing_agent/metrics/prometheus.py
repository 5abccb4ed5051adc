"""Metrics in the formats that Prometheus scrapes: its text format 0.0.4, and OpenMetrics 1.0, which has exemplars.

Names and labels follow the specification, "Prometheus and OpenMetrics Compatibility".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_UNITS = {"s": "_seconds", "ms": "_milliseconds", "By": "_bytes"}
_invalid = re.compile("[^a-zA-Z0-9_:]")
_escapes = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Sample(NamedTuple):
    """One line: what is appended to the family's name, labels, value, and a line's exemplar, if any."""

    suffix: str
    labels: Mapping[str, Any]
    value: float
    exemplar: str = ""


class Family(NamedTuple):
    """Samples of one name (without ``_total``) and type: counter, gauge, histogram or info."""

    name: str
    type: str
    help: str
    samples: list[Sample]


def exposition(families: Iterable[Family], open_metrics: bool) -> str:
    """Everything as text."""
    lines: list[str] = []
    for family in families:
        name, type = family.name, family.type
        if not open_metrics:
            # There a counter's whole name is that of its samples, and there is no info.
            name, type = {"counter": (f"{name}_total", type), "info": (f"{name}_info", "gauge")}.get(type, (name, type))
        lines.append(f"# HELP {name} {family.help.translate(_escapes)}")
        lines.append(f"# TYPE {name} {type}")
        for suffix, labels, value, exemplar in family.samples:
            told = ",".join(f'{_label(key)}="{str(item).translate(_escapes)}"' for key, item in labels.items())
            line = (
                f"{family.name}{suffix}{{{told}}} {_number(value)}"
                if told
                else f"{family.name}{suffix} {_number(value)}"
            )
            lines.append(line + exemplar if open_metrics else line)
    if open_metrics:
        lines.append("# EOF")
    lines.append("")
    return "\n".join(lines)


def families_of(data: Any, skipped: str) -> Iterator[Family]:
    """The families of what an SDK's reader collected, but for those of the scope ``skipped``."""
    for resource in data.resource_metrics if data is not None else ():
        labels = {key: value for key, value in resource.resource.attributes.items() if type(value) in (str, int)}
        yield Family("target", "info", "Target metadata", [Sample("_info", labels, 1)])
        for scope in resource.scope_metrics:
            if scope.scope.name != skipped:
                for metric in scope.metrics:
                    yield _family(metric)


def _family(metric: Any) -> Family:
    name = _invalid.sub("_", metric.name) + _UNITS.get(metric.unit, "")
    data, samples = metric.data, []
    if hasattr(data, "is_monotonic"):
        kind, suffix = ("counter", "_total") if data.is_monotonic else ("gauge", "")
        samples = [Sample(suffix, point.attributes, point.value) for point in data.data_points]
    elif hasattr(data, "aggregation_temporality"):
        kind = "histogram"
        for point in data.data_points:
            samples += histogram(
                point.attributes, point.explicit_bounds, point.bucket_counts, point.sum, point.exemplars
            )
    else:
        kind = "gauge"
        samples = [Sample("", point.attributes, point.value) for point in data.data_points]
    return Family(name.removesuffix("_total") if kind == "counter" else name, kind, metric.description or "", samples)


def histogram(
    labels: Mapping[str, Any],
    bounds: Iterable[float],
    counts: Iterable[int],
    total: float,
    exemplars: Iterable[Any] = (),
) -> list[Sample]:
    """The lines of one histogram: ``counts`` of the buckets up to each of ``bounds``, and of the one above them."""
    found, running, below = [], 0, float("-inf")
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        running += count
        exemplar = next((item for item in exemplars or () if below < item.value <= bound and item.trace_id), None)
        told = "" if exemplar is None else _exemplar(exemplar)
        found.append(Sample("_bucket", {**labels, "le": _number(float(bound))}, running, told))
        below = bound
    return [*found, Sample("_sum", labels, total), Sample("_count", labels, running)]


def _exemplar(found: Any) -> str:
    ids = f'trace_id="{found.trace_id:032x}",span_id="{found.span_id:016x}"'
    return f" # {{{ids}}} {_number(found.value)} {found.time_unix_nano / 1e9:.3f}"


def _label(key: str) -> str:
    name = _invalid.sub("_", key)
    return f"key_{name}" if name[:1].isdigit() else name


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return repr(value)
