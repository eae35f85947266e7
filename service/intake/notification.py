"""FHIR Subscription notifications: which visits they tell of (R4 rest-hook; Subscriptions R4 Backport 1.1)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_ENCOUNTER = re.compile(r"(?:^|/)(Encounter/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
_QUIET: Final = frozenset({"handshake", "heartbeat", "query-status"})
_ADDRESSES: Final = ("reference", "fullUrl", "url")
"""Where an address stands: a Reference, an entry, its request."""


@dataclass(frozen=True, kw_only=True)
class Notification:
    """``is_quiet``: a handshake or the like, which tells of no event. ``encounters``: ``Encounter/id`` of
    each visit that it names; ``names_something``: it names what it tells of, be it a visit or not."""

    is_quiet: bool
    encounters: tuple[str, ...]
    names_something: bool


def read_notification(document: object) -> Notification:
    """Any notification as parsed JSON; None for an empty one. Never raises for JSON of bounded depth.

    An address of another server is read as one of the EHR's own: notifications name resources by the
    address under which the server knows itself, which is often not the one under which it is reached.
    """
    status = next(_statuses(document), {})
    addresses = list(_addresses(document))
    encounters = [match[1] for address in addresses if (match := _ENCOUNTER.search(address))]
    return Notification(
        is_quiet=_type_of(status) in _QUIET,
        encounters=tuple(dict.fromkeys(encounters)),
        names_something=any("Subscription" not in address for address in addresses),
    )


def _statuses(document: object) -> Iterator[Mapping[str, Any]]:
    """SubscriptionStatus, or the Parameters that stand for it in R4; the first entry of the Bundle."""
    entries = document.get("entry") if isinstance(document, dict) else None
    listed = entries if isinstance(entries, list) else []
    for resource in (document, *(entry.get("resource") for entry in listed if isinstance(entry, dict))):
        if isinstance(resource, dict) and resource.get("resourceType") in ("SubscriptionStatus", "Parameters"):
            yield resource


def _type_of(status: Mapping[str, Any]) -> str:
    if isinstance(status.get("type"), str):
        return str(status["type"])
    parameters = status.get("parameter")
    for parameter in parameters if isinstance(parameters, list) else []:
        if isinstance(parameter, dict) and parameter.get("name") == "type":
            return str(parameter.get("valueCode", ""))
    return ""


def _addresses(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name in _ADDRESSES:
            if isinstance(value.get(name), str):
                yield value[name]
        for member in value.values():
            yield from _addresses(member)
    elif isinstance(value, list):
        for member in value:
            yield from _addresses(member)
