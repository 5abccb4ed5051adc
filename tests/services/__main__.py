"""The services for shells and benchmarks: `python -m services run NAME… -- COMMAND…`, `up`, `down`."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from services import kafka
from services.catalogue import NAMES, open_service
from services.daemon import ServerFailed
from services.guard import alive
from services.service import Missing, Service

KEEPER = "TEST_SERVICES_PID"
USAGE = """\
python -m services run NAME… -- COMMAND…   run COMMAND with the services' addresses in its environment
python -m services up NAME…                start services that stay, print `export` lines for eval
python -m services down                    stop what `up` started (TEST_SERVICES_PID, one of the lines)
python -m services fetch                   get the Kafka broker's jars, so that the first start is quick
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code is COMMAND's, 1 for a service that cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m services", usage=USAGE, add_help=True)
    parser.add_argument("verb", choices=["run", "up", "keep", "down", "fetch"])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    argv = list(sys.argv[1:] if arguments is None else arguments)
    cut = argv.index("--") if "--" in argv else len(argv)
    options, command = parser.parse_args(argv[:cut]), argv[cut + 1 :]
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no service is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if options.verb == "run" and not command:
        parser.error("run needs a command after --")
    # Every way out then passes through the finally blocks that stop the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return int(_do(options.verb, options.names or list(NAMES), command))
    except (Missing, ServerFailed) as error:
        print(error, file=sys.stderr)
        return 1


def _do(verb: str, names: list[str], command: list[str]) -> int:
    if verb == "run":
        return _run(names, command)
    if verb == "up":
        return _up(names)
    if verb == "keep":
        return _keep(names)
    if verb == "down":
        return _down()
    kafka.fetch()
    return 0


def _run(names: list[str], command: list[str]) -> int:
    with ExitStack() as stack:
        environment = _open_all(names, stack)
        try:
            return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
        except KeyboardInterrupt:
            # The command, in the same terminal, was interrupted as well.
            return 128 + signal.SIGINT


def _up(names: list[str]) -> int:
    """Leave a keeper process behind that owns the servers, and pass on its lines."""
    keeper = subprocess.Popen(
        [sys.executable, "-m", "services", "keep", *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert keeper.stdout is not None
    lines = keeper.stdout.read()
    if KEEPER not in lines:
        return keeper.wait()
    print(lines, end="")
    # It stays; this says so to Popen's finaliser.
    keeper.returncode = 0
    return 0


def _keep(names: list[str]) -> int:
    with ExitStack() as stack:
        environment = _open_all(names, stack)
        environment[KEEPER] = str(os.getpid())
        for name, value in environment.items():
            print(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        # Whoever reads the lines waits for their end, also where standard error is the same pipe.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, sys.stdout.fileno())
        os.dup2(null, sys.stderr.fileno())
        signal.pause()
    return 0


def _down() -> int:
    keeper = os.environ.get(KEEPER)
    if keeper is None:
        print(f"nothing to stop: {KEEPER} is not set; evaluate the lines of `up` first", file=sys.stderr)
        return 1
    try:
        os.kill(int(keeper), signal.SIGTERM)
    except ProcessLookupError:
        print("nothing to stop: the services have ended already", file=sys.stderr)
    while alive(int(keeper)):
        time.sleep(0.02)
    return 0


def _open_all(names: Sequence[str], stack: ExitStack) -> dict[str, str]:
    """Open the services side by side; their addresses as variables. A failure is raised when all are in."""
    environment: dict[str, str] = {}
    with ThreadPoolExecutor(len(names)) as threads:
        pending = [threads.submit(open_service, name) for name in names]
    for future in pending:
        if future.exception() is None:
            service: Service = stack.enter_context(future.result())
            environment.update(service.environment())
    for future in pending:
        future.result()
    return environment


if __name__ == "__main__":
    sys.exit(main())
