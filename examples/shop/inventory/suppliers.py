"""Delivery times as the suppliers tell them, kept for a minute where there is a Redis to keep them in."""

import asyncio
from typing import Protocol

from redis.asyncio import Redis

from inventory.models import Item

# Days of delivery, and the seconds that each supplier's own system takes to answer: the mountain's is old.
SUPPLIERS = {"harbour": (2, 0.02), "mountain": (5, 0.6)}
KEPT_SECONDS = 60


class DeliveryTimes(Protocol):
    """Where delivery times come from."""

    async def days(self, item: Item) -> int:
        """Days until the item's supplier can deliver it."""

    async def close(self) -> None:
        """Close connections."""


class Suppliers:
    """The suppliers themselves."""

    async def days(self, item: Item) -> int:
        """Days until the item's supplier can deliver it."""
        days, seconds = SUPPLIERS[item.supplier]
        await asyncio.sleep(seconds)
        return days

    async def close(self) -> None:
        """Close nothing."""


class RememberedSuppliers:
    """The suppliers behind a cache."""

    def __init__(self, suppliers: Suppliers, redis: Redis) -> None:
        self._suppliers = suppliers
        self._redis = redis

    async def days(self, item: Item) -> int:
        """Days until the item's supplier can deliver it."""
        key = f"delivery:{item.sku}"
        remembered = await self._redis.get(key)
        if remembered is not None:
            return int(remembered)
        days = await self._suppliers.days(item)
        await self._redis.set(key, days, ex=KEPT_SECONDS)
        return days

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()
