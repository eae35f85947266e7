"""FHIR R4 Encounter: the same reading that an ADT message of its visit would give."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

from service.errors import UnusableInput
from service.intake.identity import BERLIN, NO_AUTHORITIES, read_fhir_time, stay_key, visit_key
from service.intake.resource import member, members, text
from service.model import Ack, Event, Fields, Reading

_EVENTS: Final = {
    "arrived": Event.ADMIT,
    "triaged": Event.ADMIT,
    "in-progress": Event.ADMIT,
    "finished": Event.DISCHARGE,
    "cancelled": Event.CANCEL_ADMIT,
    "entered-in-error": Event.CANCEL_ADMIT,
}
"""``planned`` and ``onleave`` change the visit and neither begin nor end it: updates, as is ``unknown``."""
UNDER_WAY: Final = frozenset(("planned", "arrived", "triaged", "in-progress", "onleave"))
"""The states of a visit that has not ended. One that had ended and is so again was discharged by mistake."""
_CLASSES: Final = {
    "IMP": "I",
    "ACUTE": "I",
    "NONAC": "I",
    "SS": "I",
    "AMB": "O",
    "HH": "O",
    "VR": "O",
    "FLD": "O",
    "OBSENC": "I",
    "EMER": "E",
    "PRENC": "P",
}
"""v3-ActCode to HL7 table 0004, so that a rule by patient class reads the same for ADT and for FHIR."""
_IS_TEST: Final = "HTEST"
"""v3-ActReason in ``meta.security``: test health data, FHIR's word for MSH-11 ``T``."""


def understand_encounter(
    resource: Mapping[str, Any],
    patient: Mapping[str, Any] | None = None,
    authorities: Mapping[str, str] = NO_AUTHORITIES,
    *,
    local: tzinfo = BERLIN,
) -> Reading:
    """What an Encounter (with its Patient, where known) means for its case.

    Args:
        authorities: identifier system to the name under which ADT and FHIR meet; a system that is not
            in it stands for itself.

    Raises:
        UnusableInput: ``resource`` is no Encounter.
    """
    if resource.get("resourceType") != "Encounter":
        raise UnusableInput("resourceType is not Encounter", remedy="Send an Encounter.")
    person = patient if isinstance(patient, Mapping) else {}
    warnings: list[str] = []
    status = text(resource.get("status"))
    event = _EVENTS.get(status, Event.UPDATE)
    if not status:
        warnings.append("Encounter.status is missing: read as an update")
    number, system = _visit_number(resource)
    case_key = visit_key(authorities.get(system, system), number) if number else None
    if case_key is None:
        case_key = _stay(resource, person, authorities, local, warnings)
    event_time = _event_time(resource, event, local)
    is_test = is_test_data(resource)
    if is_test and event is Event.DISCHARGE:
        warnings.append("meta.security is HTEST: test data starts no letter")
    name = next(
        (name for name in members(person, "name") if name.get("use") == "official"),
        next(members(person, "name"), {}),
    )
    given = name.get("given")
    return Reading(
        control_id=_version(resource),
        type="Encounter",
        event=event,
        case_key=case_key,
        event_time=event_time,
        fields=Fields(
            patient_id=_patient_number(person)[0],
            visit=number,
            event_time=event_time,
            family=text(name.get("family")),
            given=" ".join(text(part) for part in given).strip() if isinstance(given, list) else "",
            birth_date=text(person.get("birthDate")),
        ),
        starts_letter=event is Event.DISCHARGE and case_key is not None and not is_test,
        ack=Ack(mode="original", code=None),
        patient_key=_patient_key(person, authorities),
        department=_department(resource),
        patient_class=_patient_class(resource),
        warnings=tuple(warnings),
    )


def reopened(resource: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a visit that ``before``, an earlier version of the same Encounter, called finished goes on."""
    return text(before.get("status")) == "finished" and text(resource.get("status")) in UNDER_WAY


def is_older(resource: Mapping[str, Any], than: Mapping[str, Any]) -> bool:
    """Whether a version of an Encounter was overtaken by another one before it came here.

    By ``meta.lastUpdated``, else by a ``meta.versionId`` that counts; not where neither can be compared.
    """
    mine, other = _recorded(resource), _recorded(than)
    if mine and other and mine != other:
        return mine < other
    versions = [text(member(each, "meta").get("versionId")) for each in (resource, than)]
    if all(each.isascii() and each.isdigit() and len(each) < 19 for each in versions):
        return int(versions[0]) < int(versions[1])
    return False


def recorded_at(resource: Mapping[str, Any], local: tzinfo = BERLIN) -> str:
    """``meta.lastUpdated`` in UTC, ISO 8601; ``""`` where it is missing."""
    return read_fhir_time(text(member(resource, "meta").get("lastUpdated")), local)


def _recorded(resource: Mapping[str, Any]) -> datetime | None:
    return datetime.fromisoformat(time) if (time := recorded_at(resource)) else None


def _patient_key(patient: Mapping[str, Any], authorities: Mapping[str, str]) -> str | None:
    number, system = _patient_number(patient)
    return visit_key(authorities.get(system, system), number) if number else None


def _department(resource: Mapping[str, Any]) -> str:
    """The ward (the location of physical type ``wa``, else the last named), else who provides the visit."""
    places = [
        member(each, "location") for each in members(resource, "location") if text(each.get("status")) != "planned"
    ]
    wards = [
        member(each, "location")
        for each in members(resource, "location")
        if any(text(coding.get("code")) == "wa" for coding in members(member(each, "physicalType"), "coding"))
    ]
    for reference in (*reversed(wards), *reversed(places), member(resource, "serviceProvider")):
        name = text(member(reference, "identifier").get("value")) or text(reference.get("display"))
        if name:
            return name
    return ""


def _patient_class(resource: Mapping[str, Any]) -> str:
    """Of table 0004 where v3-ActCode has its like, else the code as it stands."""
    code = text(member(resource, "class").get("code"))
    return _CLASSES.get(code, code)


def is_test_data(resource: Mapping[str, Any]) -> bool:
    """Whether ``meta.security`` says HTEST."""
    return any(text(label.get("code")) == _IS_TEST for label in members(member(resource, "meta"), "security"))


def _visit_number(resource: Mapping[str, Any]) -> tuple[str, str]:
    """(value, system) of the identifier typed ``VN`` (table 0203), else of the first."""
    return _typed_identifier(resource, "VN")


def _patient_number(patient: Mapping[str, Any]) -> tuple[str, str]:
    return _typed_identifier(patient, "MR")


def _typed_identifier(resource: Mapping[str, Any], code: str) -> tuple[str, str]:
    valued = [each for each in members(resource, "identifier") if text(each.get("value"))]
    typed = [each for each in valued if code in _type_codes(each)]
    for each in (*typed, *valued):
        return text(each.get("value")), text(each.get("system"))
    return "", ""


def _type_codes(identifier: Mapping[str, Any]) -> set[str]:
    return {text(coding.get("code")) for coding in members(member(identifier, "type"), "coding")}


def _stay(
    resource: Mapping[str, Any],
    patient: Mapping[str, Any],
    authorities: Mapping[str, str],
    local: tzinfo,
    warnings: list[str],
) -> str | None:
    number, system = _patient_number(patient)
    number = number or text(member(resource, "subject").get("reference"))
    admitted_at = read_fhir_time(text(member(resource, "period").get("start")), local)
    if number and admitted_at:
        warnings.append("no Encounter.identifier: the case is found by patient and Encounter.period.start")
        return stay_key(authorities.get(system, system), number, admitted_at)
    if own := text(resource.get("id")):
        warnings.append("no Encounter.identifier, and no patient or period.start: the case is found by Encounter.id")
        return visit_key("Encounter", own)
    warnings.append("no Encounter.identifier, period.start or id: the resource belongs to no case")
    return None


def _event_time(resource: Mapping[str, Any], event: Event, local: tzinfo) -> str:
    """A discharge and an admission happened at the ends of the period; all else when it was recorded."""
    period = member(resource, "period")
    recorded = text(member(resource, "meta").get("lastUpdated"))
    happened = {Event.DISCHARGE: text(period.get("end")), Event.ADMIT: text(period.get("start"))}.get(event, "")
    return next((time for told in (happened, recorded) if (time := read_fhir_time(told, local))), "")


def _version(resource: Mapping[str, Any]) -> str:
    """``Encounter/7/_history/2``: what MSH-10 is to a message."""
    version = text(member(resource, "meta").get("versionId"))
    return "/".join(("Encounter", text(resource.get("id")), *(("_history", version) if version else ())))
