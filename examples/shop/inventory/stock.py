"""The warehouse: items on shelves, and reservations of them."""

import uuid

from inventory.models import Item, Reservation

ITEMS = [
    Item(sku="kettle", name="Kettle", shelf="kitchen", supplier="harbour", price_cents=3490, stock=1000),
    Item(sku="teapot", name="Teapot", shelf="kitchen", supplier="harbour", price_cents=2750, stock=1000),
    Item(sku="whisk", name="Whisk", shelf="kitchen", supplier="mountain", price_cents=890, stock=1000),
    Item(sku="apron", name="Apron", shelf="kitchen", supplier="harbour", price_cents=1990, stock=0),
    Item(sku="lamp", name="Reading lamp", shelf="study", supplier="harbour", price_cents=4200, stock=1000),
    Item(sku="atlas", name="Atlas", shelf="study", supplier="mountain", price_cents=5900, stock=1000),
    Item(sku="pencils", name="Twelve pencils", shelf="study", supplier="harbour", price_cents=640, stock=1000),
]


class NotEnough(Exception):
    """There is too little of an item."""


class Stock:
    """Items by SKU, and what is held of them."""

    def __init__(self) -> None:
        self._items = {item.sku: item.model_copy() for item in ITEMS}
        self._reservations: dict[str, Reservation] = {}

    def items(self) -> list[Item]:
        """All items."""
        return list(self._items.values())

    def item(self, sku: str) -> Item | None:
        """One item."""
        return self._items.get(sku)

    def similar(self, item: Item) -> list[Item]:
        """The other items of its shelf that are in stock."""
        shelf = (other for other in self._items.values() if other.shelf == item.shelf)
        return [other for other in shelf if other.sku != item.sku and other.stock > 0]

    def reserve(self, lines: dict[str, int]) -> Reservation:
        """Hold all lines or none; raises `NotEnough`."""
        for sku, quantity in lines.items():
            item = self._items.get(sku)
            if item is None or item.stock < quantity:
                raise NotEnough(f"not enough in stock: {sku}")
        price_cents = 0
        for sku, quantity in lines.items():
            self._items[sku].stock -= quantity
            price_cents += self._items[sku].price_cents * quantity
        reservation = Reservation(id=str(uuid.uuid4()), lines=lines, price_cents=price_cents)
        self._reservations[reservation.id] = reservation
        return reservation

    def release(self, reservation: str) -> bool:
        """Put what was held back on its shelf; False if nothing was held under that id."""
        held = self._reservations.pop(reservation, None)
        if held is None:
            return False
        for sku, quantity in held.lines.items():
            self._items[sku].stock += quantity
        return True
