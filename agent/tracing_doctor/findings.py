"""What is wrong, and what to do: judged from a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# The order in which one library's states are kept when several processes report.
_TELLING = (
    "switched off",
    "untested",
    "target missing",
    "failed",
    "unhooked",
    "patched",
    "disabled",
    "not imported",
    "not installed",
)
_BROKEN = frozenset(_TELLING[:5])


class Findings:
    """``problems`` make the exit code 1; ``notes`` do not. Both are ``{"about", "problem", "next"}``."""

    def __init__(self) -> None:
        self.problems: list[dict[str, str]] = []
        self.notes: list[dict[str, str]] = []

    def problem(self, about: str, problem: str, following: str) -> None:
        self.problems.append({"about": about, "problem": problem, "next": following})

    def note(self, about: str, note: str, following: str = "") -> None:
        self.notes.append({"about": about, "problem": note, "next": following})


def in_two(sentence: str) -> tuple[str, str]:
    """A message of the agent as what is wrong and what to do next, which it says last if at all."""
    problem, _, following = sentence.rpartition("; ")
    return (problem, following) if problem else (following, "")


def merged(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The report of the process that tells most, with each library's most telling state in any of them."""

    def patched(report: Any) -> tuple[int, int]:
        return sum(library["state"] == "patched" for library in report["libraries"]), report["health"].get("started", 0)

    best = dict(max(reports, key=patched))
    best["processes"] = len(reports)
    best["libraries"] = [
        min(states, key=lambda library: _TELLING.index(library["state"]))
        for states in zip(*(report["libraries"] for report in reports), strict=True)
    ]
    lines = [line for report in reports for line in report["lines"]]
    best["lines"] = [line for position, line in enumerate(lines) if line not in lines[:position]]
    best["error"] = next((report["error"] for report in reports if report["error"]), "")
    return best


def judge(report: dict[str, Any], command: Sequence[str]) -> Findings:
    """Everything wrong in ``report``, the most telling first."""
    found = Findings()
    if report["error"]:
        found.problem(
            "program",
            f"its imports failed: {report['error']}",
            "mend that first, and see whether it fails without the agent, too",
        )
    _libraries(report, command, found)
    _settings(report, found)
    _export(report, found)
    for other in report["other_agents"]:
        if other["problem"]:
            found.problem("other agents", f"{other['name']} is at work in the same process", other["meaning"])
        elif other["active"]:
            found.note("other agents", f"{other['name']} is at work in the same process: {other['meaning']}")
    if report["provider"] not in ("", "tracing-agent"):
        found.note(
            "provider",
            f"the program set its own TracerProvider ({report['provider']}), and that one won",
            "spans go through its exporters; OTEL_EXPORTER_OTLP_* does not matter",
        )
    for line in report["lines"]:
        if line["level"] in ("error", "warning") and not _known(line["line"], report):
            found.problem("agent", *in_two(line["line"]))
    return found


def _libraries(report: dict[str, Any], command: Sequence[str], found: Findings) -> None:
    libraries = report["libraries"]
    for library in libraries:
        if library["state"] in _BROKEN:
            found.problem(library["name"], f"{library['state']}: {library['reason']}", library["next"])
        elif not library["in_range"]:
            oldest, untested = library["tested"]
            found.note(
                library["name"],
                f"{library['installed']} is outside the tested range ({oldest} or later, before {untested})",
                "it works as far as its seams are where they were",
            )
    states = {library["state"] for library in libraries}
    if states == {"disabled"}:
        found.problem("libraries", "all are disabled", "unset OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    elif not states & {"patched", *_BROKEN} and command and not report["error"]:
        found.problem(
            "libraries",
            "the program imported nothing that is traced",
            "imports inside functions show with --run; spans of its own, by opentelemetry.trace, are sent all the same",
        )
    elif states == {"not installed"}:
        found.problem(
            "libraries",
            "none of the supported libraries is installed here",
            "run the doctor in the program's environment",
        )


def _settings(report: dict[str, Any], found: Findings) -> None:
    for sentence in report["rejected"]:
        message, used = in_two(sentence)
        found.problem("settings", message, f"correct it, or unset it; {used}")
    for sentence in report["misspelt"]:
        found.problem("settings", *in_two(sentence))
    for sentence in report["without_effect"]:
        found.note("settings", sentence)
    if str(report["resource"].get("service.name", "")).startswith("unknown_service"):
        found.note("settings", "the service has no name", "set OTEL_SERVICE_NAME")
    sampler = report["sampler"]
    # Rules may record what the sampler would not, and some of the rest may be sent after all.
    if {"OTEL_PYTHON_TRACES_KEEP", "OTEL_PYTHON_TRACES_RULES"} & {setting["name"] for setting in report["settings"]}:
        return
    if sampler in ("AlwaysOffSampler", "TraceIdRatioBased{0.0}") or "root:AlwaysOffSampler" in sampler:
        found.problem("sampler", f"{sampler} records no trace that begins here", "unset OTEL_TRACES_SAMPLER")
    elif "root:TraceIdRatioBased{0.0}" in sampler:
        found.problem("sampler", f"{sampler} records no trace that begins here", "raise OTEL_TRACES_SAMPLER_ARG")


def _export(report: dict[str, Any], found: Findings) -> None:
    export, send, health = report["export"], report.get("send"), report["health"]
    if not export["exporters"]:
        found.problem("exporter", "OTEL_TRACES_EXPORTER=none sends nothing", "unset OTEL_TRACES_EXPORTER")
    elif export["unusable"]:
        found.problem("exporter", *in_two(export["unusable"]))
    elif send is not None and not send["ok"]:
        failed = send["steps"][-1]
        found.problem("exporter", f"{failed['step']}: {failed['detail']}", send["next"])
    elif health.get("last_error"):
        found.problem("exporter", f"the last export failed: {health['last_error']}", "try again with --send")
    elif health.get("started") and not health.get("sampled"):
        found.note("sampler", f"{health['started']} spans begun, none sampled", "look at OTEL_TRACES_SAMPLER")


def _known(line: str, report: dict[str, Any]) -> bool:
    """Whether something else in the report says the same."""
    if line.startswith("patching ") and any(library["state"] in _BROKEN for library in report["libraries"]):
        return True
    if "not exported (" in line and report["health"].get("last_error"):
        return True
    if line in (*report["rejected"], *report["misspelt"]) or line.startswith(
        ("cannot export spans", "spans are not exported")
    ):
        return True
    if report["rejected"] and any(
        sentence.partition("=")[0] == line.partition("=")[0] for sentence in report["rejected"]
    ):
        return True
    return any(
        library["state"] in _BROKEN and line.startswith((f"{library['name']} is not traced", f"{library['name']}: "))
        for library in report["libraries"]
    )
