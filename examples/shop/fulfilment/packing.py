"""Packing an order: its status in PostgreSQL and the sales figures in Redis, each where there is one."""

from typing import Any

import psycopg
import redis

SALES = "sales"


class Packing:
    """The packing table."""

    def __init__(self, database: "psycopg.Connection[Any] | None", figures: redis.Redis | None) -> None:
        self._database = database
        self._figures = figures

    def pack(self, order: str, lines: dict[str, int]) -> None:
        """Mark the order as packed and count what was sold."""
        if self._database is not None:
            self._database.execute("UPDATE orders SET status = 'packed' WHERE id = %s", (order,))
        if self._figures is not None:
            for sku, quantity in lines.items():
                self._figures.zincrby(SALES, quantity, sku)
