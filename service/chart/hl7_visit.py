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
from service.patient_groups import Part, is_first
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
    numbered = [
        (each, number) for each in messages if each.type != "SIU" and is_first(each) and (number := visit_number(each))
    ]
    discharged = [pair for pair in numbered if pair[0].trigger == "A03"]
    return (discharged or numbered)[-1][1] if numbered else ""


def of_visit(messages: Sequence[Message], wanted: Wanted, notes: list[str]) -> Told:
    """The messages of this visit; one without a visit number is told from others by its patient (PID-3).

    What was told under a number that a merge or a change of visit ended belongs to the number that took its place.
    Of a message about several patients only the part of ours is taken. Where nothing names the patient, it is the
    one of whom a message told last.
    """
    numbers = widened(wanted.numbers, [link for each in messages if (link := visit_link(each))])
    ours = _one_of_each([each for each in messages if visit_number(each) in numbers])
    strangers = {number for each in ours for number in wrong_patient(each)}
    told = {number for each in ours for number in patient_numbers(each)} - strangers
    known = {*wanted.patients, *told} or _newest_patient(messages)
    patients = widened(known, [link for each in messages if (link := patient_link(each))])
    visit, appointments = [], []
    for each in messages:
        number, own = visit_number(each), patient_numbers(each)
        is_part = isinstance(each, Part)
        same_patient = not own.isdisjoint(patients) if own else is_first(each)
        same_visit = number in numbers if number and numbers else same_patient
        if same_visit and (same_patient or not is_part):
            visit.append(each)
            appointments.append(each)
        elif each.type == "SIU" and own and same_patient:
            appointments.append(each)
        else:
            notes.append(_left_out(each))
    return Told(visit=visit, appointments=appointments)


def _one_of_each(messages: Sequence[Message]) -> list[Message]:
    """Without further parts of one message: who bears the same visit number under another PID is another patient."""
    wholes: list[Message] = []
    found: list[Message] = []
    for each in messages:
        whole = each.whole if isinstance(each, Part) else each
        if not any(whole is one for one in wholes):
            wholes.append(whole)
            found.append(each)
    return found


def _newest_patient(messages: Sequence[Message]) -> frozenset[str]:
    told = [own for each in messages if is_first(each) and (own := patient_numbers(each))]
    return told[-1] if told else frozenset()


def _left_out(message: Message) -> str:
    if isinstance(message, Part):
        return f"{message.control_id}#{message.place}: the message tells of another visit or patient from here on, left out"
    return f"{message.control_id}: message of another visit or patient, left out"
