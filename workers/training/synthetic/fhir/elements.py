"""The data types that the resources share, and the systems they name."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from workers.training.synthetic.scenario import Amount, Side, Term

MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
CTCAE_GRADE = "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade"
UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
MRN_SYSTEM = "urn:epikrise:synthetic:mrn"
VISIT_SYSTEM = "urn:epikrise:synthetic:visit"
PATIENT = {"reference": "Patient/patient"}
ENCOUNTER = {"reference": "Encounter/visit"}

ZONE = ZoneInfo("Europe/Berlin")
"""Where the invented hospital stands, whatever the language of its letters: readers that know of one
zone only take +00:00 for UTC and not for a wall clock."""

Resource = dict[str, Any]
SIDES = {"left": ("7771000", "Left (qualifier value)"), "right": ("24028007", "Right (qualifier value)")}


def instant(moment: datetime) -> str:
    return moment.replace(tzinfo=ZONE).isoformat()


def concept(term: Term) -> Resource:
    """A CodeableConcept; the coding's display is the code system's wording where the term has one."""
    if not term.code:
        return {"text": term.text}
    coding = {"system": term.system, "code": term.code, "display": term.display or term.text}
    return {"coding": [coding], "text": term.text}


def coded(system: str, code: str, display: str | None = None) -> Resource:
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def number(value: Decimal) -> int | float:
    """A JSON number without a float's tail: 28, 50.4."""
    return int(value) if value == value.to_integral_value() else float(round(value, 3))


def quantity(amount: Amount) -> Resource:
    row: Resource = {"value": number(amount.value)}
    if amount.unit:
        row["unit"] = amount.unit
    if amount.ucum:
        row |= {"system": UCUM, "code": amount.ucum}
    return row


def body_site(site: Term, side: Side | None) -> Resource:
    row = concept(site)
    if side:
        code, display = SIDES[side]
        row["extension"] = [extension("mcode-laterality-qualifier", valueCodeableConcept=coded(SNOMED, code, display))]
    return row


def extension(name: str, **value: Any) -> Resource:
    """An mCODE extension."""
    return {"url": MCODE + name, **value}


def clinical_status(active: bool = True) -> Resource:
    return coded(TERMINOLOGY + "condition-clinical", "active" if active else "resolved")


def observation(identity: str, code: Resource, *, category: str, **rest: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [coded(TERMINOLOGY + "observation-category", category)],
        "code": code,
        "subject": PATIENT,
        "encounter": ENCOUNTER,
        **rest,
    }
