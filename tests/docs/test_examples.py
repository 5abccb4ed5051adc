"""What the first steps show of the examples is what the examples have."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from support.program import ROOT

PAGE = ROOT / "docs" / "getting-started.md"
EXAMPLES = ROOT / "examples"


def blocks() -> list[Any]:
    """The YAML blocks of the page."""
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.M)]


def within(shown: Any, whole: Any) -> bool:
    """Whether all that is shown is in the whole: keys of a map, items of a list."""
    if isinstance(shown, dict):
        return isinstance(whole, dict) and all(key in whole and within(shown[key], whole[key]) for key in shown)
    if isinstance(shown, list):
        return isinstance(whole, list) and all(any(within(item, other) for other in whole) for item in shown)
    return bool(shown == whole)


def test_plain_kubernetes() -> None:
    """The init container and the variables are those of the example."""
    (shown,) = [block for block in blocks() if "initContainers" in block]
    whole = yaml.safe_load((EXAMPLES / "kubernetes" / "plain.yaml").read_text())
    assert within(shown, whole["spec"]["template"]["spec"])


def test_operator() -> None:
    """The resource is that of the example, and so is the annotation."""
    (shown,) = [block for block in blocks() if block.get("kind") == "Instrumentation"]
    whole, pods = yaml.safe_load_all((EXAMPLES / "kubernetes" / "operator.yaml").read_text())
    assert within(shown, whole)
    ((name, value),) = pods["spec"]["template"]["metadata"]["annotations"].items()
    assert f"`{name}: {value}`" in PAGE.read_text()


def test_compose() -> None:
    """A service needs the variables that each of the example's has."""
    (shown,) = [block for block in blocks() if "services" in block]
    needed = shown["services"]["app"]["environment"]
    whole = yaml.safe_load((EXAMPLES / "compose" / "compose.yaml").read_text())
    environment = whole["services"]["storefront"]["environment"]
    assert within({**needed, "OTEL_SERVICE_NAME": "storefront"}, environment)


@pytest.mark.parametrize("folder", ["compose", "kubernetes"])
def test_what_was_not_run(folder: str) -> None:
    """Each example says what of it was not run."""
    assert "**Not run here**" in (EXAMPLES / folder / "README.md").read_text()
