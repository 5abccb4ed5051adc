"""What the figures were measured on: date, processor, Python and versions."""

import os
import platform
import time

import environments
from load import generator

SHOWN = (
    "flask",
    "werkzeug",
    "fastapi",
    "starlette",
    "gunicorn",
    "uvicorn",
    "requests",
    "urllib3",
    "redis",
    "psycopg",
    "kafka-python",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "ddtrace",
    "wrapt",
)


def loads() -> str:
    """How many processes were running or waiting, over 1 and 5 minutes: what else the machine was doing."""
    return "{:.1f}, {:.1f}".format(*os.getloadavg())


def description(command: str, rounds: int, seconds: float) -> dict[str, str]:
    """Lines for the head of a report."""
    versions = environments.versions()
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Command": f"`{command}`: {rounds} rounds, timed parts of {seconds:g} s",
        "Machine": f"{_processor()}, {os.cpu_count()} processors, {_memory_gb():.0f} GB, {_system()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Versions": ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions),
        "This agent": _revision(),
        "Load generator": generator(),
        "Load average (1, 5 min) before": loads(),
    }


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _system() -> str:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        name = ""
    return name or platform.system()


def _revision() -> str:
    """The checkout's commit, with a word where files differ from it."""
    import subprocess

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=environments.ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", *environments.SOURCES)
    return (git("rev-parse", "--short", "HEAD") or "no commit") + (", with changes" if changed else "")
