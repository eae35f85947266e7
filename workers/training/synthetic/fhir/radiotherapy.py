"""Courses, phases and prescriptions in mCODE's extensions; the volumes as BodyStructure."""

from decimal import Decimal
from typing import Any

from workers.training.synthetic.fhir.elements import (
    ENCOUNTER,
    MCODE,
    PATIENT,
    SNOMED,
    UCUM,
    Resource,
    body_site,
    coded,
    concept,
    extension,
    number,
)
from workers.training.synthetic.scenario import Course, Scenario, Volume
from workers.training.synthetic.tables import table

COURSE = coded(SNOMED, "1217123003", "Radiotherapy course of treatment (regime/therapy)")
PHASE = coded(SNOMED, "1222565005", "Radiotherapy treatment phase (regime/therapy)")


def radiotherapy(case: Scenario) -> list[Resource]:
    rows: list[Resource] = []
    for index, course in enumerate(case.courses, start=1):
        rows += _volumes(course, index)
        if course.planned:
            rows.append(_prescription(course, index))
        rows.append(_course(course, index, case))
        rows += [_phase(course, index, phase) for phase in range(1, len(course.phases) + 1)]
    return rows


def _volume_names(course: Course) -> list[str]:
    return list(dict.fromkeys(volume.name for volume in (*course.planned, *course.volumes)))


def _volumes(course: Course, index: int) -> list[Resource]:
    return [
        {
            "resourceType": "BodyStructure",
            "id": f"course-{index}-volume-{position}",
            "meta": {"profile": [MCODE + "mcode-radiotherapy-volume"]},
            "description": name,
            "location": concept(course.site),
            "patient": PATIENT,
        }
        for position, name in enumerate(_volume_names(course), start=1)
    ]


def _course(course: Course, index: int, case: Scenario) -> Resource:
    row: Resource = {
        "resourceType": "Procedure",
        "id": f"course-{index}",
        "meta": {"profile": [MCODE + "mcode-radiotherapy-course-summary"]},
        "extension": [
            *_intent_and_technique(course),
            extension("mcode-radiotherapy-sessions", valueUnsignedInt=course.fractions),
            *_doses(course, index, course.volumes),
        ],
        "status": course.status,
        "category": _category(),
        "code": COURSE,
        "subject": PATIENT,
        "performedPeriod": _period(course),
        "reasonReference": [{"reference": f"Condition/tumour-{course.tumour + 1}"}],
        "bodySite": [body_site(course.site, course.side)],
    }
    if index == len(case.courses):
        row["encounter"] = ENCOUNTER
    if course.planned:
        row["basedOn"] = [{"reference": f"ServiceRequest/course-{index}-prescription"}]
    if course.status == "stopped":
        reasons = table("words", case.lang)["stopped"]
        row["statusReason"] = {"text": reasons[case.seed % len(reasons)]}
    return row


def _phase(course: Course, index: int, phase: int) -> Resource:
    volumes = course.phases[phase - 1]
    return {
        "resourceType": "Procedure",
        "id": f"course-{index}-phase-{phase}",
        "meta": {"profile": [MCODE + "mcode-radiotherapy-treated-phase"]},
        "extension": [
            extension("mcode-radiotherapy-fractions-delivered", valueUnsignedInt=volumes[0].fractions),
            *_doses(course, index, volumes),
        ],
        "partOf": [{"reference": f"Procedure/course-{index}"}],
        "status": "completed",
        "category": _category(),
        "code": PHASE,
        "subject": PATIENT,
    }


def _prescription(course: Course, index: int) -> Resource:
    """The planned course; its doses stand in the same extension as delivered ones, as it is planned by status."""
    return {
        "resourceType": "ServiceRequest",
        "id": f"course-{index}-prescription",
        "extension": [*_intent_and_technique(course), *_doses(course, index, course.planned)],
        "status": "active" if course.status == "in-progress" else "completed",
        "intent": "order",
        "category": [_category()],
        "code": COURSE,
        "subject": PATIENT,
        "occurrencePeriod": {"start": course.start.isoformat()},
        "bodySite": [body_site(course.site, course.side)],
    }


def _intent_and_technique(course: Course) -> list[Resource]:
    parts: list[Resource] = [extension("mcode-radiotherapy-modality", valueCodeableConcept=concept(course.modality))]
    if course.technique:
        parts.append(extension("mcode-radiotherapy-technique", valueCodeableConcept=concept(course.technique)))
    return [
        extension("mcode-procedure-intent", valueCodeableConcept=concept(course.intent)),
        extension("mcode-radiotherapy-modality-and-technique", extension=parts),
    ]


def _doses(course: Course, index: int, volumes: tuple[Volume, ...]) -> list[Resource]:
    names = _volume_names(course)
    rows: list[Any] = []
    for volume in volumes:
        target = f"BodyStructure/course-{index}-volume-{names.index(volume.name) + 1}"
        parts = [
            {"url": "volume", "valueReference": {"reference": target, "display": volume.name}},
            {"url": "totalDoseDelivered", "valueQuantity": _dose(volume.dose, course.unit)},
            {"url": "fractionsDelivered", "valueUnsignedInt": volume.fractions},
        ]
        rows.append(extension("mcode-radiotherapy-dose-delivered-to-volume", extension=parts))
    return rows


def _dose(gray: Decimal, unit: str) -> Resource:
    value = gray * 100 if unit == "cGy" else gray
    return {"value": number(value), "unit": unit, "system": UCUM, "code": unit}


def _category() -> Resource:
    return coded(SNOMED, "108290001", "Radiation oncology AND/OR radiotherapy (procedure)")


def _period(course: Course) -> Resource:
    end = {"end": course.end.isoformat()} if course.end else {}
    return {"start": course.start.isoformat(), **end}
