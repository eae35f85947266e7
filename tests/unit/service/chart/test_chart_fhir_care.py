"""Therapy, findings and plans in FHIR become facts that say where they came from."""

from typing import Any

import pytest
from chart_inputs import (
    ATC,
    PATIENT,
    SNOMED,
    TERMINOLOGY,
    chart_of,
    coded,
    condition,
    encounter,
    laboratory,
    observation,
    patient,
    resource,
    source,
    value,
    values,
)

from service.model import Importance

PERIOD = {"start": "2026-01-05", "end": "2026-01-19"}
CTCAE = "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade"


def test_another_procedure_has_a_name_and_a_date() -> None:
    ops = coded("http://fhir.de/CodeSystem/bfarm/ops", "5-870.a1", "Segmentresektion der Mamma")
    chart = chart_of(
        resource("Procedure", status="completed", code=ops, subject=PATIENT, performedDateTime="2025-12-03")
    )

    assert values(chart, "procedure.") == {
        "procedure.1.name": "Segmentresektion der Mamma",
        "procedure.1.date": "2025-12-03",
    }
    assert source(chart, "procedure.1.date") == "Procedure/1#performed"
    named = chart.get("procedure.1.name")
    assert named and named.code == "5-870.a1"


@pytest.mark.parametrize("kind", ["MedicationAdministration", "MedicationStatement", "MedicationRequest"])
def test_systemic_therapy_is_read_from_each_resource_of_medication(kind: str) -> None:
    dosage = {"text": "wöchentlich", "doseAndRate": [{"doseQuantity": {"value": 40, "code": "mg/m2"}}]}
    told: dict[str, dict[str, Any]] = {
        "MedicationAdministration": {
            "dosage": {"text": "wöchentlich", "dose": {"value": 40, "code": "mg/m2"}},
            "effectivePeriod": PERIOD,
        },
        "MedicationStatement": {"dosage": [dosage], "effectivePeriod": PERIOD},
        "MedicationRequest": {
            "intent": "order",
            "dosageInstruction": [dosage | {"timing": {"repeat": {"boundsPeriod": PERIOD}}}],
        },
    }
    chart = chart_of(
        condition(),
        resource(
            kind,
            status="completed",
            medicationCodeableConcept=coded(ATC, "L01XA01", "Cisplatin"),
            reasonReference=[{"reference": "Condition/1"}],
            note=[{"text": "5 Zyklen"}],
            **told[kind],
        ),
    )

    assert values(chart, "systemic.") == {
        "systemic.1.drug": "Cisplatin",
        "systemic.1.dose": "40",
        "systemic.1.rhythm": "wöchentlich",
        "systemic.1.cycles": "5",
        "systemic.1.start": "2026-01-05",
        "systemic.1.end": "2026-01-19",
    }
    assert source(chart, "systemic.1.drug") == f"{kind}/1#medication.text"
    assert source(chart, "systemic.1.cycles") == f"{kind}/1#note[0].text"
    drug = chart.get("systemic.1.drug")
    assert drug and (drug.code, drug.importance) == ("L01XA01", Importance.HIGH)


def test_discharge_medication_is_told_by_its_category() -> None:
    chart = chart_of(
        resource(
            "MedicationRequest",
            status="active",
            intent="order",
            category=[coded(TERMINOLOGY + "medicationrequest-category", "discharge")],
            medicationCodeableConcept=coded(ATC, "A02BC02", "Pantoprazol"),
            dosageInstruction=[{"text": "1-0-0", "doseAndRate": [{"doseQuantity": {"value": 40, "code": "mg"}}]}],
        )
    )

    assert values(chart, "medication.") == {
        "medication.1.drug": "Pantoprazol",
        "medication.1.dose": "40",
        "medication.1.schedule": "1-0-0",
    }
    dose = chart.get("medication.1.dose")
    assert dose and dose.unit == "mg"
    assert source(chart, "medication.1.schedule") == "MedicationRequest/1#dosageInstruction[0].text"


@pytest.mark.parametrize(
    ("grade", "place"),
    [({"valueInteger": 3}, ".value"), ({"valueCodeableConcept": coded("urn:x", "3")}, ".value.coding[0].code")],
)
def test_toxicity_has_a_grade_in_either_form(grade: dict[str, Any], place: str) -> None:
    event = coded("https://www.meddra.org", "10061103", "Radiodermatitis")
    chart = chart_of(
        resource(
            "AdverseEvent", actuality="actual", event=event, date="2026-03-05", extension=[{"url": CTCAE, **grade}]
        )
    )

    assert values(chart, "toxicity.") == {
        "toxicity.1.term": "Radiodermatitis",
        "toxicity.1.grade": "3",
        "toxicity.1.date": "2026-03-05",
    }
    assert source(chart, "toxicity.1.grade") == f"AdverseEvent/1#extension('{CTCAE}'){place}"
    graded = chart.get("toxicity.1.grade")
    assert graded and graded.importance is Importance.HIGH


def test_performance_is_ecog_and_karnofsky() -> None:
    chart = chart_of(
        observation("e", "89247-1", valueInteger=1),
        observation("k", "89243-0", valueQuantity={"value": 80, "code": "%"}),
    )

    assert values(chart, "performance.") == {"performance.ecog": "1", "performance.karnofsky": "80"}
    assert source(chart, "performance.ecog") == "Observation/e#value"


def test_a_laboratory_value_has_name_value_unit_and_date() -> None:
    chart = chart_of(
        observation(
            "l",
            "718-7",
            text="Hämoglobin",
            category=laboratory(),
            valueQuantity={"value": 10.2, "unit": "g/dl", "code": "g/dL"},
            effectiveDateTime="2026-03-12T07:30:00+01:00",
            interpretation=[coded(TERMINOLOGY + "v3-ObservationInterpretation", "L")],
        )
    )

    assert values(chart, "lab.") == {
        "lab.1.name": "Hämoglobin",
        "lab.1.value": "10.2",
        "lab.1.unit": "g/dL",
        "lab.1.date": "2026-03-12",
    }
    assert source(chart, "lab.1.date") == "Observation/l#effective"
    shown = chart.get("lab.1.value")
    assert shown and (shown.display.de, shown.display.en, shown.importance) == (
        "10,2 g/dl",
        "10.2 g/dl",
        Importance.NORMAL,
    )


def test_an_allergy_is_of_high_importance_and_none_known_is_told_too() -> None:
    penicillin = resource("AllergyIntolerance", "a", code=coded(SNOMED, "764146007", "Penicillin"), patient=PATIENT)
    none = resource("AllergyIntolerance", "b", code=coded(SNOMED, "716186003"), patient=PATIENT)

    told = chart_of(penicillin).get("allergy.1.name")

    assert told and (told.value, told.source, told.importance) == (
        "Penicillin",
        "AllergyIntolerance/a#code.text",
        Importance.HIGH,
    )
    assert value(chart_of(none), "allergy.1.name") == "no known allergies"


def test_an_appointment_has_its_clock_as_written_and_its_place() -> None:
    chart = chart_of(
        resource(
            "Appointment",
            status="booked",
            start="2026-04-20T10:30:00+02:00",
            description="Nachsorge",
            participant=[{"actor": {"type": "Location", "display": "Ambulanz A"}}],
        )
    )

    assert values(chart, "appointment.") == {
        "appointment.1.date": "2026-04-20",
        "appointment.1.time": "10:30",
        "appointment.1.place": "Ambulanz A",
    }
    assert source(chart, "appointment.1.time") == "Appointment/1#start"


def test_the_plan_is_the_care_plans_activities_and_the_imaging_asked_for() -> None:
    chart = chart_of(
        resource(
            "CarePlan",
            status="active",
            activity=[{"detail": {"description": "Hautpflege", "scheduledPeriod": {"start": "2026-03"}}}],
        ),
        resource("ServiceRequest", status="active", intent="order", code={"text": "MRT"}, occurrenceDateTime="2026-06"),
    )

    assert values(chart, "plan.") == {
        "plan.1.what": "Hautpflege",
        "plan.1.date": "2026-03",
        "plan.2.what": "MRT",
        "plan.2.date": "2026-06",
    }
    assert source(chart, "plan.1.what") == "CarePlan/1#activity[0].detail.description"
    imaging = chart.get("plan.2.what")
    assert imaging and imaging.importance is Importance.HIGH


def test_each_handle_is_told_once() -> None:
    handles = [fact.handle for fact in chart_of(patient(), patient(), encounter(), condition(), condition()).facts]

    assert len(handles) == len(set(handles))
