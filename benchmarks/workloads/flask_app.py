"""A Flask application with one plain route and one that asks Redis, PostgreSQL and another HTTP service."""

import os

from flask import Flask

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name: str) -> dict[str, str]:
    return {"message": f"hello {name}"}


if "BENCH_REDIS" in os.environ:
    import psycopg
    import redis
    import requests

    cache = redis.Redis.from_url(os.environ["BENCH_REDIS"])
    database = psycopg.connect(os.environ["BENCH_POSTGRES"], autocommit=True)
    session = requests.Session()
    page = os.environ["BENCH_PAGE"]

    @app.get("/customers/<int:number>")
    def customer(number: int) -> dict[str, object]:
        cache.set("customer:last", number)
        last = cache.get("customer:last")
        row = database.execute("SELECT %s::int AS id, 'someone' AS name", (number,)).fetchone()
        answer = session.get(page).json()
        return {"last": str(last), "row": row, "page": answer}
