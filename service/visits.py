"""FHIR resources filed as visits: what an Encounter, or something in a visit, means for its case.

An Encounter has versions, and they come late, twice and in any order. So its event depends on what was known of
it before: an older version only adds to the chart, and one that goes on after it was finished takes the discharge
back (an A13 to ADT).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from service.chart.bundle import resources_of
from service.errors import UnusableInput
from service.filing import file_reading, find_case
from service.intake import understand_encounter
from service.intake.encounter import UNDER_WAY, is_older, recorded_at, reopened
from service.model import Event, StoredMessage
from service.occasion import fhir_occasion
from service.ports import Resource, Transaction
from service.steps import decide_start, decide_what_waited
from service.world import World

SENDER: Final = "fhir"
_TURNING: Final = UNDER_WAY | {"finished", "cancelled", "entered-in-error"}
_LONGEST_ID: Final = 199


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit that something came in about.

    ``body``: what is kept for its case. ``inside``: the resource in the visit that this is about, None where it is
    news of the visit itself. ``event``: what the sender called it, None where the Encounter's status says it.
    ``is_read``: we fetched it, so a version that is known tells nothing.
    """

    encounter: Resource
    patient: Resource | None
    body: bytes
    inside: Resource | None = None
    event: Event | None = None
    sender: str = SENDER
    is_read: bool = False

    @property
    def control_id(self) -> str:
        """``Encounter/7/_history/2``, ``Encounter/7/Procedure/3/_history/1``: what MSH-10 is to a message."""
        own = f"Encounter/{self.encounter.get('id', '')}"
        if self.inside is not None:
            own = f"{own}/{self.inside['resourceType']}/{self.inside.get('id', '')}"
        version = _version(self.inside or self.encounter)
        return (f"{own}/_history/{version}" if version else own)[:_LONGEST_ID]


def visits_in(resources: Sequence[Resource], body: bytes, *, event: Event | None = None) -> list[Visit]:
    """Each Encounter among resources that came together, with its Patient."""
    return [
        Visit(encounter=each, patient=patient_of(each, resources), body=body, event=event)
        for each in resources
        if each["resourceType"] == "Encounter"
    ]


def patient_of(encounter: Resource, resources: Sequence[Resource]) -> Resource | None:
    """The Patient of an Encounter among resources; the only one there is where no reference tells."""
    subject = encounter.get("subject")
    wanted = subject.get("reference") if isinstance(subject, dict) else None
    patients = [resource for resource in resources if resource["resourceType"] == "Patient"]
    return next(
        (each for each in patients if f"Patient/{each['id']}" == wanted), patients[0] if len(patients) == 1 else None
    )


def file_visit(world: World, visit: Visit) -> bool:
    """Keep and file it in one transaction; False where all of it was known."""
    rules = world.rules
    reading = understand_encounter(visit.encounter, visit.patient, rules.authorities, local=rules.local)
    occasion = fhir_occasion(visit.encounter, resources_of(orjson.loads(visit.body)))
    with world.store.begin() as tx:
        known: list[StoredMessage] = []
        if reading.case_key is not None:
            tx.lock_identity(changing=False)
            known = _known(tx, reading.case_key, visit.encounter)
        if visit.is_read and _version(visit.inside or visit.encounter) and _has(known, visit.control_id):
            return False
        message_id, is_new = tx.add_message(
            channel="fhir",
            sender=visit.sender,
            control_id=visit.control_id,
            body=visit.body,
            ack_code=None,
            state="understood",
            kind="Encounter" if visit.inside is None else str(visit.inside["resourceType"]),
        )
        if not is_new or reading.case_key is None:
            return is_new
        if visit.inside is not None:
            reading = replace(reading, event=Event.RESULT, event_time=recorded_at(visit.inside) or reading.event_time)
        else:
            event = _in_order(visit.event or reading.event, visit.encounter, known)
            reading = replace(reading, event=event, event_time=_when(event, visit, reading.event_time))
        case = file_reading(
            world,
            tx,
            message_id=message_id,
            key=reading.case_key,
            event=reading.event,
            event_time=reading.event_time,
            start=decide_start(world, tx, reading, occasion),
            patient_key=reading.patient_key,
            recorded_at=recorded_at(visit.inside or visit.encounter),
        )
        if case is not None and reading.department:
            decide_what_waited(world, tx, case)
    return True


def _in_order(event: Event, encounter: Resource, known: Iterable[StoredMessage]) -> Event:
    """What a version means after the versions that are known."""
    newest: Mapping[str, object] | None = None
    for version in _versions(known, encounter):
        if newest is None or is_older(newest, version):
            newest = version
    if newest is None:
        return event
    if is_older(encounter, newest):
        return Event.UPDATE
    return Event.CANCEL_DISCHARGE if reopened(encounter, newest) else event


def _when(event: Event, visit: Visit, told: str) -> str:
    """A cancellation happened when it was recorded: the period of the visit still says when it began."""
    return recorded_at(visit.encounter) or told if event is Event.CANCEL_DISCHARGE else told


def _versions(known: Iterable[StoredMessage], encounter: Resource) -> Iterator[Resource]:
    """The versions of the same Encounter that said how the visit stands."""
    for stored in known:
        if stored.event is Event.RESULT:
            continue
        for each in _resources_in(stored.body):
            is_same = each["resourceType"] == "Encounter" and each.get("id") == encounter.get("id")
            if is_same and each.get("status") in _TURNING:
                yield each


def _resources_in(body: bytes) -> list[Resource]:
    try:
        return resources_of(orjson.loads(body))
    except (UnusableInput, orjson.JSONDecodeError):
        return []


def _known(tx: Transaction, key: str, encounter: Resource) -> list[StoredMessage]:
    case = find_case(tx, key)
    own = f"Encounter/{encounter.get('id', '')}"
    stored = [] if case is None else tx.messages_of(case.id)
    return [
        each
        for each in stored
        if each.channel == "fhir" and (each.control_id == own or each.control_id.startswith(f"{own}/"))
    ]


def _has(known: Iterable[StoredMessage], control_id: str) -> bool:
    return any(each.control_id == control_id for each in known)


def _version(resource: Resource) -> str:
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version.strip() if isinstance(version, str) else ""
