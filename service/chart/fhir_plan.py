"""Other procedures, appointments, and what is planned."""

import re
from collections.abc import Iterator
from dataclasses import replace

from service.chart import displays
from service.chart.codes import word_of
from service.chart.dates import Moment
from service.chart.element import Element, Leaf
from service.chart.fhir_person import reference_name
from service.chart.fhir_radiotherapy import is_radiotherapy
from service.chart.items import Item, Value
from service.chart.records import Records, local
from service.chart.values import a_date, a_text, a_word
from service.model import FactType, Importance

_IMAGING = re.compile(
    r"\b(?:mr[ti]\b|ct\b|cct\b|pet|szinti|scinti|sonograph|ultraschall|ultrasound|röntgen|x-ray|mammogra|bildgebung|imaging"
    r"|magnetresonanz|magnetic resonance|tomogra|echokardio|echocardio)",
    re.IGNORECASE,
)
_TALK = re.compile(r"besprech|discuss|befund|result|aufklärung", re.IGNORECASE)
_IMAGING_CODES = frozenset({"363679005", "363680008", "imaging", "RAD", "394914008"})
_DRUGS = ("MedicationStatement", "MedicationAdministration")
_OPEN = frozenset({"active", "on-hold", "unknown", ""})


def is_imaging(text: str) -> bool:
    return bool(_IMAGING.search(text)) and not _TALK.search(text)


def read_procedures(records: Records) -> Iterator[Item]:
    """Surgery, biopsy, brachytherapy: what is no radiotherapy course."""
    courses = {each.home for each in records.of("Procedure") if is_radiotherapy(each)}
    therapies = {home for kind in _DRUGS for each in records.of(kind) for home in _parents(each)}
    for procedure in records.of("Procedure"):
        if procedure.home in courses | therapies or procedure.word("status") in ("preparation", "unknown"):
            continue
        if not courses.isdisjoint(_parents(procedure)):
            continue
        name = word_of(procedure.concept("code"), "procedure")
        if name is None:
            continue
        values = {"name": a_word(FactType.TERM, name)}
        start, _ = procedure.period("performed")
        if start:
            values["date"] = a_date(start)
        day = start.value.date if start else ""
        yield Item(kind="procedure", key=f"{name.value.casefold()}|{day}", values=values, date=day)


def _parents(resource: Element) -> list[str]:
    """What a resource is part of: oBDS drugs are part of the Procedure that is their systemic therapy."""
    return [
        local(each.word("reference")) for each in (resource.children("partOf") if "partOf" in resource.json else [])
    ]


def read_appointments(records: Records) -> Iterator[Item]:
    """Booked appointments, the clock as written. One for imaging is a planned examination as well."""
    for appointment in records.of("Appointment"):
        start = appointment.moment("start")
        if start is None or appointment.word("status") in ("fulfilled", "waitlist", "proposed"):
            continue
        service = _service(appointment)
        yield appointment_item(start, _place(appointment, records) or service)
        if service and is_imaging(service.value):
            yield plan_item(a_text(FactType.TEXT, service), a_date(start), imaging=True)


def appointment_item(start: Leaf[Moment], place: Leaf[str] | None) -> Item:
    values = {"date": a_date(start, Importance.HIGH)}
    if start.value.time:
        values["time"] = Value(
            type=FactType.TIME,
            value=start.value.time,
            display=displays.time(start.value.time),
            source=start.source,
        )
    if place:
        values["place"] = a_text(FactType.TEXT, place)
    return Item(kind="appointment", key=start.value.utc, values=values, date=start.value.utc)


def _place(appointment: Element, records: Records) -> Leaf[str] | None:
    """The location; else the service or person to see."""
    actors = [(each, actor) for each in appointment.children("participant") if (actor := each.child("actor"))]
    for kinds in (("Location",), ("HealthcareService",), ("Practitioner", "PractitionerRole")):
        for participant, actor in actors:
            kind = actor.word("type") or local(actor.word("reference")).split("/")[0]
            if kind in kinds and (name := reference_name(participant, "actor", records)):
                return name
    return None


def _service(appointment: Element) -> Leaf[str] | None:
    described = appointment.text("description")
    if described:
        return described
    for name in ("serviceType", "serviceCategory", "reasonCode"):
        for concept in appointment.concepts(name) if name in appointment.json else []:
            if word := word_of(concept):
                return Leaf(value=word.value, source=word.source)
    return None


# ---------------------------------------------------------------- plan


def read_plan(records: Records) -> Iterator[Item]:
    for plan in records.of("CarePlan"):
        if plan.word("status") in ("revoked", "completed"):
            continue
        for activity in plan.children("activity") if "activity" in plan.json else []:
            detail = activity.child("detail")
            if detail and detail.word("status") not in ("cancelled", "completed", "stopped", "entered-in-error"):
                yield from _activity(detail)
    for request in records.of("ServiceRequest"):
        if not is_radiotherapy(request) and request.word("status") in _OPEN:
            yield from _request(request)


def _activity(detail: Element) -> Iterator[Item]:
    code = word_of(detail.concept("code"))
    described = detail.text("description")
    what = a_text(FactType.TEXT, described) if described else a_word(FactType.TEXT, code) if code else None
    if what is None:
        return
    period = detail.child("scheduledPeriod", at="scheduled")
    timing = detail.child("scheduledTiming", at="scheduled")
    events = timing.json.get("event") if timing else None
    start = period.moment("start") if period else None
    if timing and isinstance(events, list) and events and isinstance(events[0], str):
        start = _first_event(timing)
    yield plan_item(
        what, a_date(start) if start else None, imaging=is_imaging(what.value) or bool(code and is_imaging(code.value))
    )


def _first_event(timing: Element) -> Leaf[Moment] | None:
    """The first moment of a Timing."""
    first = Element(json={"event[0]": timing.json["event"][0]}, home=timing.home, path=timing.path, notes=timing.notes)
    return first.moment("event[0]")


def _request(request: Element) -> Iterator[Item]:
    if request.word("intent") in ("proposal", "option"):
        return
    code = word_of(request.concept("code"))
    if code is None:
        return
    start, _ = request.period("occurrence")
    categories = {
        each
        for concept in (request.concepts("category") if "category" in request.json else [])
        for each in concept.codes()
    }
    imaging = bool(categories & _IMAGING_CODES) or is_imaging(code.value)
    yield plan_item(a_word(FactType.TEXT, code), a_date(start) if start else None, imaging=imaging)


def plan_item(what: Value, date: Value | None, *, imaging: bool) -> Item:
    """A planned step; of imaging an omission is told aloud."""
    values = {"what": replace(what, importance=Importance.HIGH if imaging else Importance.NORMAL)}
    if date:
        values["date"] = date
    day = date.value if date else ""
    return Item(kind="plan", key=f"{what.value.casefold()}|{day}", values=values, date=day)
