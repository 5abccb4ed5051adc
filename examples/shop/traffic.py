"""Known traffic for the shop, one line a request: `python traffic.py http://127.0.0.1:8000`."""

import argparse
import json
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000 0000 0000 0002"
BROKEN_CARD = "4000 0000 0000 0119"
TIMEOUT = 30.0


@dataclass(frozen=True)
class Step:
    """A request, and the status that the shop must answer with."""

    what: str
    method: str
    path: str
    status: int
    body: Any = None


STEPS = (
    Step("browse", "GET", "/products", 200),
    Step("a product that is not there", "GET", "/products/unicorn", 404),
    Step(
        "fill a cart",
        "POST",
        "/carts/ada",
        201,
        {"kettle": 1, "teapot": 2, "whisk": 1, "lamp": 1, "atlas": 1},
    ),
    Step("cart page, a call for each line (N+1)", "GET", "/carts/ada", 200),
    Step("checkout", "POST", "/carts/ada/checkout", 201, {"card": GOOD_CARD}),
    Step("fill a second cart", "POST", "/carts/ada", 201, {"pencils": 3}),
    Step("checkout", "POST", "/carts/ada/checkout", 201, {"card": GOOD_CARD}),
    Step("order history, a query for each order", "GET", "/customers/ada/orders", 200),
    Step("fill a third cart", "POST", "/carts/grace", 201, {"lamp": 1}),
    Step("checkout, the card is declined", "POST", "/carts/grace/checkout", 402, {"card": DECLINED_CARD}),
    Step("checkout, payment breaks", "POST", "/carts/grace/checkout", 502, {"card": BROKEN_CARD}),
    Step("recommendations, a slow supplier", "GET", "/products/kettle/recommendations", 200),
)


class Shop:
    """The storefront at a URL, over one connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of the answer, decoded where it is JSON."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
        response = self._connection.getresponse()
        text = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(text) if is_json else text


def send(url: str, *, packed: bool = False) -> bool:
    """Send all steps, print a line for each; whether each was answered as it must be.

    With `packed` the last order must be packed by the fulfilment worker as well.
    """
    with closing(Shop(url)) as shop:
        answers = [_take(shop, step) for step in STEPS]
        good = None not in answers
        orders = [answer["order"] for answer in answers if isinstance(answer, dict) and "order" in answer]
        if packed:
            good = bool(orders) and _packed(shop, orders[-1]) and good
    return good


def _take(shop: Shop, step: Step) -> Any:
    """Send the step's request and print its line; the answer's body, None if the status is not the step's."""
    begin = time.perf_counter()
    status, answer = shop.ask(step.method, step.path, step.body)
    milliseconds = (time.perf_counter() - begin) * 1000
    verdict = "" if status == step.status else f"  (expected {step.status})"
    line = f"{step.what:<40} {step.method:<4} {step.path:<34} {status} {milliseconds:6.0f} ms"
    print(line + verdict, flush=True)
    return answer if status == step.status else None


def _packed(shop: Shop, order: str) -> bool:
    """Wait until the fulfilment worker has packed the order."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < TIMEOUT:
        _, answer = shop.ask("GET", f"/orders/{order}")
        if answer["status"] == "packed":
            seconds = time.perf_counter() - begin
            print(f"{'packed by the fulfilment worker':<40} after {seconds:.1f} s", flush=True)
            return True
        time.sleep(0.5)
    print(f"order {order} was not packed within {TIMEOUT:.0f} s", flush=True)
    return False


def main() -> int:
    """Send the traffic to the URL of the command line; 1 if an answer was not as expected."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(",")[0])
    parser.add_argument("url", metavar="URL", help="where the storefront is: run.py --serve tells")
    parser.add_argument("--packed", action="store_true", help="wait until the worker has packed the last order")
    options = parser.parse_args()
    return 0 if send(options.url, packed=options.packed) else 1


if __name__ == "__main__":
    sys.exit(main())
