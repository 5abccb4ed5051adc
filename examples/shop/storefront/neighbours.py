"""The two services that the storefront calls."""

from typing import Any, cast

import requests

TIMEOUT = 5.0

Item = dict[str, Any]


class CardDeclined(Exception):
    """The card's bank said no."""


class OutOfStock(Exception):
    """The warehouse has too little of something in the cart."""


class Inventory:
    """The inventory service: what there is, and holding it for a customer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def items(self) -> list[Item]:
        """Everything on sale."""
        return cast("list[Item]", self._get("/items"))

    def item(self, sku: str) -> Item | None:
        """One item, None if there is no such thing."""
        response = self._session.get(f"{self._url}/items/{sku}", timeout=TIMEOUT)
        if response.status_code == requests.codes.not_found:
            return None
        response.raise_for_status()
        return cast("Item", response.json())

    def similar(self, sku: str) -> list[Item]:
        """Items of the same shelf."""
        return cast("list[Item]", self._get(f"/items/{sku}/similar"))

    def delivery_days(self, sku: str) -> int:
        """How many days the item's supplier needs."""
        return int(self._get(f"/items/{sku}/delivery")["days"])

    def reserve(self, lines: dict[str, int]) -> tuple[str, int]:
        """Hold the items; the reservation's id and the price of all in cents. Raises `OutOfStock`."""
        response = self._session.post(f"{self._url}/reservations", json={"lines": lines}, timeout=TIMEOUT)
        if response.status_code == requests.codes.conflict:
            raise OutOfStock(response.json()["detail"])
        response.raise_for_status()
        reservation = response.json()
        return reservation["id"], reservation["price_cents"]

    def release(self, reservation: str) -> None:
        """Give up a reservation."""
        self._session.delete(f"{self._url}/reservations/{reservation}", timeout=TIMEOUT).raise_for_status()

    def _get(self, path: str) -> Any:
        response = self._session.get(self._url + path, timeout=TIMEOUT)
        response.raise_for_status()
        return response.json()


class Payment:
    """The payment service."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def charge(self, card: str, amount_cents: int) -> str:
        """Charge the card; the charge's id. Raises `CardDeclined` and `requests.RequestException`."""
        body = {"card": card, "amount_cents": amount_cents}
        response = self._session.post(f"{self._url}/charges", json=body, timeout=TIMEOUT)
        if response.status_code == requests.codes.payment_required:
            raise CardDeclined(response.json()["reason"])
        response.raise_for_status()
        return str(response.json()["id"])
