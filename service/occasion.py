"""What a stored message brings that may start a letter: the facts that the rules of ``service.starting`` ask for.

Cheap: only a result is looked into, and only where a record-and-verify system speaks in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import tzinfo
from typing import Any

import orjson

from service.chart import ChartMapping, course_status, resources_of, shipped_mapping
from service.errors import UnusableInput
from service.intake import is_on_trial, is_test_data, understand, understand_encounter
from service.intake.procedure import completed_course, encounter_of
from service.model import Reading, StoredMessage
from service.ports import Message, MessageReader, Resource
from service.starting import Occasion


def hl7_occasion(message: Message, mapping: ChartMapping | None = None) -> Occasion:
    """Of an HL7 v2 message.

    Completed: an ORU says so of the course that started last, by the codes and words of ``mapping`` (None: the
    shipped one).
    """
    is_result = message.type == "ORU"
    completed = is_result and course_status(message, mapping or shipped_mapping()) == "completed"
    return Occasion(on_trial=is_on_trial(message), course_completed=completed)


def fhir_occasion(encounter: Mapping[str, Any], resources: Iterable[Mapping[str, Any]]) -> Occasion:
    """Of a FHIR R4 Encounter and what came with it.

    A Procedure counts for the visit that it names; one that names none, for the visit that it came with.
    """
    own = ("", f"Encounter/{encounter.get('id', '')}")
    completed = any(completed_course(each) and encounter_of(each) in own for each in resources)
    return Occasion(on_trial=is_test_data(encounter), course_completed=completed)


def read_again(
    stored: StoredMessage,
    reader: MessageReader,
    authorities: Mapping[str, str],
    mapping: ChartMapping | None = None,
    *,
    local: tzinfo,
) -> tuple[Reading, Occasion] | None:
    """What a kept message says, read anew; None for a refused one and one that names no visit of its own.

    A FHIR message keeps the event that it was filed with: only who received it knew whether it was news of the
    visit or something in it.
    """
    try:
        if stored.channel == "mllp":
            message = reader(stored.body)
            return understand(message, authorities=authorities, local=local), hl7_occasion(message, mapping)
        resources = resources_of(orjson.loads(stored.body))
    except (UnusableInput, orjson.JSONDecodeError):
        return None
    encounter = _encounter_meant(stored, resources)
    if encounter is None:
        return None
    reading = understand_encounter(encounter, authorities=authorities, local=local)
    if stored.event is not None:
        reading = replace(reading, event=stored.event)
    return reading, fhir_occasion(encounter, resources)


def _encounter_meant(stored: StoredMessage, resources: Iterable[Resource]) -> Resource | None:
    """A Bundle of several visits is kept once for each, under the visit's address."""
    encounters = [each for each in resources if each["resourceType"] == "Encounter"]
    named = "/".join(stored.control_id.split("/")[:2])
    meant = [each for each in encounters if f"Encounter/{each.get('id', '')}" == named]
    return next(iter((*meant, *encounters)), None)
