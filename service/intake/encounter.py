"""FHIR R4 Encounter: the same reading that an ADT message of its visit would give."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, Final

from service.errors import UnusableInput
from service.intake.identity import BERLIN, NO_AUTHORITIES, read_fhir_time, stay_key, visit_key
from service.model import Ack, Event, Fields, Reading

_EVENTS: Final = {
    "arrived": Event.ADMIT,
    "in-progress": Event.ADMIT,
    "finished": Event.DISCHARGE,
    "cancelled": Event.CANCEL_DISCHARGE,
    "entered-in-error": Event.CANCEL_DISCHARGE,
}
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
    status = _text(resource.get("status"))
    event = _EVENTS.get(status, Event.UPDATE)
    if not status:
        warnings.append("Encounter.status is missing: read as an update")
    number, system = _visit_number(resource)
    case_key = visit_key(authorities.get(system, system), number) if number else None
    if case_key is None:
        case_key = _stay(resource, person, authorities, local, warnings)
    event_time = _event_time(resource, event, local)
    is_test = any(_text(label.get("code")) == _IS_TEST for label in _members(_member(resource, "meta"), "security"))
    if is_test and event is Event.DISCHARGE:
        warnings.append("meta.security is HTEST: test data starts no letter")
    name = next(
        (name for name in _members(person, "name") if name.get("use") == "official"),
        next(_members(person, "name"), {}),
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
            family=_text(name.get("family")),
            given=" ".join(_text(part) for part in given).strip() if isinstance(given, list) else "",
            birth_date=_text(person.get("birthDate")),
        ),
        starts_letter=event is Event.DISCHARGE and case_key is not None and not is_test,
        ack=Ack(mode="original", code=None),
        warnings=tuple(warnings),
    )


def _visit_number(resource: Mapping[str, Any]) -> tuple[str, str]:
    """(value, system) of the identifier typed ``VN`` (table 0203), else of the first."""
    return _typed_identifier(resource, "VN")


def _patient_number(patient: Mapping[str, Any]) -> tuple[str, str]:
    return _typed_identifier(patient, "MR")


def _typed_identifier(resource: Mapping[str, Any], code: str) -> tuple[str, str]:
    valued = [each for each in _members(resource, "identifier") if _text(each.get("value"))]
    typed = [each for each in valued if code in _type_codes(each)]
    for each in (*typed, *valued):
        return _text(each.get("value")), _text(each.get("system"))
    return "", ""


def _type_codes(identifier: Mapping[str, Any]) -> set[str]:
    return {_text(coding.get("code")) for coding in _members(_member(identifier, "type"), "coding")}


def _stay(
    resource: Mapping[str, Any],
    patient: Mapping[str, Any],
    authorities: Mapping[str, str],
    local: tzinfo,
    warnings: list[str],
) -> str | None:
    number, system = _patient_number(patient)
    number = number or _text(_member(resource, "subject").get("reference"))
    admitted_at = read_fhir_time(_text(_member(resource, "period").get("start")), local)
    if number and admitted_at:
        warnings.append("no Encounter.identifier: the case is found by patient and Encounter.period.start")
        return stay_key(authorities.get(system, system), number, admitted_at)
    if own := _text(resource.get("id")):
        warnings.append("no Encounter.identifier, and no patient or period.start: the case is found by Encounter.id")
        return visit_key("Encounter", own)
    warnings.append("no Encounter.identifier, period.start or id: the resource belongs to no case")
    return None


def _event_time(resource: Mapping[str, Any], event: Event, local: tzinfo) -> str:
    """A discharge and an admission happened at the ends of the period; all else when it was recorded."""
    period = _member(resource, "period")
    recorded = _text(_member(resource, "meta").get("lastUpdated"))
    happened = {Event.DISCHARGE: _text(period.get("end")), Event.ADMIT: _text(period.get("start"))}.get(event, "")
    return next((time for text in (happened, recorded) if (time := read_fhir_time(text, local))), "")


def _version(resource: Mapping[str, Any]) -> str:
    """``Encounter/7/_history/2``: what MSH-10 is to a message."""
    version = _text(_member(resource, "meta").get("versionId"))
    return "/".join(("Encounter", _text(resource.get("id")), *(("_history", version) if version else ())))


def _member(resource: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = resource.get(name)
    return value if isinstance(value, Mapping) else {}


def _members(resource: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    values = resource.get(name)
    return (value for value in values if isinstance(value, Mapping)) if isinstance(values, list) else iter(())


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
