"""The compose example as a file: against the specification's schema, and against what it names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib import resources

import jsonschema
import pytest

from services.postgresql import PostgreSQL
from services.redis import Redis
from support.composed import FILE, FOLDER, PROGRAMS, document, mounted, services
from support.program import ROOT


def test_schema() -> None:
    """The file is one of the compose specification; one with a misspelt key would not be."""
    source = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(source.read_text())
    found = document()
    jsonschema.validate(found, schema)
    found["services"]["storefront"]["comand"] = found["services"]["storefront"].pop("command")
    with pytest.raises(jsonschema.ValidationError, match="comand"):
        jsonschema.validate(found, schema)


def test_files() -> None:
    """What is built and mounted is there, and what the image is built of is not ignored."""
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    for service in services().values():
        if build := service.get("build"):
            assert (FOLDER / build["context"]).resolve() == ROOT
            assert (ROOT / build["dockerfile"]).is_file()
        for volume in service.get("volumes", ()):
            assert mounted(service, volume.split(":")[1]).is_file()
    copied = re.findall(r"^COPY (?!--)(\S+)", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    for path in copied:
        assert (ROOT / path).exists()
        assert path == "." or any(path.startswith(name) for name in kept)
    assert all((ROOT / path).exists() for path in kept)


def test_names() -> None:
    """Hosts and dependencies are services of the file, and every program of ours is traced under its own name."""
    found = services()
    for name, service in found.items():
        assert set(service.get("depends_on", ())) <= set(found)
        for awaited, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in found[awaited]
        for value in map(str, service.get("environment", {}).values()):
            for host in re.findall(r"(?:://|@|^)([a-z]+):\d+", value):
                assert host in found, f"{name}: {host}"
    assert {found[name]["environment"]["OTEL_SERVICE_NAME"] for name in PROGRAMS} == set(PROGRAMS)
    configuration = mounted(found["collector"], "/etc/collector.yaml").read_text()
    assert all(f"${{env:{variable}:-" in configuration for variable in found["collector"]["environment"])
    assert "Not run here" in FILE.read_text()


def test_health_checks_of_servers(postgres: PostgreSQL, redis_server: Redis) -> None:
    """The health checks of PostgreSQL and Redis succeed where those run, and fail where nothing does."""
    found = services()
    for name, where in (
        ("postgres", ["-d", postgres.dsn]),
        ("redis", ["-u", redis_server.url]),
    ):
        kind, program, *arguments = found[name]["healthcheck"]["test"]
        assert kind == "CMD"
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
        nowhere = ["-h", "127.0.0.1", "-p", "9"]
        if name == "postgres":
            arguments = []
        succeeded = subprocess.run([program, *where, *arguments], check=False, capture_output=True, timeout=60)
        failed = subprocess.run([program, *nowhere, *arguments], check=False, capture_output=True, timeout=60)
        assert succeeded.returncode == 0, succeeded.stderr
        assert failed.returncode != 0
