"""A virtual environment for each agent, all with the same versions, which are resolved once for all of them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from agents import AGENTS, Agent

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "benchmarks"
CONSTRAINTS = CACHE / "constraints.txt"
LIBRARIES = (
    "flask",
    "fastapi",
    "uvicorn",
    "gunicorn",
    "requests",
    "redis",
    "psycopg[binary]",
    "psycopg-pool",
    "kafka-python",
)
# The folders and the file that make our distribution.
SOURCES = ("agent", "instrumentations", "sitecustomize", "pyproject.toml")
CONTRIB = "opentelemetry-instrumentation"

Say = Callable[[str], None]


class SetupFailed(Exception):
    """An environment cannot be made; the message says why."""


def directory(agent: Agent) -> Path:
    """The agent's virtual environment, in the checkout."""
    return ROOT / f".venv-bench-{agent.name}"


def prepare(agents: Iterable[Agent], say: Say, *, update: bool = False) -> dict[str, str]:
    """Make or refresh the environments; the reason for each agent, by name, that cannot be had.

    `update` resolves the newest versions again. Raises `SetupFailed` where not even the libraries can be installed.
    """
    constraints = _constraints(say, update=update)
    failed: dict[str, str] = {}
    for agent in agents:
        try:
            _install(agent, constraints, say)
            _probe(agent)
        except SetupFailed as error:
            if agent.name == "bare":
                raise
            failed[agent.name] = str(error)
    return failed


def versions() -> dict[str, str]:
    """The resolved version of each distribution."""
    pairs = (line.split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line)
    return {name.strip(): version.strip() for name, version in pairs}


def _constraints(say: Say, *, update: bool) -> str:
    wanted = _header()
    if not update and CONSTRAINTS.exists() and CONSTRAINTS.read_text().startswith(wanted):
        return CONSTRAINTS.read_text()
    say("resolving one set of versions for every environment")
    python = _venv(AGENTS["bare"], say)
    pinned = _resolve(python, [*_requirements(), *_contrib(python)])
    text = wanted + "".join(f"{name}=={version}\n" for name, version in sorted(pinned.items()))
    CACHE.mkdir(parents=True, exist_ok=True)
    CONSTRAINTS.write_text(text)
    return text


def _header() -> str:
    """Names what the constraints were resolved for: another Python or another list asks for a new resolution."""
    wanted = [*LIBRARIES, *(package for agent in AGENTS.values() for package in agent.packages)]
    return f"# Python {sys.version.split()[0]}: {' '.join(wanted)}\n"


def _requirements() -> list[str]:
    packages = [package for agent in AGENTS.values() for package in agent.packages]
    return [*LIBRARIES, *(package for package in packages if not package.startswith(CONTRIB))]


def _contrib(python: Path) -> list[str]:
    """Contrib's instrumentations at the one version that the newest distro goes with.

    They only work together at the same version, and the newest of each may differ while a release is under way.
    """
    distro = next(package for package in AGENTS["otel"].packages if package.endswith("-distro"))
    version = _resolve(python, [distro])[CONTRIB]
    names = [package for package in AGENTS["otel"].packages if package.startswith(CONTRIB)]
    return [f"{name}=={version}" for name in names]


def _resolve(python: Path, requirements: list[str]) -> dict[str, str]:
    """Version by name of all that the requirements bring."""
    report = CACHE / "resolution.json"
    CACHE.mkdir(parents=True, exist_ok=True)
    _run(
        [str(python), "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"],
        "--report",
        str(report),
        *requirements,
    )
    installed = json.loads(report.read_text())["install"]
    return {entry["metadata"]["name"].lower(): entry["metadata"]["version"] for entry in installed}


def _install(agent: Agent, constraints: str, say: Say) -> None:
    """Bring the agent's environment to the constraints, if it is not there yet; ours also to the sources."""
    stamp = directory(agent) / "benchmark-stamp"
    wanted = hashlib.sha256((constraints + " ".join(agent.packages)).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        python = _venv(agent, say)
        say(f"installing {agent.title} and the libraries into {directory(agent).name}")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS)]
        _run(pip, *LIBRARIES, *agent.packages)
        stamp.write_text(wanted)
    if agent.name == "ours":
        _install_ours(agent, say)


def _install_ours(agent: Agent, say: Say) -> None:
    """Install the checkout as a user gets it, built, and not as a link to a tree that may change in a run."""
    stamp = directory(agent) / "source-stamp"
    wanted = _source_hash()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"installing this checkout into {directory(agent).name}")
    pip = [str(_python(agent)), "-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS)]
    _run(pip, str(ROOT))
    _run([*pip, "--no-deps", "--force-reinstall"], str(ROOT))
    stamp.write_text(wanted)


def _source_hash() -> str:
    digest = hashlib.sha256()
    for path in _source_files():
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for source in SOURCES:
        path = ROOT / source
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def _probe(agent: Agent) -> None:
    """Run an empty program under the agent."""
    command = [*agent.launcher, "python", "-c", "pass"]
    done = subprocess.run(command, env=environment(agent), capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise SetupFailed(f"{' '.join(command)} failed: {_last_line(done.stderr)}")


def environment(agent: Agent) -> dict[str, str]:
    """The variables that every run of the agent has: nothing of the caller's that could steer an agent."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ", "TMPDIR") if name in os.environ}
    path = f"{directory(agent) / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    # One seed for every process: set and dict orders are then no source of spread.
    return {**kept, "PATH": path, "PYTHONHASHSEED": "0"}


def _python(agent: Agent) -> Path:
    return directory(agent) / "bin" / "python"


def _venv(agent: Agent, say: Say) -> Path:
    python = _python(agent)
    marker = directory(agent) / "python-version"
    if not (marker.exists() and marker.read_text() == sys.version):
        say(f"making {directory(agent).name} (Python {sys.version.split()[0]})")
        shutil.rmtree(directory(agent), ignore_errors=True)
        _run([sys.executable, "-m", "venv"], str(directory(agent)))
        _run([str(python), "-m", "pip", "install", "--quiet"], "--upgrade", "pip")
        marker.write_text(sys.version)
    return python


def _run(command: list[str], *arguments: str) -> None:
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        verb = " ".join(command[1:4])
        raise SetupFailed(f"{verb} failed: {_last_line(done.stderr or done.stdout)}")


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed nothing"
