"""The report for a person: one screen, the problems last, where the eye is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 14


def screen(report: dict[str, Any]) -> str:
    """The lines for a report, with a line end."""
    parts = (_process(report), _libraries(report), _way(report), _verdict(report))
    return "\n\n".join(text for part in parts if (text := "\n".join(part))) + "\n"


def _row(name: str, text: str) -> str:
    return f"{name:<{_WIDTH}}{text}"


def _process(report: dict[str, Any]) -> Iterator[str]:
    agent, python, site = report["agent"], report["python"], report["sitecustomize"]
    yield _row("agent", f"tracing-agent {agent['version']} from {agent['location']}")
    if not python:
        return
    told = "" if python["implementation"] == "CPython" else f" ({python['implementation']})"
    yield _row("python", f"{python['version']}{told}, {python['executable']}, {python['platform']}")
    owner = "the agent's, then none of the program" if not site["program"] else f"the agent's, then {site['program']}"
    yield _row("sitecustomize", owner if site["agent"] else site["program"] or "none")
    if report["processes"] > 1:
        yield _row(
            "processes", f"{report['processes']} reported; the one that traces most is shown (pid {report['pid']})"
        )
    for setting in report["settings"]:
        yield _row(
            "setting",
            f"{setting['name']}={setting['value']} ({setting['source']}; default {setting['default'] or 'none'})",
        )


def _libraries(report: dict[str, Any]) -> Iterator[str]:
    absent = []
    for library in report["libraries"]:
        if library["state"] == "not installed":
            absent.append(library["name"])
            continue
        oldest, untested = library["tested"]
        state = library["state"] + (f" ({library['reason']})" if library["reason"] else "")
        if library["state"] == "patched" and report["mode"] == "libraries":
            state = "patched when imported"
        tested = (
            f"tested {oldest} to <{untested}" if library["in_range"] else f"NOT tested (only {oldest} to <{untested})"
        )
        yield _row(library["name"], f"{library['installed'] or '?':<10}{tested:<20}{state}")
    if absent:
        yield _row("not installed", ", ".join(absent))


def _way(report: dict[str, Any]) -> Iterator[str]:
    resource, export = report["resource"], report["export"]
    if not export:
        return
    if resource:
        more = [
            f"{key}={value}" for key, value in resource.items() if key.startswith(("deployment.", "k8s.", "service.n"))
        ]
        yield _row("resource", " ".join(more))
    yield _row("sampler", report["sampler"])
    yield _row("propagators", ", ".join(report["propagators"]) or "none")
    details = [export["protocol"], f"headers: {', '.join(export['headers'])}" if export["headers"] else ""]
    details += [export["compression"] if export["compression"] != "none" else ""]
    details += [f"through {export['proxy']}" if export["proxy"] else ""]
    told = f"{export['endpoint']} ({'; '.join(part for part in details if part)})"
    yield _row("exporter", " and ".join(told if name == "otlp" else name for name in export["exporters"]) or "none")
    send = report["send"]
    for step in send["steps"] if send else ():
        yield _row("", f"{'ok ' if step['ok'] else 'NO '} {step['step']:<9}{step['detail']} ({step['ms']:g} ms)")
    if not send and "otlp" in export["exporters"]:
        yield _row("", "not tried; --send sends one test span")
    health = report["health"]
    if health.get("started"):
        lost = sum(health["failed"].values()) + sum(health["dropped"].values())
        yield _row("spans", f"{health['started']} begun, {health['exported']} exported, {lost} lost")
    for other in report["other_agents"]:
        yield _row("other agent", f"{other['name']} {other['version']}: {other['meaning']}")


def _verdict(report: dict[str, Any]) -> Iterator[str]:
    for note in report["notes"]:
        yield f"note: {note['about']}: {note['problem']}" + (f"; {note['next']}" if note["next"] else "")
    for problem in report["problems"]:
        yield f"PROBLEM: {problem['about']}: {problem['problem']}"
        if problem["next"]:
            yield f"   next: {problem['next']}"
    if not report["problems"]:
        yield "healthy: nothing is wrong" + (
            "" if report["send"] else " as far as this goes; --send asks the exporter, too"
        )
