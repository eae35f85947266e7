"""A FHIR Encounter is read as the ADT message of its visit would be."""

from typing import Any

import pytest
from hl7_messages import adt
from hypothesis import given
from hypothesis import strategies as st

from service.config import Ehr
from service.errors import UnusableInput
from service.intake import understand, understand_encounter
from service.intake.encounter import is_older, reopened
from service.model import Event

VN = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "VN"}]}
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
FALL = "https://kis.example/fall"
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"type": MR, "system": "https://kis.example/pid", "value": "P1"}],
    "name": [{"use": "maiden", "family": "Alt"}, {"use": "official", "family": "Beispiel", "given": ["Berta", "Eva"]}],
    "birthDate": "1961-05-04",
}


def an_encounter(**members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "meta": {"versionId": "2", "lastUpdated": "2026-03-12T10:00:00Z"},
        "identifier": [{"type": VN, "system": FALL, "value": "F1"}],
        "status": "finished",
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-03-01T08:00:00+01:00", "end": "2026-03-12T09:30:00+01:00"},
        **members,
    }


@pytest.mark.parametrize(
    "visit", ["F1^^^KIS^VN", "F1^^^KIS&1.2.3&ISO^VN", "F1^^^OLDKIS^VN", "F1^^^&https://kis.example/fall&URI^VN"]
)
def test_adt_and_fhir_give_one_visit_one_case_under_the_configured_mapping(visit: str) -> None:
    authorities = Ehr(visit_systems={"KIS": FALL, "OLDKIS": FALL}).authorities
    told = understand(adt(visit=visit), authorities=authorities)
    resource = understand_encounter(an_encounter(), PATIENT, authorities=authorities)
    assert told.case_key == resource.case_key == "KIS|F1"
    assert told.event_time == resource.event_time == "2026-03-12T08:30:00+00:00"


def test_adt_and_fhir_agree_by_oid_too() -> None:
    authorities = Ehr(visit_systems={"KIS": "urn:oid:1.2.3"}).authorities
    resource = an_encounter(identifier=[{"system": "urn:oid:1.2.3", "value": "F1"}])
    assert understand_encounter(resource, None, authorities).case_key == "KIS|F1"
    assert understand(adt(visit="F1^^^&1.2.3&ISO^VN"), authorities=authorities).case_key == "KIS|F1"


def test_a_system_that_is_not_mapped_stands_for_itself() -> None:
    assert understand_encounter(an_encounter()).case_key == f"{FALL}|F1"


@pytest.mark.parametrize(
    ("status", "event", "starts_letter"),
    [
        ("planned", Event.UPDATE, False),
        ("arrived", Event.ADMIT, False),
        ("in-progress", Event.ADMIT, False),
        ("onleave", Event.UPDATE, False),
        ("finished", Event.DISCHARGE, True),
        ("triaged", Event.ADMIT, False),
        ("cancelled", Event.CANCEL_ADMIT, False),
        ("entered-in-error", Event.CANCEL_ADMIT, False),
        ("unknown", Event.UPDATE, False),
        ("", Event.UPDATE, False),
    ],
)
def test_the_status_is_the_event(status: str, event: Event, starts_letter: bool) -> None:
    reading = understand_encounter(an_encounter(status=status))
    assert (reading.event, reading.starts_letter) == (event, starts_letter)


@pytest.mark.parametrize("code", ["IMP", "AMB", "SS", "FLD"])
def test_an_ambulatory_series_ends_with_a_letter_like_a_stay(code: str) -> None:
    assert understand_encounter(an_encounter(**{"class": {"code": code}})).starts_letter


def test_test_data_starts_no_letter() -> None:
    labelled = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}
    reading = understand_encounter(an_encounter(meta=labelled))
    assert (reading.event, reading.starts_letter) == (Event.DISCHARGE, False)
    assert any("HTEST" in warning for warning in reading.warnings)


def test_the_visit_number_is_the_identifier_typed_so() -> None:
    identifiers = [{"system": "urn:other", "value": "9"}, {"type": VN, "system": FALL, "value": "F1"}]
    assert understand_encounter(an_encounter(identifier=identifiers)).case_key == f"{FALL}|F1"


def test_without_a_number_patient_and_admission_are_the_case_as_in_adt() -> None:
    authorities = {"https://kis.example/pid": "KIS"}
    resource = understand_encounter(an_encounter(identifier=[]), PATIENT, authorities)
    assert resource.case_key == understand(adt(visit="")).case_key == "KIS|P1|2026-03-01T07:00:00+00:00"
    assert any("Encounter.identifier" in warning for warning in resource.warnings)


def test_with_neither_the_resource_itself_is_the_case() -> None:
    reading = understand_encounter({"resourceType": "Encounter", "id": "e1", "status": "finished"})
    assert reading.case_key == "Encounter|e1"
    nothing = understand_encounter({"resourceType": "Encounter", "status": "finished"})
    assert (nothing.case_key, nothing.starts_letter) == (None, False)


def test_the_fields_are_told_as_read() -> None:
    reading = understand_encounter(an_encounter(), PATIENT)
    fields = reading.fields
    assert (reading.control_id, reading.type) == ("Encounter/e1/_history/2", "Encounter")
    assert (fields.patient_id, fields.visit, fields.family, fields.given, fields.birth_date) == (
        "P1",
        "F1",
        "Beispiel",
        "Berta Eva",
        "1961-05-04",
    )


@pytest.mark.parametrize(
    ("status", "event_time"),
    [("in-progress", "2026-03-01T07:00:00+00:00"), ("cancelled", "2026-03-12T10:00:00+00:00")],
)
def test_an_admission_happened_at_the_start_and_all_else_when_recorded(status: str, event_time: str) -> None:
    assert understand_encounter(an_encounter(status=status)).event_time == event_time


@pytest.mark.parametrize(
    ("code", "patient_class"), [("IMP", "I"), ("AMB", "O"), ("EMER", "E"), ("SS", "I"), ("XYZ", "XYZ"), ("", "")]
)
def test_the_class_is_told_in_the_words_of_adt(code: str, patient_class: str) -> None:
    assert understand_encounter(an_encounter(**{"class": {"code": code}})).patient_class == patient_class


@pytest.mark.parametrize(
    ("members", "department"),
    [
        ({"serviceProvider": {"display": "Strahlentherapie"}}, "Strahlentherapie"),
        ({"serviceProvider": {"identifier": {"value": "RAD"}, "display": "Strahlentherapie"}}, "RAD"),
        ({"location": [{"location": {"display": "Station 3"}}], "serviceProvider": {"display": "x"}}, "Station 3"),
        (
            {
                "location": [
                    {"location": {"display": "S3"}, "physicalType": {"coding": [{"code": "wa"}]}},
                    {"location": {"display": "Bett 7"}, "physicalType": {"coding": [{"code": "bd"}]}},
                ]
            },
            "S3",
        ),
        ({"location": [{"location": {"reference": "Location/1"}}]}, ""),
    ],
)
def test_the_department_is_the_ward_else_who_provides_the_visit(members: dict[str, Any], department: str) -> None:
    assert understand_encounter(an_encounter(**members)).department == department


def test_the_patient_is_known_by_the_same_key_as_in_adt() -> None:
    authorities = Ehr(visit_systems={"KIS": FALL}, patient_systems={"KIS": "https://kis.example/pid"}).authorities
    assert understand_encounter(an_encounter(), PATIENT, authorities).patient_key == "KIS|P1"
    assert understand_encounter(an_encounter()).patient_key is None


@pytest.mark.parametrize("status", ["planned", "arrived", "triaged", "in-progress", "onleave"])
def test_a_finished_visit_that_goes_on_is_reopened(status: str) -> None:
    assert reopened(an_encounter(status=status), an_encounter())
    assert not reopened(an_encounter(status=status), an_encounter(status="in-progress"))


@pytest.mark.parametrize("status", ["finished", "cancelled", "entered-in-error", "unknown", ""])
def test_a_finished_visit_that_stays_ended_is_not_reopened(status: str) -> None:
    assert not reopened(an_encounter(status=status), an_encounter())


@given(st.integers(0, 10**6 - 1), st.integers(0, 10**6 - 1))
def test_one_of_two_versions_is_the_older(first: int, second: int) -> None:
    for name, write in (("versionId", str), ("lastUpdated", lambda n: f"2026-03-12T10:00:00.{n:06d}Z")):
        one, other = an_encounter(meta={name: write(first)}), an_encounter(meta={name: write(second)})
        assert is_older(one, other) == (first < second)


def test_versions_that_cannot_be_compared_are_taken_as_they_come() -> None:
    assert not is_older(an_encounter(meta={"versionId": "b"}), an_encounter(meta={"versionId": "a"}))
    assert not is_older(an_encounter(meta={}), an_encounter())


def test_another_resource_is_refused() -> None:
    with pytest.raises(UnusableInput, match="Encounter"):
        understand_encounter(PATIENT)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "code", "system"]), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["id", "meta", "identifier", "status", "subject", "period"]), _JSON),
    st.dictionaries(st.sampled_from(["identifier", "name", "birthDate"]), _JSON),
)
def test_nothing_in_an_encounter_can_make_understanding_fail(members: dict[str, Any], patient: dict[str, Any]) -> None:
    understand_encounter({**members, "resourceType": "Encounter"}, patient)
