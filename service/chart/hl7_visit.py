"""Which HL7 v2 messages tell of the visit, and which of its patient alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from service.chart.element import Element
from service.chart.hl7_identity import (
    patient_link,
    patient_numbers,
    visit_link,
    visit_number,
    widened,
    wrong_patient,
)
from service.chart.records import Records
from service.ports import Message


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The visit: its numbers and its patient's; where there are none, any will do."""

    numbers: Collection[str] = field(default=())
    patients: Collection[str] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Told:
    """Messages in order: ``visit``'s own, and ``appointments`` of its patient, whichever visit they are booked for."""

    visit: Sequence[Message]
    appointments: Sequence[Message]


def wanted(records: Records, visit_key: str | None, messages: Sequence[Message]) -> Wanted:
    """The visit asked for, else the Encounter chosen, else the one that the messages end with."""
    numbers: set[str] = set()
    patients = _identifiers(records.patient)
    if visit_key:
        number, bar, _ = visit_key.partition("|")[2].partition("|")
        (patients if bar else numbers).add(number.replace("%7C", "|"))
    else:
        numbers = _identifiers(records.encounter) or {newest_visit(messages)} - {""}
    return Wanted(numbers=numbers, patients=patients)


def _identifiers(element: Element | None) -> set[str]:
    listed = element.children("identifier") if element and "identifier" in element.json else []
    return {each.word("value") for each in listed} - {""}


def newest_visit(messages: Sequence[Message]) -> str:
    """The visit number of the last discharge, else of the last message that has one; empty for none."""
    numbered = [(each, number) for each in messages if each.type != "SIU" and (number := visit_number(each))]
    discharged = [pair for pair in numbered if pair[0].trigger == "A03"]
    return (discharged or numbered)[-1][1] if numbered else ""


def of_visit(messages: Sequence[Message], wanted: Wanted, notes: list[str]) -> Told:
    """The messages of this visit; one without a visit number is told from others by its patient (PID-3).

    What was told under a number that a merge or a change of visit ended belongs to the number that took its place.
    """
    numbers = widened(wanted.numbers, [link for each in messages if (link := visit_link(each))])
    ours = [each for each in messages if visit_number(each) in numbers]
    strangers = {number for each in ours for number in wrong_patient(each)}
    told = {number for each in ours for number in patient_numbers(each)} - strangers
    patients = widened({*wanted.patients, *told}, [link for each in messages if (link := patient_link(each))])
    visit, appointments = [], []
    for each in messages:
        number, own = visit_number(each), patient_numbers(each)
        same_patient = not own or not patients or not own.isdisjoint(patients)
        if number in numbers if number and numbers else same_patient:
            visit.append(each)
            appointments.append(each)
        elif each.type == "SIU" and own and same_patient:
            appointments.append(each)
        else:
            notes.append(f"{each.control_id}: message of another visit or patient, left out")
    return Told(visit=visit, appointments=appointments)
