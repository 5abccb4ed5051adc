"""What the inventory says and understands."""

from pydantic import BaseModel, Field, PositiveInt


class Item(BaseModel):
    """A thing on sale and how many there are of it."""

    sku: str
    name: str
    shelf: str
    supplier: str
    price_cents: PositiveInt
    stock: int = Field(ge=0)


class Wanted(BaseModel):
    """What to reserve: quantity by SKU."""

    lines: dict[str, PositiveInt] = Field(min_length=1)


class Reservation(BaseModel):
    """Items held for a customer until they are bought or released."""

    id: str
    lines: dict[str, int]
    price_cents: int


class Delivery(BaseModel):
    """How long a supplier needs."""

    sku: str
    days: int
