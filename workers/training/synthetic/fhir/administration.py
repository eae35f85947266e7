"""Patient, Practitioner, Location, Organization and Encounter."""

from workers.training.synthetic.fhir.elements import (
    MRN_SYSTEM,
    PATIENT,
    TERMINOLOGY,
    VISIT_SYSTEM,
    Resource,
    coded,
    instant,
)
from workers.training.synthetic.scenario import Physician, Scenario


def administration(case: Scenario) -> list[Resource]:
    rows = [_patient(case), _organization(case), _ward(case)]
    if case.stay.physician:
        rows.append(_practitioner(case.stay.physician))
    return [*rows, _encounter(case)]


def _patient(case: Scenario) -> Resource:
    patient = case.patient
    return {
        "resourceType": "Patient",
        "id": "patient",
        "meta": {"tag": [{"system": TERMINOLOGY + "v3-ActReason", "code": "HTEST"}]},
        "identifier": [
            {
                "type": coded(TERMINOLOGY + "v2-0203", "MR"),
                "system": MRN_SYSTEM,
                "value": patient.mrn,
            }
        ],
        "name": [{"use": "official", "family": patient.family, "given": [patient.given]}],
        "gender": patient.sex,
        "birthDate": patient.birth_date.isoformat(),
    }


def _organization(case: Scenario) -> Resource:
    return {"resourceType": "Organization", "id": "department", "name": case.stay.department}


def _ward(case: Scenario) -> Resource:
    return {"resourceType": "Location", "id": "ward", "name": case.stay.ward}


def _practitioner(physician: Physician) -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": "physician",
        "identifier": [{"system": "urn:epikrise:synthetic:physician", "value": physician.number}],
        "name": [{"family": physician.family, "given": [physician.given], "prefix": [physician.title]}],
    }


def _encounter(case: Scenario) -> Resource:
    stay = case.stay
    code, display = ("AMB", "ambulatory") if stay.outpatient else ("IMP", "inpatient encounter")
    row: Resource = {
        "resourceType": "Encounter",
        "id": "visit",
        "identifier": [
            {"type": coded(TERMINOLOGY + "v2-0203", "VN"), "system": VISIT_SYSTEM, "value": stay.visit_number}
        ],
        "status": "finished",
        "class": {"system": TERMINOLOGY + "v3-ActCode", "code": code, "display": display},
        "subject": PATIENT,
        "period": {"start": instant(stay.start), "end": instant(stay.end)},
        "reasonReference": [{"reference": "Condition/tumour-1"}],
        "hospitalization": {"dischargeDisposition": coded(TERMINOLOGY + "discharge-disposition", "home")},
        "location": [{"location": {"reference": "Location/ward", "display": stay.ward}}],
        "serviceProvider": {"reference": "Organization/department", "display": stay.department},
    }
    if stay.physician:
        name = f"{stay.physician.title} {stay.physician.given} {stay.physician.family}"
        row["participant"] = [
            {
                "type": [coded(TERMINOLOGY + "v3-ParticipationType", "ATND", "attender")],
                "individual": {"reference": "Practitioner/physician", "display": name},
            }
        ]
    return row
