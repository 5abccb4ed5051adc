"""PostgreSQL in a temporary folder, from the programs of the machine's own package."""

import os
import pwd
import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.daemon import Daemon, ServerFailed, free_port
from services.service import Missing, Service, folder_for

GIVEN = "TEST_POSTGRES_DSN"
# The data lives as long as the tests: nothing has to survive a power cut. Two-phase commit is off by default.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_prepared_transactions": "16",
    "shared_buffers": "32MB",
}


class PostgreSQL(Service):
    """One PostgreSQL server.

    `dsn` is a connection URL (`postgresql://USER@HOST:PORT/DBNAME`), or TEST_POSTGRES_DSN as given; `socket`
    is the folder of its unix socket (libpq's `host`), None for a server given from outside.
    """

    title = "PostgreSQL"

    def __init__(self, dsn: str, folder: Path | None = None, *daemons: Daemon) -> None:
        host, port, self.user, self.dbname = _parts(dsn)
        super().__init__(host, port, folder, *daemons)
        self.dsn = dsn
        self.socket = None if folder is None else str(folder / "socket")

    def environment(self) -> dict[str, str]:
        """TEST_POSTGRES_DSN."""
        return {GIVEN: self.dsn}


def open_postgresql() -> PostgreSQL:
    """The server that TEST_POSTGRES_DSN names, or a new one; raises `Missing` and `ServerFailed`."""
    given = os.environ.get(GIVEN)
    if given:
        return PostgreSQL(given)
    programs = _programs()
    folder = folder_for("postgresql")
    port = free_port()
    account = _account()
    data, sockets = folder / "data", folder / "socket"
    for path in (data, sockets):
        path.mkdir(mode=0o700)
        if account is not None:
            shutil.chown(path, account, account)
    _initialise(programs / "initdb", data, account)
    argv = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(sockets)]
    for name, value in SETTINGS.items():
        argv += ["-c", f"{name}={value}"]
    daemon = Daemon(
        "postgres",
        argv,
        folder,
        ready=b"database system is ready to accept connections",
        user=account,
        # SIGINT ends clients' sessions, for which SIGTERM would wait; SIGQUIT leaves without a checkpoint.
        halt=signal.SIGINT,
        end=signal.SIGQUIT,
    )
    service = PostgreSQL(f"postgresql://postgres@127.0.0.1:{port}/postgres", folder, daemon)
    try:
        service.start()
    except BaseException:
        service.close()
        raise
    return service


def _programs() -> Path:
    """The folder of initdb and postgres: Debian keeps them out of PATH, one folder a version."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise Missing(PostgreSQL.title, "initdb was not found", f"install postgresql or set {GIVEN}")
    return Path(found).resolve().parent


def _account() -> str | None:
    """The account for the server: itself unless root, as which PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise Missing(PostgreSQL.title, "it does not run as root", f"be another user or set {GIVEN}")


def _initialise(initdb: Path, data: Path, account: str | None) -> None:
    done = subprocess.run(
        [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        cwd=data,
        user=account,
        group=account,
        extra_groups=None if account is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailed(f"initdb failed:\n{done.stderr}")


def _parts(dsn: str) -> tuple[str, int, str, str]:
    """Host, port, user and database name of a connection string in either of libpq's two forms."""
    if "://" in dsn:
        url = urlsplit(dsn)
        values: dict[str, str | None] = {
            "host": url.hostname,
            "user": url.username,
            "dbname": unquote(url.path.lstrip("/")),
        }
        port = url.port
    else:
        values = {name: value for name, _, value in (word.partition("=") for word in shlex.split(dsn))}
        port = int(values.get("port") or 5432)
    user = values.get("user") or "postgres"
    return values.get("host") or "127.0.0.1", port or 5432, user, values.get("dbname") or user
