"""The broker's jars: resolved once by Maven, then kept in the user's cache under a name made from the pom."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from services.service import Missing

TITLE = "Kafka"
GIVEN = "TEST_KAFKA_BOOTSTRAP"
POM = Path(__file__).with_name("pom.xml")
# Named whole: a short name would be looked up in the repository first. Its version is in the pom.
COPY = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
# Long enough for 43 MB over a slow line.
PATIENCE = 600.0


def fetch() -> Path:
    """The folder of the jars; the first time Maven downloads them. Raises `Missing`."""
    folder = _cache() / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(TITLE, "mvn was not found", f"install maven or set {GIVEN}")
    print("services: Maven resolves the Kafka broker's jars (43 MB, the first time only)", file=sys.stderr)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its final place, so that one rename makes it whole: no other run ever sees half of it.
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        fresh = Path(scratch, "jars")
        _resolve(maven, fresh)
        # Refused when another run was first, which is as good.
        with contextlib.suppress(OSError):
            fresh.rename(folder)
    return folder


def _resolve(maven: str, folder: Path) -> None:
    argv = [maven, "-q", "-B", "-f", str(POM), COPY, f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        reason = f"Maven did not finish within {PATIENCE:.0f} s"
    else:
        if done.returncode == 0:
            return
        errors = re.findall(r"\[ERROR\] +(.+)", done.stdout) or ["it said nothing"]
        reason = f"Maven could not resolve its jars ({errors[0]})"
    raise Missing(TITLE, reason, f"give Maven a repository that it can reach or set {GIVEN}")


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "tracing-agent")
