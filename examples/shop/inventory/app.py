"""The inventory's application factory."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, cast

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from redis.asyncio import Redis

from inventory.models import Delivery, Item, Reservation, Wanted
from inventory.stock import NotEnough, Stock
from inventory.suppliers import DeliveryTimes, RememberedSuppliers, Suppliers

router = APIRouter()


def create_app() -> FastAPI:
    """Build the application from the variables that begin with SHOP_."""
    redis_url = os.environ.get("SHOP_REDIS_URL")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        delivery: DeliveryTimes = Suppliers()
        if redis_url:
            delivery = RememberedSuppliers(Suppliers(), Redis.from_url(redis_url))
        app.state.stock = Stock()
        app.state.delivery = delivery
        yield
        await delivery.close()

    app = FastAPI(title="inventory", lifespan=lifespan)
    app.include_router(router)
    return app


def stock(request: Request) -> Stock:
    """The application's warehouse."""
    return cast("Stock", request.app.state.stock)


def known_item(sku: str, warehouse: Annotated[Stock, Depends(stock)]) -> Item:
    """The item of the path, else 404."""
    item = warehouse.item(sku)
    if item is None:
        raise HTTPException(404, f"there is no item {sku}")
    return item


Warehouse = Annotated[Stock, Depends(stock)]
KnownItem = Annotated[Item, Depends(known_item)]


@router.get("/items")
async def items(warehouse: Warehouse) -> list[Item]:
    """All items."""
    return warehouse.items()


@router.get("/items/{sku}")
async def one_item(item: KnownItem) -> Item:
    """One item."""
    return item


@router.get("/items/{sku}/similar")
async def similar(item: KnownItem, warehouse: Warehouse) -> list[Item]:
    """Items of the same shelf."""
    return warehouse.similar(item)


@router.get("/items/{sku}/delivery")
async def delivery(item: KnownItem, request: Request) -> Delivery:
    """How long the item's supplier needs."""
    times = cast("DeliveryTimes", request.app.state.delivery)
    return Delivery(sku=item.sku, days=await times.days(item))


@router.post("/reservations", status_code=201)
async def reserve(wanted: Wanted, warehouse: Warehouse) -> Reservation:
    """Hold items, all or none."""
    try:
        return warehouse.reserve(wanted.lines)
    except NotEnough as error:
        raise HTTPException(409, str(error)) from error


@router.delete("/reservations/{reservation}", status_code=204)
async def release(reservation: str, warehouse: Warehouse) -> None:
    """Give up a reservation."""
    if not warehouse.release(reservation):
        raise HTTPException(404, "nothing is held under that id")
