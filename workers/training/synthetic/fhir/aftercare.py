"""Appointments, care plan and requested follow-up imaging."""

from workers.training.synthetic.fhir.elements import ENCOUNTER, PATIENT, SNOMED, Resource, coded, instant
from workers.training.synthetic.scenario import Appointment, PlanItem, Scenario


def aftercare(case: Scenario) -> list[Resource]:
    """Imaging is told as ServiceRequest in every second case, else as an activity like the rest."""
    asked = [item for item in case.plan if item.imaging and case.seed % 2]
    activities = [item for item in case.plan if item not in asked]
    rows = [_appointment(row, index) for index, row in enumerate(case.appointments, start=1)]
    if activities:
        rows.append(_care_plan(activities))
    return rows + [_request(item, index) for index, item in enumerate(asked, start=1)]


def _appointment(row: Appointment, index: int) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": f"appointment-{index}",
        "status": "booked",
        "serviceType": [{"text": row.service}],
        "description": row.service,
        "start": instant(row.start),
        "participant": [
            {"actor": PATIENT, "status": "accepted"},
            {"actor": {"type": "Location", "display": row.place}, "status": "accepted"},
        ],
    }


def _care_plan(items: list[PlanItem]) -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": PATIENT,
        "encounter": ENCOUNTER,
        "activity": [{"detail": _detail(item)} for item in items],
    }


def _detail(item: PlanItem) -> Resource:
    when = {"scheduledPeriod": {"start": item.date}} if item.date else {}
    return {"status": "scheduled" if item.date else "not-started", "description": item.what, **when}


def _request(item: PlanItem, index: int) -> Resource:
    row: Resource = {
        "resourceType": "ServiceRequest",
        "id": f"imaging-{index}",
        "status": "active",
        "intent": "order",
        "category": [coded(SNOMED, "363679005", "Imaging")],
        "code": {"text": item.what},
        "subject": PATIENT,
        "encounter": ENCOUNTER,
    }
    return row | ({"occurrenceDateTime": item.date} if item.date else {})
