"""Subscriptions of the sandbox EHR: R4 rest-hooks, and topic-based ones by the R5 Backport IG 1.1 (for R4).

A change that a Subscription wants is an event with a number, written down before its hook is sent, so that
``$events`` knows also those whose hook was lost. Hooks go out one after the other from one thread; a receiver
that fails three times puts its Subscription in ``error`` (R4, subscription.html, ``status``).
"""

import queue
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
import orjson

from adapters.sandbox.faults import Faults
from adapters.sandbox.outcome import Refusal, Resource, refuse
from adapters.sandbox.search import read_query
from adapters.sandbox.storage import Records, Storage, Stored

TOPIC = "http://sandbox.example/SubscriptionTopic/changes"
"""Changes of Encounters and Procedures; a filter ``Encounter?status=finished`` narrows it."""
TOPIC_TYPES = ("Encounter", "Procedure")
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
_ATTEMPTS = 3
_PAUSE = 0.05  # seconds between attempts

_Job = tuple[str, str, Sequence[int], str]
"""(Subscription id, kind of notification, event numbers, our base address)."""


class Subscriptions:
    """Watches the storage and sends hooks; ``close`` ends the thread."""

    def __init__(self, storage: Storage, faults: Faults) -> None:
        self._storage = storage
        self._faults = faults
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._http = httpx.Client(timeout=5.0, trust_env=False)
        storage.on_change = self._changed
        storage.on_commit = self._send
        self._thread = threading.Thread(target=self._run, name="sandbox-subscriptions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join(20)
        self._http.close()

    def drain(self) -> None:
        """Until everything that was to be sent has been answered."""
        self._jobs.join()

    def heartbeat(self, base: str) -> None:
        """One to each active topic-based Subscription."""
        with self._storage.begin() as records:
            wanted = [each["id"] for each in _all(records) if each["status"] == "active" and _is_backport(each)]
        for identity in wanted:
            self._jobs.put((identity, "heartbeat", (), base))

    # ------------------------------------------------------------ operations

    def status(self, records: Records, identity: str, base: str) -> Resource:
        """``$status``: a searchset whose entry is the status as Parameters."""
        subscription = records.require("Subscription", identity).resource
        told = _status(subscription, "query-status", records.event_count(identity), [], base)
        return {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": told}]}

    def events(self, records: Records, identity: str, query: Mapping[str, str], base: str) -> Resource:
        """``$events``: a notification Bundle of what happened from one number to another, both included."""
        subscription = records.require("Subscription", identity).resource
        count = records.event_count(identity)
        first, last = _number(query, "eventsSinceNumber", 1), _number(query, "eventsUntilNumber", count)
        content = query.get("content") or _content(subscription)
        return _notification(
            records, subscription, "query-event", range(max(first, 1), min(last, count) + 1), base, content=content
        )

    # ------------------------------------------------------------ changes

    def _changed(self, records: Records, changes: Sequence[Stored]) -> list[_Job]:
        """Inside the transaction of the change: what is to be sent once it is committed."""
        base = records.bases[0] if records.bases else ""
        jobs: list[_Job] = []
        for change in changes:
            if change.resource["resourceType"] == "Subscription":
                if change.resource.get("status") == "requested":
                    jobs.append((change.resource["id"], "handshake", (), base))
                continue
            for subscription in _all(records):
                if subscription["status"] == "active" and _wants(records, subscription, change):
                    number = records.add_event(subscription["id"], change)
                    if not self._faults.take("HOOK", f"/hooks/{subscription['id']}"):
                        jobs.append((subscription["id"], "event-notification", (number,), base))
        return jobs

    def _send(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            self._jobs.put(job)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._deliver(*job)
            finally:
                self._jobs.task_done()
        self._jobs.task_done()

    def _deliver(self, identity: str, kind: str, numbers: Sequence[int], base: str) -> None:
        with self._storage.begin() as records:
            stored = records.get("Subscription", identity)
            if stored is None or (kind != "handshake" and stored.resource["status"] != "active"):
                return
            subscription = stored.resource
            requests = list(_requests(records, subscription, kind, numbers, base))
        accepted = all(self._post(*request) for request in requests)
        if kind == "handshake" or not accepted:
            self._set_status(identity, "active" if accepted else "error")

    def _post(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> bool:
        for attempt in range(_ATTEMPTS):
            try:
                if self._http.request(method, address, headers=dict(headers), content=body).is_success:
                    return True
            except httpx.HTTPError:
                pass
            threading.Event().wait(_PAUSE * (attempt + 1))
        return False

    def _set_status(self, identity: str, status: str) -> None:
        with self._storage.begin() as records:
            stored = records.get("Subscription", identity)
            if stored is not None:
                records.put({**stored.resource, "status": status}, method="PUT")


def _requests(
    records: Records, subscription: Resource, kind: str, numbers: Sequence[int], base: str
) -> Sequence[tuple[str, str, dict[str, str], bytes]]:
    channel = subscription["channel"]
    named = [line.partition(":") for line in channel.get("header", [])]
    headers = {name.strip(): value.strip() for name, _, value in named}
    address = channel["endpoint"]
    if _is_backport(subscription):
        body = _notification(records, subscription, kind, numbers, base, content=_content(subscription))
        return [("POST", address, {**headers, "Content-Type": "application/fhir+json"}, orjson.dumps(body))]
    if kind != "event-notification":
        return []
    if not channel.get("payload"):
        return [("POST", address, headers, b"")]
    headers["Content-Type"] = channel["payload"]
    changes = [records.event(subscription["id"], number) for number in numbers]
    return [
        ("PUT", f"{address}/{each['resourceType']}/{each['id']}", headers, orjson.dumps(each)) for each, _ in changes
    ]


def _notification(
    records: Records, subscription: Resource, kind: str, numbers: Sequence[int], base: str, *, content: str
) -> Resource:
    changes = {number: records.event(subscription["id"], number) for number in numbers}
    told = _status(subscription, kind, records.event_count(subscription["id"]), changes.items(), base, content=content)
    entries: list[Resource] = [
        {
            "fullUrl": f"urn:uuid:{told['id']}",
            "resource": told,
            "request": {"method": "GET", "url": f"{base}/Subscription/{subscription['id']}/$status"},
            "response": {"status": "200"},
        }
    ]
    for resource, _ in changes.values() if content != "empty" else ():
        reference = f"{resource['resourceType']}/{resource['id']}"
        entry = {
            "fullUrl": f"{base}/{reference}",
            "request": {"method": "PUT", "url": reference},
            "response": {"status": "200"},
        }
        entries.append({**entry, "resource": resource} if content == "full-resource" else entry)
    return {"resourceType": "Bundle", "type": "history", "timestamp": _now(), "entry": entries}


def _status(
    subscription: Resource, kind: str, count: int, changes: Any, base: str, *, content: str = "empty"
) -> Resource:
    parameters: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{subscription['id']}"}},
        {"name": "topic", "valueCanonical": subscription["criteria"]},
        {"name": "status", "valueCode": subscription["status"]},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(count)},
    ]
    for number, (resource, at) in changes:
        part: list[Resource] = [
            {"name": "event-number", "valueString": str(number)},
            {"name": "timestamp", "valueInstant": at},
        ]
        if content != "empty":
            reference = f"{base}/{resource['resourceType']}/{resource['id']}"
            part.append({"name": "focus", "valueReference": {"reference": reference}})
        parameters.append({"name": "notification-event", "part": part})
    return {"resourceType": "Parameters", "id": f"status-{subscription['id']}"[:64], "parameter": parameters}


def _all(records: Records) -> list[Resource]:
    return [stored.resource for stored in records.all_of("Subscription")]


def _is_backport(subscription: Resource) -> bool:
    return "://" in str(subscription["criteria"])


def _content(subscription: Resource) -> str:
    extensions = subscription["channel"].get("_payload", {}).get("extension", [])
    return next((each["valueCode"] for each in extensions if each["url"].endswith("backport-payload-content")), "empty")


def _wants(records: Records, subscription: Resource, change: Stored) -> bool:
    name, identity = change.resource["resourceType"], change.resource["id"]
    criteria = [subscription["criteria"]]
    if _is_backport(subscription):
        if subscription["criteria"] != TOPIC or name not in TOPIC_TYPES:
            return False
        extensions = subscription.get("_criteria", {}).get("extension", [])
        criteria = [each["valueString"] for each in extensions if each["url"] == f"{_BACKPORT}backport-filter-criteria"]
    return not criteria or any(_fits(records, each, name, identity) for each in criteria)


def _fits(records: Records, criterion: str, name: str, identity: str) -> bool:
    wanted, _, query = criterion.partition("?")
    if wanted != name:
        return False
    pairs = [*parse_qsl(query, keep_blank_values=True), ("_id", identity)]
    try:
        return records.search(read_query(name, pairs, bases=records.bases))[0] == 1
    except Refusal:
        return False


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not value.isascii() or not value.isdigit() or len(value) > 15:
        raise refuse(400, "value", "A whole number is needed.", name)
    return int(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
