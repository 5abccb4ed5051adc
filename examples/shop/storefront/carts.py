"""Carts: in memory, or in Redis, so that several storefronts can share them."""

import threading
from collections import defaultdict
from typing import Any, Protocol, cast

import redis
from flask import Blueprint, abort, current_app, request

from storefront.catalogue import page
from storefront.neighbours import Inventory

KEPT_SECONDS = 24 * 3600

blueprint = Blueprint("carts", __name__)


class Carts(Protocol):
    """How many of each product a customer wants."""

    def add(self, customer: str, lines: dict[str, int]) -> None:
        """Put more into the cart."""

    def lines(self, customer: str) -> dict[str, int]:
        """The cart's lines: quantity by SKU."""

    def clear(self, customer: str) -> None:
        """Empty the cart."""


class MemoryCarts:
    """Carts of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._carts: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def add(self, customer: str, lines: dict[str, int]) -> None:
        """Put more into the cart."""
        with self._lock:
            cart = self._carts[customer]
            for sku, quantity in lines.items():
                cart[sku] = cart.get(sku, 0) + quantity

    def lines(self, customer: str) -> dict[str, int]:
        """The cart's lines: quantity by SKU."""
        with self._lock:
            return dict(self._carts.get(customer, {}))

    def clear(self, customer: str) -> None:
        """Empty the cart."""
        with self._lock:
            self._carts.pop(customer, None)


class RedisCarts:
    """Carts as Redis hashes that expire after a day."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, customer: str, lines: dict[str, int]) -> None:
        """Put more into the cart."""
        with self._client.pipeline() as pipeline:
            for sku, quantity in lines.items():
                pipeline.hincrby(_key(customer), sku, quantity)
            pipeline.expire(_key(customer), KEPT_SECONDS)
            pipeline.execute()

    def lines(self, customer: str) -> dict[str, int]:
        """The cart's lines: quantity by SKU."""
        stored = cast("dict[bytes, bytes]", self._client.hgetall(_key(customer)))
        return {sku.decode(): int(quantity) for sku, quantity in stored.items()}

    def clear(self, customer: str) -> None:
        """Empty the cart."""
        self._client.delete(_key(customer))


@blueprint.post("/carts/<customer>")
def add(customer: str) -> tuple[dict[str, int], int]:
    """Put products into the cart: a JSON object, quantity by SKU."""
    lines = request.get_json()
    if not isinstance(lines, dict) or not all(isinstance(count, int) and count > 0 for count in lines.values()):
        abort(400, "send a JSON object: quantity by SKU")
    carts = cast("Carts", current_app.extensions["carts"])
    carts.add(customer, lines)
    return carts.lines(customer), 201


@blueprint.get("/carts/<customer>")
def show(customer: str) -> list[dict[str, Any]]:
    """The cart, each line with its product."""
    carts = cast("Carts", current_app.extensions["carts"])
    inventory = cast("Inventory", current_app.extensions["inventory"])
    lines = []
    for sku, quantity in carts.lines(customer).items():
        item = inventory.item(sku)
        if item is not None:
            lines.append({**page(item), "quantity": quantity})
    return lines


def _key(customer: str) -> str:
    return f"cart:{customer}"
