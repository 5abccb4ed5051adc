"""The services themselves: a round trip each, restarts at the same address, the end of their owner."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis as redis_client
from kafka import KafkaConsumer, KafkaProducer  # type: ignore[import-untyped]
from kafka.errors import KafkaError  # type: ignore[import-untyped]
from redis.cluster import ClusterNode
from redis.cluster import RedisCluster as ClusterClient

from services.kafka import Kafka
from services.postgresql import PostgreSQL
from services.redis import Redis, RedisCluster
from services.service import NotOurs

TESTS = Path(__file__).parents[1]
PATIENCE = 30.0
# No service is on this path, and CI is unset, whatever the machine has.
BARE = {"PATH": "/nowhere", "HOME": os.environ.get("HOME", "/nowhere"), "PYTHONPATH": str(TESTS)}


def test_postgresql_answers_over_tcp_and_unix_socket(postgres: PostgreSQL) -> None:
    """PostgreSQL answers a query at its DSN and, if it is ours, at its unix socket."""
    with psycopg.connect(postgres.dsn) as connection:
        assert connection.execute("SELECT 40 + 2").fetchone() == (42,)
    if postgres.ours:
        with psycopg.connect(postgres.dsn, host=postgres.socket) as local:
            assert local.info.host == postgres.socket


def test_redis_answers_over_tcp_and_unix_socket(redis_server: Redis) -> None:
    """Redis keeps a value and gives it back at its URL and, if it is ours, at its unix socket."""
    with redis_client.Redis.from_url(redis_server.url) as client:
        client.set("services:key", "value")
        assert client.get("services:key") == b"value"
    if redis_server.ours:
        with redis_client.Redis(unix_socket_path=redis_server.socket) as local:
            assert local.get("services:key") == b"value"


def test_redis_cluster_spreads_keys_over_three_masters(redis_cluster: RedisCluster) -> None:
    """Keys of one client land on all nodes of the cluster."""
    nodes = [ClusterNode(host, port) for host, port in redis_cluster.nodes]  # type: ignore[no-untyped-call]
    with ClusterClient(startup_nodes=nodes) as client:
        owners = set()
        for number in range(32):
            client.set(f"services:{number}", number)
            owners.add(client.get_node_from_key(f"services:{number}").port)
    assert owners == {port for _, port in redis_cluster.nodes}


def test_kafka_delivers_a_record_with_headers(kafka: Kafka) -> None:
    """A record sent to a new topic comes back whole to a consumer group."""
    topic = f"services-{time.time_ns()}"
    assert _round_trip(kafka, topic, b"first") == [(b"first", [("header", b"value")])]


@pytest.mark.process
def test_restart_keeps_address_and_data(postgres: PostgreSQL, redis_server: Redis, redis_cluster: RedisCluster) -> None:
    """After a restart each server answers at the same address, and PostgreSQL still has its rows."""
    for service in (postgres, redis_server, redis_cluster):
        if not service.ours:
            pytest.skip(f"{service.title} was given from outside")
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE services_restart AS SELECT 7 AS kept")
    addresses = [service.environment() for service in (postgres, redis_server, redis_cluster)]
    for service in (postgres, redis_server, redis_cluster):
        service.restart()
    assert addresses == [service.environment() for service in (postgres, redis_server, redis_cluster)]
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        assert connection.execute("SELECT kept FROM services_restart").fetchone() == (7,)
        connection.execute("DROP TABLE services_restart")
    with redis_client.Redis.from_url(redis_server.url) as client:
        assert client.ping()
    with ClusterClient(host=redis_cluster.host, port=redis_cluster.port) as cluster:
        assert cluster.set("services:after", "restart")


@pytest.mark.process
def test_kafka_restart_keeps_address_and_records(kafka: Kafka) -> None:
    """A broker killed and started again is at the same address and still holds what was acknowledged."""
    if not kafka.ours:
        pytest.skip("Kafka was given from outside")
    topic, bootstrap = f"services-{time.time_ns()}", kafka.bootstrap
    _round_trip(kafka, topic, b"before")
    kafka.stop(signal.SIGKILL)
    kafka.start()
    assert kafka.bootstrap == bootstrap
    # A broker that has just started leads its partitions a moment later; old clients fail instead of asking again.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            records = _round_trip(kafka, topic, b"after")
            break
        except KafkaError:
            assert time.monotonic() < deadline
    assert [value for value, _ in records] == [b"before", b"after"]


def test_given_service_is_never_stopped() -> None:
    """A server named by a variable is used where it is and refuses to be stopped."""
    given = PostgreSQL("host=db.example port=6000 user=ada dbname=shop")
    assert (given.host, given.port, given.user, given.dbname) == ("db.example", 6000, "ada", "shop")
    assert not given.ours
    url = PostgreSQL("postgresql://ada:secret@db.example/shop")
    assert (url.host, url.port, url.user, url.dbname) == ("db.example", 5432, "ada", "shop")
    with pytest.raises(NotOurs):
        given.restart()


@pytest.mark.process
def test_killed_owner_leaves_no_server(redis_server: Redis) -> None:
    """A test process that is killed outright leaves neither a server nor its folder behind."""
    if not redis_server.ours:
        pytest.skip("Redis was given from outside")
    program = "import services; s = services.open_service('redis'); print(s.folder, s.port, flush=True); input()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=TESTS,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        folder, port = owner.stdout.readline().split()
        owner.kill()
    deadline = time.monotonic() + PATIENCE
    while Path(folder).exists() or _listens(int(port)):
        assert time.monotonic() < deadline, "the server or its folder outlived its owner"
        time.sleep(0.02)


@pytest.mark.process
def test_run_hands_over_addresses_and_the_exit_code(redis_server: Redis) -> None:
    """`services run` gives the command the addresses in its environment and ends with its exit code."""
    code = "import os, sys; sys.exit(len(os.environ['TEST_REDIS_URL'].split(':')))"
    argv = [sys.executable, "-m", "services", "run", "redis", "--", sys.executable, "-c", code]
    assert subprocess.run(argv, cwd=TESTS, check=False, timeout=PATIENCE).returncode == 3


@pytest.mark.process
def test_up_and_down_from_a_shell(redis_server: Redis) -> None:
    """Lines printed by `services up` make the server usable in a shell until `down`."""
    script = f"""
    set -e
    lines=$({sys.executable} -m services up redis)
    eval "$lines"
    {sys.executable} -c "import os, redis; redis.Redis.from_url(os.environ['TEST_REDIS_URL']).ping()"
    {sys.executable} -m services down
    echo "$TEST_REDIS_URL"
    """
    argv = ["sh", "-c", script]
    done = subprocess.run(argv, cwd=TESTS, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert not _listens(Redis(done.stdout.strip()).port)


@pytest.mark.process
@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_missing_server_is_loud_and_fails_in_ci(tmp_path: Path, ci: str, code: int) -> None:
    """Without a server the session says what was not run and why; with CI=true the same tests fail."""
    (tmp_path / "test_wants.py").write_text(
        "def test_one(redis_server): pass\ndef test_two(redis_server): pass\ndef test_three(kafka): pass\n"
    )
    argv = [sys.executable, "-m", "pytest", "-p", "services.plugin", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**BARE, "CI": ci}
    done = subprocess.run(
        argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == code, done.stdout
    count = "" if ci else "2 "
    reason = "because redis-server was not found; install redis-server or set TEST_REDIS_URL"
    assert f"not run: {count}Redis tests, {reason}" in done.stdout


def _round_trip(kafka: Kafka, topic: str, value: bytes) -> list[tuple[bytes, list[tuple[str, bytes]]]]:
    """Send one record, then read the topic from its beginning up to that record."""
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    sent = producer.send(topic, value, key=b"same partition", headers=[("header", b"value")]).get(PATIENCE)
    producer.close()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap,
        group_id=f"group-{time.time_ns()}",
        auto_offset_reset="earliest",
    )
    received = []
    for record in consumer:
        received.append((record.value, record.headers))
        if (record.partition, record.offset) == (sent.partition, sent.offset):
            break
    consumer.close()
    return received


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
