"""Checkout: hold the items, charge the card, keep the order, announce it."""

from typing import Any, cast

import requests
from flask import Blueprint, abort, current_app, request

from storefront.carts import Carts
from storefront.events import Events
from storefront.neighbours import CardDeclined, Inventory, OutOfStock, Payment
from storefront.orders import Orders

blueprint = Blueprint("checkout", __name__)


@blueprint.post("/carts/<customer>/checkout")
def checkout(customer: str) -> tuple[dict[str, Any], int]:
    """Buy what is in the cart with the card of the JSON body."""
    extensions = current_app.extensions
    carts = cast("Carts", extensions["carts"])
    inventory = cast("Inventory", extensions["inventory"])
    card = str(request.get_json().get("card", ""))
    lines = carts.lines(customer)
    if not lines:
        abort(400, "the cart is empty")
    try:
        reservation, price_cents = inventory.reserve(lines)
    except OutOfStock as error:
        abort(409, str(error))
    try:
        charge = cast("Payment", extensions["payment"]).charge(card, price_cents)
    except CardDeclined as error:
        inventory.release(reservation)
        return {"error": f"the card was declined: {error}"}, 402
    except requests.RequestException:
        current_app.logger.exception("payment failed for %s", customer)
        inventory.release(reservation)
        abort(502, "payment is not available at the moment; nothing was charged")
    order = cast("Orders", extensions["orders"]).place(customer, lines, price_cents, charge)
    carts.clear(customer)
    cast("Events", extensions["events"]).placed(order, customer, lines)
    return {"order": order, "price_cents": price_cents}, 201
