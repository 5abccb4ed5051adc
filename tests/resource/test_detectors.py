"""Detectors over files as real systems have them, under a folder of the test's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tracing_agent.resource.container import container_id
from tracing_agent.resource.kubernetes import kubernetes
from tracing_agent.resource.machine import host, operating_system, running
from tracing_agent.resource.program import program_version

ID = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
UID = "12345678-1234-1234-1234-123456789abc"
UNDERSCORES = UID.replace("-", "_")
CGROUPS = {
    "docker, version 1": f"12:pids:/docker/{ID}\n11:cpu:/docker/{ID}\n0::/system.slice/containerd.service\n",
    "docker, version 2": f"0::/system.slice/docker-{ID}.scope\n",
    "containerd": f"0::/kubepods.slice/kubepods-burstable-pod{UNDERSCORES}.slice/cri-containerd-{ID}.scope\n",
    "containerd without systemd": f"11:memory:/kubepods/burstable/pod{UID}/{ID}\n",
    "CRI-O": f"0::/kubepods.slice/kubepods-pod{UNDERSCORES}.slice/crio-{ID}.scope\n",
    "podman": f"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope\n",
    "with a colon": f"9:perf_event:/kubepods-pod{UNDERSCORES}.slice:cri-containerd:{ID}\n",
}
MOUNT = "1000 900 254:1 {} {} rw,relatime - ext4 /dev/vda1 rw\n"
MOUNTS = {
    "docker": MOUNT.format(f"/var/lib/docker/containers/{ID}/hostname", "/etc/hostname"),
    "podman": MOUNT.format(f"/containers/storage/overlay-containers/{ID}/userdata/hostname", "/etc/hostname"),
}
KUBELET = MOUNT.format(f"/var/lib/kubelet/pods/{UID}/containers/shop/0f3ab21c", "/dev/termination-log")
SANDBOX = MOUNT.format(f"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{OTHER}/hostname", "/etc/hostname")


def system(root: Path, **files: str) -> str:
    """Write files, their paths with ``__`` for slashes; the folder that they are under."""
    for name, content in files.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return str(root)


@pytest.mark.parametrize("name", CGROUPS)
def test_container_by_control_group(name: str, tmp_path: Path) -> None:
    """The container's id is found in the control groups that each runtime makes, of version 1 and 2."""
    root = system(tmp_path, proc__self__cgroup=CGROUPS[name], proc__self__mountinfo=MOUNTS["docker"].replace(ID, OTHER))
    assert container_id(root) == ID


def test_container_on_fargate(tmp_path: Path) -> None:
    """The id of a task on ECS Fargate is shorter, and has a number."""
    task = "1f8a3c5e7d9b4a6c8e0f2a4b6c8d0e1f-1234567890"
    assert container_id(system(tmp_path, proc__self__cgroup=f"9:memory:/ecs/abc/{task}\n")) == task


@pytest.mark.parametrize("name", MOUNTS)
def test_container_by_mount(name: str, tmp_path: Path) -> None:
    """Where version 2 hides the name of the control group, the runtime's mounts tell the id."""
    assert container_id(system(tmp_path, proc__self__cgroup="0::/\n", proc__self__mountinfo=MOUNTS[name])) == ID


def test_no_container(tmp_path: Path) -> None:
    """A plain machine, a host that mounts containers' folders, a pod's sandbox and no files at all give no id."""
    assert container_id(str(tmp_path)) == ""
    elsewhere = MOUNT.format(f"/var/lib/docker/containers/{ID}/mounts/shm", f"/var/lib/docker/containers/{ID}/shm")
    plain = "0::/user.slice/user-1000.slice/session-3.scope\n1:name=systemd:/init.scope\n"
    for mounts in (elsewhere, SANDBOX, "short\n"):
        assert container_id(system(tmp_path, proc__self__cgroup=plain, proc__self__mountinfo=mounts)) == ""


def test_pod_by_files(tmp_path: Path) -> None:
    """Without a variable of ours the pod's uid, container, namespace and name come from what Kubernetes mounts."""
    root = system(
        tmp_path,
        proc__self__cgroup="0::/\n",
        proc__self__mountinfo=SANDBOX + KUBELET,
        etc__hosts="# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n",
    )
    folder = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    folder.mkdir(parents=True)
    (folder / "namespace").write_text("sales\n")
    assert kubernetes({"HOSTNAME": "shop-7d9f-x2x4z"}, root) == {
        "k8s.pod.uid": UID,
        "k8s.container.name": "shop",
        "k8s.namespace.name": "sales",
        "k8s.pod.name": "shop-7d9f-x2x4z",
    }


@pytest.mark.parametrize("name", ["containerd", "containerd without systemd", "CRI-O"])
def test_pod_by_control_group(name: str, tmp_path: Path) -> None:
    """The pod's uid is found in the control group, however it is written there."""
    root = system(tmp_path, proc__self__cgroup=CGROUPS[name])
    assert kubernetes({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, root) == {"k8s.pod.uid": UID}


def test_pod_by_variables(tmp_path: Path) -> None:
    """Variables that the downward API fills go before what files tell."""
    root = system(tmp_path, proc__self__mountinfo=KUBELET)
    environ = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "POD_NAME": "shop-1",
        "K8S_POD_UID": "given",
        "POD_NAMESPACE": "sales",
        "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME": "node-1",
        "CONTAINER_NAME": "main",
        "K8S_CLUSTER_NAME": "",
    }
    assert kubernetes(environ, root) == {
        "k8s.pod.name": "shop-1",
        "k8s.pod.uid": "given",
        "k8s.namespace.name": "sales",
        "k8s.node.name": "node-1",
        "k8s.container.name": "main",
    }


def test_host_network(tmp_path: Path) -> None:
    """In the network of the host the host's name is the node's, and no pod's name."""
    root = system(tmp_path, etc__hosts="# Kubernetes-managed hosts file (host network).\n")
    assert kubernetes({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "node-1"}, root) == {}


def test_no_pod(tmp_path: Path) -> None:
    """Outside of Kubernetes variables with these names are somebody else's."""
    assert kubernetes({"POD_NAME": "shop", "NODE_NAME": "x", "HOSTNAME": "y"}, str(tmp_path)) == {}


def test_operating_system(tmp_path: Path) -> None:
    """Name and version of the distribution are read with and without quotes; without the file there is the type."""
    release = "NAME=\"Some Linux\"\nVERSION_ID=12\n#X=1\nPRETTY_NAME='S 12'\n"
    root = system(tmp_path, **{"etc__os-release": release})
    assert operating_system(root) == {
        "os.type": sys.platform,
        "os.name": "Some Linux",
        "os.version": "12",
        "os.description": "S 12",
    }
    assert operating_system(str(tmp_path / "nowhere")) == {"os.type": sys.platform}


def test_host(tmp_path: Path) -> None:
    """The machine's id is read from either place, and not where it would be a container's."""
    root = system(tmp_path, **{"var__lib__dbus__machine-id": "abc\n"})
    assert host(True, root)["host.id"] == "abc"
    assert "host.id" not in host(False, root)
    assert host(False, root)["host.arch"] in ("amd64", "arm64", "arm32", "x86", "ppc64", "s390x")


def test_process(tmp_path: Path) -> None:
    """The time of creation is computed from the boot and the process's ticks, whatever its name holds."""
    fields = " ".join(["S", *["0"] * 18, "250", "0"])
    root = system(tmp_path, proc__self__stat=f"42 (a) b) {fields}", proc__stat="cpu 1\nbtime 1700000000\n")
    assert running(root)["process.creation.time"] == "2023-11-14T22:13:22.500Z"
    assert "process.creation.time" not in running(str(tmp_path / "nowhere"))


def test_version() -> None:
    """The version of an installed package is its distribution's; a script has none."""
    from importlib.metadata import version

    assert program_version("pytest") == version("pytest")
    assert program_version("no_such_program") == ""
    assert program_version("unknown_service:python") == ""
