"""The messages and resources of one visit, to its chart."""

from collections.abc import Sequence
from datetime import tzinfo

from service.chart import hl7_diagnosis, hl7_medication, hl7_person, hl7_radiotherapy, hl7_result, hl7_schedule
from service.chart.assemble import assemble
from service.chart.chart_mapping import shipped_mapping
from service.chart.dates import BERLIN, local_time
from service.chart.fhir_medication import read_medications
from service.chart.fhir_observation import read_findings
from service.chart.fhir_person import read_person, with_age
from service.chart.fhir_plan import read_appointments, read_plan, read_procedures
from service.chart.fhir_radiotherapy import read_courses
from service.chart.fhir_tumour import read_conditions
from service.chart.hl7_order import in_order
from service.chart.hl7_senders import by_sender, held_against
from service.chart.hl7_visit import Told, newest_visit, of_visit, wanted
from service.chart.items import Item
from service.chart.meeting import meet
from service.chart.outcomes import notes_of
from service.chart.records import Records, gather
from service.model import Chart, ChartMapping
from service.patient_groups import parts
from service.ports import Message, Resource

_READERS = (
    read_person,
    read_conditions,
    read_procedures,
    read_courses,
    read_medications,
    read_findings,
    read_appointments,
    read_plan,
)


def build_chart(
    messages: Sequence[Message],
    resources: Sequence[Resource],
    *,
    visit_key: str | None = None,
    mapping: ChartMapping | None = None,
    local: tzinfo = BERLIN,
) -> Chart:
    """The facts of one visit, each with its source.

    Args:
        messages: HL7 v2, in any order. What happened later (EVN, OBR, else MSH-7) replaces what was said before.
        resources: FHIR R4, as :func:`service.chart.bundle.resources_of` gives them.
        visit_key: ``authority|visit number``; chooses among several visits, whose records are left out.
            None: the newest finished Encounter, or the visit that was discharged last.
        mapping: the institution's own codes; the shipped example for None.
        local: the hospital's zone: of times without an offset, and into which times in UTC are turned.

    Nothing in the input raises: what is unknown or of a wrong type is left out, with a warning that names
    the place and never the content. The same fact from two sources is one fact, with the first source. Two
    different values are a conflict: FHIR's value stands before HL7's, the first told before a later one; of two
    senders of HL7 v2 the later one's (within one sender a later message corrects an earlier one).
    """
    with local_time(local):
        ordered = in_order([part for each in messages for part in parts(each)])
        records = gather(resources, visit_key=visit_key, visit_number=newest_visit(ordered))
        records.notes.extend(notes_of(resources))
        items = _from_fhir(records)
        if ordered:
            told = of_visit(ordered, wanted(records, visit_key, ordered), records.notes)
            items = meet(items, _from_senders(told, mapping or shipped_mapping(), records.notes), records.notes)
        return assemble(with_age(items), records.notes)


def _from_fhir(records: Records) -> list[Item]:
    return [item for read in _READERS for item in read(records)]


def _from_senders(told: Told, mapping: ChartMapping, notes: list[str]) -> list[Item]:
    """Of all messages, and where they come from several senders with what these contradict each other in."""
    items = _from_hl7(told, mapping, notes)
    senders = by_sender(told.visit)
    if len(senders) < 2:
        return items
    return held_against(items, [_from_hl7(Told(visit=own, appointments=()), mapping, []) for own in senders.values()])


def _from_hl7(told: Told, mapping: ChartMapping, notes: list[str]) -> list[Item]:
    """The text of documents (MDM) is prose: no fact is made of it, be it our own letter coming back or another's."""
    messages = [each for each in told.visit if each.type != "MDM"]
    courses = hl7_radiotherapy.read_courses(messages, mapping, notes)
    return [
        *hl7_person.read_person(told.visit, notes, treated=_last_day(courses)),
        *hl7_diagnosis.read_diagnoses(messages, notes),
        *hl7_diagnosis.read_procedures(messages, notes),
        *courses,
        *hl7_medication.read_medications(messages, mapping, notes),
        *hl7_result.read_results(messages, mapping, notes),
        *hl7_diagnosis.read_allergies(messages),
        *hl7_schedule.read_appointments(told.appointments, notes),
    ]


def _last_day(courses: Sequence[Item]) -> str:
    """Of radiotherapy; empty where no course says."""
    return max((each.values["end"].value for each in courses if "end" in each.values), default="")
