"""The whole shop on this machine: starts its services on free ports, sends the known traffic, stops them.

With --serve it stays until Ctrl-C instead of sending traffic. What the services print goes to --logs DIR, by
default a temporary folder, and is shown if one of them does not start.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import traffic

HERE = Path(__file__).resolve().parent
PATIENCE = 60.0
# One worker, as carts and orders may be in its memory.
GUNICORN = ["-m", "gunicorn", "--workers=1", "--threads=8"]


@dataclass(frozen=True)
class Service:
    """A service's name, its command line, and the port that it will listen on (None for a worker)."""

    name: str
    argv: list[str]
    port: int | None

    def start(self, environment: dict[str, str], logs: Path) -> "subprocess.Popen[bytes]":
        """Start it as a child process."""
        with (logs / f"{self.name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *self.argv],
                cwd=HERE,
                env={**environment, "OTEL_SERVICE_NAME": self.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def services() -> tuple[list[Service], dict[str, str]]:
    """The services, and the variables by which they find each other."""
    storefront, inventory, payment = free_ports(3)
    found = [
        Service("inventory", ["-m", "uvicorn", "--factory", "inventory:create_app", f"--port={inventory}"], inventory),
        Service("payment", [*GUNICORN, f"--bind=127.0.0.1:{payment}", "payment:create_app()"], payment),
        Service("storefront", [*GUNICORN, f"--bind=127.0.0.1:{storefront}", "storefront:create_app()"], storefront),
    ]
    if os.environ.get("SHOP_KAFKA_BOOTSTRAP"):
        found.append(Service("fulfilment", ["-m", "fulfilment"], None))
    addresses = {
        "SHOP_INVENTORY_URL": f"http://127.0.0.1:{inventory}",
        "SHOP_PAYMENT_URL": f"http://127.0.0.1:{payment}",
    }
    return found, {**os.environ, **addresses}


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wait_until_ready(service: Service, process: "subprocess.Popen[bytes]", logs: Path) -> None:
    """Return when the service listens; exits with its log if it ends before."""
    deadline = time.monotonic() + PATIENCE
    while service.port is not None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", service.port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            log = (logs / f"{service.name}.log").read_text(errors="replace")
            sys.exit(f"{service.name} did not start:\n{log}")
        time.sleep(0.05)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process to end, and make it if it does not."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    """Run the shop; 1 if an answer was not as expected."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--serve", action="store_true", help="stay until Ctrl-C instead of sending traffic")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="keep what the services print in DIR")
    options = parser.parse_args()
    # A SIGTERM then leaves through the stack below, which stops the children.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with ExitStack() as stack:
        logs = options.logs or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shop-")))
        logs.mkdir(parents=True, exist_ok=True)
        found, environment = services()
        running = []
        for service in found:
            process = service.start(environment, logs)
            stack.callback(stop, process)
            running.append((service, process))
        for service, process in running:
            wait_until_ready(service, process, logs)
        url = next(f"http://127.0.0.1:{service.port}" for service in found if service.name == "storefront")
        print(f"the shop is open at {url} ({', '.join(service.name for service in found)})", flush=True)
        # Orders are known to be packed where the worker writes and the storefront reads the same database.
        packed = "SHOP_KAFKA_BOOTSTRAP" in environment and "SHOP_POSTGRES_DSN" in environment
        if not options.serve:
            return 0 if traffic.send(url, packed=packed) else 1
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("the shop is closed", flush=True)
        return 0


if __name__ == "__main__":
    sys.exit(main())
