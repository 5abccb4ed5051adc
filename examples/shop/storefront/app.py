"""The storefront's application factory."""

import redis
from flask import Flask

from storefront import carts, catalogue, checkout, orders
from storefront.carts import MemoryCarts, RedisCarts
from storefront.events import NoEvents, OrderEvents
from storefront.neighbours import Inventory, Payment
from storefront.orders import PostgresOrders, SqliteOrders


def create_app() -> Flask:
    """Build the application from the variables that begin with SHOP_."""
    app = Flask(__name__)
    app.config.from_prefixed_env("SHOP")
    app.extensions["inventory"] = Inventory(app.config["INVENTORY_URL"])
    app.extensions["payment"] = Payment(app.config["PAYMENT_URL"])
    redis_url = app.config.get("REDIS_URL")
    postgres_dsn = app.config.get("POSTGRES_DSN")
    kafka_bootstrap = app.config.get("KAFKA_BOOTSTRAP")
    app.extensions["carts"] = RedisCarts(redis.Redis.from_url(redis_url)) if redis_url else MemoryCarts()
    app.extensions["orders"] = PostgresOrders(postgres_dsn) if postgres_dsn else SqliteOrders()
    topic = app.config.get("ORDERS_TOPIC", "shop.orders")
    app.extensions["events"] = OrderEvents(kafka_bootstrap, topic) if kafka_bootstrap else NoEvents()
    for blueprint in (catalogue.blueprint, carts.blueprint, checkout.blueprint, orders.blueprint):
        app.register_blueprint(blueprint)
    return app
