"""The bank that charges cards, as far as a shop without one can play it."""

import time
import uuid

ANSWER_SECONDS = 0.03
# Cards with a fixed fate, as acquirers give them to their customers for tests.
DECLINED = {"4000000000000002": "insufficient funds", "4000000000000069": "expired card"}
UNREACHABLE = {"4000000000000119"}


class Declined(Exception):
    """The card's bank said no."""


class AcquirerUnavailable(Exception):
    """The card network did not answer."""


def authorise(card: str, amount_cents: int) -> str:
    """Charge the card; the charge's id. Raises `Declined` and `AcquirerUnavailable`."""
    number = card.replace(" ", "")
    time.sleep(ANSWER_SECONDS)
    if number in UNREACHABLE:
        raise AcquirerUnavailable(f"the card network did not answer for a charge of {amount_cents} cents")
    if number in DECLINED:
        raise Declined(DECLINED[number])
    return str(uuid.uuid4())
