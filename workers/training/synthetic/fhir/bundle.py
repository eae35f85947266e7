"""The Bundle that holds a case."""

from typing import Any

from workers.training.synthetic.fhir.administration import administration
from workers.training.synthetic.fhir.aftercare import aftercare
from workers.training.synthetic.fhir.condition_of_patient import condition_of_patient
from workers.training.synthetic.fhir.elements import TERMINOLOGY
from workers.training.synthetic.fhir.oncology import oncology
from workers.training.synthetic.fhir.radiotherapy import radiotherapy
from workers.training.synthetic.fhir.therapy import therapy
from workers.training.synthetic.scenario import Scenario


def build_bundle(case: Scenario) -> dict[str, Any]:
    """A FHIR R4 Bundle of type collection, marked HTEST (v3-ActReason): test health data."""
    parts = (administration, oncology, radiotherapy, therapy, condition_of_patient, aftercare)
    rows = [resource for part in parts for resource in part(case)]
    resources = [_under_own_id(row, f"{case.lang}{case.seed}") for row in rows]
    return {
        "resourceType": "Bundle",
        "id": f"synthetic-{case.lang}-{case.seed}",
        "meta": {"tag": [{"system": TERMINOLOGY + "v3-ActReason", "code": "HTEST", "display": "test health data"}]},
        "type": "collection",
        "entry": [
            {"fullUrl": f"http://synthetic.example/fhir/{row['resourceType']}/{row['id']}", "resource": row}
            for row in resources
        ],
    }


def _under_own_id(value: Any, case: str) -> Any:
    """Ids and references made the case's own: an EHR that is sent two cases must not take them for one."""
    if isinstance(value, list):
        return [_under_own_id(each, case) for each in value]
    if not isinstance(value, dict):
        return value
    named: dict[str, Any] = {}
    for key, each in value.items():
        if key == "id" and "resourceType" in value:
            named[key] = f"{case}-{each}"
        elif key == "reference" and isinstance(each, str) and "/" in each:
            kind, _, identity = each.partition("/")
            named[key] = f"{kind}/{case}-{identity}"
        else:
            named[key] = _under_own_id(each, case)
    return named
