"""The chart at the EHR: one visit's patient and all that the chart reads of it (FHIR R4)."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.fhir.client import FhirClient, escaped, members, reference_in
from adapters.fhir.documents import DOCUMENT_SYSTEM
from service.errors import EhrRefused
from service.ports import Resource

log = logging.getLogger(__name__)

SEARCHES: Sequence[tuple[str, str]] = (
    ("Encounter", "patient"),
    ("Condition", "patient"),
    ("Observation", "patient"),
    ("Procedure", "patient"),
    ("ServiceRequest", "patient"),
    ("MedicationRequest", "patient"),
    ("MedicationStatement", "patient"),
    ("MedicationAdministration", "patient"),
    ("AdverseEvent", "subject"),
    ("AllergyIntolerance", "patient"),
    ("Appointment", "patient"),
    ("CarePlan", "patient"),
    ("DocumentReference", "patient"),
    ("Composition", "patient"),
    ("BodyStructure", "patient"),
)
"""Type and the search parameter that names the patient (R4 gives AdverseEvent no ``patient``)."""

FOLLOWED = frozenset({"Practitioner", "PractitionerRole", "Medication", "BodyStructure", "Location", "Organization"})
"""Types read when something points to them."""

READ = frozenset({"Patient", *FOLLOWED, *(resource_type for resource_type, _ in SEARCHES)})

MAX_FOLLOWED = 200


class FhirChartSource:
    """Implements :class:`service.ports.ChartSource`.

    ``visit_systems`` maps the assigning authority of a case key to the FHIR system of visit numbers
    (``{"KIS": "https://hospital.example/fall"}``). An authority that is itself an address stands for
    itself. For one that is not mapped the visit number alone is searched, and the answer taken only if
    it is one encounter whose patient has the record number given.
    """

    def __init__(self, client: FhirClient, *, visit_systems: Mapping[str, str]) -> None:
        self._client = client
        self._visit_systems = dict(visit_systems)

    def resources(self, case_key: str, patient_id: str) -> Sequence[Resource]:
        """See :class:`service.ports.ChartSource`. Drafts and letters of our own are left out: a letter
        is no evidence for itself.

        A chart is whole, or says what it lacks. What may be whole a moment later (429, 503, any 5xx, a lost
        connection, a page that fails after the first, an answer that the server calls incomplete) raises
        EhrUnavailable, and so does a refused login (401, EhrRefused): no letter is written from half of a chart.
        What stays as it is (a type that the server has not, or our scope does not reach; a reference to nothing)
        is an OperationOutcome among the resources, which becomes a warning of the chart.
        """
        encounter, patient = self._visit(case_key, patient_id)
        if patient is None:
            return ()
        reference = f"Patient/{patient['id']}"
        listed = self._everything(reference) if self._has_everything() else None
        found = listed if listed is not None else list(self._searched(reference))
        chart = _distinct([patient, *([encounter] if encounter else []), *found])
        refused = [each for each in found if each.get("resourceType") == "OperationOutcome"]
        chart = [each for each in chart if each.get("resourceType") in READ and not _is_ours(each)]
        return [*chart, *self._followed(chart), *refused]

    def references(self, case_key: str, patient_id: str = "") -> tuple[str, str, str]:
        """See :class:`service.ports.ChartSource`."""
        encounter, patient = self._visit(case_key, patient_id)
        return (
            f"Patient/{patient['id']}" if patient else "",
            f"Encounter/{encounter['id']}" if encounter else "",
            attending(encounter) if encounter else "",
        )

    # ------------------------------------------------------------ the visit

    def _visit(self, case_key: str, patient_id: str) -> tuple[Resource | None, Resource | None]:
        """(encounter, patient). A key of three parts has no visit number (authority, patient, admission)."""
        authority, _, rest = case_key.partition("|")
        if "|" in rest:
            return self._patient_alone(patient_id or rest.partition("|")[0])
        system = self._visit_systems.get(authority) or (authority if ":" in authority else "")
        token = f"{system}|{escaped(rest)}" if system else escaped(rest)
        encounters = self._client.search("Encounter", (("identifier", token),))
        if len(encounters) != 1:
            reason = "" if system else "the authority is not mapped"
            log.warning("visit_not_found", extra={"matches": len(encounters), "reason": reason})
            return None, None
        reference = reference_in(str(encounters[0].get("subject", {}).get("reference", "")))
        if not reference.startswith("Patient/"):
            return encounters[0], None
        patient = self._client.read(reference)
        if not system and (not patient_id or patient_id not in _record_numbers(patient)):
            reason = "the authority is not mapped and the patient's number does not agree"
            log.warning("visit_not_sure", extra={"reason": reason})
            return None, None
        return encounters[0], patient

    def _patient_alone(self, patient_id: str) -> tuple[None, Resource | None]:
        patients = self._client.search("Patient", (("identifier", escaped(patient_id)),)) if patient_id else []
        if len(patients) != 1:
            log.warning("patient_not_found", extra={"matches": len(patients)})
            return None, None
        return None, patients[0]

    # ------------------------------------------------------------ the patient's resources

    def _has_everything(self) -> bool:
        try:
            modes = members(self._client.capabilities(), "rest")
        except EhrRefused:
            return False
        return any(
            operation.get("name") in {"everything", "$everything"}
            for mode in modes
            for resource in members(mode, "resource")
            if resource.get("type") == "Patient"
            for operation in members(resource, "operation")
        )

    def _everything(self, patient: str) -> list[Resource] | None:
        """None where the server says it can and then refuses; the searches serve as well."""
        try:
            return self._client.everything(patient)
        except EhrRefused as refusal:
            if refusal.status == 401:
                raise
            log.warning("everything_refused", extra={"status": refusal.status})
            return None

    def _searched(self, patient: str) -> Iterator[Resource]:
        for resource_type, parameter in SEARCHES:
            try:
                yield from self._client.search(resource_type, ((parameter, patient),))
            except EhrRefused as refusal:
                if refusal.status == 401:
                    raise
                # A server need not have every type, nor a scope reach it. The rest is still a chart,
                # and what lacks shows as missing facts; so this is told, and goes on.
                log.warning("search_refused", extra={"type": resource_type, "status": refusal.status})
                yield _not_given(resource_type, refusal)

    def _followed(self, chart: Sequence[Resource]) -> Iterator[Resource]:
        """What the chart points to and does not hold, one step further each round, two rounds."""
        seen = {f"{each['resourceType']}/{each['id']}" for each in chart if "id" in each}
        frontier: Sequence[Resource] = chart
        for _ in range(2):
            wanted = sorted({each for resource in frontier for each in _pointed_to(resource)} - seen)[:MAX_FOLLOWED]
            seen.update(wanted)
            frontier = [self._read_if_there(reference) for reference in wanted]
            yield from frontier

    def _read_if_there(self, reference: str) -> Resource:
        try:
            return self._client.read(reference)
        except EhrRefused as refusal:
            if refusal.status == 401:
                raise
            resource_type = reference.partition("/")[0]
            log.info("reference_refused", extra={"type": resource_type, "status": refusal.status})
            return _not_given(resource_type, refusal)


def _not_given(resource_type: str, refusal: EhrRefused) -> Resource:
    """What the EHR refused, as an outcome of our own: type and HTTP status, none of the server's words."""
    reason = {"coding": [{"code": f"HTTP {refusal.status}"}]}
    issue = {"severity": "warning", "code": "incomplete", "expression": [resource_type], "details": reason}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def attending(encounter: Resource) -> str:
    """The attending physician's reference (participant type ATND), else that of the first physician named."""
    named = [
        ({coding.get("code") for kind in members(each, "type") for coding in members(kind, "coding")}, reference)
        for each in members(encounter, "participant")
        if (reference := reference_in(str(each.get("individual", {}).get("reference", "")))).startswith("Practitioner")
    ]
    return next((reference for codes, reference in named if "ATND" in codes), named[0][1] if named else "")


def _record_numbers(patient: Resource) -> set[str]:
    return {str(each.get("value")) for each in members(patient, "identifier")}


def _distinct(resources: Sequence[Resource]) -> list[Resource]:
    return list({f"{each.get('resourceType')}/{each.get('id')}": each for each in resources}.values())


def _is_ours(resource: Resource) -> bool:
    return any(each.get("system") == DOCUMENT_SYSTEM for each in members(resource, "identifier"))


def _pointed_to(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _pointed_to(item)
    elif isinstance(node, dict):
        reference = node.get("reference")
        # Only what lies at this server: an absolute address of another must never be asked with our credentials.
        if isinstance(reference, str) and ":" not in reference:
            local = reference_in(reference)
            if local.partition("/")[0] in FOLLOWED:
                yield local
        for value in node.values():
            yield from _pointed_to(value)
