"""Our own Subscription at the EHR: made, renewed, reactivated, asked, removed.

It is found by our endpoint, so losing what we know of it makes no second one. R4 rest-hook (``classic``), or
topic-based by the Subscriptions R5 Backport IG 1.1 for R4 (``backport``).
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from adapters.fhir.client import FhirClient
from service.errors import EhrRefused
from service.intake.notification import Notification, read_notification
from service.ports import Resource
from service.subscriptions import OurSubscription

log = logging.getLogger(__name__)

LIFE: Final = timedelta(days=30)
RENEW_BEFORE: Final = timedelta(days=10)
HEARTBEAT_SECONDS: Final = 300
_BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
_REASON: Final = "Epikrise drafts a letter when a visit ends"
_ALIVE: Final = frozenset({"requested", "active"})


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the Subscription is to be. ``endpoint``: our ``/fhir/notify`` as the EHR reaches it; ``token``: of
    web.intake_token, which the EHR sends back to us; ``topic``: canonical, with ``backport`` only."""

    kind: Literal["classic", "backport"]
    endpoint: str
    criteria: str
    topic: str = ""
    token: str = ""


class SubscriptionKeeper:
    """Every call may be repeated. Raises EhrUnavailable, EhrAmbiguous, EhrRefused, WrongSetting."""

    def __init__(self, client: FhirClient, wish: Wish) -> None:
        self._client = client
        self._wish = wish

    def keep(self, now: datetime) -> OurSubscription:
        """It exists, lives beyond ``now`` by at least :data:`RENEW_BEFORE`, and is as wished.

        One that the server put in ``error`` or ``off`` is requested again: the server then greets us anew.
        """
        found = self._found()
        for other in found[1:]:
            self._remove(other)
        if not found:
            wished = self._resource(now)
            written = self._client.create(wished, if_none_exist=(("url", self._wish.endpoint),))
            log.info("subscription_created")
            return self._told(written.resource or self._client.read(written.reference), now)
        current = found[0]
        if self._is_as_wished(current, now):
            return self._told(current, now)
        log.info("subscription_renewed", extra={"state": current.get("status")})
        renewed = {**self._resource(now), "id": current["id"], "meta": current.get("meta", {})}
        if self._wish.kind == "backport":
            renewed["meta"] = {**renewed["meta"], "profile": [f"{_BACKPORT}backport-subscription"]}
        if current.get("status") == "active":
            renewed["status"] = "active"
        written = self._client.update(renewed)
        return self._told(written.resource or renewed, now)

    def look(self, now: datetime) -> OurSubscription:
        """How it stands; nothing is changed."""
        found = self._found()
        return self._told(found[0], now) if found else OurSubscription(at=_iso(now))

    def ask(self, reference: str) -> Notification | None:
        """``$status``; None where the server has no such operation, as with a classic Subscription."""
        try:
            return read_notification(self._client.status(reference))
        except EhrRefused as refusal:
            log.info("status_refused", extra={"status": refusal.status})
            return None

    def remove(self) -> int:
        """Switched off, then deleted where the server lets us; how many there were."""
        found = self._found()
        for each in found:
            self._remove(each)
        return len(found)

    # ------------------------------------------------------------ one of them

    def _found(self) -> list[Resource]:
        """Ours, the living first, then the newest; one that was switched off for good (and not deleted) last."""
        listed = self._client.search("Subscription", (("url", self._wish.endpoint),))
        # a server that ignores a search parameter gives everybody's
        ours = [each for each in listed if _channel(each).get("endpoint") == self._wish.endpoint and "id" in each]
        newest = sorted(ours, key=lambda each: str(each.get("meta", {}).get("lastUpdated", "")), reverse=True)
        return sorted(newest, key=lambda each: each.get("status") not in _ALIVE)

    def _remove(self, subscription: Resource) -> None:
        if subscription.get("status") != "off":
            self._client.update({**subscription, "status": "off"})
        try:
            self._client.delete(f"Subscription/{subscription['id']}")
        except EhrRefused as refusal:
            # off it tells nothing any more; that is what matters
            log.warning("subscription_not_deleted", extra={"status": refusal.status})

    def _is_as_wished(self, current: Resource, now: datetime) -> bool:
        wished = self._resource(now)
        same = all(current.get(name) == wished.get(name) for name in ("criteria", "_criteria"))
        channel, other = _channel(current), _channel(wished)
        # some servers do not give headers back, for they hold secrets
        headers = channel.get("header")
        same = same and (headers is None or headers == other.get("header"))
        same = same and all(channel.get(name) == other.get(name) for name in ("type", "payload"))
        end = _moment(current.get("end"))
        return same and current.get("status") in _ALIVE and (end is None or end - now > RENEW_BEFORE)

    def _resource(self, now: datetime) -> Resource:
        wish = self._wish
        channel: dict[str, Any] = {"type": "rest-hook", "endpoint": wish.endpoint}
        if wish.token:
            channel["header"] = [f"Authorization: Bearer {wish.token}"]
        resource: Resource = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": _REASON,
            "end": _iso(now + LIFE),
            "criteria": wish.criteria,
            "channel": channel,
        }
        if wish.kind == "classic":
            return resource  # without payload: what changed is read, over a connection that we authorize
        resource["meta"] = {"profile": [f"{_BACKPORT}backport-subscription"]}
        resource["criteria"] = wish.topic
        if wish.criteria.partition("?")[2]:
            filtered = {"url": f"{_BACKPORT}backport-filter-criteria", "valueString": wish.criteria}
            resource["_criteria"] = {"extension": [filtered]}
        channel["payload"] = "application/fhir+json"
        content = {"url": f"{_BACKPORT}backport-payload-content", "valueCode": "id-only"}
        channel["_payload"] = {"extension": [content]}
        channel["extension"] = [{"url": f"{_BACKPORT}backport-heartbeat-period", "valueUnsignedInt": HEARTBEAT_SECONDS}]
        return resource

    def _told(self, subscription: Resource, now: datetime) -> OurSubscription:
        error = subscription.get("error")
        return OurSubscription(
            reference=f"Subscription/{subscription['id']}",
            state=str(subscription.get("status", "")),
            end=str(subscription.get("end", "")),
            # the server's own words may hold anything: only that there are some
            error="subscription_error" if error and subscription.get("status") == "error" else "",
            at=_iso(now),
        )


def _channel(subscription: Resource) -> Resource:
    channel = subscription.get("channel")
    return channel if isinstance(channel, dict) else {}


def _moment(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
