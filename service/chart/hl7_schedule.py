"""Appointments from SIU messages: SCH, AIS, AIG, AIL, AIP, TQ1 (HL7 2.9 chapter 10)."""

from collections.abc import Sequence
from dataclasses import replace

from service.chart.dates import Moment
from service.chart.element import Leaf
from service.chart.fhir_plan import appointment_item
from service.chart.hl7_fields import concept, leaf, moment
from service.chart.hl7_numbers import Numbered
from service.chart.hl7_person import person
from service.chart.items import Item
from service.ports import Message, Segment

_GONE = frozenset({"CANCELLED", "DELETED", "DC", "NOSHOW", "COMPLETE"})
_CANCELS = frozenset({"S15", "S16", "S17", "S26"})
_STARTS = {"AIS": 4, "TQ1": 7, "AIL": 6, "AIG": 8, "AIP": 6}


def read_appointments(messages: Sequence[Message], notes: list[str]) -> list[Item]:
    """What is booked still: a later message about the same appointment (SCH-1, SCH-2) replaces an earlier one."""
    booked: Numbered[Item] = Numbered()
    for message in messages:
        for schedule in message.segments("SCH")[:1]:
            numbers = schedule.value(1).strip(), schedule.value(2).strip()
            gone = message.trigger in _CANCELS or schedule.value(25).strip().upper() in _GONE
            told = None if gone else _appointment(message, schedule, notes)
            booked.put(numbers if any(numbers) else (message.control_id, ""), told)
    return booked.values()


def _appointment(message: Message, schedule: Segment, notes: list[str]) -> Item | None:
    resources = [each for each in message.segments("AIS", "AIL", "AIG", "AIP") if each.value(2).strip().upper() != "D"]
    start = _start([*resources, *message.segments("TQ1")], notes) or moment(schedule, 11, notes, component=4)
    if start is None:
        return None
    named = {"AIL": _location, "AIG": _resource, "AIP": _person, "AIS": _service}
    places = (read(each) for name, read in named.items() for each in resources if each.name == name)
    place = next((found for found in places if found), None)
    return replace(appointment_item(start, place), origin="hl7")


def _start(resources: Sequence[Segment], notes: list[str]) -> Leaf[Moment] | None:
    """The service's start, else TQ1-7 (which stands for SCH-11 since 2.5), else a resource's."""
    for name, field in _STARTS.items():
        for each in resources:
            if each.name == name and (found := moment(each, field, notes)):
                return found
    return None


def _location(ail: Segment) -> Leaf[str] | None:
    """AIL-3: description, else point of care."""
    return leaf(ail, 3, component=9) or leaf(ail, 3)


def _resource(aig: Segment) -> Leaf[str] | None:
    return concept(aig, 3).text or leaf(aig, 3)


def _person(aip: Segment) -> Leaf[str] | None:
    return person(aip, 3)


def _service(ais: Segment) -> Leaf[str] | None:
    return concept(ais, 3).text
