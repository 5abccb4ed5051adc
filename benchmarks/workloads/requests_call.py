"""One HTTP call by requests over a kept connection."""

import os

import requests

from measure import sync

session = requests.Session()
page = os.environ["BENCH_PAGE"]
sync(lambda: session.get(page))
