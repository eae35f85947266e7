"""The messages and resources of one visit, to its chart."""

from collections.abc import Sequence

from service.chart.assemble import assemble
from service.chart.fhir_medication import read_medications
from service.chart.fhir_observation import read_findings
from service.chart.fhir_person import read_person
from service.chart.fhir_plan import read_appointments, read_plan, read_procedures
from service.chart.fhir_radiotherapy import read_courses
from service.chart.fhir_tumour import read_conditions
from service.chart.items import Item
from service.chart.records import Records, gather
from service.model import Chart
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


def build_chart(messages: Sequence[Message], resources: Sequence[Resource], *, visit_key: str | None = None) -> Chart:
    """The facts of one visit, each with its source.

    Args:
        messages: HL7 v2, in event-time order. A later message replaces what an earlier one said.
        resources: FHIR R4, as :func:`service.chart.bundle.resources_of` gives them.
        visit_key: ``authority|visit number``; chooses among several visits, whose records are left out.
            None: the newest finished Encounter.

    Nothing in the input raises: what is unknown or of a wrong type is left out, with a warning that names
    the place and never the content. The same fact from two sources is one fact, with the first source. Two
    different values are a conflict: FHIR's value stands before HL7's, the first told before a later one.
    """
    records = gather(resources, visit_key=visit_key)
    return assemble(_from_fhir(records), records.notes)


def _from_fhir(records: Records) -> list[Item]:
    return [item for read in _READERS for item in read(records)]
