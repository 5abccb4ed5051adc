"""The pod that this process runs in, by what Kubernetes puts into it: variables, files, control groups, mounts.

Nothing is asked of the API server. Source: semantic conventions 1.44, "Kubernetes"; the kubelet's cgroup names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracing_agent.resource.container import read

if TYPE_CHECKING:
    from collections.abc import Mapping

#: By attribute, the names that manifests give to what the downward API fills; the operator's are the last.
VARIABLES = {
    "k8s.pod.name": (
        "K8S_POD_NAME",
        "KUBERNETES_POD_NAME",
        "POD_NAME",
        "MY_POD_NAME",
        "OTEL_RESOURCE_ATTRIBUTES_POD_NAME",
    ),
    "k8s.pod.uid": ("K8S_POD_UID", "KUBERNETES_POD_UID", "POD_UID", "MY_POD_UID", "OTEL_RESOURCE_ATTRIBUTES_POD_UID"),
    "k8s.namespace.name": (
        "K8S_NAMESPACE_NAME",
        "K8S_NAMESPACE",
        "KUBERNETES_NAMESPACE",
        "POD_NAMESPACE",
        "MY_POD_NAMESPACE",
    ),
    "k8s.node.name": (
        "K8S_NODE_NAME",
        "KUBERNETES_NODE_NAME",
        "NODE_NAME",
        "MY_NODE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME",
    ),
    "k8s.container.name": ("K8S_CONTAINER_NAME", "KUBERNETES_CONTAINER_NAME", "CONTAINER_NAME"),
    "k8s.cluster.name": ("K8S_CLUSTER_NAME", "KUBERNETES_CLUSTER_NAME", "CLUSTER_NAME"),
    "k8s.deployment.name": ("K8S_DEPLOYMENT_NAME",),
}
_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_UID = "[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}"
_POD = re.compile(rf"(?:/|-)pod({_UID})(?:/|\.slice|$)", re.MULTILINE)
# What the kubelet mounts from its own folder: /var/lib/kubelet/pods/<uid>/containers/<name>/<some digits>.
_KUBELET = re.compile(rf"/pods/({_UID})/containers/([^/\s]+)/[0-9a-f]+")
# The other one that it writes ends in "(host network)." and the name of the host is then the node's.
_HOSTS = "# Kubernetes-managed hosts file.\n"


def kubernetes(environ: Mapping[str, str], root: str = "") -> dict[str, str]:
    """Attributes of the pod; empty outside of Kubernetes. ``root`` stands before the paths that are read."""
    namespace = read(root + _NAMESPACE).strip()
    if not (environ.get("KUBERNETES_SERVICE_HOST") or namespace):
        return {}
    found = {}
    mounts = read(f"{root}/proc/self/mountinfo")
    mounted = _KUBELET.search(mounts)
    pod = _POD.search(read(f"{root}/proc/self/cgroup")) or mounted
    if pod:
        found["k8s.pod.uid"] = pod[1].replace("_", "-")
    if mounted:
        found["k8s.container.name"] = mounted[2]
    if namespace:
        found["k8s.namespace.name"] = namespace
    if environ.get("HOSTNAME") and read(f"{root}/etc/hosts").startswith(_HOSTS):
        found["k8s.pod.name"] = environ["HOSTNAME"]
    for attribute, names in VARIABLES.items():
        value = next((environ[name] for name in names if environ.get(name)), "")
        if value:
            found[attribute] = value
    return found
