"""One PostgreSQL query with a parameter."""

import os

import psycopg

from measure import sync

connection = psycopg.connect(os.environ["BENCH_POSTGRES"], autocommit=True)
sync(lambda: connection.execute("SELECT %s::int AS id", (7,)).fetchone())
