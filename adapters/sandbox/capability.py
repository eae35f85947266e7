"""The CapabilityStatement: what this server can do, said by itself (FHIR R4, http.html#capabilities)."""

from adapters.sandbox.outcome import Resource
from adapters.sandbox.search_parameters import SPECIFIC, Parameter, parameters_of

DATE = "2026-11-01"


def capability_statement(base: str, *, transactions: bool = True) -> Resource:
    """``transactions`` False is for tests of clients that must do without."""
    system = ["transaction", "batch"] if transactions else ["batch"]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "Sandbox EHR for demonstrations and tests"},
        "implementation": {"description": "Synthetic data only", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "None: it listens on this machine only."},
                "resource": [_resource(name) for name in sorted(SPECIFIC)],
                "interaction": [{"code": code} for code in system],
            }
        ],
    }


def _resource(name: str) -> Resource:
    result: Resource = {
        "type": name,
        "interaction": [
            {"code": code} for code in ("read", "vread", "update", "history-instance", "create", "search-type")
        ],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalUpdate": True,
        "conditionalDelete": "not-supported",
        "searchParam": [_parameter(key, parameter) for key, parameter in sorted(parameters_of(name).items())],
    }
    if name == "Patient":
        definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
        result["operation"] = [{"name": "everything", "definition": definition}]
    if name == "Subscription":
        result["interaction"].append({"code": "delete"})
        root = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-"
        result["operation"] = [{"name": each, "definition": f"{root}{each}"} for each in ("status", "events")]
    return result


def _parameter(name: str, parameter: Parameter) -> Resource:
    return {"name": name, "type": parameter.kind}
