"""The manifests: what they copy, mount and set is done in folders, and a program is traced by it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.carried import build, interpreter
from support.program import ROOT, environment
from support.sink import Sink

MANIFESTS = ROOT / "examples" / "kubernetes"
# What a pod's variables name from the pod.
POD = {"metadata.name": "payment-1", "metadata.namespace": "shop", "spec.nodeName": "node-1"}
# An application with its own packages, one of which the agent has too, and a child process.
APP = """
import subprocess, sys
import typing_extensions, wrapt
from flask import Flask

app = Flask(__name__)

@app.get("/hello/<name>")
def hello(name):
    return f"hello {name}"

if __name__ == "__main__":
    print(app.test_client().get("/hello/" + (sys.argv[1] if sys.argv[1:] else "parent")).text, flush=True)
    print(typing_extensions.__file__, wrapt.__file__, flush=True)
    if not sys.argv[1:]:
        subprocess.run([sys.executable, __file__, "child"], check=True)
"""


def documents(name: str) -> dict[str, dict[str, Any]]:
    """A file's documents by kind."""
    return {found["kind"]: found for found in yaml.safe_load_all((MANIFESTS / name).read_text())}


def application(python: Path, folder: Path, sink: Sink, **variables: str) -> None:
    """Run it; it and its child are traced, and its own packages are not those that the agent brought."""
    (folder / "app.py").write_text(APP)
    done = subprocess.run(
        [python, folder / "app.py"],
        env=environment(**{**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "hello parent" in done.stdout and "hello child" in done.stdout
    assert str(folder) not in done.stdout
    assert [span["name"] for span in sink.spans] == ["GET /hello/<name>"] * 2


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application's Python."""
    return interpreter(tmp_path_factory.mktemp("application"))


@pytest.fixture(scope="module")
def carrier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the image that an init container copies from."""
    folder = tmp_path_factory.mktemp("carrier")
    build(folder, "tree")
    return folder


@pytest.mark.process
def test_init_container(carrier: Path, python: Path, tmp_path: Path, sink: Sink) -> None:
    """The command of the init container, and the variables over the mounted volume, trace the application."""
    spec = documents("plain.yaml")["Deployment"]["spec"]["template"]["spec"]
    ((volume,), (before,), (container,)) = spec["volumes"], spec["initContainers"], spec["containers"]
    (written,), (read,) = before["volumeMounts"], container["volumeMounts"]
    assert written["name"] == read["name"] == volume["name"]
    (tmp_path / "volume").mkdir()
    copied = [argument.replace("/otel", str(carrier / "otel")) for argument in before["command"]]
    assert copied[-1] == written["mountPath"]
    subprocess.run([*copied[:-1], tmp_path / "volume"], check=True, timeout=60)

    variables: dict[str, str] = {}
    for variable in container["env"]:
        value = variable.get("value") or POD[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        value = re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], value)
        variables[variable["name"]] = re.sub(rf"^{read['mountPath']}(?=/)", str(tmp_path / "volume"), value)
    application(python, tmp_path, sink, **variables)
    wanted = ("service.name", "k8s.pod.name", "k8s.namespace.name", "k8s.node.name", "k8s.container.name")
    for span in sink.spans:
        assert [span["resource"][name] for name in wanted] == ["payment", "payment-1", "shop", "node-1", "payment"]


@pytest.mark.process
def test_operator(carrier: Path, python: Path, tmp_path: Path, sink: Sink) -> None:
    """With PYTHONPATH as the Operator sets it the application is traced, and its own packages win."""
    image = tmp_path / "image"
    image.mkdir()
    subprocess.run(["cp", "-r", carrier / "otel", image], check=True, timeout=60)
    build(image, "operator-tree")
    (tmp_path / "volume").mkdir()
    subprocess.run(["cp", "-r", f"{image}/autoinstrumentation/.", tmp_path / "volume"], check=True, timeout=60)
    assert os.listdir(tmp_path / "volume") == ["opentelemetry"]

    given = documents("operator.yaml")["Instrumentation"]["spec"]["python"]["env"]
    prefix = tmp_path / "volume" / "opentelemetry" / "instrumentation" / "auto_instrumentation"
    application(
        python,
        tmp_path,
        sink,
        PYTHONPATH=f"{prefix}:{tmp_path / 'volume'}",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_SERVICE_NAME="payment",
        **{variable["name"]: variable["value"] for variable in given},
    )


@pytest.mark.parametrize("name", ["plain.yaml", "operator.yaml", "collector.yaml"])
def test_one_whole(name: str) -> None:
    """A Deployment selects its own pods, its ports have names that are there, and its images are told by version."""
    found = documents(name)["Deployment"]["spec"]
    template = found["template"]
    assert found["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    volumes = {volume["name"] for volume in template["spec"].get("volumes", ())}
    for container in template["spec"]["containers"]:
        assert not container["image"].endswith(":latest") and ":" in container["image"]
        ports = {port["name"] for port in container["ports"]}
        assert container.get("readinessProbe", {}).get("tcpSocket", {}).get("port", "http") in ports | {"http"}
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= volumes


def test_collector() -> None:
    """The service finds the Collector's pods and ports, the others send there, and its file knows each variable."""
    found = documents("collector.yaml")
    service, deployment = found["Service"]["spec"], found["Deployment"]["spec"]
    assert service["selector"] == deployment["selector"]["matchLabels"]
    (container,) = deployment["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports
    configuration = (ROOT / "docs" / "operations" / "collector.yaml").read_text()
    assert all(f"${{env:{variable['name']}:-" in configuration for variable in container["env"])
    name = found["Service"]["metadata"]
    address = f"http://{name['name']}.{name['namespace']}:{ports['otlp-http']}"
    assert documents("operator.yaml")["Instrumentation"]["spec"]["exporter"]["endpoint"] == address
    assert address in (MANIFESTS / "plain.yaml").read_text()
