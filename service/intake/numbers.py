"""Patient, visit and former numbers of an HL7 v2 message as keys (HL7 2.9 chapters 2A CX, 3.4 PID, PV1, MRG)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

from service.intake.identity import read_hl7_time, stay_key, visit_key
from service.model import Event
from service.ports import Message, Segment

_BY_ACCOUNT: Final = ("A35", "A36", "A41", "A44", "A49")
"""Merges, moves and changes of accounts: PID-18 and MRG-3. Where the account is the visit, they name it."""
_OF_A_PATIENT: Final = (Event.MERGE, Event.IGNORED)
NO_PRIOR: Final = ("no prior patient identifier (MRG-1)", "no prior number (MRG): nothing is merged or moved")
"""Warnings of a merge, or a change of visit, that does not say from where."""
_OF_A_PERSON: Final = ("A28", "A31", "A60")


@dataclass(frozen=True, kw_only=True)
class Place:
    """One identifier: its segment, field and repetition."""

    segment: Segment
    field: int
    repetition: int = 1

    @property
    def number(self) -> str:
        return text(self.segment.value(self.field, repetition=self.repetition))


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The identifiers of one message.

    Args:
        authorities: as of :func:`service.intake.understand`.
        local: the zone of an admission time without an offset.
        warnings: what had to be decided without the sender's word is added here.
    """

    message: Message
    trigger: str
    authorities: Mapping[str, str]
    local: tzinfo
    warnings: list[str] = field(default_factory=list)

    def patient_key(self) -> str | None:
        place = find_patient(self.message)
        if place is None:
            return None
        if place.field != 3:
            self.warnings.append(f"no patient identifier list (PID-3): PID-{place.field} stands in for it")
        return visit_key(self._authority(place), place.number)

    def case_key(self, event: Event, event_time: str) -> str | None:
        """PV1-19 with its authority; else patient and admission time; None where no visit is named."""
        visit = self._visit(event)
        if visit is not None:
            return visit_key(self._authority(visit), visit.number)
        if event in _OF_A_PATIENT or event is Event.CHANGE_VISIT or self.trigger in _OF_A_PERSON:
            return None
        patient = find_patient(self.message)
        if patient is None:
            self.warnings.append(
                "no visit number (PV1-19) and no patient identifier (PID-3): the message belongs to no case"
            )
            return None
        admitted_at = self._stands_for_the_visit(event, event_time)
        return stay_key(self._authority(patient), patient.number, admitted_at) if admitted_at else None

    def former_patient_key(self, event: Event) -> str | None:
        """MRG-1 (else MRG-4, MRG-2) of a merge or a change of visit; None where it is the patient's own."""
        mrg = first(self.message, "MRG")
        if event not in (Event.MERGE, Event.CHANGE_VISIT):
            return None
        if mrg is None:
            self.warnings.append(NO_PRIOR[1])
            return None
        patient = find_patient(self.message)
        own = self._authority(patient) if patient else ""
        former = next(filter(None, (_find_number(mrg, number) for number in (1, 4, 2))), None)
        if former is None:
            self.warnings.append(NO_PRIOR[0])
            return None
        for repetition in range(1, mrg.repetitions(former.field) + 1):
            other = Place(segment=mrg, field=former.field, repetition=repetition)
            if other.number and self._named_authority(other) == own:
                former = other
                break
        key = visit_key(self._named_authority(former) or own or self._authority(former), former.number)
        return None if patient and key == visit_key(own, patient.number) else key

    def former_case_key(self, event: Event) -> str | None:
        """MRG-5, for accounts also MRG-3; None where it is the visit's own."""
        mrg = first(self.message, "MRG")
        if mrg is None or (event is not Event.CHANGE_VISIT and self.trigger not in _BY_ACCOUNT):
            return None
        former = _first_valued(mrg, 5) or (_first_valued(mrg, 3) if self.trigger in _BY_ACCOUNT else None)
        if former is None:
            return None
        visit = self._visit(event)
        own = self._authority(visit) if visit else ""
        key = visit_key(self._named_authority(former) or own or self._authority(former), former.number)
        return None if visit and key == visit_key(own, visit.number) else key

    def _visit(self, event: Event) -> Place | None:
        pv1, pid = first(self.message, "PV1"), first(self.message, "PID")
        if pv1 is not None and (visit := Place(segment=pv1, field=19)).number:
            return visit
        if event in (Event.MERGE, Event.CHANGE_VISIT) and pid is not None and self.trigger in _BY_ACCOUNT:
            return _first_valued(pid, 18)
        return None

    def _stands_for_the_visit(self, event: Event, event_time: str) -> str:
        pv1 = first(self.message, "PV1")
        if admitted_at := read_hl7_time(pv1.value(44), self.local) if pv1 else "":
            self.warnings.append("no visit number (PV1-19): the case is found by patient and admission time (PV1-44)")
            return admitted_at
        if event is Event.ADMIT and event_time:
            self.warnings.append(
                "no visit number (PV1-19) and no admission time (PV1-44): the time of the event stands in"
            )
            return event_time
        if event is Event.DISCHARGE and pv1 and (ended := read_hl7_time(pv1.value(45), self.local) or event_time):
            # Better a case of its own, which a person sees, than a discharge that starts nothing.
            self.warnings.append(
                "no visit number (PV1-19) and no admission time (PV1-44): the discharge is a case of its own"
            )
            return ended
        self.warnings.append(
            "no visit number (PV1-19) and no admission time (PV1-44): the message belongs to no case but to its patient"
        )
        return ""

    def _authority(self, place: Place) -> str:
        """CX-4; else the sending facility (MSH-4), else the application (MSH-3)."""
        if named := self._named_authority(place):
            return named
        header = self.message.segments("MSH")[0]
        authority = text(header.value(4)) or text(header.value(3))
        if not authority:
            self.warnings.append("no assigning authority, sending facility (MSH-4) or application (MSH-3)")
        return self.authorities.get(authority, authority)

    def _named_authority(self, place: Place) -> str:
        """CX-4 as mapped, else its namespace id, else its universal id (an OID as ``urn:oid:``); ``""``: none."""
        namespace, universal, scheme = (
            text(place.segment.value(place.field, component=4, sub=sub, repetition=place.repetition))
            for sub in (1, 2, 3)
        )
        address = f"urn:oid:{universal}" if universal and scheme == "ISO" else universal
        known = next((name for name in (namespace, universal, address) if name in self.authorities), None)
        return self.authorities[known] if known is not None else namespace or address


def find_patient(message: Message) -> Place | None:
    """PID-3; before version 2.3.1 it may be PID-2 or PID-4 that is valued."""
    pid = first(message, "PID")
    if pid is None:
        return None
    return next(filter(None, (_find_number(pid, number) for number in (3, 2, 4))), None)


def listed_patient_id(message: Message) -> str:
    """PID-3 alone."""
    pid = first(message, "PID")
    place = _find_number(pid, 3) if pid else None
    return place.number if place else ""


def _find_number(segment: Segment, number: int) -> Place | None:
    """The record number of a list (CX-5 ``MR``), else the internal ``PI``, else the first that is valued."""
    valued = [
        place
        for repetition in range(1, segment.repetitions(number) + 1)
        if (place := Place(segment=segment, field=number, repetition=repetition)).number
    ]
    for wanted in ("MR", "PI"):
        for place in valued:
            if text(segment.value(number, component=5, repetition=place.repetition)) == wanted:
                return place
    return valued[0] if valued else None


def _first_valued(segment: Segment, number: int) -> Place | None:
    places = (Place(segment=segment, field=number, repetition=each + 1) for each in range(segment.repetitions(number)))
    return next((place for place in places if place.number), None)


def first(message: Message, name: str) -> Segment | None:
    return next(iter(message.segments(name)), None)


def text(value: str) -> str:
    """``""`` (delete) is no identifier and no name."""
    stripped = value.strip()
    return "" if stripped == '""' else stripped
