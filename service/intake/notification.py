"""FHIR Subscription notifications: what they tell of (R4 rest-hook; Subscriptions R5 Backport 1.1 for R4 and R4B)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.intake.resource import member, members, text

_ENCOUNTER = re.compile(r"(?:^|/)(Encounter/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
_FOCUS = re.compile(r"(?:^|/)((?:Encounter|Procedure)/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
_SUBSCRIPTION = re.compile(r"(?:^|/)(Subscription/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
_QUIET: Final = frozenset({"handshake", "heartbeat", "query-status"})
_ADDRESSES: Final = ("reference", "fullUrl", "url")
"""Where an address stands: a Reference, an entry, its request."""
_WORD = re.compile(r"[a-z-]{1,40}\Z")


@dataclass(frozen=True, kw_only=True)
class Notification:
    """What a notification tells.

    ``is_quiet``: a handshake or the like, which tells of no event. ``encounters``: ``Encounter/id`` of each visit
    that it names; ``procedures``: likewise of what it is about; ``names_something``: it names what it tells of, be
    it a visit or not.

    ``subscription`` is ``Subscription/id`` (empty in a classic rest-hook), ``status`` the Subscription's.
    ``numbers``: the numbers of the events told here; ``since_start``: how many there have been since the
    Subscription began, None where it is not said.
    """

    is_quiet: bool
    encounters: tuple[str, ...]
    names_something: bool
    procedures: tuple[str, ...] = ()
    kind: str = ""
    subscription: str = ""
    status: str = ""
    numbers: tuple[int, ...] = ()
    since_start: int | None = None

    @property
    def newest(self) -> int | None:
        """The number of the newest event that there has been, as far as this says."""
        known = [*self.numbers, *(() if self.since_start is None else (self.since_start,))]
        return max(known, default=None)


def missed(told: Notification, last: int) -> tuple[int, int] | None:
    """The numbers (first, last; both included) of the events after ``last`` that came with no notification.

    None where there is no gap. A notification that comes late or twice has none: its numbers are below ``last``.
    """
    if told.newest is None:
        return None
    absent = [number for number in _between(last, told) if number not in told.numbers]
    return (absent[0], absent[-1]) if absent else None


def _between(last: int, told: Notification) -> Iterator[int]:
    """Of a gap of any size only the ends matter, so what lies deep inside is not counted out."""
    newest = told.newest or 0
    first = last + 1
    edges = {first, newest, *(number + step for number in told.numbers for step in (-1, 1))}
    yield from sorted(number for number in edges if first <= number <= newest)


def read_notification(document: object) -> Notification:
    """Any notification as parsed JSON; None for an empty one. Never raises for JSON of bounded depth.

    An address of another server is read as one of the EHR's own: notifications name resources by the
    address under which the server knows itself, which is often not the one under which it is reached.
    """
    status = next(_statuses(document), {})
    told = dict(_parameters(status)) if status.get("resourceType") == "Parameters" else status
    addresses = list(_addresses(_without_address_of_status(document)))
    kind = text(told.get("type"))
    return Notification(
        is_quiet=kind in _QUIET,
        encounters=_found(_ENCOUNTER, addresses),
        procedures=tuple(each for each in _found(_FOCUS, addresses) if each.startswith("Procedure/")),
        names_something=any("Subscription" not in address for address in addresses),
        kind=kind if _WORD.match(kind) else "",
        subscription=next(iter(_found(_SUBSCRIPTION, [text(member(told, "subscription").get("reference"))])), ""),
        status=text(told.get("status")) if _WORD.match(text(told.get("status"))) else "",
        numbers=tuple(sorted({number for event in _events(status) if (number := _count(event)) is not None})),
        since_start=_number(told.get("events-since-subscription-start", told.get("eventsSinceSubscriptionStart"))),
    )


def _without_address_of_status(document: object) -> object:
    """Where the status itself lies (``urn:uuid:…``, ``Subscription/1/$status``) is nothing that it tells of."""
    entries = document.get("entry") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(entries, list):
        return document
    bare = [
        entry["resource"] if isinstance(entry, dict) and _is_status(entry.get("resource")) else entry
        for entry in entries
    ]
    return {**document, "entry": bare}


def _is_status(resource: object) -> bool:
    return isinstance(resource, dict) and resource.get("resourceType") in ("SubscriptionStatus", "Parameters")


def _found(form: re.Pattern[str], addresses: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(match[1] for address in addresses if (match := form.search(address))))


def _statuses(document: object) -> Iterator[Mapping[str, Any]]:
    """SubscriptionStatus, or the Parameters that stand for it in R4; the first entry of the Bundle."""
    entries = document.get("entry") if isinstance(document, dict) else None
    listed = entries if isinstance(entries, list) else []
    for resource in (document, *(entry.get("resource") for entry in listed if isinstance(entry, dict))):
        if isinstance(resource, dict) and _is_status(resource):
            yield resource


def _parameters(status: Mapping[str, Any], name: str = "parameter") -> Iterator[tuple[str, Any]]:
    """(name, value) of each parameter or part; the value whatever its type."""
    for each in members(status, name):
        value = next((value for key, value in each.items() if key.startswith("value")), None)
        yield text(each.get("name")), value


def _events(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if status.get("resourceType") == "SubscriptionStatus":
        yield from members(status, "notificationEvent")
        return
    for each in members(status, "parameter"):
        if text(each.get("name")) == "notification-event":
            yield dict(_parameters(each, "part"))


def _count(event: Mapping[str, Any]) -> int | None:
    return _number(event.get("event-number", event.get("eventNumber")))


def _number(value: object) -> int | None:
    """The backport writes 64-bit numbers as text; some servers write them as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 2**63 else None
    written = text(value)
    return int(written) if written.isascii() and written.isdigit() and len(written) < 19 else None


def _addresses(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name in _ADDRESSES:
            if isinstance(value.get(name), str):
                yield value[name]
        for inner in value.values():
            yield from _addresses(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _addresses(inner)
