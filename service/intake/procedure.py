"""FHIR R4 Procedure: the end of a radiotherapy course, told by the EHR or the record-and-verify system."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from service.intake.resource import member, members, text

SNOMED: Final = "http://snomed.info/sct"
COURSE: Final = "1217123003"
"""SNOMED CT: radiotherapy course of treatment, mCODE's course summary."""
PHASE: Final = "1222565005"
_DOSES: Final = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-radiotherapy-dose-delivered-to-volume"
"""A Procedure that states the doses delivered to its volumes is a course, whatever its code (as the chart reads it)."""


def completed_course(resource: Mapping[str, Any]) -> bool:
    """Whether this resource says that a course of radiotherapy is over. Never raises.

    ``Procedure.status`` is ``completed`` and the Procedure is a course: one fraction, one phase or a part
    of a course ends no course. A stopped course (``stopped``) was broken off, which a person must explain.
    """
    if resource.get("resourceType") != "Procedure" or text(resource.get("status")) != "completed":
        return False
    codes = set(_codes(resource))
    if PHASE in codes:
        return False
    return COURSE in codes or (not any(members(resource, "partOf")) and _states_doses(resource))


def encounter_of(resource: Mapping[str, Any]) -> str:
    """``Encounter/id`` of the visit that a clinical resource belongs to, ``""`` where it names none."""
    reference = text(member(resource, "encounter").get("reference")) or text(
        member(resource, "context").get("reference")
    )
    local = reference.partition("/_history/")[0].split("/")[-2:]
    return "/".join(local) if len(local) == 2 and local[0] == "Encounter" else ""


def _codes(resource: Mapping[str, Any]) -> Iterator[str]:
    for coding in members(member(resource, "code"), "coding"):
        if text(coding.get("system")) in ("", SNOMED):
            yield text(coding.get("code"))


def _states_doses(resource: Mapping[str, Any]) -> bool:
    return any(text(extension.get("url")) == _DOSES for extension in members(resource, "extension"))
