"""Appointments from SIU messages: SCH, AIS, AIL (HL7 2.9 chapter 10)."""

from collections.abc import Sequence
from dataclasses import replace

from service.chart.element import Leaf
from service.chart.fhir_plan import appointment_item
from service.chart.hl7_fields import concept, leaf, moment
from service.chart.items import Item
from service.ports import Message, Segment

_GONE = frozenset({"CANCELLED", "DELETED", "DC", "NOSHOW", "COMPLETE"})
_CANCELS = frozenset({"S15", "S17", "S26"})


def read_appointments(messages: Sequence[Message], notes: list[str]) -> list[Item]:
    """What is booked still: a later message about the same appointment (SCH-2, SCH-1) replaces an earlier one."""
    booked: dict[str, Item | None] = {}
    for message in messages:
        for schedule in message.segments("SCH")[:1]:
            name = schedule.value(2).strip() or schedule.value(1).strip() or message.control_id
            gone = message.trigger in _CANCELS or schedule.value(25).strip().upper() in _GONE
            booked[name] = None if gone else _appointment(message, schedule, notes)
    return [item for item in booked.values() if item]


def _appointment(message: Message, schedule: Segment, notes: list[str]) -> Item | None:
    services, places = message.segments("AIS"), message.segments("AIL")
    start = next((found for each in services if (found := moment(each, 4, notes))), None)
    start = start or moment(schedule, 11, notes, component=4)
    if start is None:
        return None
    place = next((named for each in places if (named := _place(each))), None)
    service = next((named for each in services if (named := concept(each, 3).text)), None)
    return replace(appointment_item(start, place or service), origin="hl7")


def _place(location: Segment) -> Leaf[str] | None:
    """AIL-3: description, else point of care."""
    return leaf(location, 3, component=9) or leaf(location, 3)
