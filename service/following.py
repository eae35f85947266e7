"""Following the EHR: what a notification tells, what was missed, and a poll where nothing notifies.

Two cursors say how far the EHR has been read: the number of the last event of a Subscription, and the newest
``meta.lastUpdated`` (the EHR's own clock). Both move only after what was read has been filed, and what is read
twice is known by its version; so a crash in between loses nothing and files nothing twice.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, Protocol

import orjson

from service.chart.bundle import resources_of
from service.errors import EhrRefused, WrongSetting
from service.intake.encounter import recorded_at
from service.intake.identity import read_fhir_time
from service.intake.notification import Notification, missed, read_notification
from service.intake.procedure import COURSE, SNOMED, completed_course, encounter_of
from service.intake.resource import text
from service.ports import Resource, Transaction
from service.subscriptions import our_subscription
from service.visits import Visit, file_visit, patient_of, visits_in
from service.world import World

log = logging.getLogger(__name__)

LOOK_BACK: Final = timedelta(hours=1)
"""Before the first question ever: hooks were lost while nobody listened."""
GONE: Final = frozenset({404, 410})
_PASSES: Final = 5
_SEARCHED: Final = (
    ("Encounter", ()),
    ("Procedure", (("status", "completed"), ("code", f"{SNOMED}|{COURSE}"))),
)
"""What is asked for by time; of Procedures only courses, for a hospital has thousands of others a day."""


class Ehr(Protocol):
    """What following needs of the EHR's FHIR API. Each raises EhrUnavailable, EhrRefused."""

    def read(self, reference: str) -> Resource: ...
    def pages(self, resource_type: str, parameters: Sequence[tuple[str, str]]) -> Iterator[list[Resource]]: ...
    def events(self, subscription: str, first: int, last: int) -> Resource: ...


@dataclass(kw_only=True)
class Followed:
    """How many visits were understood, and what the sender or the operator should know; no PHI. ``is_unread``:
    the EHR no longer has something that was named."""

    visits: int = 0
    is_unread: bool = False
    warnings: list[str] = field(default_factory=list)

    def warn(self, warning: str) -> None:
        log.warning("fhir_notification", extra={"reason": warning})
        if warning not in self.warnings:
            self.warnings.append(warning)


def take_notification(world: World, ehr: Ehr | None, document: Any, body: bytes, *, overlap: timedelta) -> Followed:
    """A notification of any kind: file what it tells, and catch up with what it shows to be missing.

    ``document``: the parsed body, None for an empty one. What cannot be read because it is gone, or comes from a
    Subscription that is not ours, is told and is no error: a server that gets errors gives the Subscription up.

    Raises:
        UnusableInput: it is no FHIR.
        EhrUnavailable, WrongSetting (no EHR is named): send it again later. The cursors stay.
        EhrRefused: the EHR does not let us read.
    """
    followed = Followed()
    resources = [] if document is None else resources_of(document)  # first: it bounds the depth
    told = read_notification(document)
    ours = _ours(world)
    if told.subscription and ours and told.subscription != ours:
        followed.warn("Subscription: the notification is of another one than ours; it was read all the same")
    if told.status in ("error", "off"):
        followed.warn(f"Subscription.status is {told.status}")
    if not told.is_quiet:
        _file_all(world, _visits_told(ehr, told, resources, body, followed, local=world.rules.local), followed)
        if not told.names_something:
            _require(ehr)
    last = _last_number(world, told, is_ours=told.subscription == ours)
    gap = missed(told, last)
    if not told.is_quiet and not told.names_something:
        followed.visits += catch_up(world, _require(ehr), overlap=overlap)
    elif gap is not None:
        log.info("subscription_gap", extra={"first": gap[0], "last": gap[1]})
        if ehr is None:
            followed.warn("ehr.fhir_url is not set: events that were missed cannot be read")
        else:
            _fill(world, ehr, told.subscription, gap, followed, overlap=overlap)
    if told.subscription and told.newest is not None:
        restarts = told.kind == "handshake"
        _advance_number(world, told.subscription, told.newest, restarts=restarts)
    return followed


def catch_up_with(world: World, ehr: Ehr, told: Notification, *, overlap: timedelta) -> Followed:
    """What ``$status`` shows to have been missed: its hook was lost, and no later one came."""
    followed = Followed()
    gap = missed(told, _last_number(world, told, is_ours=True))
    if gap is not None and told.newest is not None:
        log.info("subscription_gap", extra={"first": gap[0], "last": gap[1]})
        _fill(world, ehr, told.subscription, gap, followed, overlap=overlap)
        _advance_number(world, told.subscription, told.newest, restarts=False)
    return followed


def catch_up(world: World, ehr: Ehr, *, overlap: timedelta) -> int:
    """File what changed since the cursors, less ``overlap`` for clocks that differ; how many visits.

    Raises EhrUnavailable (the cursor stays where it was), EhrRefused where not even Encounters can be searched.
    """
    found = 0
    for resource_type, narrowed in _SEARCHED:
        try:
            found += _catch_up(world, ehr, resource_type, narrowed, overlap)
        except EhrRefused as refusal:
            if resource_type == "Encounter":
                raise
            # a scope need not reach it; the end of a course may come by another way
            log.warning("poll_refused", extra={"type": resource_type, "status": refusal.status})
    return found


def _catch_up(
    world: World, ehr: Ehr, resource_type: str, narrowed: Sequence[tuple[str, str]], overlap: timedelta
) -> int:
    name = f"fhir.read.{resource_type}"
    with world.store.begin() as tx:
        since = tx.cursor(name)
        if since is None:
            since = (world.clock() - LOOK_BACK).astimezone(UTC).isoformat()
            tx.set_cursor(name, since)
    begin = datetime.fromisoformat(since) - overlap
    asked = (("_lastUpdated", f"ge{_instant(begin)}"), *narrowed, ("_sort", "_lastUpdated"), ("_count", "100"))
    newest, seen, found = datetime.fromisoformat(since), set[tuple[str, str]](), 0
    for _ in range(_PASSES):
        fresh = pages = 0
        for page in ehr.pages(resource_type, asked):
            pages += 1
            for resource in page:
                key = (str(resource.get("id")), str(resource.get("meta", {}).get("versionId")))
                if resource.get("resourceType") != resource_type or key in seen:
                    continue
                seen.add(key)
                fresh += 1
                found += sum(file_visit(world, visit) for visit in _visits_of(world, ehr, resource))
                if at := recorded_at(resource, world.rules.local):
                    newest = max(newest, datetime.fromisoformat(at))
        # what changes while pages are turned can slip from a page not yet read to one already read
        if pages <= 1 or not fresh:
            break
    _advance_time(world, name, newest)
    return found


def _visits_of(world: World, ehr: Ehr, resource: Resource) -> Iterable[Visit]:
    if resource["resourceType"] == "Procedure":
        visit = _course_visit(ehr, resource, [], world.rules.local)
        return [] if visit is None else [visit]
    return [read_visit(ehr, resource)]


def read_visit(ehr: Ehr, encounter: Resource) -> Visit:
    """An Encounter fetched alone; its Patient is fetched too, for ADT knows the patient by a number."""
    patient = None
    subject = encounter.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if isinstance(reference, str) and reference.startswith("Patient/"):
        try:
            patient = ehr.read(reference)
        except EhrRefused as refusal:
            log.warning("reference_refused", extra={"type": "Patient", "status": refusal.status})
    return Visit(encounter=encounter, patient=patient, body=orjson.dumps(encounter), is_read=True)


# ---------------------------------------------------------------- what a notification tells


def course_visits(ehr: Ehr | None, resources: Sequence[Resource], local: tzinfo) -> list[Visit]:
    """The visits of the courses that end among resources which came without an Encounter."""
    if ehr is None:
        return []
    return [visit for each in resources if (visit := _course_visit(ehr, each, resources, local)) is not None]


def _file_all(world: World, visits: Iterable[Visit], followed: Followed) -> None:
    for visit in visits:
        file_visit(world, visit)
        followed.visits += 1


def _visits_told(
    ehr: Ehr | None,
    told: Notification,
    resources: Sequence[Resource],
    body: bytes,
    followed: Followed,
    *,
    local: tzinfo,
) -> Iterator[Visit]:
    whole = visits_in(resources, body)
    yield from whole
    here = {f"{each['resourceType']}/{each['id']}": each for each in resources}
    handled = {f"Encounter/{visit.encounter.get('id', '')}" for visit in whole}
    inside = [each for each in resources if each["resourceType"] not in ("Encounter", "Patient")]
    if not whole:
        for reference in told.encounters:
            encounter = _read_told(_require(ehr), reference, followed)
            if encounter is None:
                continue
            handled.add(reference)
            if not inside:
                yield read_visit(_require(ehr), encounter)
            else:
                yield Visit(
                    encounter=encounter,
                    patient=patient_of(encounter, resources),
                    body=body if not _ends_course(inside) else _together(encounter, resources),
                    inside=inside[0],
                )
    courses = (reference for reference in here if reference.startswith("Procedure/"))
    for reference in dict.fromkeys((*told.procedures, *courses)):
        procedure = here.get(reference) or _read_told(_require(ehr), reference, followed)
        if procedure is None or not completed_course(procedure):
            continue
        # with its visit it was filed above, unless it is of another visit than those that came with it
        named = encounter_of(procedure)
        is_placed = reference in here and (named in handled if named else bool(handled))
        if not is_placed:
            visit = _course_visit(_require(ehr), procedure, resources, local)
            if visit is None:
                followed.warn("Procedure.encounter: the course that ended names no visit, and none is found")
            else:
                yield visit


def _ends_course(resources: Iterable[Resource]) -> bool:
    return any(completed_course(each) for each in resources)


def _together(encounter: Resource, resources: Sequence[Resource]) -> bytes:
    return orjson.dumps(_collection([encounter, *resources]))


def _collection(resources: Sequence[Resource]) -> Resource:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


def _read_told(ehr: Ehr, reference: str, followed: Followed) -> Resource | None:
    try:
        return ehr.read(reference)
    except EhrRefused as refusal:
        if refusal.status not in GONE:
            raise
        followed.is_unread = True
        followed.warn(f"{reference.partition('/')[0]}: the EHR no longer has what the notification names")
        return None


def _course_visit(ehr: Ehr, procedure: Resource, resources: Sequence[Resource], local: tzinfo) -> Visit | None:
    """The visit of a course that ended: the one that it names, else the patient's only one that it fell into."""
    if not completed_course(procedure):
        return None
    encounter = None
    if reference := encounter_of(procedure):
        try:
            encounter = ehr.read(reference)
        except EhrRefused as refusal:
            log.warning("reference_refused", extra={"type": "Encounter", "status": refusal.status})
    else:
        encounter = _only_visit(ehr, procedure, local)
    if encounter is None:
        log.warning("course_end_without_visit")
        return None
    return Visit(
        encounter=encounter,
        patient=patient_of(encounter, resources),
        # the course names the visit now, whether its own resource did or not: so it is read again
        body=_together(encounter, [{**procedure, "encounter": {"reference": f"Encounter/{encounter['id']}"}}]),
        inside=procedure,
        is_read=True,
    )


def _only_visit(ehr: Ehr, procedure: Resource, local: tzinfo) -> Resource | None:
    subject = procedure.get("subject")
    patient = subject.get("reference") if isinstance(subject, dict) else None
    performed = procedure.get("performedPeriod")
    end = performed.get("end") if isinstance(performed, dict) else procedure.get("performedDateTime")
    if not isinstance(patient, str) or not patient.startswith("Patient/"):
        return None
    at = _time(end, local) or recorded_at(procedure, local)
    encounters = [each for page in ehr.pages("Encounter", (("patient", patient),)) for each in page]
    fitting = [each for each in encounters if _spans(each, at, local)]
    return fitting[0] if len(fitting) == 1 else None


def _spans(encounter: Resource, at: str, local: tzinfo) -> bool:
    if encounter.get("resourceType") != "Encounter" or encounter.get("status") in ("cancelled", "entered-in-error"):
        return False
    period = encounter.get("period")
    ends = period if isinstance(period, dict) else {}
    start, end = _time(ends.get("start"), local), _time(ends.get("end"), local)
    day = at[:10]
    return (not start or not day or start[:10] <= day) and (not end or not day or day <= end[:10])


def _time(told: object, local: tzinfo) -> str:
    return read_fhir_time(text(told), local)


def _fill(
    world: World, ehr: Ehr, subscription: str, gap: tuple[int, int], followed: Followed, *, overlap: timedelta
) -> None:
    """The events of a gap from the server's memory; where it has none, or not all, by time."""
    first, last = gap
    try:
        bundle = ehr.events(subscription, first, last)
        told = read_notification(bundle)
        resources = resources_of(bundle)
        is_whole = told.names_something and sum(first <= each <= last for each in told.numbers) == last - first + 1
        visits = _visits_told(ehr, told, resources, orjson.dumps(bundle), followed, local=world.rules.local)
        _file_all(world, visits, followed)
    except EhrRefused as refusal:
        log.info("events_refused", extra={"status": refusal.status})
        is_whole = False
    if not is_whole:
        followed.visits += catch_up(world, ehr, overlap=overlap)


def _require(ehr: Ehr | None) -> Ehr:
    if ehr is None:
        raise WrongSetting("ehr.fhir_url is not set", remedy="Name the EHR that sends these notifications.")
    return ehr


# ---------------------------------------------------------------- cursors


def _ours(world: World) -> str:
    with world.store.begin() as tx:
        return our_subscription(tx).reference


def _last_number(world: World, told: Notification, *, is_ours: bool) -> int:
    """The last event known. Before the first notification of a Subscription not made by us nothing was missed."""
    with world.store.begin() as tx:
        known = tx.cursor(_numbers(told.subscription)) if told.subscription else None
    if known is not None:
        return int(known)
    if is_ours and told.kind != "handshake":
        return 0
    return min(told.numbers, default=(told.newest or 0) + 1) - 1 if not told.is_quiet else told.newest or 0


def _advance_number(world: World, subscription: str, number: int, *, restarts: bool) -> None:
    """Never back, except that a handshake begins a Subscription, and its count, anew."""
    with world.store.begin() as tx:
        known = tx.cursor(_numbers(subscription))
        if known is None or number > int(known) or restarts:
            tx.set_cursor(_numbers(subscription), str(number))


def _advance_time(world: World, name: str, at: datetime) -> None:
    with world.store.begin() as tx:
        if _is_later(tx, name, at):
            tx.set_cursor(name, at.astimezone(UTC).isoformat())


def _is_later(tx: Transaction, name: str, at: datetime) -> bool:
    known = tx.cursor(name)
    return known is None or datetime.fromisoformat(known) < at


def _numbers(subscription: str) -> str:
    return f"fhir.events.{subscription}"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
