"""The end of a course of radiotherapy is told by one kind of Procedure only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.intake.procedure import completed_course, encounter_of

DOSES = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-radiotherapy-dose-delivered-to-volume"


def a_procedure(code: str = "1217123003", system: str = "http://snomed.info/sct", **members: Any) -> dict[str, Any]:
    coding = {"system": system, "code": code}
    return {"resourceType": "Procedure", "status": "completed", "code": {"coding": [coding]}, **members}


@pytest.mark.parametrize(
    ("procedure", "ends"),
    [
        (a_procedure(), True),
        (a_procedure(system=""), True),
        (a_procedure(system="urn:oid:1.2.3"), False),
        (a_procedure(status="in-progress"), False),
        (a_procedure(status="stopped"), False),
        (a_procedure(status="entered-in-error"), False),
        (a_procedure("1222565005"), False),
        (a_procedure("1222565005", extension=[{"url": DOSES}]), False),
        (a_procedure("108290001"), False),
        (a_procedure("108290001", extension=[{"url": DOSES}]), True),
        (a_procedure("108290001", extension=[{"url": DOSES}], partOf=[{"reference": "Procedure/1"}]), False),
        ({**a_procedure(), "resourceType": "ServiceRequest"}, False),
    ],
)
def test_a_completed_course_and_nothing_less_ends_a_course(procedure: dict[str, Any], ends: bool) -> None:
    assert completed_course(procedure) is ends


@pytest.mark.parametrize(
    ("reference", "encounter"),
    [
        ("Encounter/e1", "Encounter/e1"),
        ("https://ehr.example/fhir/Encounter/e1/_history/3", "Encounter/e1"),
        ("EpisodeOfCare/1", ""),
        ("Encounter", ""),
        ("", ""),
    ],
)
def test_a_course_names_its_visit(reference: str, encounter: str) -> None:
    assert encounter_of(a_procedure(encounter={"reference": reference})) == encounter


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["coding", "code", "url"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["status", "code", "partOf", "extension", "encounter", "context"]), _JSON))
def test_nothing_in_a_procedure_can_make_reading_fail(members: dict[str, Any]) -> None:
    completed_course({"resourceType": "Procedure", **members})
    encounter_of(members)
