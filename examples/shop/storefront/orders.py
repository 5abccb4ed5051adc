"""Orders: in SQLite, or in PostgreSQL."""

import json
import sqlite3
import threading
import uuid
from typing import Any, Protocol, cast

from flask import Blueprint, abort, current_app
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

blueprint = Blueprint("orders", __name__)

Order = dict[str, Any]


class Orders(Protocol):
    """The book of orders."""

    def place(self, customer: str, lines: dict[str, int], price_cents: int, charge: str) -> str:
        """Keep a paid order; its id."""

    def one(self, order: str) -> Order | None:
        """One order with its lines."""

    def of(self, customer: str) -> list[Order]:
        """A customer's orders with their lines."""


class SqliteOrders:
    """Orders of one process, each with its lines as JSON."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.execute(
            "CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT, price_cents INT, charge TEXT, lines TEXT)"
        )

    def place(self, customer: str, lines: dict[str, int], price_cents: int, charge: str) -> str:
        """Keep a paid order; its id."""
        order = str(uuid.uuid4())
        with self._lock, self._database:
            row = (order, customer, price_cents, charge, json.dumps(lines))
            self._database.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", row)
        return order

    def one(self, order: str) -> Order | None:
        """One order with its lines."""
        with self._lock:
            row = self._database.execute("SELECT * FROM orders WHERE id = ?", (order,)).fetchone()
        return None if row is None else _from_row(row)

    def of(self, customer: str) -> list[Order]:
        """A customer's orders with their lines."""
        with self._lock:
            rows = self._database.execute("SELECT * FROM orders WHERE customer = ?", (customer,)).fetchall()
        return [_from_row(row) for row in rows]


class PostgresOrders:
    """Orders and their lines in two tables, through a pool of connections."""

    def __init__(self, dsn: str) -> None:
        self._pool = ConnectionPool(
            dsn,
            connection_class=Connection[DictRow],
            kwargs={"row_factory": dict_row},
            min_size=1,
            max_size=4,
            open=True,
        )
        with self._pool.connection() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, customer text, price_cents int,"
                " charge text, status text DEFAULT 'placed')"
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS order_lines"
                " (order_id uuid REFERENCES orders, sku text, quantity int, PRIMARY KEY (order_id, sku))"
            )

    def place(self, customer: str, lines: dict[str, int], price_cents: int, charge: str) -> str:
        """Keep a paid order; its id."""
        order = str(uuid.uuid4())
        with self._pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO orders (id, customer, price_cents, charge) VALUES (%s, %s, %s, %s)",
                (order, customer, price_cents, charge),
            )
            cursor.executemany(
                "INSERT INTO order_lines (order_id, sku, quantity) VALUES (%s, %s, %s)",
                [(order, sku, quantity) for sku, quantity in lines.items()],
            )
        return order

    def one(self, order: str) -> Order | None:
        """One order with its lines."""
        with self._pool.connection() as connection:
            row = connection.execute(
                "SELECT id::text, customer, price_cents, status FROM orders WHERE id::text = %s", (order,)
            ).fetchone()
        return None if row is None else {**row, "lines": self._lines(order)}

    def of(self, customer: str) -> list[Order]:
        """A customer's orders with their lines."""
        with self._pool.connection() as connection:
            rows = connection.execute(
                "SELECT id::text, customer, price_cents, status FROM orders WHERE customer = %s", (customer,)
            ).fetchall()
        return [{**row, "lines": self._lines(row["id"])} for row in rows]

    def _lines(self, order: str) -> dict[str, int]:
        with self._pool.connection() as connection:
            rows = connection.execute("SELECT sku, quantity FROM order_lines WHERE order_id = %s", (order,))
            return {row["sku"]: row["quantity"] for row in rows}


@blueprint.get("/orders/<order>")
def show(order: str) -> Order:
    """One order."""
    found = cast("Orders", current_app.extensions["orders"]).one(order)
    if found is None:
        abort(404, "there is no such order")
    return found


@blueprint.get("/customers/<customer>/orders")
def history(customer: str) -> list[Order]:
    """Everything that a customer ever bought."""
    return cast("Orders", current_app.extensions["orders"]).of(customer)


def _from_row(row: sqlite3.Row) -> Order:
    return {
        "id": row["id"],
        "customer": row["customer"],
        "price_cents": row["price_cents"],
        "status": "placed",
        "lines": json.loads(row["lines"]),
    }
