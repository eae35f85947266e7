"""Which HL7 v2 messages tell of the visit, in the order in which they were written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from service.chart.dates import read_hl7
from service.chart.element import Element
from service.chart.hl7_fields import DELETE
from service.chart.records import Records
from service.ports import Message


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The visit: its numbers and its patient's; where there are none, any will do."""

    numbers: Collection[str] = field(default=())
    patients: Collection[str] = field(default=())


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


def in_order(messages: Sequence[Message]) -> list[Message]:
    """By MSH-7, in which a correction comes after what it corrects; as given where one lacks it."""
    written = [_written(each) for each in messages]
    if not all(written):
        return list(messages)
    return [each for _, each in sorted(zip(written, messages, strict=True), key=lambda pair: pair[0])]


def _written(message: Message) -> str:
    read = read_hl7(next((each.value(7) for each in message.segments("MSH")), ""))
    return read.utc if read else ""


def newest_visit(messages: Sequence[Message]) -> str:
    """The visit number of the last discharge, else of the last message that has one; empty for none."""
    numbered = [(each, number) for each in messages if (number := visit_number(each))]
    discharged = [pair for pair in numbered if pair[0].trigger == "A03"]
    return (discharged or numbered)[-1][1] if numbered else ""


def visit_number(message: Message) -> str:
    return _valued(next((each.value(19) for each in message.segments("PV1")), ""))


def of_visit(messages: Sequence[Message], wanted: Wanted, notes: list[str]) -> list[Message]:
    """The messages of this visit; one without a visit number is told from others by its patient (PID-3)."""
    ours = [each for each in messages if visit_number(each) and visit_number(each) in wanted.numbers]
    patients = {*wanted.patients, *(number for each in ours for number in patient_numbers(each))}
    kept = []
    for each in messages:
        number = visit_number(each)
        if number and wanted.numbers:
            fits = number in wanted.numbers
        else:
            own = patient_numbers(each)
            fits = not own or not patients or not own.isdisjoint(patients)
        if fits:
            kept.append(each)
        else:
            notes.append(f"{each.control_id}: message of another visit or patient, left out")
    return kept


def patient_numbers(message: Message) -> set[str]:
    return {
        number
        for pid in message.segments("PID")[:1]
        for row in range(1, pid.repetitions(3) + 1)
        if (number := _valued(pid.value(3, repetition=row)))
    }


def _valued(text: str) -> str:
    stripped = text.strip()
    return "" if stripped == DELETE else stripped
