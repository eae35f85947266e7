"""Every element that DESIGN section 5 names becomes a fact that says where it came from."""

import pytest
from chart_inputs import (
    MCODE,
    PATIENT,
    SNOMED,
    TERMINOLOGY,
    chart_of,
    coded,
    condition,
    encounter,
    laterality,
    observation,
    patient,
    resource,
    source,
    value,
    values,
)

PERIOD = {"start": "2026-01-05", "end": "2026-01-19"}
CTCAE = "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade"


def test_a_patient_is_name_birth_sex_and_record_number() -> None:
    chart = chart_of(patient(), encounter())

    assert values(chart, "patient.") == {
        "patient.name": "Erika Muster",
        "patient.family": "Muster",
        "patient.given": "Erika",
        "patient.birth_date": "1961-05-04",
        "patient.age": "64",
        "patient.sex": "female",
        "patient.salutation": "female",
        "patient.id": "4711",
    }
    assert source(chart, "patient.name") == "Patient/1#name[0].given[0] + Patient/1#name[0].family"
    assert source(chart, "patient.birth_date") == "Patient/1#birthDate"
    assert source(chart, "patient.id") == "Patient/1#identifier[0].value"
    assert source(chart, "patient.sex") == "Patient/1#gender"
    assert source(chart, "patient.age") == "Patient/1#birthDate + Encounter/1#period.end"


def test_the_record_number_is_the_identifier_of_type_mr_wherever_it_stands() -> None:
    insurance = {"type": coded(TERMINOLOGY + "v2-0203", "NI"), "value": "A123"}
    record = {"type": coded(TERMINOLOGY + "v2-0203", "MR"), "value": "4711"}

    chart = chart_of(patient(identifier=[insurance, record]))

    assert value(chart, "patient.id") == "4711"
    assert source(chart, "patient.id") == "Patient/1#identifier[1].value"


def test_a_stay_is_its_number_period_attending_physician_and_ward() -> None:
    attending = {
        "type": [coded(TERMINOLOGY + "v3-ParticipationType", "ATND")],
        "individual": {"reference": "Practitioner/9"},
    }
    stein = resource("Practitioner", "9", name=[{"family": "Stein", "given": ["Karla"], "prefix": ["Dr. med."]}])
    chart = chart_of(
        patient(),
        stein,
        encounter(
            participant=[attending], serviceProvider={"reference": "Organization/1", "display": "Strahlenklinik"}
        ),
    )

    assert values(chart, "visit.") == {
        "visit.number": "F1",
        "visit.start": "2026-02-01",
        "visit.end": "2026-03-13",
        "visit.physician": "Dr. med. Karla Stein",
        "visit.ward": "Strahlenklinik",
    }
    assert source(chart, "visit.number") == "Encounter/1#identifier[0].value"
    assert source(chart, "visit.start") == "Encounter/1#period.start"
    assert source(chart, "visit.ward") == "Encounter/1#serviceProvider.display"


def test_a_tumour_has_code_site_side_histology_date_and_stage() -> None:
    histology = {
        "url": MCODE + "mcode-histology-morphology-behavior",
        "valueCodeableConcept": coded("urn:oid:2.16.840.1.113883.6.43.1", "8500/3"),
    }
    chart = chart_of(
        patient(),
        condition(
            extension=[histology],
            bodySite=[coded(SNOMED, "76752008", "Mamma") | laterality("7771000")],
            onsetDateTime="2025-11",
            stage=[{"summary": {"text": "UICC IIA"}}],
        ),
    )

    assert values(chart, "diagnosis.") == {
        "diagnosis.1.name": "Mammakarzinom",
        "diagnosis.1.icd10": "C50.4",
        "diagnosis.1.side": "left",
        "diagnosis.1.site": "Mamma",
        "diagnosis.1.histology": "invasive carcinoma of no special type (NST)",
        "diagnosis.1.date": "2025-11",
        "diagnosis.1.stage": "IIA",
    }
    assert source(chart, "diagnosis.1.icd10") == "Condition/1#code.coding[0].code"
    assert source(chart, "diagnosis.1.date") == "Condition/1#onset"
    assert source(chart, "diagnosis.1.side") == (
        f"Condition/1#bodySite[0].extension('{MCODE}mcode-laterality-qualifier').value.coding[0].code"
    )


@pytest.mark.parametrize(
    "system",
    [
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
        "http://hl7.org/fhir/sid/icd-10-cm",
        "http://hl7.org/fhir/sid/icd-10",
    ],
)
def test_each_kind_of_icd_10_is_read(system: str) -> None:
    assert value(chart_of(condition(code="C61") | {"code": coded(system, "C61")}), "diagnosis.1.icd10") == "C61"


def test_a_tumour_that_only_snomed_ct_codes_is_a_diagnosis() -> None:
    chart = chart_of(condition() | {"code": coded(SNOMED, "254837009")})

    assert value(chart, "diagnosis.1.name") == "breast cancer"


def test_the_recorded_date_stands_in_for_a_missing_onset() -> None:
    chart = chart_of(condition(recordedDate="2025-12-01"))

    assert value(chart, "diagnosis.1.date") == "2025-12-01"
    assert source(chart, "diagnosis.1.date") == "Condition/1#recordedDate"


def test_the_diagnosis_of_the_stay_comes_before_the_problem_list_and_others_are_comorbidities() -> None:
    category = TERMINOLOGY + "condition-category"
    chart = chart_of(
        condition("1", code="C34.1", text="Bronchialkarzinom", category=[coded(category, "problem-list-item")]),
        condition("2", code="C50.4", category=[coded(category, "encounter-diagnosis")]),
        condition("3", code="I10.00", text="Hypertonie"),
    )

    assert [value(chart, f"diagnosis.{number}.icd10") for number in (1, 2)] == ["C50.4", "C34.1"]
    assert values(chart, "comorbidity.") == {"comorbidity.1.name": "Hypertonie", "comorbidity.1.icd10": "I10.00"}


@pytest.mark.parametrize(
    ("loinc", "said", "handle", "expected"),
    [
        ("21905-5", "cT2", "diagnosis.1.t", "cT2"),
        ("21906-3", "N1", "diagnosis.1.n", "cN1"),
        ("21907-1", "M0", "diagnosis.1.m", "cM0"),
        ("21899-0", "pT1c", "diagnosis.1.t", "pT1c"),
        ("21900-6", "0", "diagnosis.1.n", "pN0"),
        ("21901-4", "pM0", "diagnosis.1.m", "pM0"),
        ("21908-9", "Stage IIIB", "diagnosis.1.stage", "IIIB"),
        ("21902-2", "IA", "diagnosis.1.stage", "IA"),
    ],
)
def test_staging_observations_belong_to_the_diagnosis(loinc: str, said: str, handle: str, expected: str) -> None:
    chart = chart_of(condition(), observation("9", loinc, valueCodeableConcept={"text": said}))

    assert value(chart, handle) == expected
    assert source(chart, handle) == "Observation/9#value"


def test_tnm_is_also_told_as_a_whole() -> None:
    rows = [("a", "21899-0", "pT1c"), ("b", "21900-6", "pN0"), ("c", "21907-1", "cM0")]
    chart = chart_of(
        condition(), *(observation(name, code, valueCodeableConcept={"text": said}) for name, code, said in rows)
    )

    assert value(chart, "diagnosis.1.tnm") == "pT1c pN0 cM0"
    assert source(chart, "diagnosis.1.tnm") == "Observation/a#value + Observation/b#value + Observation/c#value"


def test_markers_and_grade_belong_to_the_diagnosis() -> None:
    chart = chart_of(
        condition(),
        observation("g", "33732-9", valueCodeableConcept=coded(SNOMED, "1663004")),
        observation("k", "29593-1", text="Ki-67", valueQuantity={"value": 20, "code": "%"}),
    )

    assert value(chart, "diagnosis.1.grading") == "G2"
    assert value(chart, "diagnosis.1.marker.1") == "Ki-67 20 %"
    assert source(chart, "diagnosis.1.marker.1") == "Observation/k#value"


def test_a_prescription_is_a_planned_course_until_it_is_delivered() -> None:
    intent = {"url": MCODE + "mcode-procedure-intent", "valueCodeableConcept": coded(SNOMED, "363676003")}
    chart = chart_of(
        resource(
            "ServiceRequest",
            "5",
            status="active",
            intent="order",
            code=coded(SNOMED, "1217123003"),
            subject=PATIENT,
            extension=[intent],
            occurrencePeriod={"start": "2026-04-01"},
        )
    )

    assert values(chart, "course.") == {
        "course.1.intent": "palliative",
        "course.1.start": "2026-04-01",
        "course.1.status": "planned",
    }
    assert source(chart, "course.1.start") == "ServiceRequest/5#occurrence.start"


def test_three_values_that_contradict_each_other_are_all_told_with_their_sources() -> None:
    days = ("2025-11-03", "2025-11-04", "2025-12-01")

    chart = chart_of(patient(), *(condition(str(number), onsetDateTime=day) for number, day in enumerate(days)))

    (conflict,) = chart.conflicts
    assert conflict.handle == "diagnosis.1.date"
    assert conflict.values == days
    assert conflict.sources == tuple(f"Condition/{number}#onset" for number in range(3))
