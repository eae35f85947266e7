"""What is known of our own Subscription at the EHR, kept in the store between processes. No PHI."""

from dataclasses import asdict, dataclass
from typing import Final

import orjson

from service.ports import Transaction

_NAME: Final = "fhir.subscription"


@dataclass(frozen=True, kw_only=True)
class OurSubscription:
    """``reference`` is ``Subscription/id``, empty where there is none.

    ``state``: the server's ``Subscription.status`` when it was last asked, ``unknown`` where it could not be,
    ``removed`` where an operator took it off, which holds until an operator puts it on again. ``events``: how many
    the server says there have been. ``error``: the code of what failed. ``at``: ISO 8601 in UTC.
    """

    reference: str = ""
    state: str = ""
    events: int | None = None
    end: str = ""
    error: str = ""
    at: str = ""

    @property
    def is_healthy(self) -> bool:
        return self.state == "active" and not self.error


def our_subscription(tx: Transaction) -> OurSubscription:
    kept = tx.cursor(_NAME)
    return OurSubscription() if kept is None else OurSubscription(**orjson.loads(kept))


def keep_subscription(tx: Transaction, known: OurSubscription) -> None:
    tx.set_cursor(_NAME, orjson.dumps(asdict(known)).decode())
