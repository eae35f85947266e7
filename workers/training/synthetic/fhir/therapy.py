"""Systemic therapy, other procedures and discharge medication."""

from typing import Any

from workers.training.synthetic.fhir.elements import (
    ENCOUNTER,
    PATIENT,
    TERMINOLOGY,
    Resource,
    coded,
    concept,
    quantity,
)
from workers.training.synthetic.scenario import Medication, Operation, Scenario, Systemic
from workers.training.synthetic.tables import table


def therapy(case: Scenario) -> list[Resource]:
    return [
        *(_operation(row, index) for index, row in enumerate(case.operations, start=1)),
        *(_systemic(row, index, case) for index, row in enumerate(case.systemic, start=1)),
        *(_medication(row, index, case) for index, row in enumerate(case.medications, start=1)),
    ]


def _operation(row: Operation, index: int) -> Resource:
    return {
        "resourceType": "Procedure",
        "id": f"procedure-{index}",
        "status": "completed",
        "code": concept(row.name),
        "subject": PATIENT,
        "performedDateTime": row.date,
    }


def _systemic(row: Systemic, index: int, case: Scenario) -> Resource:
    """The drug with its tumour as the reason, so that it is told from the medication of every day."""
    base: Resource = {
        "resourceType": row.resource,
        "id": f"systemic-{index}",
        "medicationCodeableConcept": concept(row.drug),
        "subject": PATIENT,
        "reasonReference": [{"reference": "Condition/tumour-1"}],
    }
    if row.cycles:
        words = table("words", case.lang)["cycles"]
        text = words["one"] if row.cycles == 1 else words["many"].replace("{n}", str(row.cycles))
        base["note"] = [{"text": text}]
    period = {"start": row.start, **({"end": row.end} if row.end else {})}
    dosage: Resource = {"text": row.rhythm} if row.rhythm else {}
    category = {"text": "antineoplastisch" if case.lang == "de" else "antineoplastic"}
    if row.resource == "MedicationAdministration":
        if row.dose:
            dosage["dose"] = quantity(row.dose)
        base |= {
            "status": "completed" if row.end else "in-progress",
            "category": category,
            "effectivePeriod": period,
        }
        return base | ({"dosage": dosage} if dosage else {})
    if row.dose:
        dosage["doseAndRate"] = [{"doseQuantity": quantity(row.dose)}]
    listed: dict[str, Any] = {"status": "completed" if row.end else "active"}
    if row.resource == "MedicationStatement":
        base |= listed | {"category": category, "effectivePeriod": period}
        return base | ({"dosage": [dosage]} if dosage else {})
    base |= listed | {"intent": "order", "category": [category]}
    dosage["timing"] = {"repeat": {"boundsPeriod": period}}
    return base | {"dosageInstruction": [dosage]}


def _medication(row: Medication, index: int, case: Scenario) -> Resource:
    dosage = {"text": row.schedule, "doseAndRate": [{"doseQuantity": quantity(row.dose)}]}
    category = coded(TERMINOLOGY + "medicationrequest-category", "discharge", "Discharge")
    base: Resource = {
        "resourceType": case.medication_resource,
        "id": f"medication-{index}",
        "status": "active",
        "medicationCodeableConcept": concept(row.drug),
        "subject": PATIENT,
    }
    if case.medication_resource == "MedicationStatement":
        return base | {"category": category, "context": ENCOUNTER, "dosage": [dosage]}
    return base | {
        "intent": "order",
        "category": [category],
        "encounter": ENCOUNTER,
        "dosageInstruction": [dosage],
    }
