"""One Redis command."""

import os

import redis

from measure import sync

client = redis.Redis.from_url(os.environ["BENCH_REDIS"])
client.set("customer:last", 7)
sync(lambda: client.get("customer:last"))
