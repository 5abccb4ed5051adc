"""The pages about libraries say what the code does: attributes, variables, versions."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

from tracing_agent.config import Settings
from tracing_instrumentations.registry import LIBRARIES

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "libraries"
AGENT, LIBRARY = "agent/tracing_agent/", "instrumentations/tracing_instrumentations/"

#: The modules that write the attributes of a page's table.
SOURCES = {
    "http-servers": (
        f"{AGENT}semconv/http/server.py",
        f"{AGENT}semconv/http/[!ceu_]*.py",
        f"{AGENT}drivers/*sgi*.py",
        f"{AGENT}drivers/serving.py",
    ),
    "requests": (f"{AGENT}semconv/http/client.py", f"{AGENT}semconv/http/methods.py", f"{LIBRARY}_urllib3.py"),
    "psycopg": (f"{AGENT}semconv/db.py", f"{LIBRARY}*psycopg*.py", f"{LIBRARY}_postgresql.py"),
    "redis": (f"{AGENT}semconv/db.py", f"{LIBRARY}*redis*.py", f"{AGENT}semconv/redis*.py"),
    "kafka": (f"{AGENT}semconv/messaging.py", f"{LIBRARY}*kafka*.py"),
}
#: Written by shared modules, though not for spans of this page.
NOT_HERE = {
    "psycopg": {"db.stored_procedure.name", "network.peer.address", "network.peer.port"},
    "redis": {"db.query.summary", "db.response.returned_rows"},
}
_GROUPS = r"http|url|server|client|network|user_agent|error|db|messaging|websocket"
_ATTRIBUTE = re.compile(rf"(?:{_GROUPS})(?:\.[a-z_]+)+")
# Messages of ASGI have names of the same form.
_MESSAGES = re.compile(
    r"http\.(request|disconnect|response\.(start|body|pathsend|zerocopysend|trailers))"
    r"|websocket\.(accept|close|connect|disconnect|receive|send|http\.response\.(start|body))"
)


def written(page: str) -> set[str]:
    """Every attribute that the modules behind a page name."""
    found: set[str] = set()
    for pattern in SOURCES[page]:
        paths = list(ROOT.glob(pattern))
        assert paths, pattern
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ATTRIBUTE.fullmatch(node.value):
                    found.add(node.value)
    return {name for name in found if not _MESSAGES.fullmatch(name)} - NOT_HERE.get(page, set())


def tabled(page: str) -> set[str]:
    """Every attribute in the first column of a page's table of attributes."""
    text = (PAGES / f"{page}.md").read_text()
    table = text[text.index("| attribute | when |") :].split("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


@pytest.mark.parametrize("page", SOURCES)
def test_attributes(page: str) -> None:
    """A page's table has each attribute that the code writes, and no other."""
    patterns = {name for name in tabled(page) if name.endswith("*")}
    assert tabled(page) - patterns == written(page)


def pages() -> list[Path]:
    """Every document for users."""
    return [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("**/*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links(page: Path) -> None:
    """Every link to a file leads to one."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_variables() -> None:
    """Every variable of the agent's own that a document for users names is one that is read."""
    known = {variable.name for variable in Settings({}).variables}
    for page in pages():
        if page.name == "configuration.md":
            continue  # it also names what others know; checked by a test of its own
        for name in re.findall(r"`(OTEL_PYTHON_[A-Z0-9_]+)[=`]", page.read_text()):
            assert name in known, f"{page.name}: {name}"


def test_every_library_has_a_page() -> None:
    """Each library that is traced has a page that names the oldest version, which is the registry's."""
    shared = {"starlette": "fastapi", "psycopg_pool": "psycopg"}
    for library in LIBRARIES:
        text = (PAGES / f"{shared.get(library.name, library.name)}.md").read_text()
        oldest = ".".join(str(part) for part in library.tested[0])
        assert re.search(rf"{library.name}(-py|-python)?\W+{re.escape(oldest)}\b", text.lower()), library.name
    assert os.listdir(PAGES)
