"""Where a suite comes from: a source distribution or a checkout, and an environment to run it in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harm.suites import Suite

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "harm"
#: What every suite is run with, beside its own requirements.
RUNNER = ("pytest", "pytest-timeout", "pytest-reportlog")
ENVIRONMENT = """\
set -euo pipefail
source "$1/scripts/environment"
name=$2 python=$3
shift 3
environment "$name" "$python" "$@"
"""


class NotRun(Exception):
    """A suite cannot be run here; the message says why and what to do."""


@dataclass(frozen=True)
class Wanted:
    """A suite as named on the command line: ``NAME[==VERSION][@CHECKOUT]``."""

    suite: Suite
    version: str | None = None
    checkout: Path | None = None

    @property
    def requirement(self) -> str:
        """The distribution, of that version if one was named, as pip takes it."""
        return self.suite.distribution + (f"=={self.version}" if self.version else "")


@dataclass(frozen=True)
class Source:
    """A suite with its library's ``version``, a ``folder`` to run it in and the ``python`` that has what it needs."""

    suite: Suite
    version: str
    origin: Path
    folder: Path
    python: Path

    def renew(self) -> None:
        """Lay the files out afresh: a run must not find what the one before it left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.origin.is_dir():
            shutil.copytree(self.origin, self.folder, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        else:
            scratch = self.folder.with_name("unpacked")
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.unpack_archive(self.origin, scratch)
            next(scratch.iterdir()).rename(self.folder)
            scratch.rmdir()
        for place, stand_in in self.suite.added.items():
            shutil.copyfile(Path(__file__).with_name("added") / stand_in, self.folder / place)


def prepare(wanted: Wanted) -> Source:
    """Fetch the suite and make its environment. Raises `NotRun`."""
    suite = wanted.suite
    archive = _download(wanted)
    version = _version(archive)
    python = ROOT / f".venv-harm-{suite.name}" / "bin" / "python"
    source = Source(suite, version, wanted.checkout or archive, CACHE / suite.name / "source", python)
    source.renew()
    if not any((source.folder / folder).is_dir() for folder in ("tests", "test")):
        raise NotRun(
            f"{source.origin.name} holds no tests; name a checkout: scripts/harm {suite.name}=={version}@FOLDER"
        )
    _make_environment(suite, version)
    return source


def _download(wanted: Wanted) -> Path:
    folder = CACHE / wanted.suite.name / "download"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    # Only this one from source: what builds its metadata may be wheels.
    argv = [*pip, "--no-binary", wanted.suite.distribution, "-d", str(folder), wanted.requirement]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tar.gz")) + list(folder.glob("*.zip"))
    if done.returncode != 0 or not archives:
        why = (done.stderr.strip().splitlines() or ["nothing was downloaded"])[-1]
        raise NotRun(f"pip download {wanted.requirement}: {why}")
    return archives[0]


def _version(archive: Path) -> str:
    found = re.search(r"-([^-]+?)(\.tar\.gz|\.zip)$", archive.name)
    assert found is not None, archive
    return found[1]


def _make_environment(suite: Suite, version: str) -> None:
    requirements = [f"{suite.installed}=={version}", *suite.requires, *RUNNER]
    argv = ["bash", "-c", ENVIRONMENT, "harm", str(ROOT), f"harm-{suite.name}", sys.executable, *requirements]
    if subprocess.run(argv, check=False).returncode != 0:
        raise NotRun(f"its environment could not be made: pip install {' '.join(requirements)}")
