"""Tumours with stage, grading and markers; comorbidities."""

from workers.training.synthetic.fhir.elements import (
    ENCOUNTER,
    LOINC,
    MCODE,
    PATIENT,
    SNOMED,
    TERMINOLOGY,
    Resource,
    body_site,
    clinical_status,
    coded,
    concept,
    extension,
    observation,
    quantity,
)
from workers.training.synthetic.scenario import Category, Marker, Scenario, Term, Tumour

UICC = "https://www.uicc.org/resources/tnm"
TNM_CODES = {
    ("t", False): ("21905-5", "Primary tumor.clinical [Class] Cancer"),
    ("n", False): ("21906-3", "Regional lymph nodes.clinical [Class] Cancer"),
    ("m", False): ("21907-1", "Distant metastases.clinical [Class] Cancer"),
    ("t", True): ("21899-0", "Primary tumor.pathology Cancer"),
    ("n", True): ("21900-6", "Regional lymph nodes.pathology [Class] Cancer"),
    ("m", True): ("21901-4", "Distant metastases.pathology [Class] Cancer"),
    ("stage", False): ("21908-9", "Stage group.clinical Cancer"),
    ("stage", True): ("21902-2", "Stage group.pathology Cancer"),
}
GRADE_CODES = {"G1": "54102005", "G2": "1663004", "G3": "61026006", "G4": "258248005"}


def oncology(case: Scenario) -> list[Resource]:
    rows: list[Resource] = []
    for index, tumour in enumerate(case.tumours, start=1):
        rows += [_tumour(tumour, index), *_findings(tumour, index, case)]
    return rows + [_comorbidity(term, index) for index, term in enumerate(case.comorbidities, start=1)]


def _tumour(tumour: Tumour, index: int) -> Resource:
    profile = "mcode-primary-cancer-condition" if tumour.primary else "mcode-secondary-cancer-condition"
    row: Resource = {
        "resourceType": "Condition",
        "id": f"tumour-{index}",
        "meta": {"profile": [MCODE + profile]},
        "clinicalStatus": clinical_status(),
        "verificationStatus": coded(TERMINOLOGY + "condition-ver-status", "confirmed"),
        "category": [coded(TERMINOLOGY + "condition-category", "encounter-diagnosis")],
        "code": concept(tumour.name),
        "bodySite": [body_site(tumour.site, tumour.side)],
        "subject": PATIENT,
        "encounter": ENCOUNTER,
    }
    if tumour.histology:
        row["extension"] = [
            extension("mcode-histology-morphology-behavior", valueCodeableConcept=concept(tumour.histology))
        ]
    if tumour.date:
        row["onsetDateTime"] = tumour.date
    stage = next((category for category in tumour.categories if category.axis == "stage"), None)
    if stage:
        row["stage"] = [
            {
                "summary": {"text": stage.value},
                "assessment": [{"reference": f"Observation/tumour-{index}-stage"}],
            }
        ]
    return row


def _findings(tumour: Tumour, index: int, case: Scenario) -> list[Resource]:
    focus = [{"reference": f"Condition/tumour-{index}"}]
    when = {"effectiveDateTime": tumour.date} if tumour.date else {}
    rows = [
        observation(
            f"tumour-{index}-{category.axis}",
            _tnm_code(category),
            category="laboratory" if category.pathological else "exam",
            focus=focus,
            **when,
            valueCodeableConcept={
                "coding": [{"system": UICC, "code": category.value, "display": category.value}],
                "text": category.value,
            },
        )
        for category in tumour.categories
    ]
    if tumour.grading:
        code = {
            "coding": [
                {"system": LOINC, "code": "33732-9", "display": "Histology grade [Identifier] in Cancer specimen"},
                {"system": SNOMED, "code": "371469007", "display": "Histologic grade of neoplasm"},
            ],
            "text": "Grading" if case.lang == "de" else "Histologic grade",
        }
        value = Term(text=tumour.grading, code=GRADE_CODES[tumour.grading], system=SNOMED)
        rows.append(
            observation(
                f"tumour-{index}-grading",
                code,
                category="laboratory",
                focus=focus,
                **when,
                valueCodeableConcept=concept(value),
            )
        )
    return rows + [_marker(marker, index, number) for number, marker in enumerate(tumour.markers, start=1)]


def _tnm_code(category: Category) -> Resource:
    code, display = TNM_CODES[category.axis, category.pathological]
    return coded(LOINC, code, display)


def _marker(marker: Marker, index: int, number: int) -> Resource:
    value = (
        {"valueQuantity": quantity(marker.amount)} if marker.amount else {"valueCodeableConcept": {"text": marker.word}}
    )
    row = observation(
        f"tumour-{index}-marker-{number}",
        concept(marker.name),
        category="laboratory",
        focus=[{"reference": f"Condition/tumour-{index}"}],
        effectiveDateTime=marker.date,
        **value,
    )
    return row | {"meta": {"profile": [MCODE + "mcode-tumor-marker-test"]}}


def _comorbidity(term: Term, index: int) -> Resource:
    return {
        "resourceType": "Condition",
        "id": f"comorbidity-{index}",
        "clinicalStatus": clinical_status(),
        "category": [coded(TERMINOLOGY + "condition-category", "problem-list-item")],
        "code": concept(term),
        "subject": PATIENT,
    }
