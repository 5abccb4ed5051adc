"""The example shop, run untraced as its own processes: its traffic has the outcomes that it promises."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from services.kafka import Kafka
from services.postgresql import PostgreSQL
from services.redis import Redis

# The shop's models are written for pydantic 2, which the oldest FastAPI that is traced does not know.
pytest.importorskip("pydantic", minversion="2")

SHOP = Path(__file__).parents[2] / "examples" / "shop"
PATIENCE = 60.0
LINE = re.compile(r"^(?P<what>.+?) +(?:GET|POST) +\S+ +(?P<status>\d{3}) +\d+ ms$")
PROMISED = [
    ("browse", 200),
    ("a product that is not there", 404),
    ("fill a cart", 201),
    ("cart page, a call for each line (N+1)", 200),
    ("checkout", 201),
    ("fill a second cart", 201),
    ("checkout", 201),
    ("order history, a query for each order", 200),
    ("fill a third cart", 201),
    ("checkout, the card is declined", 402),
    ("checkout, payment breaks", 502),
    ("recommendations, a slow supplier", 200),
]


@pytest.mark.process
def test_traffic_without_servers(tmp_path: Path) -> None:
    """The shop needs no server: every request is answered as promised, and the paths are what they claim."""
    lines = _run(tmp_path, {})
    assert "inventory, payment, storefront)" in lines[0]
    assert _outcomes(lines[1:]) == PROMISED
    inventory = (tmp_path / "inventory.log").read_text()
    assert len(re.findall(r'"GET /items/(?:kettle|teapot|whisk|lamp|atlas) HTTP', inventory)) == 5
    assert "AcquirerUnavailable: the card network did not answer" in (tmp_path / "payment.log").read_text()
    assert inventory.count('"DELETE /reservations/') == 2


@pytest.mark.process
def test_traffic_with_redis_postgresql_and_kafka(
    tmp_path: Path, redis_server: Redis, postgres: PostgreSQL, kafka: Kafka
) -> None:
    """With all servers the outcomes are the same, and an order passes through Kafka to the worker that packs it."""
    servers = {
        "SHOP_REDIS_URL": redis_server.url,
        "SHOP_POSTGRES_DSN": postgres.dsn,
        "SHOP_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "SHOP_ORDERS_TOPIC": f"shop-{time.time_ns()}",
    }
    lines = _run(tmp_path, servers)
    assert "fulfilment" in lines[0]
    assert _outcomes(lines[1:-1]) == PROMISED
    assert lines[-1].startswith("packed by the fulfilment worker")
    assert (tmp_path / "fulfilment.log").read_text().count("packed order") == 2


@pytest.mark.process
def test_serving_shop_ends_with_its_services_on_sigterm(tmp_path: Path) -> None:
    """`run.py --serve` answers until a SIGTERM, which stops its services as well."""
    argv = [sys.executable, str(SHOP / "run.py"), "--serve", "--logs", str(tmp_path)]
    with subprocess.Popen(argv, env=_environment({}), stdout=subprocess.PIPE, text=True) as shop:
        assert shop.stdout is not None
        opened = re.search(r"http://127\.0\.0\.1:\d+", shop.stdout.readline())
        assert opened is not None
        with urllib.request.urlopen(opened[0] + "/products", timeout=PATIENCE) as response:
            assert response.status == 200
        shop.terminate()
        assert shop.wait(PATIENCE) == 128 + signal.SIGTERM
    assert "Finished server process" in (tmp_path / "inventory.log").read_text()
    with pytest.raises(OSError):
        urllib.request.urlopen(opened[0] + "/products", timeout=PATIENCE)


def test_services_are_free_of_tracing() -> None:
    """No source file of the shop's services imports or mentions tracing: what is shown needs no change of them."""
    sources = [path for path in SHOP.rglob("*.py") if path.name not in {"run.py", "traffic.py"}]
    assert len(sources) > 10
    for path in sources:
        assert re.search(r"(?i)opentelemetry|otel|trac(?:e|ing)\b", path.read_text()) is None, path


def _run(logs: Path, servers: dict[str, str]) -> list[str]:
    argv = [sys.executable, str(SHOP / "run.py"), "--logs", str(logs)]
    done = subprocess.run(
        argv, env=_environment(servers), capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def _outcomes(lines: list[str]) -> list[tuple[str, int]]:
    matches = [LINE.match(line) for line in lines]
    return [(match["what"], int(match["status"])) for match in matches if match is not None]


def _environment(servers: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SHOP_", "PYTHON"))}
    return {**kept, **servers}
