"""Which searches there are, and what a resource is found by (FHIR R4, search.html, chapter 3.1.1).

A parameter is a kind and the paths it reads. Paths are element names joined by dots; lists on the
way are walked. ``?resolve`` is not known: references are indexed as they stand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from adapters.sandbox.outcome import Resource

Kind = Literal["token", "reference", "string", "date", "uri"]


@dataclass(frozen=True)
class Parameter:
    """``patient_only``: a reference that counts only where it points to a Patient."""

    kind: Kind
    paths: tuple[str, ...]
    patient_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the index.

    token: ``system`` and ``value`` (the code). reference: ``system`` is the type, ``value`` the id;
    another server's reference has type ``""`` and the address as value. string: ``value`` folded,
    ``system`` as written. date: ``low`` and ``high`` in ISO 8601 UTC, high excluded.
    """

    name: str
    system: str = ""
    value: str = ""
    low: str = ""
    high: str = ""


def _token(*paths: str) -> Parameter:
    return Parameter("token", paths)


def _reference(*paths: str) -> Parameter:
    return Parameter("reference", paths)


def _patient(*paths: str) -> Parameter:
    return Parameter("reference", paths, patient_only=True)


def _date(*paths: str) -> Parameter:
    return Parameter("date", paths)


COMMON: Mapping[str, Parameter] = {
    "_id": _token("id"),
    "_lastUpdated": _date("meta.lastUpdated"),
    "_tag": _token("meta.tag"),
    "_security": _token("meta.security"),
    "_profile": Parameter("uri", ("meta.profile",)),
    "identifier": _token("identifier"),
}
"""For every type."""

_SUBJECT = {"patient": _patient("subject", "patient"), "subject": _reference("subject", "patient")}
_CLINICAL = {**_SUBJECT, "encounter": _reference("encounter", "context"), "status": _token("status")}
_CODED = {**_CLINICAL, "code": _token("code"), "category": _token("category")}

SPECIFIC: Mapping[str, Mapping[str, Parameter]] = {
    "Patient": {
        "name": Parameter("string", ("name.family", "name.given", "name.text")),
        "family": Parameter("string", ("name.family",)),
        "given": Parameter("string", ("name.given",)),
        "birthdate": _date("birthDate"),
        "gender": _token("gender"),
        "active": _token("active"),
    },
    "Encounter": {
        **_SUBJECT,
        "status": _token("status"),
        "class": _token("class"),
        "date": _date("period"),
        "participant": _reference("participant.individual"),
    },
    "Condition": {
        **_SUBJECT,
        "encounter": _reference("encounter"),
        "code": _token("code"),
        "category": _token("category"),
        "clinical-status": _token("clinicalStatus"),
    },
    "Observation": {**_CODED, "date": _date("effectiveDateTime", "effectivePeriod", "effectiveInstant")},
    "Procedure": {
        **_CODED,
        "date": _date("performedDateTime", "performedPeriod"),
        "part-of": _reference("partOf"),
    },
    "ServiceRequest": {**_CODED, "intent": _token("intent"), "authored": _date("authoredOn")},
    "MedicationRequest": {
        **_CLINICAL,
        "code": _token("medicationCodeableConcept"),
        "intent": _token("intent"),
        "category": _token("category"),
    },
    "MedicationStatement": {
        **_SUBJECT,
        "context": _reference("context"),
        "status": _token("status"),
        "code": _token("medicationCodeableConcept"),
        "category": _token("category"),
    },
    "MedicationAdministration": {
        **_SUBJECT,
        "context": _reference("context"),
        "status": _token("status"),
        "code": _token("medicationCodeableConcept"),
    },
    "AdverseEvent": {**_SUBJECT, "encounter": _reference("encounter"), "event": _token("event")},
    "AllergyIntolerance": {**_SUBJECT, "code": _token("code"), "clinical-status": _token("clinicalStatus")},
    "Appointment": {
        "patient": _patient("participant.actor"),
        "actor": _reference("participant.actor"),
        "status": _token("status"),
        "date": _date("start"),
    },
    "CarePlan": {**_CLINICAL, "category": _token("category"), "intent": _token("intent")},
    "Composition": {**_CLINICAL, "type": _token("type")},
    "DiagnosticReport": _CODED,
    "DocumentReference": {
        **_SUBJECT,
        "identifier": _token("identifier", "masterIdentifier"),
        "encounter": _reference("context.encounter"),
        "status": _token("status"),
        "type": _token("type"),
        "category": _token("category"),
        "date": _date("date"),
        "author": _reference("author"),
        "authenticator": _reference("authenticator"),
        "relatesto": _reference("relatesTo.target"),
    },
    "Task": {
        "patient": _patient("for"),
        "subject": _reference("for"),
        "encounter": _reference("encounter"),
        "status": _token("status"),
        "intent": _token("intent"),
        "code": _token("code"),
        "owner": _reference("owner"),
        "requester": _reference("requester"),
        "focus": _reference("focus"),
        "authored-on": _date("authoredOn"),
    },
    "Provenance": {
        "target": _reference("target"),
        "patient": _patient("target"),
        "agent": _reference("agent.who"),
        "recorded": _date("recorded"),
    },
    "Device": {"status": _token("status"), "type": _token("type")},
    "Subscription": {
        "status": _token("status"),
        "criteria": Parameter("string", ("criteria",)),
        "type": _token("channel.type"),
        "url": Parameter("uri", ("channel.endpoint",)),
    },
    "BodyStructure": {"patient": _patient("patient")},
    "Practitioner": {"name": Parameter("string", ("name.family", "name.given", "name.text"))},
    "PractitionerRole": {"practitioner": _reference("practitioner")},
    "Organization": {"name": Parameter("string", ("name",))},
    "Location": {"name": Parameter("string", ("name",))},
    "Medication": {"code": _token("code")},
}


def parameters_of(resource_type: str) -> Mapping[str, Parameter]:
    """All search parameters of one type; any clinical type can be searched by its patient."""
    return {**COMMON, **SPECIFIC.get(resource_type, _SUBJECT)}


def index_entries(resource: Resource, *, bases: tuple[str, ...] = ()) -> Iterator[Entry]:
    """What one resource is found by. ``bases``: this server's own addresses, for absolute references."""
    for name, parameter in parameters_of(resource["resourceType"]).items():
        for path in parameter.paths:
            for node in walk(resource, path):
                yield from _entries(name, parameter, node, bases)


def walk(node: Any, path: str) -> Iterator[Any]:
    """Every node at a dotted path."""
    if isinstance(node, list):
        for item in node:
            yield from walk(item, path)
    elif not path:
        if node is not None:
            yield node
    elif isinstance(node, dict):
        head, _, rest = path.partition(".")
        yield from walk(node.get(head), rest)


def _entries(name: str, parameter: Parameter, node: Any, bases: tuple[str, ...]) -> Iterator[Entry]:
    if parameter.kind == "token":
        yield from _token_entries(name, node)
    elif parameter.kind == "reference":
        target = local_target(node.get("reference", ""), bases) if isinstance(node, dict) else None
        if target is not None and (not parameter.patient_only or target[0] == "Patient"):
            yield Entry(name=name, system=target[0], value=target[1])
    elif parameter.kind == "date":
        low, high = date_range(node)
        if low or high:
            yield Entry(name=name, low=low or "0000", high=high or "9999")
    elif isinstance(node, str):
        yield Entry(name=name, system=node, value=node.casefold() if parameter.kind == "string" else node)


def _token_entries(name: str, node: Any) -> Iterator[Entry]:
    if isinstance(node, dict) and "coding" in node:
        for coding in node["coding"]:
            yield from _token_entries(name, coding)
    elif isinstance(node, dict):
        # An Identifier has its value in `value`, a Coding in `code`; neither has both.
        value = node.get("value", node.get("code"))
        if value is not None:
            yield Entry(name=name, system=str(node.get("system", "")), value=str(value))
    elif isinstance(node, bool):
        yield Entry(name=name, value="true" if node else "false")
    elif isinstance(node, str):
        yield Entry(name=name, value=node)


def local_target(reference: str, bases: tuple[str, ...]) -> tuple[str, str] | None:
    """``(type, id)`` of a reference, ``("", address)`` of another server's; None of a contained one."""
    for base in bases:
        reference = reference.removeprefix(f"{base}/")
    if not reference or reference.startswith("#"):
        return None
    parts = reference.split("/")
    if ":" not in reference and len(parts) in {2, 4}:
        return parts[0], parts[1]
    return "", reference


def date_range(node: Any) -> tuple[str, str]:
    """The instants ``[low, high)`` that a date, dateTime, instant or Period covers; ``""`` is open."""
    if isinstance(node, dict):
        return date_range(node["start"])[0] if node.get("start") else "", (
            date_range(node["end"])[1] if node.get("end") else ""
        )
    if not isinstance(node, str):
        return "", ""
    try:
        start, end = _instants(node)
    except (ValueError, OverflowError):
        return "", ""
    return start.astimezone(UTC).isoformat(), end.astimezone(UTC).isoformat()


def _instants(text: str) -> tuple[datetime, datetime]:
    if len(text) == 4:
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    if len(text) == 7:
        year, month = int(text[:4]), int(text[5:])
        return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    parsed = datetime.fromisoformat(text)
    instant = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    length = timedelta(days=1) if len(text) == 10 else timedelta(seconds=1)
    return instant, instant + length
