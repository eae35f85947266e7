"""Toxicity, performance, laboratory and allergies."""

from workers.training.synthetic.fhir.elements import (
    CTCAE_GRADE,
    ENCOUNTER,
    LOINC,
    PATIENT,
    SNOMED,
    TERMINOLOGY,
    UCUM,
    Resource,
    coded,
    concept,
    instant,
    observation,
    quantity,
)
from workers.training.synthetic.scenario import Lab, Scenario, Term, Toxicity

INTERPRETATIONS = {"H": "High", "L": "Low", "N": "Normal"}
NO_KNOWN_ALLERGY = "716186003"


def condition_of_patient(case: Scenario) -> list[Resource]:
    return [
        *(_toxicity(row, index, case) for index, row in enumerate(case.toxicities, start=1)),
        *_performance(case),
        *(_lab(row, index) for index, row in enumerate(case.labs, start=1)),
        *_allergies(case),
    ]


def _toxicity(row: Toxicity, index: int, case: Scenario) -> Resource:
    grade = coded(
        "http://hl7.org/fhir/us/ctcae/CodeSystem/ctcae-grade-code-system", str(row.grade), f"Grade {row.grade}"
    )
    value = {"valueInteger": row.grade} if case.seed % 4 == 0 else {"valueCodeableConcept": grade}
    return {
        "resourceType": "AdverseEvent",
        "id": f"toxicity-{index}",
        "extension": [{"url": CTCAE_GRADE, **value}],
        "actuality": "actual",
        "event": concept(row.term),
        "subject": PATIENT,
        "encounter": ENCOUNTER,
        "date": row.date.isoformat(),
        "suspectEntity": [{"instance": {"reference": f"Procedure/course-{len(case.courses)}"}}],
    }


def _performance(case: Scenario) -> list[Resource]:
    when = case.stay.end.date().isoformat()
    rows = []
    if case.ecog is not None:
        code = coded(LOINC, "89247-1", "ECOG Performance Status score")
        rows.append(observation("ecog", code, category="survey", effectiveDateTime=when, valueInteger=case.ecog))
    if case.karnofsky is not None:
        code = coded(LOINC, "89243-0", "Karnofsky Performance Status score")
        value = {"value": case.karnofsky, "unit": "%", "system": UCUM, "code": "%"}
        rows.append(observation("karnofsky", code, category="survey", effectiveDateTime=when, valueQuantity=value))
    return rows


def _lab(row: Lab, index: int) -> Resource:
    display = INTERPRETATIONS[row.interpretation]
    return observation(
        f"lab-{index}",
        concept(row.name),
        category="laboratory",
        effectiveDateTime=instant(row.taken),
        valueQuantity=quantity(row.amount),
        interpretation=[coded(TERMINOLOGY + "v3-ObservationInterpretation", row.interpretation, display)],
    )


def _allergies(case: Scenario) -> list[Resource]:
    if case.allergies is None:
        return []
    none_known = "keine bekannten Allergien" if case.lang == "de" else "no known allergies"
    terms = case.allergies or (Term(text=none_known, code=NO_KNOWN_ALLERGY, system=SNOMED, display="No known allergy"),)
    return [
        {
            "resourceType": "AllergyIntolerance",
            "id": f"allergy-{index}",
            "clinicalStatus": coded(TERMINOLOGY + "allergyintolerance-clinical", "active"),
            "verificationStatus": coded(TERMINOLOGY + "allergyintolerance-verification", "confirmed"),
            "code": concept(term),
            "patient": PATIENT,
        }
        for index, term in enumerate(terms, start=1)
    ]
