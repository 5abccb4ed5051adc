"""The compose example as a file: its services, with the names and ports of its network replaced by real ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from support.program import ROOT

FOLDER = ROOT / "examples" / "compose"
FILE = FOLDER / "compose.yaml"
#: The services that are programs of ours.
PROGRAMS = ("storefront", "inventory", "payment", "fulfilment")


def document() -> dict[str, Any]:
    """The whole file, anchors resolved."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def services() -> dict[str, Any]:
    """Its services by name."""
    found: dict[str, Any] = document()["services"]
    return found


def mounted(service: dict[str, Any], path: str) -> Path:
    """The file that a service has at a path."""
    (source,) = [volume.split(":")[0] for volume in service.get("volumes", ()) if volume.split(":")[1:2] == [path]]
    return Path(os.path.normpath(FOLDER / source))


class Network:
    """Replaces what stands for other services, and a service's own port 8000, in commands and variables."""

    def __init__(self, ports: dict[str, int], replaced: dict[str, str]) -> None:
        self.ports = ports
        self.replaced = replaced | {f"http://{name}:8000": f"http://127.0.0.1:{port}" for name, port in ports.items()}

    def real(self, name: str, text: str) -> str:
        """A text of the service of this name."""
        for written, instead in self.replaced.items():
            text = text.replace(written, instead)
        return text.replace("8000", str(self.ports[name])) if name in self.ports and "http:" not in text else text

    def command(self, name: str, argv: list[str]) -> list[str]:
        """A command of the service of this name."""
        return [self.real(name, argument) for argument in argv]

    def variables(self, name: str, environment: dict[str, Any]) -> dict[str, str]:
        """Its variables."""
        return {key: self.real(name, str(value)) for key, value in environment.items()}
