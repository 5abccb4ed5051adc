"""Flask answers `requests=N` requests; resident memory is printed every hundred thousand."""

from flask_app import app
from handing import wsgi
from measure import memory_kib, option

EVERY = 100_000


def main() -> None:
    wanted = int(option("requests", "1000000"))
    unit = wsgi(app, "/hello/world")
    for count in range(1, wanted + 1):
        unit()
        if count % EVERY == 0 or count == wanted:
            print(f"{count} requests: RSS {memory_kib('VmRSS') / 1024:.1f} MB", flush=True)


main()
