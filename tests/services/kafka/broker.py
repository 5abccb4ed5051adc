"""One Kafka node in KRaft mode, broker and controller in one process."""

import base64
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

from services.daemon import Daemon, ServerFailed, free_port
from services.kafka.jars import GIVEN, TITLE, fetch
from services.service import Missing, Service, folder_for

OLDEST_JAVA = 17
# A quick start matters more than throughput. The same holds for the session's time-out below: after a crash
# the controller lets the broker in again only when its former session has timed out.
JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/log
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=400
"""


class Kafka(Service):
    """A Kafka broker: `bootstrap` is its `HOST:PORT`, or the list given by TEST_KAFKA_BOOTSTRAP.

    Topics are made on first use, with four partitions.
    """

    title = TITLE

    def __init__(self, bootstrap: str, folder: Path | None = None, *daemons: Daemon) -> None:
        host, _, port = bootstrap.partition(",")[0].rpartition(":")
        super().__init__(host, int(port), folder, *daemons)
        self.bootstrap = bootstrap

    def environment(self) -> dict[str, str]:
        """TEST_KAFKA_BOOTSTRAP."""
        return {GIVEN: self.bootstrap}


def open_kafka() -> Kafka:
    """The broker that TEST_KAFKA_BOOTSTRAP names, or a new one; raises `Missing` and `ServerFailed`."""
    given = os.environ.get(GIVEN)
    if given:
        return Kafka(given)
    java = _java()
    classpath = str(fetch() / "*")
    folder = folder_for("kafka")
    port = controller = free_port()
    while controller == port:
        controller = free_port()
    settings = folder / "server.properties"
    settings.write_text(SETTINGS.format(port=port, controller=controller, folder=folder))
    _format(java, classpath, settings)
    argv = [java, *JVM, "-cp", classpath, "kafka.Kafka", str(settings)]
    service = Kafka(f"127.0.0.1:{port}", folder, Daemon("kafka", argv, folder, ready=b"Kafka Server started"))
    try:
        service.start()
    except BaseException:
        service.close()
        raise
    return service


def _java() -> str:
    java = shutil.which("java")
    remedy = f"install openjdk-{OLDEST_JAVA}-jre-headless or set {GIVEN}"
    if java is None:
        raise Missing(TITLE, "java was not found", remedy)
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise Missing(TITLE, f"Java is older than {OLDEST_JAVA}", remedy)
    return java


def _format(java: str, classpath: str, settings: Path) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    program = [java, *JVM, "-cp", classpath, "kafka.tools.StorageTool"]
    argv = [*program, "format", f"--cluster-id={cluster}", "-c", str(settings)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerFailed(f"formatting Kafka's storage failed:\n{done.stderr}")
