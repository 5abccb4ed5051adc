"""Pages about products."""

from typing import Any, cast

from flask import Blueprint, abort, current_app

from storefront.neighbours import Inventory

blueprint = Blueprint("catalogue", __name__)


@blueprint.get("/products")
def products() -> list[dict[str, Any]]:
    """Everything on sale."""
    return [page(item) for item in _inventory().items()]


@blueprint.get("/products/<sku>")
def product(sku: str) -> dict[str, Any]:
    """One product."""
    item = _inventory().item(sku)
    if item is None:
        abort(404, f"there is no product called {sku}")
    return page(item)


@blueprint.get("/products/<sku>/recommendations")
def recommendations(sku: str) -> list[dict[str, Any]]:
    """What else the customer may like, soonest delivery first."""
    inventory = _inventory()
    found = [{**page(item), "days": inventory.delivery_days(item["sku"])} for item in inventory.similar(sku)]
    return sorted(found, key=lambda item: item["days"])


def page(item: dict[str, Any]) -> dict[str, Any]:
    """What a customer sees of an inventory item."""
    price = f"{item['price_cents'] / 100:.2f} EUR"
    return {"sku": item["sku"], "name": item["name"], "price": price, "available": item["stock"] > 0}


def _inventory() -> Inventory:
    return cast("Inventory", current_app.extensions["inventory"])
